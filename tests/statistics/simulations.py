"""Simulated studies of a known truth: scores are drawn, the analysis of a study is made, and its claims are counted.

A line is one line of the table of evidence that a study may bring. Coverage is counted in studies whose rows differ,
the family-wise error in studies whose rows are all equal. Every study runs through `study_statistics.analyse`, with
a few exceptions, which cost most of the time (`lean`): the garbage collection that statsmodels asks for in each call,
most of the bootstrap samples, the last digits of p, and p values where intervals alone are counted.
"""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import product
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
from pydantic import BaseModel
from scipy import stats

from ablation.analysis import differences, study_statistics
from ablation.analysis.evidence import Evidence, StudyEvidence, of_row
from ablation.analysis.evidence import drawn as sampled
from ablation.analysis.facts import Analysis, Difference, Inference, RowFacts, Sample
from ablation.analysis.scores import score
from ablation.measures import classes, regression
from ablation.measures.balanced_accuracy import BALANCED_ACCURACY
from ablation.measures.correlation import PEARSON, R2
from ablation.measures.measure import BOUNDED, REAL, SHARE, Measure, scalar
from ablation.statistics import bootstrap
from ablation.statistics import crossed as crossed_effects
from ablation.statistics.intervals import ALPHA, Interval
from ablation.store.examples import Examples
from ablation.store.record import Inputs, Record
from ablation.study.grid import Grid
from ablation.study.levels import Condition, schema_of
from ablation.study.table_keys import TableKeys

RESAMPLES = 1_000  # bootstrap samples of one simulated study
BATCH = 50  # studies that are drawn at a time

ACCURACY = classes.of_classes(2)["accuracy"]
NUMBER = Measure("score", "score", kind=REAL, needs=("score",), per_example=lambda columns: columns["score"])
SCALAR = scalar("result")


# The study that a simulation is of


class Factors(BaseModel):
    """Factors of the simulated experiment."""

    level: int = 0


class Simulated(Record):
    """Record of a study of an experiment with one measure."""

    measure: Any

    @property
    def experiment(self) -> Any:
        """The simulated experiment."""
        measures = {self.measure.name: self.measure}
        return SimpleNamespace(
            name="simulated", version=1, factors=Factors, measures=measures, primary=self.measure.name
        )


def record(measure: Measure, rows: int, seeds: int, table: TableKeys) -> Simulated:
    """Return the record of a study of so many rows. All rows state the same levels, so that no factor is analysed."""
    schema = schema_of(SimpleNamespace(name="simulated", version=1, factors=Factors), "simulated")
    grid = Grid(
        stem="simulated", title="Simulated", factors=schema, rows=(Condition({"level": 0}),) * rows,
        labels=("",) * rows, published=({},) * rows, reference=1, select_on="none", seeds=tuple(range(seeds)),
        split_seed=0, settings={}, table=table,
    )  # fmt: skip
    return Simulated(name="simulated", grid=grid, data="simulated", inputs=Inputs(), measure=measure)


@contextmanager
def lean(resamples: int = RESAMPLES) -> Iterator[None]:
    """Leave out what is not counted and costs most of the time of a small study; compute each quantile once."""
    draws = partial(bootstrap.draws, resamples=resamples)
    with (
        patch.object(gc, "collect", lambda: 0),
        patch.object(study_statistics, "_discordance", lambda *_: (0.0, 0)),
        patch.object(bootstrap, "draws", draws),
        patch.object(bootstrap, "RESAMPLES", resamples),
        patch.object(crossed_effects, "STEPS", 24),  # p to five digits
        patch.object(stats.t, "ppf", _remembered(stats.t.ppf)),
        patch.object(stats.norm, "isf", _remembered(stats.norm.isf)),
        patch.object(stats.norm, "ppf", _remembered(stats.norm.ppf)),
    ):
        yield


@contextmanager
def without_p_values() -> Iterator[None]:
    """Leave out the p values, where intervals alone are counted."""
    with patch.object(differences, "p_values", lambda first, *_: [float("nan")] * len(first)):
        yield


def _remembered(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that computes each value of numbers once, and values of arrays as ever."""
    values: dict[tuple[Any, ...], Any] = {}

    def remembered(*arguments: Any, **options: Any) -> Any:
        if options or any(np.ndim(argument) for argument in arguments):
            return function(*arguments, **options)
        if arguments not in values:
            values[arguments] = function(*arguments)
        return values[arguments]

    return remembered


# Truths, and what is drawn from them


class Drawn(NamedTuple):
    """Evidence of the rows of one study, and the value of each row that its intervals are to cover, (R,)."""

    rows: Mapping[int, Evidence]
    truths: np.ndarray


Draw = Callable[[np.random.Generator, Sequence[float]], Drawn]


@dataclass(frozen=True)
class Spread:
    """Standard deviations of the normal effects that add up to one score.

    Attributes:
        example: effect of an example, the same for all rows and seeds.
        row_example: effect of an example on one row.
        seed: effect of a seed, the same for all rows.
        row_seed: effect of a seed on one row.
        group: effect of a group of examples, the same for all rows.
        row_group: effect of a group on one row.
        residual: effect of one example in one training.
    """

    example: float = 0.0
    row_example: float = 0.0
    seed: float = 0.0
    row_seed: float = 0.0
    group: float = 0.0
    row_group: float = 0.0
    residual: float = 0.0

    def squares(self, *names: str) -> float:
        """Return the sum of the variances of these effects."""
        return float(sum(getattr(self, name) ** 2 for name in names))


OF_EXAMPLES, OF_SEEDS, OF_REST = ("example", "row_example", "group", "row_group"), ("seed", "row_seed"), ("residual",)


@dataclass(frozen=True)
class Model:
    """Scores of R rows x S seeds x N examples from crossed random effects.

    Attributes:
        form: "right", 1 where the sum of the effects is below the row's threshold, otherwise 0; "number", the row's
            mean plus the effects; "square", the square of the effects times the row's deviation.
        spread: standard deviations of the effects.
        seeds: S.
        sizes: number of examples of each group, (G,); one number for examples without groups.
        held: what the truth holds fixed: "examples", "seeds", or "" for new examples and new seeds.
        grouped: whether the examples have a column `group`.
        missing: probability that a training of a row other than the reference has no result.
        apart: whether each row has seeds of its own.
    """

    form: str
    spread: Spread
    seeds: int
    sizes: tuple[int, ...]
    held: str = ""
    grouped: bool = False
    missing: float = 0.0
    apart: bool = False

    def __call__(self, rng: np.random.Generator, truths: Sequence[float]) -> Drawn:
        """Return the evidence of one study whose rows have these values in the population."""
        values = np.array(truths)
        examples, seeds = self._of_examples(rng, len(values)), self._of_seeds(rng, len(values))
        effects = examples + seeds
        effects = effects + self.spread.residual * rng.normal(size=effects.shape) if self.spread.residual else effects
        scores = self._scores(values, effects)
        rows = {
            row + 1: self._evidence(scores[row], self._finished(rng, row), row if self.apart else 0)
            for row in range(len(values))
        }
        return Drawn(rows, self._truths(values, examples[:, 0], seeds[:, :, 0]))

    def _of_examples(self, rng: np.random.Generator, rows: int) -> np.ndarray:
        """Return the effects of the examples and of their groups, (R, 1, N)."""
        spread, n, g = self.spread, sum(self.sizes), len(self.sizes)
        of_groups = spread.group * rng.normal(size=g) + spread.row_group * rng.normal(size=(rows, g))
        own = spread.example * rng.normal(size=n) + spread.row_example * rng.normal(size=(rows, n))
        effects: np.ndarray = (own + np.repeat(of_groups, self.sizes, axis=1))[:, None]
        return effects

    def _of_seeds(self, rng: np.random.Generator, rows: int) -> np.ndarray:
        """Return the effects of the seeds, (R, S, 1)."""
        shared, own = rng.normal(size=self.seeds), rng.normal(size=(rows, self.seeds))
        effects: np.ndarray = (self.spread.seed * shared + self.spread.row_seed * own)[:, :, None]
        return effects

    def _thresholds(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of effects below which an example is right, for each share of right examples, (R,)."""
        thresholds: np.ndarray = stats.norm.ppf(values) * np.sqrt(
            self.spread.squares(*OF_EXAMPLES, *OF_SEEDS, *OF_REST)
        )
        return thresholds

    def _scores(self, values: np.ndarray, effects: np.ndarray) -> np.ndarray:
        """Return the score of each row, seed and example, (R, S, N)."""
        if self.form == "right":
            return effects < self._thresholds(values)[:, None, None]
        if self.form == "square":  # the mean square of an effect of variance 1 is the row's value
            return values[:, None, None] * effects**2
        return values[:, None, None] + effects

    def _truths(self, values: np.ndarray, examples: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """Return the expected value of each row given what is held fixed, (R,).

        Args:
            values: value of each row in the population, (R,).
            examples: effects of the examples, (R, N).
            seeds: effects of the seeds, (R, S).
        """
        if not self.held:
            return values
        effects, others = (examples, OF_SEEDS) if self.held == "examples" else (seeds, OF_EXAMPLES)
        if self.form == "number":
            return values + effects.mean(axis=1)
        deviation = np.sqrt(self.spread.squares(*others, *OF_REST))
        shares: np.ndarray = stats.norm.cdf((self._thresholds(values)[:, None] - effects) / deviation)
        return shares.mean(axis=1)

    def _finished(self, rng: np.random.Generator, row: int) -> np.ndarray:
        """Return the positions of the seeds with a result. The reference has all of them, other rows at least one."""
        if not row or not self.missing:
            return np.arange(self.seeds)
        finished = np.flatnonzero(rng.random(self.seeds) >= self.missing)
        return finished if len(finished) else np.arange(1)

    def _evidence(self, scores: np.ndarray, finished: np.ndarray, block: int) -> Evidence:
        """Return the evidence of one row from its scores (S, N). `block`: number of the block of seeds."""
        n, name = scores.shape[1], "predicted" if self.form == "right" else "score"
        columns = {"label": np.ones(n, np.int8), name: scores[finished]}
        groups = {"group": np.repeat(np.arange(len(self.sizes)), self.sizes)} if self.grouped else {}
        return Evidence("", tuple(int(s) + block * self.seeds for s in finished), columns | groups, {})


@dataclass(frozen=True)
class Numbers:
    """One number of each training, without examples.

    Attributes:
        spread: standard deviations of the effects of seeds.
        seeds: number of seeds S.
        missing: probability that a training of a row other than the reference has no result.
        apart: whether each row has seeds of its own.
        deviations: factor of each row's own effects; 1 for all rows where empty.
    """

    spread: Spread
    seeds: int
    missing: float = 0.0
    apart: bool = False
    deviations: tuple[float, ...] = ()

    def __call__(self, rng: np.random.Generator, truths: Sequence[float]) -> Drawn:
        """Return the evidence of one study whose rows have these means."""
        own = rng.normal(size=(len(truths), self.seeds)) * self.spread.row_seed
        own *= np.array(self.deviations or (1.0,) * len(truths))[:, None]
        values = np.array(truths)[:, None] + own + self.spread.seed * rng.normal(size=self.seeds)
        kept = rng.random(values.shape) >= self.missing
        kept[0] = kept[:, 0] = True
        rows = {}
        for row, (numbers, finished) in enumerate(zip(values, kept, strict=True)):
            seeds = [int(s) + self.apart * row * self.seeds for s in np.flatnonzero(finished)]
            rows[row + 1] = of_row("", seeds, [Examples({}, {SCALAR.name: v}) for v in numbers[finished]], [SCALAR])
        return Drawn(rows, np.array(truths))


def shares(n: int, correlation: float) -> Draw:
    """Return the draw of studies that state the share of right examples of N alone.

    `correlation`: of the rows on the same examples; 0 for rows on examples of their own.
    """

    def draw(rng: np.random.Generator, truths: Sequence[float]) -> Drawn:
        right = correlated(rng, len(truths), n, correlation) < stats.norm.ppf(np.array(truths))[:, None]
        stated = [Examples({}, {ACCURACY.name: share}) for share in right.mean(axis=1)]
        return Drawn({r: of_row("", [0], [e], [ACCURACY], n) for r, e in enumerate(stated, 1)}, np.array(truths))

    return draw


def roots_of_seeds(n: int, seeds: int, deviation: float) -> Draw:
    """Return the draw of studies of RMSE with S seeds: the errors of each training have a scale of its own.

    `deviation`: standard deviation of the logarithm of that scale; half of its square is shared by the rows.
    """

    def draw(rng: np.random.Generator, truths: Sequence[float]) -> Drawn:
        logs = deviation * correlated(rng, len(truths), seeds, 0.5)
        errors = np.array(truths)[:, None, None] * np.exp(logs)[:, :, None] * correlated(rng, len(truths), n)[:, None]
        rows = {
            row: Evidence("", tuple(range(seeds)), {"label": np.zeros(n), "predicted": values}, {})
            for row, values in enumerate(errors, start=1)
        }
        return Drawn(rows, np.array(truths) * np.exp(deviation**2 / 2))

    return draw


Population = Callable[[float], float]  # from a parameter of a row to its value in the population


def predictions(n: int, measure: Measure, population: Population) -> Draw:
    """Return the draw of studies of predicted numbers: normal errors of N examples, correlated between rows.

    `population`: from the standard deviation of the errors; that of the labels is 1.
    """

    def draw(rng: np.random.Generator, truths: Sequence[float]) -> Drawn:
        labels = rng.normal(size=n)
        predicted = labels + np.array(truths)[:, None] * correlated(rng, len(truths), n)
        return _one_seed({"label": labels}, "predicted", predicted, measure, [population(t) for t in truths])

    return draw


SHARES = np.array([0.5, 0.35, 0.15])  # of three classes


def labelled(n: int, measure: Measure, population: Population) -> Draw:
    """Return the draw of studies of three classes: a row is right with the same probability in each.

    `population`: from that probability.
    """

    def draw(rng: np.random.Generator, truths: Sequence[float]) -> Drawn:
        labels = rng.choice(3, n, p=SHARES)
        right = correlated(rng, len(truths), n) < stats.norm.ppf(np.array(truths))[:, None]
        predicted = np.where(right, labels, (labels + rng.integers(1, 3, n)) % 3)
        return _one_seed({"label": labels}, "predicted", predicted, measure, [population(t) for t in truths])

    return draw


MACRO_F1 = classes.of_classes(3)["macro_f1"]


def macro_f1(right: float) -> float:
    """Return macro-F1 in the population where each class is right with this probability."""
    hits, missed = SHARES * right, SHARES * (1 - right)
    wrongly = (missed.sum() - missed) / 2
    return float(np.mean(2 * hits / (2 * hits + missed + wrongly)))


def areas(n: int) -> Draw:
    """Return the draw of studies of AUC: normal scores, shifted for positive examples, which are three of ten."""

    def draw(rng: np.random.Generator, truths: Sequence[float]) -> Drawn:
        labels = (np.arange(n) < 0.3 * n).astype(np.int8)
        shift = np.sqrt(2) * stats.norm.ppf(np.array(truths))[:, None]
        scores = correlated(rng, len(truths), n) + shift * labels
        return _one_seed({"label": labels}, "score", scores, classes.AUC, truths)

    return draw


def correlated(rng: np.random.Generator, rows: int, n: int, correlation: float = 0.8) -> np.ndarray:
    """Return standard normal values (R, N), correlated between rows."""
    values: np.ndarray = np.sqrt(correlation) * rng.normal(size=n)
    return values + np.sqrt(1 - correlation) * rng.normal(size=(rows, n))


def _one_seed(
    shared: dict[str, np.ndarray], name: str, columns: np.ndarray, measure: Measure, truths: Sequence[float]
) -> Drawn:
    """Return the evidence of rows of one training each. `columns`: the column `name` of each row, (R, N)."""
    rows = {
        row: of_row("", [0], [Examples({**shared, name: column})], [measure])
        for row, column in enumerate(columns, start=1)
    }
    return Drawn(rows, np.array(truths))


# Lines


@dataclass(frozen=True)
class Line:
    """One line of the table of evidence, with the truth that its studies are drawn from.

    Attributes:
        kind: the evidence.
        methods: interval of rows, interval of differences and test.
        settings: numbers of examples, seeds or groups.
        draw: function from a random generator and the rows' values to one study.
        measure: the measure.
        truths: values of the rows, the reference first, in studies whose rows differ.
        seeds: number of seeds S.
        table: keys of [table] of the study file.
        exact: whether coverage has an upper bound: of rows, of differences.
        cost: one study in so many is drawn, where a study is slow.
    """

    kind: str
    methods: str
    settings: str
    draw: Draw
    measure: Measure
    truths: tuple[float, ...]
    seeds: int = 1
    table: TableKeys = field(default_factory=TableKeys)
    exact: tuple[bool, bool] = (False, False)
    cost: int = 1

    @property
    def name(self) -> str:
        """Kind and settings, as one text."""
        return f"{self.kind}; {self.settings}"

    @cached_property
    def record(self) -> Simulated:
        """Record of the studies of this line."""
        return record(self.measure, len(self.truths), self.seeds, self.table)

    @property
    def equal(self) -> tuple[float, ...]:
        """Values of the rows in studies whose rows do not differ."""
        return self.truths[:1] * len(self.truths)


RIGHT = (0.90, 0.93, 0.87, 0.95, 0.80)  # accuracies of the rows
SCORES = (1.0, 1.2, 0.9, 1.5, 1.05)  # means of the rows, and their mean squared errors
OVER_SEEDS, OVER_EXAMPLES = TableKeys(uncertainty="seeds"), TableKeys(uncertainty="examples")
OVER_BOTH = TableKeys(uncertainty="both")
TRAINED = Spread(
    example=0.8, seed=0.05, row_seed=0.1, residual=0.5
)  # of 0/1: no row suits some examples more than others


def _examples_right() -> Iterator[Line]:
    """Yield lines of right and wrong examples, one seed."""
    for n in (36, 100, 1_000):
        model = Model("right", Spread(example=0.9, row_example=0.44), 1, (n,))
        yield Line("examples 0/1, one seed", "Wilson; Bonett-Price; exact McNemar", f"N = {n:,}", model, ACCURACY,
                   RIGHT, exact=(n >= 100, False))  # fmt: skip


def _examples_any() -> Iterator[Line]:
    """Yield lines of examples with any score, one seed."""
    spread = Spread(example=0.9, row_example=np.sqrt(1 - 0.81))
    kind, methods = "examples, any score, one seed", "t; paired t; paired t"
    for n in (20, 30, 200):
        yield Line(kind, methods, f"normal, N = {n}", Model("number", spread, 1, (n,)), NUMBER, SCORES,
                   exact=(True, True))  # fmt: skip
    for n in (30, 200, 1_000):
        yield Line(kind, methods, f"squared errors, N = {n:,}", Model("square", spread, 1, (n,)), NUMBER, SCORES)


def _scalars() -> Iterator[Line]:
    """Yield lines of scalars, with the same seeds for all rows."""
    for s in (3, 5, 10):
        yield Line("scalars, the same seeds", "t; paired t; paired t", f"S = {s}",
                   Numbers(Spread(seed=0.1, row_seed=0.1), s), SCALAR, SCORES, s, exact=(True, True))  # fmt: skip


def _over_seeds() -> Iterator[Line]:
    """Yield lines of examples x seeds over seeds: the truth is the mean over seeds on these examples."""
    for s in (3, 5, 10):
        model = Model("right", TRAINED, s, (500,), held="examples")
        yield Line("examples x seeds, over seeds", "t; paired t; paired t", f"0/1, S = {s}, N = 500", model, ACCURACY,
                   RIGHT, s, OVER_SEEDS, exact=(True, True))  # fmt: skip
    spread = Spread(example=1.0, seed=0.1, row_seed=0.1, residual=0.5)
    for s in (3, 5, 10):
        model = Model("number", spread, s, (50,), held="examples")
        yield Line("examples x seeds, over seeds", "t; paired t; paired t", f"any score, S = {s}, N = 50", model,
                   NUMBER, SCORES, s, OVER_SEEDS, exact=(True, True))  # fmt: skip


def _aggregates() -> Iterator[Line]:
    """Yield lines of aggregates, with one seed."""
    kind, methods = "aggregates, one seed", "jackknife; paired t of pseudo-values"
    errors = (0.5, 0.6, 0.45)  # standard deviations, where that of the labels is 1
    numbers: tuple[tuple[Measure, Population], ...] = (
        (regression.rmse(), lambda e: e), (R2, lambda e: 1 - e**2), (PEARSON, lambda e: (1 + e**2) ** -0.5)
    )  # fmt: skip
    for (measure, population), n in product(numbers, (100, 500)):
        draw = predictions(n, measure, population)
        yield Line(kind, methods, f"{measure.title}, N = {n}", draw, measure, errors, cost=2)
    of_classes: tuple[tuple[Measure, Population], ...] = ((MACRO_F1, macro_f1), (BALANCED_ACCURACY, lambda p: p))
    for (measure, population), n in product(of_classes, (200, 600)):
        draw = labelled(n, measure, population)
        yield Line(kind, methods, f"{measure.title}, N = {n}", draw, measure, RIGHT[:3], cost=2)
    for n in (100, 300):
        yield Line(kind, methods, f"AUC, N = {n}", areas(n), classes.AUC, RIGHT[:3], cost=2)


def _over_examples() -> Iterator[Line]:
    """Yield lines of examples x seeds over examples: the truth is that of these trained models on new examples."""
    spread = Spread(example=0.8, row_example=0.4, seed=0.3, residual=0.5)
    methods = "t on the log odds; Bonett-Price; paired t"
    for n in (50, 500):
        yield Line("examples x seeds, over examples", methods, f"0/1, S = 5, N = {n}",
                   Model("right", spread, 5, (n,), held="seeds"), ACCURACY, RIGHT, 5, OVER_EXAMPLES)  # fmt: skip


PARTS = {  # of the variance of a mean: of seeds, examples, and the rest
    "seeds dominate": (0.90, 0.09, 0.01),
    "examples dominate": (0.09, 0.90, 0.01),
    "equal": (0.495, 0.495, 0.01),
    "interaction": (0.25, 0.25, 0.5),
}


def crossed(parts: tuple[float, float, float], seeds: int, n: int) -> Spread:
    """Return the spread whose mean over S seeds and N examples has these variances, half of the first two shared."""
    of_seeds, of_examples, of_residual = parts
    seed, example = np.sqrt(of_seeds * seeds / 2), np.sqrt(of_examples * n / 2)
    return Spread(example, example, seed, seed, residual=np.sqrt(of_residual * seeds * n))


def _both() -> Iterator[Line]:
    """Yield lines of examples x seeds over both: the truth is that of new seeds on new examples."""
    kind, methods = "examples x seeds, both", "crossed random effects"
    for words, parts in PARTS.items():
        for s, n in product((3, 5, 10), (50, 500)):
            model = Model("number", crossed(parts, s, n), s, (n,))
            yield Line(kind, methods, f"{words}, S = {s}, N = {n}", model, NUMBER, SCORES, s, OVER_BOTH)
    spread = Spread(example=0.8, row_example=0.3, seed=0.1, row_seed=0.1, residual=0.5)
    for s, n in product((3, 5, 10), (50, 500)):
        yield Line(kind, f"{methods}; rows on the log odds", f"0/1, S = {s}, N = {n}",
                   Model("right", spread, s, (n,)), ACCURACY, RIGHT, s, OVER_BOTH)  # fmt: skip


GROUPS = Spread(example=0.5, row_example=0.6, group=0.5, row_group=0.4)


def sizes(groups: int, equal: bool) -> tuple[int, ...]:
    """Return the sizes of groups: 20 each, or from 5 to 60."""
    return (20,) * groups if equal else tuple(map(round, np.geomspace(5, 60, groups)))


def _groups() -> Iterator[Line]:
    """Yield lines of groups of examples as the units, with one seed and with several."""
    for form, equal, g in product(("number", "right"), (True, False), (6, 8, 12, 20, 40)):
        settings = f"{'any score' if form == 'number' else '0/1'}, {'equal' if equal else 'unequal'} sizes, G = {g}"
        measure, truths = (NUMBER, SCORES) if form == "number" else (ACCURACY, RIGHT)
        methods = "t over groups" if form == "number" else "t on the log odds; t; t over groups"
        yield Line("groups, one seed", methods, settings,
                   Model(form, GROUPS, 1, sizes(g, equal), grouped=True), measure, truths)  # fmt: skip
    for s, g in product((3, 10), (8, 20)):
        spread = Spread(example=0.5, row_example=0.5, seed=0.1, row_seed=0.1, group=0.4, row_group=0.4, residual=0.5)
        model = Model("number", spread, s, sizes(g, False), grouped=True)
        yield Line("groups x seeds, both", "crossed random effects", f"any score, unequal sizes, S = {s}, G = {g}",
                   model, NUMBER, SCORES, s, OVER_BOTH)  # fmt: skip


def _unpaired() -> Iterator[Line]:
    """Yield lines of rows that share neither seeds nor examples, or of which no examples are stored."""
    for words, correlation in (("the same examples", 0.8), ("other examples", 0.0)):
        for n in (36, 100, 1_000):
            yield Line("scalar accuracy, N known", "Wilson; Agresti-Caffo; Agresti-Caffo", f"{words}, N = {n:,}",
                       shares(n, correlation), ACCURACY, RIGHT)  # fmt: skip
    for words, deviations in (("equal deviations", ()), ("unequal deviations", (1.0, 3.0, 0.3, 2.0, 0.5))):
        for s in (3, 5, 10):
            model = Numbers(Spread(row_seed=0.1), s, apart=True, deviations=deviations)
            yield Line("scalars, different seeds", "t; Welch; Welch", f"{words}, S = {s}", model, SCALAR, SCORES, s)


def _aggregates_of_seeds() -> Iterator[Line]:
    """Yield lines of aggregates with several seeds: seeds and examples with about the same variance."""
    methods = "crossed random effects of pseudo-values"
    for s in (3, 5, 10, 20):
        draw = roots_of_seeds(200, s, np.sqrt(s / (2 * 200)))
        yield Line("aggregates x seeds, both", methods, f"RMSE, S = {s}, N = 200", draw, regression.rmse(), SCORES[:3],
                   s, OVER_BOTH, cost=4)  # fmt: skip


def _own_seeds() -> Iterator[Line]:
    """Yield lines of rows of other seeds on the same examples."""
    kind, methods = "examples x seeds, other seeds, both", "crossed random effects of independent seeds"
    for words, s in product(("seeds dominate", "examples dominate", "equal"), (3, 10)):
        spread = crossed(PARTS[words], s, 50)
        spread = replace(spread, seed=0.0, row_seed=np.sqrt(spread.squares("seed", "row_seed")))
        model = Model("number", spread, s, (50,), apart=True)
        yield Line(kind, methods, f"{words}, S = {s}, N = 50", model, NUMBER, SCORES, s, OVER_BOTH)


REPEATED = Measure(
    "answers", "answers", "%", kind=BOUNDED, needs=("score",), bounds=SHARE,
    per_example=lambda columns: columns["score"],
)  # fmt: skip


def repeated(n: int, repeats: int) -> Draw:
    """Return the draw of studies of N questions, each asked several times: the score is the share of right answers."""

    def draw(rng: np.random.Generator, truths: Sequence[float]) -> Drawn:
        of_examples = correlated(rng, len(truths), n)[:, None]
        answers = np.sqrt(0.7) * of_examples + np.sqrt(0.3) * rng.normal(size=(len(truths), repeats, n))
        right = answers < stats.norm.ppf(np.array(truths))[:, None, None]
        return _one_seed({"label": np.ones(n)}, "score", right.mean(axis=1), REPEATED, truths)

    return draw


def _repeats() -> Iterator[Line]:
    """Yield lines of right and wrong answers, of which each example has three."""
    for n in (30, 100):
        yield Line("repeated answers, one seed", "t on the log odds; paired t; paired t", f"3 repeats, N = {n}",
                   repeated(n, 3), REPEATED, RIGHT)  # fmt: skip


def _missing() -> Iterator[Line]:
    """Yield lines of missing replicates: a training in five has no result, by chance alone."""
    kind, methods = "missing replicates", "t; paired t over common seeds; paired t"
    for s in (5, 10):
        model = Numbers(Spread(seed=0.1, row_seed=0.1), s, missing=0.2)
        yield Line(kind, methods, f"scalars, S = {s}", model, SCALAR, SCORES, s)
    for s in (5, 10):
        model = Model("right", TRAINED, s, (500,), held="examples", missing=0.2)
        yield Line(kind, methods, f"0/1, over seeds, S = {s}, N = 500", model, ACCURACY, RIGHT, s, OVER_SEEDS)
    for s in (5, 10):
        model = Model("number", crossed(PARTS["equal"], s, 500), s, (500,), missing=0.2)
        yield Line(kind, "crossed random effects over common seeds", f"any score, both, S = {s}, N = 500", model,
                   NUMBER, SCORES, s, OVER_BOTH)  # fmt: skip


def lines() -> tuple[Line, ...]:
    """Return all lines."""
    parts = (
        _examples_right, _examples_any, _scalars, _over_seeds, _over_examples, _both, _groups, _unpaired, _aggregates,
        _aggregates_of_seeds, _own_seeds, _repeats, _missing,
    )  # fmt: skip
    return tuple(line for part in parts for line in part())


# Counts


class Rate(NamedTuple):
    """Share of claims that hold, or of studies with an error.

    `value`: the mean over studies. `error`: its Monte-Carlo standard error. `n`: number of studies.
    """

    value: float
    error: float
    n: int


class Bounds(NamedTuple):
    """Bounds of the counts of a line.

    `lowest`, `highest`: of coverage, the second for exact methods alone. `most`: of the family-wise error. `errors`:
    how many Monte-Carlo standard errors a count may lie beyond its bound.
    """

    lowest: float
    highest: float
    most: float
    errors: float = 0.0


CLAIMED = Bounds(0.935, 0.965, 0.055)
NOMINAL = Bounds(0.95, 0.95, 0.05, errors=4.0)  # a correct method stays within these in any number of studies


@dataclass(frozen=True)
class Counts:
    """Counts of the simulated studies of one line.

    Attributes:
        rows: coverage of the intervals of rows.
        differences: coverage of the intervals of differences from the reference.
        family: studies of equal rows in which the adjusted p value of any row is below 5 %.
        flips: rows of studies of equal rows whose sign-flip p value, which is not adjusted, is below 5 %.
        without: share of rows and of differences without an interval; they count in no coverage.
        floor: smallest sign-flip p value; 1 where there is none.
    """

    rows: Rate
    differences: Rate
    family: Rate
    flips: Rate
    without: tuple[float, float]
    floor: float


class Claims(NamedTuple):
    """Claims of one study. `rows`: returns row -> interval; `deltas`: row -> difference from the reference."""

    rows: Callable[[], dict[int, Interval]]
    deltas: dict[int, Difference]


def analysed(line: Line, drawn: Drawn) -> Analysis:
    """Return the analysis of one drawn study."""
    evidence = StudyEvidence({}, {}, drawn.rows, None)
    return study_statistics.analyse(line.record, evidence, dict.fromkeys(drawn.rows, 1), None)


Claimed = Callable[[Any, Sequence[Drawn]], list[Claims]]


def whole(line: Line, studies: Sequence[Drawn]) -> list[Claims]:
    """Return the claims of the whole analysis of each study."""
    facts = [analysed(line, drawn).rows for drawn in studies]
    return [
        Claims(partial(_stated, rows), {row: stated.delta for row, stated in rows.items() if stated.delta})
        for rows in facts
    ]


def _stated(facts: Mapping[int, RowFacts]) -> dict[int, Interval]:
    """Return the interval that the table prints of each row."""
    return {row: stated.primary.interval for row, stated in facts.items()}


def layered(line: Line, studies: Sequence[Drawn]) -> list[Claims]:
    """Return the claims of the layer below the analysis: scores of samples, and differences of all studies at once."""
    inference = Inference(line.record.uncertainty, line.record.by_group)
    samples = [sampled(drawn.rows, line.measure, inference) for drawn in studies]
    stride = 1 + max(max(rows) for rows in samples)
    rows = {stride * place + row: sample for place, of_study in enumerate(samples) for row, sample in of_study.items()}
    pairs = [(stride * place + 1, stride * place + row) for place, s in enumerate(samples) for row in s if row > 1]
    by_pair = differences.between(rows, pairs)
    claims = []
    for place, of_study in enumerate(samples):
        family = differences.adjusted([by_pair[stride * place + 1, stride * place + r] for r in of_study if r > 1])
        deltas = dict(zip((r for r in of_study if r > 1), family, strict=True))
        claims.append(Claims(partial(_scored, of_study), deltas))
    return claims


def _scored(samples: Mapping[int, Sample]) -> dict[int, Interval]:
    """Return the interval of each row's score."""
    return {row: score(sample).interval for row, sample in samples.items()}


def _covers(interval: Interval, truth: float) -> float:
    """Return 1 where the interval holds the truth, 0 where not, nan where there is no interval."""
    return float("nan") if np.isnan(interval.low + interval.high) else float(interval.holds(truth))


def covered(claims: Claims, truths: np.ndarray) -> tuple[list[float], list[float]]:
    """Return which intervals of a study hold their truths (R,): those of rows, and those of differences."""
    of_rows = [_covers(interval, truths[row - 1]) for row, interval in claims.rows().items()]
    return of_rows, [_covers(d.value, truths[row - 1] - truths[0]) for row, d in claims.deltas.items()]


def errors(claims: Claims) -> tuple[bool, list[float]]:
    """Return whether any row of a study of equal rows is called different, and the sign-flip p values."""
    flips = [d.p_exact for d in claims.deltas.values() if d.p_exact is not None]
    return any(d.p_holm < ALPHA for d in claims.deltas.values()), flips


def rate(studies: Sequence[Sequence[float]]) -> Rate:
    """Return the mean over studies of the mean of each study. nan counts in none.

    The standard error is that over studies, and at least that of a share of 95 % of as many independent claims.
    """
    claims = [kept for study in studies if (kept := [value for value in study if value == value])]
    if not claims:
        return Rate(float("nan"), float("nan"), 0)
    shares = np.array([np.mean(kept) for kept in claims])
    over_studies = shares.std(ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else float("inf")
    least = np.sqrt(0.95 * 0.05 / sum(map(len, claims)))
    return Rate(float(shares.mean()), float(max(over_studies, least)), len(shares))


def _missing_share(studies: Sequence[Sequence[float]]) -> float:
    """Return the share of nan."""
    return float(np.isnan([value for study in studies for value in study]).mean())


def _batches(line: Line, truths: Sequence[float], studies: int, rng: np.random.Generator) -> Iterator[list[Drawn]]:
    """Yield so many drawn studies whose rows have these values, BATCH at a time."""
    for start in range(0, studies, BATCH):
        yield [line.draw(rng, truths) for _ in range(min(BATCH, studies - start))]


def count(line: Line, studies: int, seed: int = 0, claimed: Claimed = whole, of_different: int = 0) -> Counts:
    """Return the counts of studies whose rows differ, and of studies whose rows are equal.

    Args:
        line: the line.
        studies: number of studies of equal rows.
        seed: seed of the random generator.
        claimed: `whole`, or `layered`, which takes a fraction of the time and gives the same claims.
        of_different: number of studies whose rows differ; 0 for as many.
    """
    rng, of_rows, of_differences, family = np.random.default_rng(seed), [], [], []
    with lean():
        for drawn in _batches(line, line.truths, of_different or studies, rng):
            with without_p_values():
                claims = claimed(line, drawn)
            counted = [covered(c, d.truths) for c, d in zip(claims, drawn, strict=True)]
            of_rows += [rows for rows, _ in counted]
            of_differences += [deltas for _, deltas in counted]
        for drawn in _batches(line, line.equal, studies, rng):
            family += map(errors, claimed(line, drawn))
    return Counts(
        rate(of_rows),
        rate(of_differences),
        rate([[float(wrong)] for wrong, _ in family]),
        rate([[float(p < ALPHA) for p in flips] for _, flips in family]),
        (_missing_share(of_rows), _missing_share(of_differences)),
        min((p for _, flips in family for p in flips), default=1.0),
    )


def failures(line: Line, counts: Counts, bounds: Bounds = CLAIMED) -> list[str]:
    """Return the bounds that the counts of a line break, in words."""
    parts = (("rows", counts.rows, line.exact[0]), ("differences", counts.differences, line.exact[1]))
    least, most = ({name: r.value + sign * bounds.errors * r.error for name, r, _ in parts} for sign in (1, -1))
    broken = [f"{name} cover too little" for name, value in least.items() if value < bounds.lowest]
    broken += [f"{name} cover too much" for name, _, exact in parts if exact and most[name] > bounds.highest]
    too_many = counts.family.value - bounds.errors * np.sqrt(0.05 * 0.95 / counts.family.n) > bounds.most
    return broken + (["too many errors"] if too_many else [])
