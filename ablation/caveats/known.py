"""What warnings are made from: the findings, and what several warnings ask of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ablation.datasets.leaks import Leaks
from ablation.grids.grid import Grid, Trial
from ablation.grids.record import Record
from ablation.results.findings import Findings, done
from ablation.results.result import Result


@dataclass(frozen=True)
class Curve:
    """Of one row, the mean over its seeds; each (E,). `error`: the sampling error of its last validation accuracy."""

    val_accuracy: np.ndarray
    val_loss: np.ndarray
    train_loss: np.ndarray
    error: float


def _standard_error(share: float, n: int) -> float:
    """Of a share of n images; not 0 where all of them are right (Agresti & Coull 1998)."""
    share, n = (n * share + 2) / (n + 4), n + 4
    return math.sqrt(share * (1 - share) / n)


@dataclass(frozen=True)
class Known:
    """What warnings are made from. `looks`: how many studies, this one included, have seen these test images; `leaks`:
    level of the factor `split` -> what crosses it, where that is known."""

    findings: Findings
    looks: int = 1
    leaks: Mapping[str, Leaks] = field(default_factory=dict)

    @property
    def record(self) -> Record:
        return self.findings.record

    @property
    def grid(self) -> Grid:
        return self.findings.record.grid

    @cached_property
    def finished(self) -> dict[int, list[tuple[Trial, Result]]]:
        """Row -> its finished trials, by seed; replicates are not among them."""
        found: dict[int, list[tuple[Trial, Result]]] = {}
        for trial, result in sorted(done(self.findings.results).items(), key=lambda item: (item[0].row, item[0].seed)):
            if not self.grid.is_replicate(trial):
                found.setdefault(trial.row, []).append((trial, result))
        return found

    @cached_property
    def test_values(self) -> dict[int, float]:
        """Row -> the mean of the primary measure over seeds; empty before test is opened."""
        return {row: facts.primary.value for row, facts in self.findings.analysis.rows.items()}

    def counts(self, split: str, row: int | None = None) -> tuple[int, ...]:
        """Images of each class in train, val or test, as `row` (the reference) splits them."""
        counts: dict[str, dict[str, tuple[int, ...]]] = self.record.inputs.counts
        return counts[self.grid.rows[(row or self.grid.reference) - 1].split][split]

    @cached_property
    def curves(self) -> dict[int, Curve]:
        """Row -> its learning curve; rows without a full history are left out."""
        return {row: curve for row in self.finished if (curve := self._curve(row))}

    def _curve(self, row: int) -> Curve | None:
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
