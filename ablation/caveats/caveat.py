"""One warning, and the words that warnings share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablation.grids.levels import short
from ablation.measures.measure import Measure

MANY = 12  # rows, terms or classes that a sentence lists one by one


@dataclass(frozen=True)
class Caveat:
    """`code`: fixed for ever, SINGLE_SEED; each of the others is one sentence. `rows`: those that it is about."""

    code: str
    fact: str
    consequence: str
    remedy: str
    rows: tuple[int, ...] = ()


def listed(words: Iterable[object]) -> str:
    """1, 3 and 5; where there are many, how many more."""
    found = [str(word) for word in words]
    if len(found) > MANY:
        found = [*found[: MANY - 1], f"{len(found) - MANY + 1:,} more"]
    *most, last = found
    return f"{', '.join(most)} and {last}" if most else last


def which(rows: Iterable[int], one: str = "", more: str = "") -> str:
    """Row 3; rows 1 to 4, 6 and 9; 847 rows, where they are many and scattered. With the verb that follows."""
    numbers = sorted(set(rows))
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [
        text
        for run in runs
        for text in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else [str(number) for number in run])
    ]
    verb = more if numbers[1:] else one
    names = f"row{'s' if numbers[1:] else ''} {listed(parts)}" if len(parts) <= MANY else f"{len(numbers):,} rows"
    return f"{names} {verb}" if verb else names


def sentence(text: str) -> str:
    """With a capital at its beginning."""
    return text[0].upper() + text[1:]


def plural(many: int, one: str, more: str = "") -> str:
    """1 row, 3 rows."""
    return f"{many:,} {one if many == 1 else more or f'{one}s'}"


def percent(fraction: float, decimals: int = 1) -> str:
    return f"{100 * fraction:.{decimals}f}%"


def compact(measure: Measure, value: float, decimals: int = 1) -> str:
    """A value of a measure with its unit: 96.6%, 3.21 m."""
    return percent(value, decimals) if measure.is_share else measure.shown(value)


def points(fraction: float, decimals: int = 1) -> str:
    """A difference of two percentages."""
    return f"{100 * fraction:.{decimals}f} pp"


def worded(factor: str, level: Any = None) -> str:
    """Batch size; learning rate 1e-4."""
    name = factor.replace("_", " ")
    return name if level is None else f"{name} {short(factor, level)}"


def extreme(values: Mapping[int, float], rows: Sequence[int], write: Callable[[float], str]) -> str:
    """Which of several rows has the most, and how much; of one, how much."""
    most = max(rows, key=values.__getitem__)
    return f"row {most} the most, {write(values[most])}" if rows[1:] else write(values[most])
