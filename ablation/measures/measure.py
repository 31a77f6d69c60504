"""One measure: what its numbers mean, and how they follow from the examples of a split."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ablation.errors import AblateError

Columns = Mapping[str, np.ndarray]  # of N examples: name -> (N, ...), "label" among them
Resampled = Callable[[Sequence[Columns], np.ndarray], np.ndarray]

SPLITS = ("train", "val", "test")

BINARY = "binary"  # each example is right or wrong: 0 or 1
BOUNDED = "bounded"  # each example has a score from 0 to 1
REAL = "real"  # each example has a score
AGGREGATE = "aggregate"  # a number of all examples that is no mean of scores
SCALAR = "scalar"  # a number that a trial states; nothing is known of its examples
KINDS = (BINARY, BOUNDED, REAL, AGGREGATE, SCALAR)

SHARE = (0.0, 1.0)  # what a fraction can be
PER_EXAMPLE = (BINARY, BOUNDED, REAL)


@dataclass(frozen=True)
class Measure:
    """What a number means.

    Args:
        name: of its columns: `test_<name>`.
        title: in a sentence, "macro-F1".
        unit: "%" shows a fraction as 100 times as much, and its differences in pp; another one is printed behind the
            number; "" is none.
        decimals: of the number as it is shown; percentages take the decimals of their table.
        best: "high" or "low".
        kind: one of KINDS, what its intervals and tests rest on.
        needs: the columns of the examples that it reads.
        per_example: score of each of N examples, (N,), of the kinds binary, bounded and real.
        aggregate: the number of all examples, of the kind aggregate.
        resampled: the aggregate of A answers to the same examples, each under B samples of them, from how often each
            example occurs in a sample (B, N): (A, B). Without it, samples are computed one by one.
        bounds: what the number can be, at least and at most.
        heading: over a column, where space is short; the title otherwise.
        splits: those on which it is measured.
    """

    name: str
    title: str
    unit: str = ""
    decimals: int = 3
    best: str = "high"
    kind: str = SCALAR
    needs: tuple[str, ...] = ()
    per_example: Callable[[Columns], np.ndarray] | None = None
    aggregate: Callable[[Columns], float] | None = None
    resampled: Resampled | None = None
    bounds: tuple[float, float] = (-math.inf, math.inf)
    heading: str = ""
    splits: tuple[str, ...] = ("val", "test")

    def __post_init__(self) -> None:
        allowed = {"kind": KINDS, "best": ("high", "low")}
        for key, values in allowed.items():
            if getattr(self, key) not in values:
                raise AblateError(
                    f"measure {self.name!r}: {key}: {getattr(self, key)!r} is not allowed; allowed: {', '.join(values)}"
                )
        if (self.kind in PER_EXAMPLE) != bool(self.per_example) or (self.kind == AGGREGATE) != bool(self.aggregate):
            needed = {AGGREGATE: "aggregate", SCALAR: "neither"}.get(self.kind, "per_example")
            raise AblateError(f"measure {self.name!r}: kind {self.kind!r} takes {needed} of per_example and aggregate")

    @property
    def lowest(self) -> bool:
        """Whether the lowest value is the best."""
        return self.best == "low"

    @property
    def is_share(self) -> bool:
        """Whether it is shown in percent, and its differences in percentage points."""
        return self.unit == "%"

    @property
    def scale(self) -> float:
        """What a value is multiplied with where it is shown."""
        return 100.0 if self.is_share else 1.0

    @property
    def short(self) -> str:
        """Its heading over a column."""
        return self.heading or self.title

    @property
    def change_unit(self) -> str:
        """The unit of its differences: of percentages, percentage points."""
        return "pp" if self.is_share else self.unit

    def follows_from(self, columns: Columns) -> bool:
        """Return whether its value can be computed from examples with these columns, of which there is at least one."""
        return self.kind != SCALAR and all(len(columns.get(name, ())) for name in self.needs)

    def scores(self, columns: Columns) -> np.ndarray:
        """Return the score of each of N examples, (N,). Of a measure that has such."""
        assert self.per_example is not None, self.name
        return self.per_example(columns)

    def value(self, columns: Columns) -> float:
        """Return the number that all examples give; of scores per example, their mean."""
        if self.aggregate is not None:
            return float(self.aggregate(columns))
        return float(self.scores(columns).mean())

    def resample(self, answers: Sequence[Columns], weights: np.ndarray) -> np.ndarray:
        """Return the aggregate of A answers to the same N examples under B samples of them: (A, B).

        `weights`: how often each example occurs in a sample, (B, N); a sample without any example gives nan.
        """
        if self.resampled is not None:
            return self.resampled(answers, weights)
        return np.array([[self._of(columns, drawn) for drawn in weights] for columns in answers])

    def _of(self, columns: Columns, drawn: np.ndarray) -> float:
        places = np.repeat(np.arange(len(drawn)), drawn.astype(int))
        return self.value({name: columns[name][places] for name in self.needs}) if len(places) else float("nan")

    def number(self, value: float, decimals: int | None = None) -> str:
        """Return a value as it is shown, without its unit: 0.9661 of a percentage is 96.6."""
        return f"{self.scale * value:.{self.places(decimals)}f}"

    def shown(self, value: float, decimals: int | None = None) -> str:
        """Return a value with its unit: "96.6 %", "3.21 m"."""
        return f"{self.number(value, decimals)} {self.unit}".rstrip()

    def change(self, value: float, decimals: int | None = None) -> str:
        """Return a difference with sign and unit: "+1.5 pp"."""
        return f"{self.scale * value:+.{self.places(decimals)}f} {self.change_unit}".rstrip()

    def size(self, value: float, decimals: int | None = None) -> str:
        """Return the size of a difference, or a deviation, with its unit: "1.5 pp"."""
        return f"{self.number(value, decimals)} {self.change_unit}".rstrip()

    def places(self, decimals: int | None = None) -> int:
        """Return how many decimals are shown: of percentages `decimals`, where a table or sentence has its own."""
        return self.decimals if decimals is None or not self.is_share else decimals


def scalar(name: str, title: str = "", unit: str = "", decimals: int = 3, best: str = "high") -> Measure:
    """Return a number that each trial states by itself: no example is known behind it."""
    return Measure(name, title or name.replace("_", " "), unit, decimals, best, SCALAR)


def known(measures: Mapping[str, Measure], name: str, where: str) -> Measure:
    """Return the measure of this name. Raises AblateError, which begins with `where`, where there is none."""
    if name not in measures:
        raise AblateError(f"{where}: unknown measure {name!r}; known: {', '.join(measures) or 'none'}")
    return measures[name]
