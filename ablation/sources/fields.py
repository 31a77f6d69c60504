"""Fields of runs: names that users write for them, new fields from a pattern, and the runs that a filter keeps."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from ablation.errors import AblateError
from ablation.measures import names as measures
from ablation.nearest import nearest
from ablation.sources.cells import as_numbers, is_equal, is_missing
from ablation.sources.runs import CURVES, FOLDER, NAME, OWN, RUN, RUN_COLUMN, SETTING, STATUS, STATUS_OF, TAG, Runs

OWN_OF_FILES = ("file", "line")  # fields that readers of files add to each run
SHOWN = 8  # names that an error message lists


def resolved(runs: Runs, name: str, where: str) -> str:
    """Return the full name of a field: of `lr`, `params.lr`, where only one field ends like this.

    Args:
        runs: runs of a source.
        name: name as the user writes it.
        where: beginning of an error message, such as the file and the key.

    Raises:
        AblateError: no field has this name, or several end like it.
    """
    names = [*runs.frame.columns, *runs.metrics]
    for candidate in (name, f"{SETTING}{name}", f"{TAG}{name}"):
        if candidate in names:
            return candidate
    ending = [full for full in names if full.endswith((f".{name}", f"/{name}"))]
    if len(ending) == 1:
        return str(ending[0])
    if ending:
        raise AblateError(f"{where}: {len(ending)} fields end with {name!r}: {', '.join(ending[:SHOWN])}; name one")
    shown = f"{', '.join(map(str, names[:SHOWN]))}{', ...' if len(names) > SHOWN else ''}"
    raise AblateError(f"{where}: no field {name!r} in {runs.address}; fields: {shown}{nearest(name, names)}")


def last_word(name: str) -> str:
    """Return the last part of a dotted name, in lower case."""
    return name.rpartition(".")[2].lower()


def with_pattern(runs: Runs, pattern: str, where: str) -> Runs:
    """Return the runs with a field for each named group of a regular expression on their folder or name.

    Runs that do not match are left out, with a note. Raises AblateError where the expression is wrong, has no named
    group, or matches no run.
    """
    if not pattern:
        return runs
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise AblateError(f"{where}: not a regular expression: {error}") from None
    if not expression.groupindex:
        raise AblateError(f"{where}: needs a named group, such as (?P<model>[a-z]+)")
    places = [name for name in (FOLDER, "file", NAME, RUN) if name in runs.frame]
    source = next((name for name in places if runs.frame[name].nunique() > 1), next(iter(places), None))
    if source is None:
        raise AblateError(f"{where}: the runs of {runs.address} have no folder, file or name")
    matches = [expression.search(str(text)) for text in runs.frame[source]]
    unmatched = [text for text, match in zip(runs.frame[source], matches, strict=True) if not match]
    if len(unmatched) == len(matches):
        raise AblateError(f"{where}: matches no {source}; the first is {unmatched[0]!r}")
    start = SETTING if runs.separates_settings else ""
    new = {
        f"{start}{group}": as_numbers([match[group] for match in matches if match]) for group in expression.groupindex
    }
    matching = only(runs, pd.Series([match is not None for match in matches]))
    shown = f"{', '.join(map(str, unmatched[:3]))}{', ...' if unmatched[3:] else ''}"
    note = (f"Left out, as the pattern does not match ({len(unmatched)}): {shown}.",) if unmatched else ()
    return replace(matching, frame=matching.frame.assign(**new), notes=(*matching.notes, *note))


def with_status(runs: Runs) -> Runs:
    """Return the runs with how they ended, in our words: where all values of `status`, or of `state`, say it.

    A column `status` that says something else is renamed, because it is no status of runs.
    """
    frame = runs.frame
    for name in (STATUS, "state"):
        if name in frame and frame[name].notna().any():
            states = [None if is_missing(cell) else STATUS_OF.get(str(cell).lower(), "") for cell in frame[name]]
            if "" not in states:
                return replace(runs, frame=frame.drop(columns=name).assign(**{STATUS: pd.Series(states, frame.index)}))
    return replace(runs, frame=frame.rename(columns={STATUS: f"source.{STATUS}"})) if STATUS in frame else runs


def filtered(runs: Runs, conditions: Mapping[str, Any], where: str) -> Runs:
    """Return the runs whose fields have the stated values. Raises AblateError where no run is left."""
    kept = pd.Series(True, runs.frame.index)
    for name, stated in conditions.items():
        field = resolved(runs, name, f"{where}.{name}")
        values = stated if isinstance(stated, list) else [stated]
        if field == STATUS:
            values = [STATUS_OF.get(str(value).lower(), value) for value in values]
        if field not in runs.frame:
            raise AblateError(f"{where}.{name}: is a metric with a course; runs are filtered by their other fields")
        matching = runs.frame[field].map(lambda cell, values=values: any(is_equal(cell, value) for value in values))
        if not matching.any():
            occurring = ", ".join(dict.fromkeys(map(str, runs.frame[field].iloc[:1000])))
            raise AblateError(f"{where}.{name}: no run has {stated!r}; values: {occurring[:200]}")
        kept &= matching
    if not kept.any():
        raise AblateError(f"{where}: no run meets all of these conditions")
    return only(runs, kept)


def only(runs: Runs, kept: pd.Series) -> Runs:
    """Return the runs at which `kept` is True, with their curves."""
    if kept.all():
        return runs
    positions = pd.Series(range(int(kept.sum())), index=runs.frame.index[kept])
    curves = runs.curves
    if curves is not None:
        curves = curves[curves[RUN_COLUMN].isin(positions.index)]
        curves = curves.assign(**{RUN_COLUMN: curves[RUN_COLUMN].map(positions)})[list(CURVES)]
    return replace(runs, frame=runs.frame[kept].reset_index(drop=True), curves=curves)


def settings(runs: Runs, used: Iterable[str], results: Sequence[str] = ()) -> list[str]:
    """Return the fields that may be settings: not used otherwise, and neither a note nor a name of a run.

    Where the source does not separate settings from results, a number with the name of a known measure is a result.
    So is a field below the same name as a result, such as `metrics.loss` with `metrics.f1`.
    """
    taken = {*used, *OWN, *OWN_OF_FILES}
    names = [name for name in runs.frame.columns if name not in taken and not str(name).startswith(TAG)]
    if runs.separates_settings:
        return [name for name in names if name.startswith(SETTING)]
    roots = {name.partition(".")[0] for name in results if "." in name}
    return [name for name in names if name.partition(".")[0] not in roots and not is_result(runs, name)]


def is_result(runs: Runs, name: str) -> bool:
    """Return whether a column has the name of a known measure, and holds numbers."""
    is_number = runs.frame[name].dtype.kind in "if"
    return is_number and measures.meaning(re.sub(r"\W+", "_", name)) is not None
