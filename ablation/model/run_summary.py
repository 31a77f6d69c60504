"""Summary of a study after a run."""

from dataclasses import dataclass
from pathlib import Path

from ablation.model.diagnostic import Diagnostic
from ablation.model.table import Table


@dataclass(frozen=True)
class RunSummary:
    """State of a study after a run.

    `trained`: number of trials that got their result in this run, of the `tried` ones, which had none before.
    `unfinished`: (row, seed, outcome, reason) of each trial without a result.
    """

    folder: Path
    tables: tuple[Table, ...]
    trained: int
    unfinished: tuple[tuple[int, int, str, str], ...]
    claims: tuple[str, ...]
    warnings: tuple[Diagnostic, ...]
    tried: int = 0

    @property
    def table(self) -> Table:
        """The ablation table."""
        return self.tables[0]

    @property
    def codes(self) -> list[str]:
        """The codes of the warnings."""
        return [warning.code for warning in self.warnings]
