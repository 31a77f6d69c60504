"""Context of the warning checks: the analysis of a study, and values that several checks use."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ablation.analysis.study_analysis import StudyAnalysis, done
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.study.grid import Grid, Trial


@dataclass(frozen=True)
class Curve:
    """Learning curve of one row, the mean over its seeds; each array (E,).

    Attributes:
        error: sampling error of the last validation accuracy.
    """

    val_accuracy: np.ndarray
    val_loss: np.ndarray
    train_loss: np.ndarray
    error: float


def _standard_error(share: float, n: int) -> float:
    """Return the standard error of a share of n images; not 0 where all n images are right (Agresti & Coull 1998)."""
    share, n = (n * share + 2) / (n + 4), n + 4
    return math.sqrt(share * (1 - share) / n)


@dataclass(frozen=True)
class CheckContext:
    """Input of the warning checks.

    Attributes:
        study: analysis of the study.
        looks: number of studies, this one included, that have opened these test images.
        examined: results of the experiment's examination of its own inputs.
    """

    study: StudyAnalysis
    looks: int = 1
    examined: Any = field(default_factory=dict)

    @property
    def record(self) -> Record:
        """Record of the study."""
        return self.study.record

    @property
    def grid(self) -> Grid:
        """Grid of the study."""
        return self.study.record.grid

    @cached_property
    def finished(self) -> dict[int, list[tuple[Trial, Result]]]:
        """Finished trials of each row, by seed, without replicates."""
        by_row: dict[int, list[tuple[Trial, Result]]] = {}
        for trial, result in sorted(done(self.study.results).items(), key=lambda item: (item[0].row, item[0].seed)):
            if not self.grid.is_replicate(trial):
                by_row.setdefault(trial.row, []).append((trial, result))
        return by_row

    @cached_property
    def test_values(self) -> dict[int, float]:
        """Mean of the primary measure over seeds on test, by row; empty before test is opened."""
        return {row: facts.primary.value for row, facts in self.study.analysis.rows.items()}

    def counts(self, split: str, row: int | None = None) -> tuple[int, ...]:
        """Return the number of examples of each class in val or test, of `row` (default: the reference).

        Returns () where there are no classes, or where the labels are unknown.
        """
        row, classes = row or self.grid.reference, self.record.inputs.classes
        if classes and hasattr(self.record.inputs, "counts"):
            counts: dict[str, dict[str, tuple[int, ...]]] = self.record.inputs.counts
            return counts[self.grid.rows[row - 1].split][split]
        evidence = (self.study.test if split == "test" else self.study.val).get(row)
        if not classes or evidence is None or "label" not in evidence.columns:
            return ()
        return tuple(np.bincount(evidence.labels, minlength=len(classes)).tolist())

    @cached_property
    def curves(self) -> dict[int, Curve]:
        """Learning curve of each row that has a full history."""
        return {row: curve for row in self.finished if (curve := self._curve(row))}

    def _curve(self, row: int) -> Curve | None:
        """Return the learning curve of a row; None where its histories are incomplete or differ in length."""
        histories = [result.history for _, result in self.finished[row]]
        if not histories[0] or len({len(history) for history in histories}) > 1:
            return None
        names = ("val_accuracy", "val_loss", "loss")
        if not all(name in epoch for history in histories for epoch in history for name in names):
            return None
        val_accuracy, val_loss, train_loss = (
            np.mean([[epoch[name] for epoch in history] for history in histories], axis=0) for name in names
        )
        error = _standard_error(float(val_accuracy[-1]), self.record.examples(self.grid.rows[row - 1])["val"])
        return Curve(val_accuracy, val_loss, train_loss, error)
