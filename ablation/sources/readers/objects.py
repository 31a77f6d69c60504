"""Fields and courses of a JSON object: lists may be settings, courses of a metric, or neither."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ablation.sources.readers.collector import Curve, course, step_name
from ablation.sources.readers.documents import is_number
from ablation.sources.runs import flat

COURSE = 16  # a longer list of numbers is a course
MEMBERS = 1_000  # a longer list that is no course is left out
NO_COURSE = ("class", "label", "pred", "prob", "logit", "target", "confusion", "index", "indices", "ids")


def is_course(name: str, value: object) -> bool:
    """Return whether a list is the course of a metric: long, of numbers, not all whole, and not one a class."""
    if not isinstance(value, tuple) or len(value) <= COURSE or any(word in name.lower() for word in NO_COURSE):
        return False
    return all(is_number(member) for member in value) and any(isinstance(member, float) for member in value)


def parted(content: Mapping[str, Any]) -> tuple[dict[str, object], dict[str, Curve], list[str]]:
    """Return (fields, curves, sentences on what is left out) of an object.

    Lists of objects with a step, such as {"epoch": 1, "loss": 0.5}, are curves. Lists that are a course stay fields: a
    list of the same name may be short in another run.
    """
    fields, remarks = flat(content), []
    curves: dict[str, Curve] = {}
    for name, value in list(fields.items()):
        if isinstance(value, tuple) and len(value) > MEMBERS and not is_course(name, value):
            del fields[name]
            remarks.append(f"{name} is a list of more than {MEMBERS} values and is left out")
    for name, lines in _lists(content):
        if all(step_name(line) for line in lines):
            curves |= {f"{name}.{metric}": curve for metric, curve in course(lines).items()}
        else:
            remarks.append(f"{name} is a list of objects without a step and is left out")
    return fields, curves, remarks


def _lists(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    """Yield the dotted name and the members of each list of objects."""
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _lists(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and all(isinstance(member, dict) for member in value):
            yield f"{prefix}{key}", value
