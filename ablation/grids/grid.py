"""Trials and grids: the rows of a table with their seeds."""

from collections.abc import Iterator
from decimal import Decimal
from functools import cached_property
from itertools import count, islice
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from ablation.grids.levels import Condition, Schema, text

NOTHING = "none"  # as select_on: no row is selected, and test is opened when every trial has ended
PUBLISHED = ("train_accuracy", "train_loss", "val_accuracy", "val_loss", "test_accuracy", "test_loss", "f1")


class Trial(BaseModel):
    """One condition with one seed. `row` counts from 1, as in the table; `step`: after which a training answers it."""

    model_config = ConfigDict(frozen=True)

    row: int
    condition: Condition
    seed: int
    step: int


class Conflict(NamedTuple):
    """Two studies publish different values of one row's metric: `said` names each with its value."""

    row: int
    metric: str
    said: tuple[tuple[str, Decimal], tuple[str, Decimal]]


class Grid(BaseModel):
    """The conditions x seeds of one study file, in the order of its rows."""

    model_config = ConfigDict(frozen=True)

    stem: str
    title: str
    factors: Schema
    rows: tuple[Condition, ...]
    labels: tuple[str, ...]  # what the study file calls each row; "" where its levels say it all
    published: tuple[dict[str, Decimal], ...]
    reference: int
    select_on: str
    seeds: tuple[int, ...]
    split_seed: int
    settings: dict[str, Any]  # what --set changed
    stated: tuple[str, ...] = ()  # the factors that rows set, in the study file's order
    published_test_images: int | None = None  # of the source: other data have another number
    margin: float | None = None  # differences in accuracy below it count as none, where the study says so (a fraction)
    conflicts: tuple[Conflict, ...] = ()  # of published numbers, where studies are run as one
    replicates: tuple[int, ...] = ()  # more seeds of the reference, that say how far a seed alone moves it

    @property
    def selects(self) -> bool:
        """Whether a row is selected at all: without validation, none is."""
        return self.select_on != NOTHING

    @property
    def metric(self) -> str:
        """What rows are selected by, without the name of its split."""
        return self.select_on.partition("_")[2]

    @property
    def on_test(self) -> bool:
        """Whether the study file has rows selected by their test results."""
        return self.select_on.startswith("test_")

    @property
    def titles(self) -> dict[str, str]:
        """Factor -> its heading."""
        return self.factors.titles

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """The factors that differ between rows, in the study file's order."""
        order = dict.fromkeys((*self.stated, *self.factors.names))
        return tuple(f for f in order if len({text(row[f]) for row in self.rows}) > 1)

    def trials(self) -> Iterator[Trial]:
        """The reference's replicates, then every condition with every seed: all rows of the first seed come first."""
        yield from (self.trial(self.reference, seed) for seed in self.replicates)
        yield from (self.trial(row, seed) for seed in self.seeds for row in range(1, len(self.rows) + 1))

    def trial(self, row: int, seed: int) -> Trial:
        """Return one trial. `row`: from 1."""
        condition = self.rows[row - 1]
        return Trial(row=row, condition=condition, seed=seed, step=self.factors.step(condition))

    @property
    def size(self) -> int:
        """How many trials there are."""
        return len(self.rows) * len(self.seeds) + len(self.replicates)

    def replicated(self, many: int) -> "Grid":
        """With so many more trainings of the reference, each with a seed of its own."""
        free = (seed for seed in count() if seed not in self.seeds)
        return self.model_copy(update={"replicates": tuple(islice(free, many))})

    def is_replicate(self, trial: Trial) -> bool:
        """Whether a trial says how much a seed moves the reference, and is no part of its row."""
        return trial.seed in self.replicates

    def seeded(self, row: int) -> Iterator[Trial]:
        """The trials of one row (from 1)."""
        return (self.trial(row, seed) for seed in self.seeds)

    def difference(self, row: int) -> dict[str, Any]:
        """What sets `row` (from 1) apart from the reference: factor -> its level."""
        mine, other = self.rows[row - 1], self.rows[self.reference - 1]
        return {f: mine[f] for f in self.varying if text(mine[f]) != text(other[f])}
