"""Settings that vary between rows without being factors: an effect of a factor may be theirs."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ablation.sources.cells import is_missing
from ablation.sources.rows import Replicate
from ablation.sources.runs import Runs

SHOWN = 6  # values of one row that are kept


def confounded(
    runs: Runs, candidates: Sequence[str], rows: Sequence[int], kept: Sequence[int]
) -> dict[str, dict[int, tuple[str, ...]]]:
    """Return setting -> row (from 0) -> its values, for the settings that differ between rows.

    Where the source separates settings from results, a setting counts unless each run has its own text. Otherwise, a
    column counts where it is constant within each row with several runs, or where it holds texts that runs share.

    Args:
        runs: runs of a source.
        candidates: fields that may be settings.
        rows: position of the row of each run.
        kept: positions of the runs that the study uses.
    """
    positions = list(kept)
    by_row = pd.Series([rows[run] for run in positions])
    varying = {}
    for name in candidates:
        cells = runs.frame[name].iloc[positions].reset_index(drop=True)
        texts = pd.Series([_text(cell) for cell in cells])
        values = texts.groupby(by_row).unique()
        if len({tuple(sorted(of_row)) for of_row in values}) > 1 and _is_setting(runs, cells, texts, by_row):
            varying[name] = {row: tuple(sorted(values[row])[:SHOWN]) for row in sorted(set(by_row))}
    return varying


def _is_setting(runs: Runs, cells: pd.Series, texts: pd.Series, by_row: pd.Series) -> bool:
    """Return whether a column that differs between rows holds a setting of the runs."""
    n_values, n_runs = texts.nunique(), len(texts)
    is_text = cells.dtype.kind not in "iuf"
    if is_text and n_values == n_runs and n_runs > by_row.nunique():
        return False  # a name of the run
    if runs.separates_settings:
        return not (is_text and n_values == n_runs and n_runs > 2)
    is_constant = bool((texts.groupby(by_row).nunique() == 1).all())
    repeated = n_runs > by_row.nunique()
    if cells.dtype.kind == "f":
        return is_constant and repeated
    if is_constant:
        return repeated or n_values < n_runs
    return is_text and n_values < n_runs


def _text(cell: Any) -> str:
    return "(none)" if is_missing(cell) else str(cell)


def clusters(runs: Runs, names: Sequence[str], chosen: Sequence[Replicate]) -> dict[int, int]:
    """Return seed -> its settings, numbered, for runs without seeds; {} where the runs of each row share all settings.

    Runs with equal settings are repeats of each other, and say less than runs with different ones.
    """
    places: dict[tuple[Any, ...], int] = {}
    numbered = {}
    for replicate in chosen:
        levels = tuple(_text(runs.frame[name].iloc[replicate.run]) for name in names)
        numbered[replicate.seed] = places.setdefault((replicate.row, *levels), len(places))
    n_settings = Counter(row for row, *_ in places)
    several = sum(n > 1 for n in n_settings.values())
    is_rare = several * 2 < len(n_settings)  # where most rows have one setting, others may vary in a result
    return {} if is_rare or len(places) == len(chosen) else numbered
