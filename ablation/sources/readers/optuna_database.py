"""Databases of Optuna, read by SQL: Optuna would create and upgrade tables."""

import functools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from math import inf, nan
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from sqlalchemy import Connection

from ablation.errors import AblateError
from ablation.sources.readers import databases
from ablation.sources.readers.databases import selected
from ablation.sources.readers.optuna_trials import (
    FAIL_REASON,
    GRID,
    METRIC_NAMES,
    OptunaStudy,
    OptunaTrial,
    choose,
    made,
)
from ablation.sources.runs import Runs
from ablation.urls import masked

TABLES = ("studies", "study_directions", "trials", "trial_params", "trial_values", "trial_intermediate_values")
SPECIAL = {"INF_POS": inf, "INF_NEG": -inf, "NAN": nan}  # types of values that not all databases can store


@functools.lru_cache(maxsize=10_000)
def _distribution(content: str) -> BaseDistribution:
    return json_to_distribution(content)


def _decoded(content: str, value: float) -> object:
    """Return the value of a param. A database holds the position of a choice, and an int as a float."""
    try:
        return _distribution(content).to_external_repr(value)
    except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError):
        return value


def _float(value: float | None, kind: str = "FINITE") -> float:
    return SPECIAL.get(kind, nan if value is None else value)


def _moment(value: object) -> datetime | None:
    """Return a time, which SQLite stores as text."""
    if isinstance(value, datetime) or not value:
        return value if isinstance(value, datetime) else None
    return datetime.fromisoformat(str(value))


def _of_trials(connection: Connection, name: str, fields: list[str], study: int) -> Iterator[tuple[Any, ...]]:
    """Yield lines of a table of trials; columns that are missing in an older schema are left out."""
    present = databases.columns(connection, name)
    names = ["trial_id", *(field for field in fields if field in present)]
    return selected(connection, name, names, {"study_id": study}, "trials")


def _trials(connection: Connection, study: int) -> dict[int, OptunaTrial]:
    """Return id -> trial, without content of other tables."""
    fields = ["trial_id", "number", "state", "datetime_start", "datetime_complete"]
    lines = selected(connection, "trials", fields, {"study_id": study})
    return {key: OptunaTrial(n, state, _moment(start), _moment(end)) for key, n, state, start, end in lines}


def _filled(connection: Connection, study: int) -> list[OptunaTrial]:
    """Return the trials of a study with their content."""
    trials = _trials(connection, study)
    of: Callable[..., Iterator[tuple[Any, ...]]] = functools.partial(_of_trials, connection, study=study)
    for key, name, value, distribution in of("trial_params", ["param_name", "param_value", "distribution_json"]):
        trials[key].params[name] = _decoded(distribution, value)
    for key, objective, *stored in of("trial_values", ["objective", "value", "value_type"]):
        trials[key].values[objective] = _float(*stored)
    fields = ["step", "intermediate_value", "intermediate_value_type"]
    for key, step, *stored in of("trial_intermediate_values", fields):
        trials[key].intermediate[step] = _float(*stored)
    for key, name, content in of("trial_user_attributes", ["key", "value_json"]):
        trials[key].attributes[name] = json.loads(content)
    for key, name, content in of("trial_system_attributes", ["key", "value_json"]):
        if name == FAIL_REASON:
            trials[key].reason = str(json.loads(content))
        trials[key].of_grid |= name == GRID
    return list(trials.values())


def _metric_names(connection: Connection, study: int) -> list[str]:
    """Return the names of the objectives; empty where the study has none."""
    lines = selected(connection, "study_system_attributes", ["value_json"], {"study_id": study, "key": METRIC_NAMES})
    return [str(name) for (content,) in lines for name in json.loads(content)]


def read(connection: Connection, address: str, place: str, wanted: str) -> Runs:
    """Return the trials of a study.

    Args:
        connection: Connection to the database.
        address: Address of the source, as the user named it.
        place: File or server.
        wanted: Name of the study; "" for the only one.
    """
    present = databases.tables(connection)
    if missing := [name for name in TABLES if name not in present]:
        way = "; upgrade a copy of it: optuna storage upgrade --storage URL" if "studies" in present else ""
        raise AblateError(f"{masked(place)}: not a database of Optuna 2.4 or later: no table {missing[0]}{way}")
    ids = {name: key for key, name in selected(connection, "studies", ["study_id", "study_name"], {})}
    numbers = Counter(key for (key,) in selected(connection, "trials", ["study_id"], {}))
    name = choose(address, {name: numbers[key] for name, key in ids.items()}, wanted)
    key = ids[name]
    fields = ["objective", "direction"]
    directions = sorted(tuple(line) for line in selected(connection, "study_directions", fields, {"study_id": key}))
    study = OptunaStudy(address, place, name, [word for _, word in directions], _metric_names(connection, key))
    return made(study, _filled(connection, key))
