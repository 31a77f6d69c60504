"""Cells of a source: numbers, truth values and texts, and what is missing."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

PERCENT = r"\s*[-+]?\d+(?:\.\d+)?\s*%\s*"
SUMMARY = r"\s*[-+]?\d[\d.]*\s*(?:±|\+/-|\+-|\\pm)\s*\d[\d.]*\s*%?\s*"


def as_numbers(texts: Sequence[str | None]) -> list[Any]:
    """Return texts as numbers where all of them are, otherwise unchanged."""
    for kind, shape in ((int, r"[-+]?\d{1,15}"), (float, r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")):
        if all(text is None or re.fullmatch(shape, text) for text in texts):
            return [None if text is None else kind(text) for text in texts]
    return list(texts)


def is_missing(cell: Any) -> bool:
    """Return whether a cell has no value: None or nan."""
    return cell is None or cell is pd.NA or (isinstance(cell, float) and cell != cell)


def reads_as_number(cell: Any) -> bool:
    """Return whether a cell is a number, or the text of one: a column with one word has all its numbers as texts."""
    try:
        return isinstance(cell, int | float) or math.isfinite(float(cell))
    except (TypeError, ValueError):
        return False


def is_equal(cell: Any, value: Any) -> bool:
    """Return whether a cell has a stated value: 1 and 1.0 are equal, true and 1 are not; a text is compared as text."""
    if isinstance(cell, str) or isinstance(value, str):
        return str(cell) == str(value)
    if isinstance(value, list):
        value = tuple(value)
    return isinstance(cell, bool) == isinstance(value, bool) and bool(cell == value)


def typed(column: pd.Series) -> tuple[pd.Series, str]:
    """Return a column with cells of one type, and a note on what was converted.

    Percentages become fractions. Whole numbers with missing cells stay whole. Other texts stay as they are.
    """
    if column.dtype.kind == "f" and column.isna().any() and not column.isna().all():
        rounded = column.dropna()
        if (rounded % 1 == 0).all() and (rounded.abs() < 2**53).all():
            return column.astype("Int64").astype(object).where(column.notna(), None), ""
    if column.dtype.kind in "biuf":
        return column, ""
    texts = column.dropna().astype(str)
    for matches, convert, note in CONVERSIONS:
        if len(texts) and matches(texts):
            values = convert(texts).reindex(column.index)
            return values, note
    return column.astype(object).where(column.notna(), None), ""


def _all(pattern: str) -> Callable[[pd.Series], bool]:
    return lambda texts: bool(texts.str.fullmatch(pattern).all())


def _fractions(texts: pd.Series) -> pd.Series:
    return texts.str.rstrip(" %").str.strip().astype(float) / 100


def _truths(texts: pd.Series) -> pd.Series:
    return texts.str.strip().str.lower() == "true"


Conversion = tuple[Callable[[pd.Series], bool], Callable[[pd.Series], pd.Series], str]
CONVERSIONS: Sequence[Conversion] = (
    (_all(PERCENT), _fractions, "percentages were read as fractions"),
    (_all(r"(?i)\s*(true|false)\s*"), _truths, ""),
)


def is_summary(cell: Any) -> bool:
    """Return whether a cell is a mean with its deviation, such as "0.85 ± 0.01"."""
    return isinstance(cell, str) and re.fullmatch(SUMMARY, cell) is not None
