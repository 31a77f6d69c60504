"""Trials and grids: the rows of a table with their seeds."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from itertools import count, islice
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from ablation.study.experiment_keys import ExperimentKeys
from ablation.study.fold_keys import FoldKeys
from ablation.study.levels import Condition, Schema, text
from ablation.study.table_keys import Comparison, MeasureKeys, TableKeys

Replication = Literal["seeds", "runs", "folds"]
NOTHING = "none"  # value of select_on: no row is selected, and test results are opened when every trial has ended
PUBLISHED = ("train_accuracy", "train_loss", "val_accuracy", "val_loss", "test_accuracy", "test_loss", "f1")


class Trial(BaseModel):
    """One condition with one seed. `row`: from 1, as in the table; `step`: the milestone that gives its result."""

    model_config = ConfigDict(frozen=True)

    row: int
    condition: Condition
    seed: int
    step: int


class Conflict(NamedTuple):
    """Different published values of one row's metric in two studies. `said`: (study, value) of each."""

    row: int
    metric: str
    said: tuple[tuple[str, Decimal], tuple[str, Decimal]]


class Grid(BaseModel):
    """Conditions x seeds of one study file, in the order of its rows."""

    model_config = ConfigDict(frozen=True)

    stem: str
    title: str
    factors: Schema
    rows: tuple[Condition, ...]
    labels: tuple[str, ...]  # labels of the rows in the study file; "" where a row has none
    published: tuple[dict[str, Decimal], ...]
    reference: int
    select_on: str
    seeds: tuple[int, ...]
    split_seed: int
    settings: dict[str, Any]  # levels of --set
    stated: tuple[str, ...] = ()  # factors that rows set, in the order of the study file
    published_test_images: int | None = None  # test images of the published source: other data have a different number
    margin: float | None = None  # equivalence margin, a fraction: smaller differences in accuracy count as none
    conflicts: tuple[Conflict, ...] = ()  # between published numbers of merged studies
    table: TableKeys = TableKeys()
    comparisons: tuple[Comparison, ...] = ()  # families that the study file states
    measures: dict[str, MeasureKeys] = {}  # what the study file states of measures
    replicates: tuple[int, ...] = ()  # extra seeds of the reference, which show the effect of the seed alone
    replication: Replication = "seeds"  # what `seeds` count: runs without seeds are not paired
    folds: FoldKeys | None = None  # where `seeds` count the folds of a cross-validation
    experiment_keys: ExperimentKeys | None = None  # of a command, with an absolute folder
    notes: tuple[str, ...] = ()  # for the user, on the rows of the study file
    only: tuple[tuple[int, int], ...] | None = None  # (row, seed) of the trials; None for each row with each seed

    @property
    def selects(self) -> bool:
        """True if the study selects a row. Without validation, no row is selected."""
        return self.select_on != NOTHING

    @property
    def is_imported(self) -> bool:
        """True where another program made the trials: a row has those seeds that the source has."""
        return self.only is not None

    @property
    def metric(self) -> str:
        """Metric that selects rows, without the name of its split."""
        return self.select_on.partition("_")[2]

    @property
    def on_test(self) -> bool:
        """True if the study file selects rows by their test results."""
        return self.select_on.startswith("test_")

    @property
    def titles(self) -> dict[str, str]:
        """Headings by factor."""
        return self.factors.titles

    def word(self, factor: str) -> str:
        """Return the name of a factor in a sentence: the title that its study file states, otherwise its own words."""
        stated = self.experiment_keys.factors.get(factor) if self.experiment_keys else None
        return (stated.title if stated else "") or factor.replace("_", " ")

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """Factors that differ between rows, in the order of the study file."""
        order = dict.fromkeys((*self.stated, *self.factors.names))
        return tuple(f for f in order if len({text(row[f]) for row in self.rows}) > 1)

    def trials(self) -> Iterator[Trial]:
        """Yield the reference's replicates, then every row with the first seed, then with the second, and so on."""
        yield from (self.trial(self.reference, seed) for seed in self.replicates)
        if self.only is not None:
            yield from (self.trial(row, seed) for row, seed in self.only)
            return
        yield from (self.trial(row, seed) for seed in self.seeds for row in range(1, len(self.rows) + 1))

    def trial(self, row: int, seed: int) -> Trial:
        """Return the trial of `row` (from 1) with `seed`."""
        condition = self.rows[row - 1]
        return Trial(row=row, condition=condition, seed=seed, step=self.factors.step(condition))

    @property
    def size(self) -> int:
        """Number of trials, replicates included."""
        n_trials = len(self.rows) * len(self.seeds) if self.only is None else len(self.only)
        return n_trials + len(self.replicates)

    def replicated(self, n_replicates: int) -> "Grid":
        """Return a copy with `n_replicates` extra trainings of the reference, each with an unused seed."""
        unused_seeds = (seed for seed in count() if seed not in self.seeds)
        return self.model_copy(update={"replicates": tuple(islice(unused_seeds, n_replicates))})

    def with_levels(self, levels: Mapping[str, Any]) -> "Grid":
        """Return a copy with these levels in all rows; of rows that are equal then, the first stays."""
        first: dict[Condition, int] = {}
        for position, row in enumerate(self.rows):
            first.setdefault(row.replace(**levels), position)
        reference = list(first).index(self.rows[self.reference - 1].replace(**levels)) + 1
        kept = list(first.values())
        update = {"labels": tuple(self.labels[i] for i in kept), "published": tuple(self.published[i] for i in kept)}
        return self.model_copy(update={**update, "rows": tuple(first), "reference": reference, "comparisons": ()})

    def is_replicate(self, trial: Trial) -> bool:
        """Return whether a trial is a replicate.

        A replicate shows the effect of the seed on the reference, and is not part of the reference's row.
        """
        return trial.seed in self.replicates

    def seeded(self, row: int) -> Iterator[Trial]:
        """Yield the trials of one row (from 1), one for each seed of the study."""
        return (self.trial(row, seed) for seed in self.seeds_of(row))

    def seeds_of(self, row: int) -> tuple[int, ...]:
        """Return the seeds of one row (from 1)."""
        return self.seeds if self.only is None else self._seeds_by_row.get(row, ())

    @cached_property
    def _seeds_by_row(self) -> dict[int, tuple[int, ...]]:
        """Seeds of each row, where rows have different ones."""
        by_row: dict[int, list[int]] = {}
        for row, seed in self.only or ():
            by_row.setdefault(row, []).append(seed)
        return {row: tuple(sorted(seeds)) for row, seeds in by_row.items()}

    def difference(self, row: int) -> dict[str, Any]:
        """Return the levels of `row` (from 1) that differ from the reference: factor -> level."""
        condition, reference = self.rows[row - 1], self.rows[self.reference - 1]
        return {f: condition[f] for f in self.varying if text(condition[f]) != text(reference[f])}
