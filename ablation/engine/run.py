"""Run of a training: the object that gives an experiment its files and settings, and takes its metrics and results."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablation import clock, experiments
from ablation.engine import attempts
from ablation.engine.cost import peak_memory
from ablation.engine.pool import Channel
from ablation.outcomes import Status
from ablation.store import result
from ablation.store.examples import Examples
from ablation.store.result import Result
from ablation.store.training import Training
from ablation.store.workspace import TrainingFolder, Workspace

REPORT_SECONDS = 0.5  # minimum seconds between two reports of steps


class StepReports:
    """Buffer of steps that are not yet reported to the orchestrator: quick steps are sent together."""

    def __init__(self, channel: Channel) -> None:
        self._link, self._last = channel, 0.0
        self._steps: list[dict[str, float]] = []

    def add(self, step: dict[str, float], hold: bool = False) -> None:
        """Report a step. With `hold`, the step is sent with the next one, or by `send`."""
        self._steps.append(step)
        if not hold and time.monotonic() - self._last > REPORT_SECONDS:
            self.send()

    def send(self) -> None:
        """Send the buffered steps."""
        if self._steps:
            self._link.report({"epochs": self._steps})
            self._steps, self._last = [], time.monotonic()


@dataclass(frozen=True)
class JobSettings:
    """Settings of a command for its jobs, besides numbers.

    `run`: id of the command. `keep`: all, selected or none of the heads. With `all`, the last checkpoint stays too, so
    that more epochs can follow. `stop_after`: step after which a training saves its state and ends; 0 for none.
    `more`: whether further trainings wait for a slot. `debug`: whether a function that fails ends in its debugger.
    """

    run: str
    keep: str
    stop_after: int = 0
    more: bool = False
    debug: bool = False


class Run:
    """Running training.

    `settings`: those of the command. `lock`: descriptor of the file whose lock this training holds, for its child
    processes.
    """

    def __init__(
        self, workspace: Workspace, training: Training, settings: JobSettings, channel: Channel, lock: int | None = None
    ) -> None:
        self.workspace, self.training, self.settings, self.link, self.lock = (
            workspace, training, settings, channel, lock,
        )  # fmt: skip
        self.history: list[dict[str, float]] = []
        self._started, self._reports = clock.now(), StepReports(channel)

    @property
    def keep(self) -> str:
        """All, selected or none of the weights (or other large files) stay on disk."""
        return self.settings.keep

    @property
    def folder(self) -> TrainingFolder:
        """Folder with this training's own files."""
        return self.workspace.training(self.training.key)

    @property
    def milestones(self) -> list[int]:
        """Steps after which a result is missing."""
        return [step for step in self.training.milestones if not result.is_done(self.folder, step)]

    def stopping(self) -> bool:
        """Return whether the training should save its state and return."""
        return self.link.stopping()

    def report(self, **numbers: float) -> None:
        """Record the numbers of one step ("loss", "val_mae", ...).

        The history of every later result contains these numbers.
        """
        step = len(self.history) + 1
        self.history.append({"epoch": step, **{k: float(v) for k, v in numbers.items()}, "time": clock.now()})
        # The orchestrator reads the result as soon as a milestone is reported: the report waits for the result.
        self._reports.add(self.history[-1], hold=step in self.training.milestones)

    def reach(self, step: int, steps: int, numbers: Mapping[str, float]) -> None:
        """Report the step that a program of the user has reached. Nothing of it is stored.

        Args:
            step: The step; 0 before the first one.
            steps: Number of all steps; 0 where unknown.
            numbers: Numbers of the step, without those on test.
        """
        self.link.report({"step": {"epoch": step, **numbers, "time": clock.now()}, "steps": steps})

    def result(
        self,
        *,
        val: Mapping[str, Any] | None = None,
        test: Mapping[str, Any] | None = None,
        scores: Mapping[str, Mapping[str, float]] | None = None,
        parameters: int = 0,
        step: int | None = None,
        environment: Mapping[str, Any] | None = None,
        costs: Mapping[str, float] | None = None,
        history: Sequence[dict[str, float]] | None = None,
        memory: int | None = None,
        seconds: float | None = None,
    ) -> None:
        """Write the result of a milestone, once, as the last of its files.

        Args:
            val, test: Columns of equal length, one value per example ("label", "predicted", ...), or numbers of the
                whole split. Those of test are written, and opened only once a row is selected.
            scores: Numbers of "train" and "val", by measure. Default: those of "val" are computed from its columns.
            parameters: Number of the model's parameters.
            step: Number of steps. Default: the number of reported steps, or the last milestone.
            environment: Description of the environment, stored with the result.
            costs: Numbers without a split, by measure, such as the latency of a prediction.
            history: Numbers of all steps, with "epoch". Default: those that were reported up to this step.
            memory: Largest memory of the training in bytes. Default: that of this process.
            seconds: Duration of the training. Default: since this run began.
        """
        step = step or len(self.history) or self.training.steps
        given = {split: columns for split, columns in (("val", val), ("test", test)) if columns is not None}
        for split, columns in given.items():
            result.check_columns(split, columns)
        examples = {split: Examples.of(columns) for split, columns in given.items()}
        files = {
            split: example_set.write(self.folder.predictions(split, step)) for split, example_set in examples.items()
        }
        measures = experiments.load(self.training.plugin).measures
        now = clock.now()
        derived = {"val": examples["val"].scored(measures)} if "val" in examples else {}
        record = Result(
            Status.DONE,
            step,
            scores=derived | {split: dict(numbers) for split, numbers in (scores or {}).items()},
            history=self.history[:step] if history is None else list(history),
            predictions=files,
            parameters=parameters,
            attempts=len(attempts.read(self.folder)),
            memory=peak_memory() if memory is None else memory,
            started=self._started if seconds is None else now - seconds,
            finished=now,
            environment=dict(environment or {}),
            costs={name: float(value) for name, value in (costs or {}).items()},
        )
        result.write(self.folder, record)
        self._reports.send()
