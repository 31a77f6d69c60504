"""Measures as a study file states them: [measures] gives a number its title, unit, decimals and direction."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ablation.errors import AblateError
from ablation.measures import names
from ablation.measures.measure import SCALAR, Measure, known, scalar
from ablation.nearest import nearest


def applied(
    measures: Mapping[str, Measure], stated: Mapping[str, Mapping[str, Any]], where: str
) -> Mapping[str, Measure]:
    """Return the measures with what a study file states of them, in the same order, then new costs.

    Args:
        measures: measures by name.
        stated: name of a measure -> the keys of [measures] that the file sets.
        where: beginning of an error message, such as the study.

    Raises:
        AblateError: a measure, or the measure that it is like, is unknown; or a computed measure is called a cost.
    """
    changed = dict(measures)
    for name, keys in stated.items():
        is_new_cost = name not in measures and "split" in keys
        measure = _cost(name) if is_new_cost else known(measures, name, f"{where}: measures")
        changed[name] = _changed(measure, keys, f"{where}: measures.{name}")
    return changed if stated else measures


def _cost(name: str) -> Measure:
    """Return the measure of a cost that an experiment reports without declaring it: lower is better."""
    return names.meaning(name) or scalar(name, best="low")


def _changed(measure: Measure, keys: Mapping[str, Any], where: str) -> Measure:
    """Return a measure with the keys of [measures]."""
    if "like" in keys:
        measure = _like(measure, keys["like"], where)
    if "split" in keys:
        if measure.kind != SCALAR:
            raise AblateError(f"{where}.split: {measure.title} is computed from examples, and is no cost")
        measure = replace(measure, splits=())
    if "title" in keys:
        measure = replace(measure, heading="")
    own = {key: keys[key] for key in ("title", "unit", "decimals", "best") if key in keys}
    return replace(measure, **own, directed=measure.directed or "best" in keys)


def _like(measure: Measure, other: str, where: str) -> Measure:
    """Return a measure with the meaning of another one: its title, unit, decimals, direction and range."""
    meaning = names.like(measure.name, other)
    if meaning is None:
        raise AblateError(
            f"{where}.like: unknown measure {other!r}; known: {', '.join(names.MEANINGS)}"
            f"{nearest(other, names.MEANINGS)}"
        )
    return replace(
        measure, title=meaning.title, unit=meaning.unit, decimals=meaning.decimals, best=meaning.best,
        bounds=meaning.bounds, heading=meaning.heading, directed=True,
    )  # fmt: skip
