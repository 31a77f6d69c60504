"""What an experiment is given to train: where its files lie, what is known, and where its numbers go."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

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


class Run:
    """A training under way. `keep`: all, selected or none of the weights (or whatever is heavy) stay on disk."""

    def __init__(self, workspace: Workspace, training: Training, keep: str, link: Link) -> None:
        self.workspace, self.training, self.keep, self.link = workspace, training, keep, link
        self.history: list[dict[str, float]] = []
        self._started, self._told, self._unsaid = time.time(), 0.0, 0

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
        if step in self.training.milestones or time.monotonic() - self._told > REPORT_SECONDS:
            self._send()

    def _send(self) -> None:
        if self._unsaid < len(self.history):
            self.link.report({"epochs": self.history[self._unsaid :]})
            self._unsaid, self._told = len(self.history), time.monotonic()

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
        files = {
            split: result.write_columns(self.folder.predictions(split, step), columns)
            for split, columns in given.items()
        }
        found = Result(
            Status.DONE,
            step,
            scores={
                **_scored(self.training.plugin, val),
                **{s: dict(numbers) for s, numbers in (scores or {}).items()},
            },
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
        self._send()


def _scored(plugin: str, val: Mapping[str, Any] | None) -> dict[str, dict[str, float]]:
    """Return what validation scores, by the experiment's measures."""
    if val is None:
        return {}
    arrays = {name: np.asarray(column) for name, column in val.items()}
    columns = {name: array for name, array in arrays.items() if array.ndim}
    numbers = {name: float(array) for name, array in arrays.items() if not array.ndim}
    return {"val": Examples(columns, numbers).scored(experiments.load(plugin).measures)}
