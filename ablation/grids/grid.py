"""Conditions, trials and grids: the rows of a table, and what may stand in them."""

from collections.abc import Iterator
from decimal import Decimal
from functools import cached_property
from itertools import count, islice
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

Units = Annotated[int, Field(ge=1, le=65_536)]


class Condition(BaseModel):
    """One row of the table: a level for every factor. A field's title is its heading where space is short.

    Written canonically: a list of equal units is one number, so equal rows are equal values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    backbone: Literal["vgg16", "mobilenetv2"] = Field("vgg16", title="Backbone")
    weights: str = Field("imagenet", pattern=r"\A[^\x00]+\z", title="Weights")
    image_size: int = Field(32, ge=32, le=512, title="Size")
    trainable: Literal["head", "block5", "all"] = Field("head", title="Trainable")
    fc_layers: int = Field(2, ge=1, le=16, title="Layers")
    fc_units: Units | tuple[Units, ...] = Field(4096, title="FC")
    dropout: float = Field(0.25, ge=0, lt=1, title="Dropout")
    optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] = Field("adam", title="Optimizer")
    learning_rate: float = Field(1e-4, ge=1e-8, le=10, title="LR")
    batch_size: int = Field(256, ge=1, le=65_536, title="Batch")
    epochs: int = Field(10, ge=1, le=100_000, title="Epochs")
    balance: Literal["none", "class_weight", "batch"] = Field("none", title="Balance")
    augment: Literal["none", "flip", "light"] = Field("none", title="Augment")
    align: Literal["none", "train", "all"] = Field("none", title="Align")
    split: Literal["given", "class", "subject"] = Field("given", title="Split")
    precision: Literal["float32", "tensorfloat32", "bfloat16", "float16"] = Field("float32", title="Precision")

    @model_validator(mode="before")
    @classmethod
    def _canonical_units(cls, levels: dict[str, Any]) -> dict[str, Any]:
        units = levels.get("fc_units")
        if not isinstance(units, list | tuple):
            return levels
        levels = {"fc_layers": len(units), **levels, "fc_units": tuple(units)}
        same = len(units) == levels["fc_layers"] and all(type(u) is int and u == units[0] for u in units)
        return {**levels, "fc_units": units[0]} if same and units else levels

    @model_validator(mode="after")
    def _one_unit_a_layer(self) -> "Condition":
        if isinstance(self.fc_units, tuple) and len(self.fc_units) != self.fc_layers:
            raise ValueError(f"lists {len(self.fc_units)} layers, fc_layers is {self.fc_layers}")
        return self

    @property
    def units(self) -> tuple[int, ...]:
        """Units of each dense layer of the head, the softmax left out."""
        return self.fc_units if isinstance(self.fc_units, tuple) else (self.fc_units,) * self.fc_layers


FACTORS: tuple[str, ...] = tuple(Condition.model_fields)
TITLES: dict[str, str] = {name: field.title or name for name, field in Condition.model_fields.items()}
NOTHING = "none"  # as select_on: no row is selected, and test is opened when every trial has ended
METRICS = ("accuracy", "macro_f1", "weighted_f1", "micro_f1", "loss")
PUBLISHED = ("train_accuracy", "train_loss", "val_accuracy", "val_loss", "test_accuracy", "test_loss", "f1")


class Trial(BaseModel):
    """One condition with one seed. `row` counts from 1, as in the table."""

    model_config = ConfigDict(frozen=True)

    row: int
    condition: Condition
    seed: int


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

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """The factors that differ between rows, in the study file's order."""
        order = dict.fromkeys((*self.stated, *FACTORS))
        return tuple(f for f in order if len({getattr(row, f) for row in self.rows}) > 1)

    def trials(self) -> Iterator[Trial]:
        """The reference's replicates, then every condition with every seed: all rows of the first seed come first."""
        for seed in self.replicates:
            yield Trial(row=self.reference, condition=self.rows[self.reference - 1], seed=seed)
        for seed in self.seeds:
            for number, condition in enumerate(self.rows, start=1):
                yield Trial(row=number, condition=condition, seed=seed)

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
        return (Trial(row=row, condition=self.rows[row - 1], seed=seed) for seed in self.seeds)

    def difference(self, row: int) -> dict[str, Any]:
        """What sets `row` (from 1) apart from the reference: factor -> its level."""
        mine, other = self.rows[row - 1], self.rows[self.reference - 1]
        return {f: getattr(mine, f) for f in self.varying if getattr(mine, f) != getattr(other, f)}


def short(factor: str, level: object) -> str:
    """A level as people write it: 1e-4, 128+64, the name of a weights file."""
    if isinstance(level, tuple | list):
        return "+".join(map(str, level))
    if factor == "weights":
        return Path(str(level)).name
    if isinstance(level, float):  # all of its digits: other levels look otherwise; -0.0 is 0
        return f"{Decimal(repr(level + 0.0)).normalize():{'e' if 0 < level < 0.01 else 'f'}}"
    return str(level)


def allowed(factor: str) -> str:
    """What a level of `factor` may be, in words."""
    if factor == "weights":
        return "'imagenet', 'random', or a path"
    if factor == "fc_units":
        return "a whole number from 1 to 65536, or a list of 1 to 16 of them, one a layer"
    declared = Condition.model_json_schema()["properties"][factor]
    if "enum" in declared:
        return "one of " + ", ".join(declared["enum"])
    kind = "a whole number" if declared["type"] == "integer" else "a number"
    top = f"to {declared['maximum']:g}" if "maximum" in declared else f"to below {declared['exclusiveMaximum']:g}"
    return f"{kind} from {declared['minimum']:g} {top}"
