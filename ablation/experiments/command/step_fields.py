"""Fields of one step of a command's results: nested names, numbers, and which step it is."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

STEPS = ("step", "epoch", "iteration")  # fields that number the steps of a file


def flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the fields of a JSON object; nested names are joined by dots."""
    for name, value in content.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def as_number(value: Any) -> float | None:
    """Return a number, also from a text; None for a missing one and for other values."""
    if isinstance(value, bool):
        return float(value)
    try:
        return float(value) if isinstance(value, int | float) or (isinstance(value, str) and value.strip()) else None
    except (ValueError, OverflowError):
        return None


def all_numbers(steps: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return name -> field of all numbers of a file, where the study file states none."""
    fields = {name: None for step in steps for name, value in step.items() if name and as_number(value) is not None}
    return {name.strip().replace(".", "_"): name for name in fields if name.strip() not in STEPS}


def step_number(step: Mapping[str, Any], position: int) -> int:
    """Return the number of a step, as one of its fields states it; otherwise its position in the file."""
    stated = next((number for name in STEPS if (number := as_number(step.get(name))) is not None), None)
    return position if stated is None or not math.isfinite(stated) else int(stated)
