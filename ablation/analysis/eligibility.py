"""Rows that selection compares: those with as many finished seeds as the others, validated on the same examples."""

from collections.abc import Mapping

from ablation.store.record import Record

NOTHING_COMMON = "nothing is selected: the rows are evaluated on different examples"


def not_eligible(record: Record, finished: Mapping[int, int]) -> dict[int, str]:
    """Return row -> why selection does not compare the row, in words.

    A row with fewer seeds than another one has a noisier mean: with 1 of 5 seeds, it is the best of five equal rows in
    a third of studies. Scores on different examples are not compared either: the rows on the reference's examples are
    eligible, where there are at least two; otherwise no row is.

    Args:
        record: the study.
        finished: row -> number of finished seeds, for the rows with at least one.
    """
    splits = {row: record.split_of(record.grid.rows[row - 1]) for row in finished}
    common = record.reference_split
    if len(set(splits.values())) > 1 and sum(split == common for split in splits.values()) < 2:
        return dict.fromkeys(finished, f"evaluated on other {record.noun}s than the other rows")
    reasons = {row: f"evaluated on other {record.noun}s" for row, split in splits.items() if split != common}
    if len(set(splits.values())) == 1:
        reasons = {}
    most = max((n for row, n in finished.items() if row not in reasons), default=0)
    grid = record.grid
    few = {
        row: f"{n} of {len(grid.seeds_of(row))} {grid.replication}"
        for row, n in finished.items()
        if row not in reasons and n < most
    }
    return reasons | few
