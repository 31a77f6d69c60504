"""Comparisons that a user states: each [[compare]] of the study file is a family with one correction."""

from collections.abc import Iterator, Mapping, Sequence

from ablation.analysis import differences
from ablation.analysis.differences import Rows
from ablation.analysis.facts import Family
from ablation.model.phrases import sentence, which
from ablation.study import comparisons
from ablation.study.comparisons import Pair
from ablation.study.grid import Grid
from ablation.study.table_keys import REFERENCE, Comparison

OTHER_EXAMPLES, NO_RESULT = "other test examples", "no result"  # reasons why a pair is not compared


def families(grid: Grid, rows: Rows, others: Mapping[str, Rows]) -> Iterator[Family]:
    """Yield the families of the study file, each with Holm's correction over its own pairs.

    Args:
        grid: the study's grid.
        rows: row -> sample of the primary measure on test; nothing is yielded where it is empty.
        others: measure -> row -> sample, for further measures.
    """
    for comparison in grid.comparisons if rows else ():
        pairs = comparisons.pairs(grid, comparison)
        reasons = {pair: _reason(rows, pair) for pair in pairs}
        comparable = [pair for pair in pairs if not reasons[pair]]
        by_pair = differences.between(rows, comparable, grid.margin, others)
        corrected = differences.adjusted([by_pair[pair] for pair in comparable])
        yield Family(
            _title(grid, comparison, pairs),
            dict(zip(comparable, corrected, strict=True)),
            {pair: reason for pair, reason in reasons.items() if reason},
        )


def _reason(rows: Rows, pair: Pair) -> str:
    """Return why two rows are not compared; "" where they are."""
    if not all(row in rows for row in pair):
        return NO_RESULT
    first, second = (rows[row].split for row in pair)
    return "" if first == second else OTHER_EXAMPLES


def _title(grid: Grid, comparison: Comparison, pairs: Sequence[Pair]) -> str:
    """Return the family in words: "All pairs of rows 1, 3 and 5"."""
    if comparison.family == REFERENCE:
        return sentence(f"{which(row for _, row in pairs)} against row {grid.reference}, the reference")
    if len(pairs) == 1:
        (first, second), *_ = pairs
        return f"Row {second} against row {first}"
    return f"All pairs of {which(row for pair in pairs for row in pair)}"
