"""Conditions, trials and grids; a study file is read into a Grid here, and a wrong one is refused."""

import itertools
import math
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ablation.errors import AblateError

Units = Annotated[int, Field(ge=1, le=65_536)]


class Condition(BaseModel):
    """One row of the table: a level for every factor. A field's title is its heading where space is short.

    Written canonically: a list of equal units is one number, so equal rows are equal values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    backbone: Literal["vgg16", "mobilenetv2"] = Field("vgg16", title="Backbone")
    weights: str = Field("imagenet", min_length=1, title="Weights")
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
        same = len(units) == levels["fc_layers"] and all(u == units[0] for u in units)
        return {**levels, "fc_units": units[0]} if same and units else levels

    @model_validator(mode="after")
    def _one_unit_a_layer(self) -> "Condition":
        if isinstance(self.fc_units, tuple) and len(self.fc_units) != self.fc_layers:
            raise ValueError(f"fc_units lists {len(self.fc_units)} layers, fc_layers is {self.fc_layers}")
        return self

    @property
    def units(self) -> tuple[int, ...]:
        """Units of each dense layer of the head, the softmax left out."""
        return self.fc_units if isinstance(self.fc_units, tuple) else (self.fc_units,) * self.fc_layers


FACTORS: tuple[str, ...] = tuple(Condition.model_fields)
TITLES: dict[str, str] = {name: field.title or name for name, field in Condition.model_fields.items()}
METRICS = ("accuracy", "macro_f1", "weighted_f1", "micro_f1", "loss")
PUBLISHED = ("train_accuracy", "train_loss", "val_accuracy", "val_loss", "test_accuracy", "test_loss", "f1")
DESIGNS = ("rows", "factorial", "one_at_a_time", "leave_one_out")

# Levels that something reads today. The others are declared and checked, and refused with "not yet".
READY = {
    "backbone": {"vgg16"},
    "trainable": {"head"},
    "balance": {"none"},
    "augment": {"none"},
    "align": {"none"},
    "split": {"given", "class"},
    "precision": {"float32"},
}


class Trial(BaseModel):
    """One condition with one seed. `row` counts from 1, as in the table."""

    model_config = ConfigDict(frozen=True)

    row: int
    condition: Condition
    seed: int


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

    @property
    def varying(self) -> tuple[str, ...]:
        """The factors that differ between rows, in declared order."""
        return tuple(f for f in FACTORS if len({getattr(row, f) for row in self.rows}) > 1)

    def trials(self) -> Iterator[Trial]:
        """Every condition with every seed: all rows of the first seed come first."""
        for seed in self.seeds:
            for number, condition in enumerate(self.rows, start=1):
                yield Trial(row=number, condition=condition, seed=seed)

    def difference(self, row: int) -> dict[str, Any]:
        """What sets `row` (from 1) apart from the reference: factor -> its level."""
        mine, other = self.rows[row - 1], self.rows[self.reference - 1]
        return {f: getattr(mine, f) for f in FACTORS if getattr(mine, f) != getattr(other, f)}


def short(factor: str, level: object) -> str:
    """A level as people write it: 1e-4, 128+64, the name of a weights file."""
    if isinstance(level, tuple | list):
        return "+".join(map(str, level))
    if factor == "weights":
        return Path(str(level)).name
    if isinstance(level, float) and 0 < level < 0.01:
        exponent = math.floor(math.log10(level))
        return f"{level / 10**exponent:.6g}e{exponent}"
    return f"{level:g}" if isinstance(level, float) else str(level)


def allowed(factor: str) -> str:
    """What a level of `factor` may be, in words."""
    if factor == "weights":
        return "'imagenet', 'random', or a path"
    if factor == "fc_units":
        return "a whole number from 1 to 65536, or a list of them, one a layer"
    declared = Condition.model_json_schema()["properties"][factor]
    if "enum" in declared:
        return "one of " + ", ".join(declared["enum"])
    kind = "a whole number" if declared["type"] == "integer" else "a number"
    top = f"to {declared['maximum']:g}" if "maximum" in declared else f"to below {declared['exclusiveMaximum']:g}"
    return f"{kind} from {declared['minimum']:g} {top}"


class _StudyFile(BaseModel):
    """The keys of a study file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: str = ""
    reference: int | None = None
    select_on: str = "val_accuracy"
    select_on_test: bool = False
    seeds: list[Annotated[int, Field(ge=0)]] = Field([0], min_length=1)
    fixed: dict[str, Any] = Field(default_factory=dict)
    rows: list[dict[str, Any]] | None = None
    factorial: dict[str, list[Any]] | None = None
    one_at_a_time: dict[str, list[Any]] | None = None
    leave_one_out: dict[str, dict[str, Any]] | None = None


class _Row(BaseModel):
    """A row before it is checked: where it stands in the file, its levels, and what goes with it."""

    where: str
    levels: dict[str, Any]
    label: str = ""
    published: dict[str, Any] = Field(default_factory=dict)


def shipped() -> dict[str, Path]:
    """The studies that come with the package: name -> file."""
    folder = Path(str(files("ablation"))) / "studies"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def find(grid: str) -> Path:
    """The study file that `--grid` means: a path, or the name of a shipped study. Raises AblateError."""
    if grid.endswith(".toml") or "/" in grid:
        if not Path(grid).is_file():
            raise AblateError(f"--grid {grid}: no such file; `ablate new {grid}` writes one to start from")
        return Path(grid)
    if grid not in shipped():
        raise AblateError(f"--grid {grid}: no such study; shipped: {', '.join(shipped())}, or the path of a .toml file")
    return shipped()[grid]


def _parse(path: Path) -> _StudyFile:
    try:
        with open(path, "rb") as file:
            found = tomllib.load(file, parse_float=Decimal)  # published numbers keep their decimals
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AblateError(f"{path}: no valid TOML: {error}") from None
    try:
        return _StudyFile.model_validate(found)
    except ValidationError as error:
        raise AblateError(f"{path}: {_key_error(error)}") from None


def _key_error(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"unknown key {where!r}; known: {', '.join(_StudyFile.model_fields)}"
    return f"{where}: {first['msg'][0].lower()}{first['msg'][1:]}, not {first['input']!r}"


def _floats(value: Any) -> Any:
    """Decimals back to floats, wherever a level hides in lists and tables."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {k: _floats(v) for k, v in value.items()}
    return [_floats(v) for v in value] if isinstance(value, list) else value


def _stated_rows(file: _StudyFile) -> Iterator[_Row]:
    for n, row in enumerate(file.rows or [], start=1):
        levels = {k: _floats(v) for k, v in row.items() if k not in ("published", "label")}
        yield _Row(where=f"rows[{n}]", levels=levels, label=row.get("label", ""), published=row.get("published", {}))


def _factorial(levels: dict[str, list[Any]]) -> Iterator[_Row]:
    for cell in itertools.product(*levels.values()):
        yield _Row(where="factorial", levels=dict(zip(levels, cell, strict=True)))


def _one_at_a_time(levels: dict[str, list[Any]], fixed: Mapping[str, Any]) -> Iterator[_Row]:
    yield _Row(where="fixed", levels={})
    for factor, values in levels.items():
        field = Condition.model_fields.get(factor)
        for value in values:
            if field is None or value != fixed.get(factor, field.default):  # the reference row has that level already
                yield _Row(where="one_at_a_time", levels={factor: value})


def _leave_one_out(components: dict[str, dict[str, Any]]) -> Iterator[_Row]:
    yield _Row(where="fixed", levels={}, label="all components")
    for name, levels in components.items():
        yield _Row(where=f"leave_one_out.{name}", levels=levels, label=f"without {name}")


def _rows_of(file: _StudyFile, fixed: Mapping[str, Any]) -> Iterator[_Row]:
    if file.factorial is not None:
        return _factorial(_floats(file.factorial))
    if file.one_at_a_time is not None:
        return _one_at_a_time(_floats(file.one_at_a_time), fixed)
    if file.leave_one_out is not None:
        return _leave_one_out(_floats(file.leave_one_out))
    return _stated_rows(file)


def _design(path: Path, file: _StudyFile, fixed: Mapping[str, Any]) -> list[_Row]:
    stated = [d for d in DESIGNS if getattr(file, d) is not None]
    if len(stated) != 1:
        found = " and ".join(stated) or "none"
        raise AblateError(f"{path}: one design is needed, found {found}; allowed: {', '.join(DESIGNS)}")
    if rows := list(_rows_of(file, fixed)):
        return rows
    raise AblateError(f"{path}: {stated[0]}: no rows; state one at least")


def _condition(place: str, levels: Mapping[str, Any]) -> Condition:
    try:
        condition = Condition.model_validate(dict(levels))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        factor = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            raise AblateError(
                f"{place}{factor}: unknown factor {factor!r}; known: {', '.join(FACTORS)}, split_seed in [fixed]"
            ) from None
        if not factor:
            raise AblateError(f"{place.rstrip('. ')}: {first['msg'].removeprefix('Value error, ')}") from None
        raise AblateError(f"{place}{factor}: {levels[factor]!r} is not allowed; allowed: {allowed(factor)}") from None
    for factor, ready in READY.items():
        level = getattr(condition, factor)
        if level not in ready:
            raise AblateError(
                f"{place}{factor}: {level!r} is not yet supported; allowed today: {', '.join(sorted(ready))}"
            )
    return condition


def _published(path: Path, row: _Row) -> dict[str, Decimal]:
    for key, value in row.published.items():
        if key not in PUBLISHED:
            raise AblateError(f"{path}: {row.where}.published: unknown key {key!r}; known: {', '.join(PUBLISHED)}")
        is_number = isinstance(value, Decimal | int) and not isinstance(value, bool)
        if not (is_number and value >= 0 and (key.endswith("loss") or value <= 1)):
            raise AblateError(
                f"{path}: {row.where}.published.{key}: {value!r} is not allowed; allowed: 0 to 1 (a loss: 0 on)"
            )
    return {key: Decimal(value) for key, value in row.published.items()}


def _refuse_doubles(path: Path, rows: Sequence[_Row], conditions: Sequence[Condition]) -> None:
    first: dict[Condition, int] = {}
    for n, condition in enumerate(conditions, start=1):
        if condition in first:
            raise AblateError(
                f"{path}: rows {first[condition]} and {n} ({rows[n - 1].where}) are the same trial; remove one"
            )
        first[condition] = n


def _hub(conditions: Sequence[Condition]) -> int:
    """The row (from 1) with most one-factor neighbours; ties go to the first."""
    neighbours: Counter[int] = Counter()
    for factor in FACTORS:
        without = [tuple(getattr(c, f) for f in FACTORS if f != factor) for c in conditions]
        alike = Counter(without)
        for i, key in enumerate(without):
            neighbours[i] += alike[key] - 1
    return max(range(len(conditions)), key=lambda i: (neighbours[i], -i)) + 1


def _reference(path: Path, file: _StudyFile, conditions: Sequence[Condition]) -> int:
    if file.reference is None:
        return 1 if file.one_at_a_time or file.leave_one_out else _hub(conditions)
    if not 1 <= file.reference <= len(conditions):
        raise AblateError(f"{path}: reference: no row {file.reference}; allowed: 1 to {len(conditions)}")
    return file.reference


def _select_on(path: Path, file: _StudyFile) -> str:
    split, _, metric = file.select_on.partition("_")
    if split not in ("val", "test") or metric not in METRICS:
        known = ", ".join(f"val_{m}" for m in METRICS)
        raise AblateError(f"{path}: select_on: unknown metric {file.select_on!r}; allowed: {known}")
    if split == "test":
        raise AblateError(
            f"{path}: select_on: {file.select_on!r} would choose by the test set"
            + (" and is not yet supported" if file.select_on_test else "")
            + f"; allowed: val_{metric}"
        )
    return file.select_on


def settings(texts: Sequence[str]) -> dict[str, Any]:
    """`--set` texts, "factor=level" each, as a mapping; a level is read as TOML, else as text. Raises AblateError."""
    parsed = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in (*FACTORS, "split_seed"):
            raise AblateError(f"--set {text}: takes factor=level; known factors: {', '.join(FACTORS)}, split_seed")
        try:
            parsed[name] = tomllib.loads(f"x = {value}")["x"]
        except tomllib.TOMLDecodeError:
            parsed[name] = value
    return parsed


def seed_list(text: str) -> list[int]:
    """`--seeds 5` is 0 to 4; `--seeds 0,7` is a list. Raises AblateError."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    seeds = list(range(numbers[0])) if len(numbers) == 1 else numbers
    if not seeds or min(seeds) < 0:
        raise AblateError(f"--seeds {text}: takes how many (5: seeds 0 to 4), or a list of whole numbers (0,7,11)")
    return seeds


def _located(levels: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A weights path that stands in a file is meant from that file's folder."""
    weights = levels.get("weights")
    if not isinstance(weights, str) or weights in ("", "imagenet", "random"):
        return dict(levels)
    return {**levels, "weights": str((folder / Path(weights).expanduser()).resolve())}


def _split_seed(place: str, fixed: dict[str, Any]) -> int:
    """Taken out of `fixed`: one level for the study, and no factor."""
    seed = fixed.pop("split_seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise AblateError(f"{place}split_seed: {seed!r} is not allowed; allowed: a whole number from 0")
    return seed


def read(grid: str, changes: Mapping[str, Any] | None = None, seeds: Sequence[int] | None = None) -> Grid:
    """The grid of a study file, with [fixed] changed by `changes` (--set) and its seeds replaced by `seeds`.

    Raises AblateError, naming the file, the key and what is allowed.
    """
    path, changes = find(grid), changes or {}
    file = _parse(path)
    stated = _located(_floats(file.fixed), path.parent)
    fixed = stated | _located(changes, Path.cwd())
    _split_seed(f"{path}: fixed.", stated)
    _condition(f"{path}: fixed.", stated)
    split_seed = _split_seed("--set ", fixed)
    _condition("--set ", fixed)
    rows = _design(path, file, fixed)
    for name in changes:
        if any(name in row.levels for row in rows):
            raise AblateError(f"--set {name}: the rows of {path} set it; edit them, or set another factor")
    conditions = [_condition(f"{path}: {row.where}.", fixed | _located(row.levels, path.parent)) for row in rows]
    _refuse_doubles(path, rows, conditions)
    numbers = list(seeds if seeds is not None else file.seeds)
    if len(set(numbers)) < len(numbers):
        raise AblateError(f"{path}: seeds: one is named twice in {numbers}; name each once")
    return Grid(
        stem=path.stem,
        title=file.title or path.stem,
        rows=tuple(conditions),
        labels=tuple(str(row.label) for row in rows),
        published=tuple(_published(path, row) for row in rows),
        reference=_reference(path, file, conditions),
        select_on=_select_on(path, file),
        seeds=tuple(numbers),
        split_seed=split_seed,
        settings=dict(changes),
    )


def starter() -> str:
    """A commented study file to start from."""
    factors = "".join(
        f"# {name} = {_toml(field.default)}  # {allowed(name)}\n" for name, field in Condition.model_fields.items()
    )
    return f"""\
# A study for ablate: state the rows, then  ablate run --grid THIS_FILE --data YOUR_IMAGES
title = "My ablation"
# reference = 1  # the row that the others are compared with; default: the row with most one-factor neighbours
select_on = "val_accuracy"  # chooses a row, on validation only: {", ".join(f"val_{m}" for m in METRICS)}
seeds = [0]

[fixed]  # what rows share, unless a row says otherwise; every factor has a default:
{factors}# split_seed = 0  # for splits that the data do not bring

# One design: [[rows]], each row stated ...
[[rows]]
learning_rate = 1e-4

[[rows]]
learning_rate = 1e-3
# published = {{ val_accuracy = 0.94, test_accuracy = 0.941, f1 = 0.94 }}  # printed beside yours

# ... or the full product:                [factorial]      fc_units = [2048, 4096]   dropout = [0.0, 0.25]
# ... or each level alone against [fixed]:  [one_at_a_time]  fc_units = [2048, 8192]
# ... or each component removed alone:      [leave_one_out]  dropout = {{ dropout = 0.0 }}
"""


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
