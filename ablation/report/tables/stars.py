"""Stars behind corrected p values, where the study file states [table] marks = "stars"."""

from collections.abc import Iterator
from dataclasses import replace

from ablation.model.table import STARS, Column
from ablation.store.record import Record


def starred(record: Record, column: Column) -> Column:
    """Return a column of p values corrected by Holm, with stars where the study states them."""
    return replace(column, stars=record.grid.table.marks == "stars")


def note(record: Record) -> Iterator[str]:
    """Yield what the stars mean, where the study states them."""
    if record.grid.table.marks == "stars":
        *first, last = (f"{level:g}" for level in STARS)
        yield f"*, **, ***: p (Holm) below {', '.join(first)} and {last}."
