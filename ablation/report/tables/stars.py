"""Stars behind corrected p values, where the study file states [table] marks = "stars"."""

import re
from collections.abc import Iterator
from dataclasses import replace

from ablation.model.table import STARS, Column
from ablation.store.record import Record


def starred(record: Record, column: Column) -> Column:
    """Return a column of p values corrected by Holm, with stars where the study states them."""
    return replace(column, stars=record.grid.table.marks == "stars")


def _levels() -> str:
    *first, last = (f"{level:g}" for level in STARS)
    return f"p (Holm) below {', '.join(first)} and {last}."


def marks_of(text: str) -> str:
    """Return the marks with which a .md or .tex table was drawn, by its note or by a raised star of LaTeX."""
    return "stars" if _levels() in text or re.search(r"\$\^\{\*+\}\$", text) else "symbols"


def note(record: Record) -> Iterator[str]:
    """Yield what the stars mean, where the study states them."""
    if record.grid.table.marks == "stars":
        yield f"*, **, ***: {_levels()}"
