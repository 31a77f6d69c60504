"""Pivoted sources: the replicates of a row are columns, such as seed0, seed1 and seed2."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from ablation.errors import AblateError
from ablation.sources.cells import as_numbers
from ablation.sources.runs import Runs

SHOWN = 8  # names that an error message lists
STAR = "*"  # in the name of a field: the replicate; as the field of the seed or fold: the text in its place
REPLICATES = re.compile(r"(.*?(?:seed|run|rep|repeat|trial|fold|split|replicate)[ _-]?|)(\d+)(|[ _-].*)", re.IGNORECASE)


def unpivoted(runs: Runs, metrics: Sequence[str], where: str) -> Runs:
    """Return one run for each line and replicate, with the fields of `metrics` and "*", the replicate.

    Args:
        runs: lines of a source.
        metrics: fields of numbers; those with "*" are of replicates.
        where: beginning of an error message.

    Raises AblateError where no column has the name of such a field.
    """
    patterns = [field for field in metrics if STAR in field and field not in runs.frame]
    if not patterns:
        return runs
    columns = {pattern: matching(pattern, list(map(str, runs.frame.columns))) for pattern in patterns}
    for pattern, by_replicate in columns.items():
        if not by_replicate:
            names = ", ".join(map(str, runs.frame.columns[:SHOWN]))
            raise AblateError(
                f"{where}: no column is named as {pattern!r}; * stands for the replicate; columns: {names}"
            )
    replicates = list(dict.fromkeys(name for by_replicate in columns.values() for name in by_replicate))
    taken = {column for by_replicate in columns.values() for column in by_replicate.values()}
    others = runs.frame[[name for name in runs.frame.columns if name not in taken]]
    parts = []
    for name, replicate in zip(replicates, as_numbers(replicates), strict=True):
        of_replicate = {p: runs.frame[by[name]] if name in by else None for p, by in columns.items()}
        parts.append(others.assign(**{STAR: replicate, **of_replicate}))
    frame = pd.concat(parts).sort_index(kind="stable").reset_index(drop=True)
    return replace(runs, frame=frame)


def matching(pattern: str, names: Sequence[str]) -> dict[str, str]:
    """Return replicate -> column, of the columns whose names are the pattern with a replicate in place of "*"."""
    start, _, end = pattern.partition(STAR)
    expression = re.compile(f"{re.escape(start)}([^ ]+){re.escape(end)}")
    return {match[1]: name for name in names if (match := expression.fullmatch(name))}


def proposed(names: Sequence[str]) -> dict[str, list[str]]:
    """Return pattern -> columns that look like replicates of one number; two columns at least."""
    patterns: dict[str, list[str]] = {}
    for name in names:
        if match := REPLICATES.fullmatch(name):
            patterns.setdefault(f"{match[1]}{STAR}{match[3]}", []).append(name)
    return {pattern: columns for pattern, columns in patterns.items() if len(columns) > 1}
