"""A measure: the meaning of a number, and its computation from the examples of a split."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ablation.errors import AblateError
from ablation.measures import repeats
from ablation.nearest import nearest

Columns = Mapping[str, np.ndarray]  # columns of N examples: name -> (N, ...); "label" is one of them
Resampled = Callable[[Sequence[Columns], np.ndarray], np.ndarray]

SPLITS = ("train", "val", "test")

BINARY = "binary"  # each example is wrong or correct: 0 or 1
BOUNDED = "bounded"  # each example has a score from 0 to 1
REAL = "real"  # each example has a score
AGGREGATE = "aggregate"  # number computed from all examples, not a mean of scores
SCALAR = "scalar"  # number that a trial states, without examples
KINDS = (BINARY, BOUNDED, REAL, AGGREGATE, SCALAR)

SHARE = (0.0, 1.0)  # range of a fraction
PER_EXAMPLE = (BINARY, BOUNDED, REAL)
SHARES = (BINARY, BOUNDED)  # the mean over examples is a share, from 0 to 1


@dataclass(frozen=True)
class Measure:
    """Meaning of a number, and its computation from examples.

    Args:
        name: name in columns: `test_<name>`.
        title: title in a sentence, "macro-F1".
        unit: "%" shows a fraction multiplied by 100, and its differences in pp; any other unit is printed behind the
            number; "" is no unit.
        decimals: decimals of the number as shown; percentages take the decimals of their table.
        best: "high" or "low", the direction of better values.
        kind: one of KINDS, which decides the intervals and tests.
        needs: columns of the examples that the computation reads.
        per_example: score of each of N examples, (N,); for the kinds binary, bounded and real.
        aggregate: number computed from all examples; for the kind aggregate.
        resampled: aggregate of A sets of predictions for the same examples, each under B samples of the examples,
            (A, B), from how often each example occurs in a sample, (B, N). Without this function, samples are computed
            one by one.
        bounds: smallest and largest possible value.
        heading: heading of a column, where space is short; the title otherwise.
        splits: splits on which the measure is computed; () for a cost, which a trial reports once.
        stratified: True where bootstrap samples have as many examples of each label as the examples themselves.
        descriptive: True for a number without interval and test, such as one whose bootstrap is biased. No row is
            selected by it.
        smooth: True for an aggregate that changes smoothly with the weights of the examples, as a ratio of means does
            and a median does not. With few examples, its intervals are those of the jackknife, which needs this.
        directed: False where nobody stated whether high or low values are better. No row is selected by such a measure.
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
    stratified: bool = False
    descriptive: bool = False
    directed: bool = True
    smooth: bool = False

    def __post_init__(self) -> None:
        allowed = {"kind": KINDS, "best": ("high", "low")}
        for key, values in allowed.items():
            if getattr(self, key) not in values:
                raise AblateError(
                    f"measure {self.name!r}: {key}: {getattr(self, key)!r} is not allowed; allowed: {', '.join(values)}"
                )
        if (self.kind in PER_EXAMPLE) != bool(self.per_example) or (self.kind == AGGREGATE) != bool(self.aggregate):
            needed = {AGGREGATE: "aggregate", SCALAR: "neither"}.get(self.kind, "per_example")
            raise AblateError(f"measure {self.name!r}: of per_example and aggregate, kind {self.kind!r} takes {needed}")

    @property
    def selects(self) -> bool:
        """True where rows can be selected by this measure: no cost, not descriptive, and with a direction."""
        return bool(self.splits) and self.directed and not self.descriptive

    @property
    def lowest(self) -> bool:
        """True where the lowest value is the best."""
        return self.best == "low"

    def compact(self, value: float, decimals: int = 1) -> str:
        """Return a value with unit in short form: 96.6%, 3.21 m."""
        return f"{100 * value:.{decimals}f}%" if self.is_share else self.shown(value)

    @property
    def is_share(self) -> bool:
        """True where values are shown in percent, and differences in percentage points."""
        return self.unit == "%"

    @property
    def scale(self) -> float:
        """Factor that a value is multiplied with for display."""
        return 100.0 if self.is_share else 1.0

    @property
    def short(self) -> str:
        """Heading of a column of this measure."""
        return self.heading or self.title

    @property
    def change_unit(self) -> str:
        """Unit of differences of this measure: percentage points for percentages."""
        return "pp" if self.is_share else self.unit

    def follows_from(self, columns: Columns) -> bool:
        """Return whether the value can be computed from these columns, with at least one example."""
        return self.kind != SCALAR and all(len(columns.get(name, ())) for name in self.needs)

    def scores(self, columns: Columns) -> np.ndarray:
        """Return the score of each of N examples, (N,), the mean over its repeats, for a measure of `per_example`."""
        assert self.per_example is not None, self.name
        return repeats.averaged(columns, self.per_example(columns))

    def value(self, columns: Columns) -> float:
        """Return the value of the measure for all examples: the aggregate, or the mean of the scores per example."""
        if self.aggregate is not None:
            return float(self.aggregate(columns))
        return float(self.scores(columns).mean())

    def resample(self, predictions: Sequence[Columns], weights: np.ndarray) -> np.ndarray:
        """Return the aggregate of A sets of predictions for the same N examples under B samples, (A, B).

        `weights`: how often each example occurs in a sample, (B, N); a sample without any example gives nan. An example
        occurs with all its repeats.
        """
        if any(map(repeats.has_repeats, predictions)):
            return np.concatenate([self._resample([c], repeats.of_lines(c, weights)) for c in predictions])
        return self._resample(predictions, weights)

    def _resample(self, predictions: Sequence[Columns], weights: np.ndarray) -> np.ndarray:
        """Return the output of `resample`. `weights`: how often each line of the columns occurs in a sample."""
        if self.resampled is not None:
            return self.resampled(predictions, weights)
        return np.array([[self._of(columns, counts) for counts in weights] for columns in predictions])

    def _of(self, columns: Columns, counts: np.ndarray) -> float:
        """Return the value in a sample with `counts[i]` copies of example i; nan for a sample without examples."""
        positions = np.repeat(np.arange(len(counts)), counts.astype(int))
        return self.value({name: columns[name][positions] for name in self.needs}) if len(positions) else float("nan")

    def number(self, value: float, decimals: int | None = None) -> str:
        """Return a value as shown, without unit: 0.9661 of a percentage is 96.6."""
        return f"{self.scale * value:.{self.places(decimals)}f}"

    def shown(self, value: float, decimals: int | None = None) -> str:
        """Return a value with unit: "96.6 %", "3.21 m"."""
        return f"{self.number(value, decimals)} {self.unit}".rstrip()

    def change(self, value: float, decimals: int | None = None) -> str:
        """Return a difference with sign and unit: "+1.5 pp"."""
        return f"{self.scale * value:+.{self.places(decimals)}f} {self.change_unit}".rstrip()

    def size(self, value: float, decimals: int | None = None) -> str:
        """Return the size of a difference or of a deviation, with unit: "1.5 pp"."""
        return f"{self.number(value, decimals)} {self.change_unit}".rstrip()

    def places(self, decimals: int | None = None) -> int:
        """Return the number of decimals shown.

        Percentages take `decimals`, the number of a table or sentence, where given; all other measures take their own.
        """
        return self.decimals if decimals is None or not self.is_share else decimals


def scalar(name: str, title: str = "", unit: str = "", decimals: int = 3, best: str = "high") -> Measure:
    """Return a measure that each trial states as a number, without examples.

    Args:
        name: name in columns: `test_<name>`.
        title: title in a sentence; by default the name, with spaces.
        unit: unit behind the number; "%" shows a fraction multiplied by 100; "" is no unit.
        decimals: decimals of the number as shown.
        best: "high" or "low", the direction of better values.
    """
    return Measure(name, title or name.replace("_", " "), unit, decimals, best, SCALAR)


def known(measures: Mapping[str, Measure], name: str, where: str) -> Measure:
    """Return the measure called `name`.

    Args:
        measures: measures by name.
        name: name to look up.
        where: beginning of the error message, such as the file and the key.

    Raises:
        AblateError: no measure has this name.
    """
    if name not in measures:
        raise AblateError(
            f"{where}: unknown measure {name!r}; known: {', '.join(measures) or 'none'}{nearest(name, measures)}"
        )
    return measures[name]
