"""What an experiment is given to train: where its files lie, what is known, and where its numbers go."""

import time
from collections.abc import Mapping
from typing import Any

from ablation import experiments
from ablation.outcomes import Status
from ablation.planning import attempts
from ablation.planning.cost import peak_memory
from ablation.planning.plan import Training
from ablation.results import result
from ablation.results.examples import Examples
from ablation.results.result import Result
from ablation.workers.pool import Link
from ablation.workspace import TrainingFolder, Workspace

REPORT_SECONDS = 0.5  # at least so long between two reports of steps


class Reports:
    """Steps that the orchestrator was not told of yet: quick ones are told together."""

    def __init__(self, link: Link) -> None:
        self._link, self._last = link, 0.0
        self._steps: list[dict[str, float]] = []

    def add(self, step: dict[str, float], hold: bool = False) -> None:
        """Report a step. `hold`: with the next one, or by `send`."""
        self._steps.append(step)
        if not hold and time.monotonic() - self._last > REPORT_SECONDS:
            self.send()

    def send(self) -> None:
        if self._steps:
            self._link.report({"epochs": self._steps})
            self._steps, self._last = [], time.monotonic()


class Run:
    """A training under way. `keep`: all, selected or none of the weights (or whatever is heavy) stay on disk."""

    def __init__(self, workspace: Workspace, training: Training, keep: str, link: Link) -> None:
        self.workspace, self.training, self.keep, self.link = workspace, training, keep, link
        self.history: list[dict[str, float]] = []
        self._started, self._reports = time.time(), Reports(link)

    @property
    def folder(self) -> TrainingFolder:
        """This training's own files."""
        return self.workspace.training(self.training.key)

    @property
    def milestones(self) -> list[int]:
        """The steps after which a result is missing."""
        return [step for step in self.training.milestones if not result.is_done(self.folder, step)]

    def stopping(self) -> bool:
        """Whether the training should save what it has and return."""
        return self.link.stopping()

    def report(self, **numbers: float) -> None:
        """Note one step's numbers ("loss", "val_mae", ...): they are in the history of every later result."""
        step = len(self.history) + 1
        self.history.append({"epoch": step, **{k: float(v) for k, v in numbers.items()}, "time": time.time()})
        # Who is told of a milestone looks for its result.
        self._reports.add(self.history[-1], hold=step in self.training.milestones)

    def result(
        self,
        *,
        val: Mapping[str, Any] | None = None,
        test: Mapping[str, Any] | None = None,
        scores: Mapping[str, Mapping[str, float]] | None = None,
        parameters: int = 0,
        step: int | None = None,
        environment: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the result of a milestone, once, as the last of its files.

        Args:
            val, test: columns of equal length, one value an example ("label", "predicted", ...), or numbers of the
                whole split. Those of test are written, and opened only once a row is selected.
            scores: numbers of "train" and "val", by measure; those of "val" follow from its columns otherwise.
            step: after how many steps; default: as many as were reported, or the last milestone.
        """
        step = step or len(self.history) or self.training.steps
        given = {split: columns for split, columns in (("val", val), ("test", test)) if columns is not None}
        for split, columns in given.items():
            result.check_columns(split, columns)
        said = {split: Examples.of(columns) for split, columns in given.items()}
        files = {split: each.write(self.folder.predictions(split, step)) for split, each in said.items()}
        measures = experiments.load(self.training.plugin).measures
        followed = {"val": said["val"].scored(measures)} if "val" in said else {}
        found = Result(
            Status.DONE,
            step,
            scores=followed | {split: dict(numbers) for split, numbers in (scores or {}).items()},
            history=self.history[:step],
            predictions=files,
            parameters=parameters,
            attempts=len(attempts.read(self.folder)),
            memory=peak_memory(),
            started=self._started,
            finished=time.time(),
            environment=dict(environment or {}),
        )
        result.write(self.folder, found)
        self._reports.send()
