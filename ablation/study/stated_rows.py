"""Rows that a study file states by one of the designs: their levels, labels and published numbers, each checked."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, create_model

from ablation import experiments
from ablation.errors import AblateError
from ablation.nearest import nearest
from ablation.study.grid import PUBLISHED
from ablation.study.levels import Condition, Level, Schema, canonical, floats, is_finite, schema_of, text
from ablation.study.study_keys import MAX_ROWS, StudyKeys, quote

OF_ALL = {"plugin", "task", "io"}  # keys of [experiment] that every experiment may have
DESIGNS = ("rows", "factorial", "one_at_a_time", "leave_one_out")


@dataclass(frozen=True)
class StatedRow:
    """Row before validation: its position in the file, its levels, its label and its published numbers."""

    where: str
    levels: dict[str, Any]
    label: Any = ""
    published: Any = field(default_factory=dict)


def _stated_rows(rows: list[dict[str, Any]]) -> Iterator[StatedRow]:
    for n, row in enumerate(rows, start=1):
        levels = {k: floats(v) for k, v in row.items() if k not in ("published", "label")}
        yield StatedRow(f"rows[{n}]", levels, row.get("label", ""), row.get("published", {}))


def _factorial(levels: dict[str, list[Any]]) -> Iterator[StatedRow]:
    for cell in itertools.product(*levels.values()):
        yield StatedRow("factorial", dict(zip(levels, cell, strict=True)))


def _one_at_a_time(levels: dict[str, list[Any]]) -> Iterator[StatedRow]:
    yield StatedRow("fixed", {})
    for factor, values in levels.items():
        for value in values:
            yield StatedRow("one_at_a_time", {factor: value})


def _leave_one_out(components: dict[str, dict[str, Any]]) -> Iterator[StatedRow]:
    yield StatedRow("fixed", {}, label="all components")
    for name, levels in components.items():
        yield StatedRow(f"leave_one_out.{name}", levels, label=f"without {name}")


def _rows_of(file: StudyKeys) -> Iterator[StatedRow]:
    if file.factorial is not None:
        return _factorial(floats(file.factorial))
    if file.one_at_a_time is not None:
        return _one_at_a_time(floats(file.one_at_a_time))
    if file.leave_one_out is not None:
        return _leave_one_out(floats(file.leave_one_out))
    return _stated_rows(file.rows or [])


def of_design(path: Path, file: StudyKeys) -> list[StatedRow]:
    """Return the rows of the file's design. Raises AblateError unless there is one design, with 1 to MAX_ROWS rows."""
    stated = [d for d in DESIGNS if getattr(file, d) is not None]
    if len(stated) != 1:
        stated_names = " and ".join(stated) or "none"
        raise AblateError(f"{path}: one design is needed, found {stated_names}; allowed: {', '.join(DESIGNS)}")
    name, design = stated[0], getattr(file, stated[0])
    empty = [f"{name}.{k}" for k, v in design.items() if not v] if isinstance(design, dict) else []
    if not design or empty:
        raise AblateError(f"{path}: {[*empty, name][0]}: empty; state at least one {'level' if empty else 'row'}")
    rows = list(itertools.islice(_rows_of(file), MAX_ROWS + 1))
    if len(rows) > MAX_ROWS:
        raise AblateError(f"{path}: {name}: more than {MAX_ROWS} rows; remove levels")
    return rows


@dataclass(frozen=True)
class ExperimentFactors:
    """Factors of an experiment, with the checks of their levels."""

    experiment: Any
    schema: Schema

    @property
    def model(self) -> type[BaseModel]:
        factors: type[BaseModel] = self.experiment.factors
        return factors

    def condition(self, place: str, levels: Mapping[str, Any]) -> Condition:
        """Return a row of the table. Raises AblateError for a wrong level; the message is `place`, then the factor."""
        try:
            complete = self.model.model_validate(dict(levels)).model_dump()
        except ValidationError as error:
            raise AblateError(f"{place}{self._error(levels, error)}") from None
        self._refuse_infinite(place, levels)
        return Condition(complete)

    def check(self, place: str, levels: Mapping[str, Any]) -> None:
        """Raise AblateError where one of `levels` is not allowed. Required factors may be missing: rows set them."""
        try:
            self.model.model_validate(dict(levels))
        except ValidationError as error:
            if any(e["type"] != "missing" for e in error.errors(include_url=False)):
                raise AblateError(f"{place}{self._error(levels, error)}") from None
        self._refuse_infinite(place, levels)

    def _refuse_infinite(self, place: str, levels: Mapping[str, Any]) -> None:
        for name, level in levels.items():
            if not is_finite(level):
                raise AblateError(f"{place}{name}: {quote(level)} is not allowed; allowed: finite numbers")

    def level(self, name: str, level: Any) -> Level:
        """Return a level that is allowed, as rows have it."""
        field = self.model.model_fields[name]
        fields: dict[str, Any] = {name: (field.annotation, field)}
        model = create_model("one", __config__=self.model.model_config, **fields)
        return canonical(model.model_validate({name: level}).model_dump()[name])

    def _error(self, levels: Mapping[str, Any], error: ValidationError) -> str:
        errors = error.errors(include_url=False)
        first = next((e for e in errors if e["type"] != "missing"), errors[0])
        if not first["loc"]:
            return str(first["msg"].removeprefix("Value error, "))
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            names = [*self.schema.names, "split_seed"]
            allowed_names = f"known: {', '.join(names)} in [fixed]{nearest(name, names)}"
            return f"{name}: unknown factor {quote(name)}; {allowed_names}"
        factor, level = self.schema.by_name[name], levels.get(name)
        allowed = factor.allowed
        if first["type"] == "missing":
            return f"{name}: every row needs a level; allowed: {allowed}"
        return f"{name}: {quote(level)} is not allowed; allowed: {allowed}{nearest(level, factor.choices)}"


def factors_of(path: Path, file: StudyKeys) -> ExperimentFactors:
    """Return the factors of the experiment that a study file names, or declares.

    Raises AblateError where a declaration is wrong.
    """
    stated = file.experiment
    ways = [key for key in (experiments.COMMAND, experiments.FUNCTION) if getattr(stated, key)]
    plugin = stated.plugin or (ways or [experiments.DEFAULT])[0]
    if stated.plugin and stated.plugin not in ways:
        ways.insert(0, "plugin")
    if len(ways) > 1:
        raise AblateError(f"{path}: experiment: {' and '.join(ways)} are both stated; state one")
    loaded = experiments.load(plugin)
    if declared := getattr(loaded, "declared", None):
        loaded = declared(path, file)
    elif unused := stated.model_fields_set - OF_ALL:
        raise AblateError(f"{path}: experiment.{min(unused)}: is of functions and commands; state function or command")
    return ExperimentFactors(loaded, schema_of(loaded, plugin))


def label(path: Path, row: StatedRow) -> str:
    """Return the label of a row. Raises AblateError where the label is no text."""
    if not isinstance(row.label, str):
        raise AblateError(f"{path}: {row.where}.label: {quote(row.label)} is not allowed; allowed: a string")
    return row.label


def _is_published(key: str, value: object) -> bool:
    """Return whether `value` is a valid published number for `key`."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return False
    number = Decimal(value)
    if not number.is_finite() or number.is_signed() or number > (1_000_000 if key.endswith("loss") else 1):
        return False
    return number == round(number, 20)


def published(path: Path, row: StatedRow) -> dict[str, Decimal]:
    """Return the published numbers of a row. Raises AblateError for an unknown key or a wrong number."""
    place = f"{path}: {row.where}.published"
    if not isinstance(row.published, dict):
        raise AblateError(f"{place}: {quote(row.published)} is not allowed; allowed: a table of {', '.join(PUBLISHED)}")
    for key, value in row.published.items():
        if key not in PUBLISHED:
            raise AblateError(
                f"{place}: unknown key {quote(key)}; known: {', '.join(PUBLISHED)}{nearest(key, PUBLISHED)}"
            )
        if not _is_published(key, value):
            top = "1000000" if key.endswith("loss") else "1"
            raise AblateError(
                f"{place}.{key}: {quote(value)} is not allowed; allowed: a number from 0 to {top}, 20 decimals at most"
            )
    return {key: Decimal(value) for key, value in row.published.items()}


def refuse_duplicates(path: Path, rows: Sequence[StatedRow], conditions: Sequence[Condition]) -> None:
    """Raise AblateError where two rows are the same trial."""
    first: dict[Condition, int] = {}
    for n, condition in enumerate(conditions, start=1):
        if condition in first:
            raise AblateError(
                f"{path}: rows {first[condition]} and {n} ({rows[n - 1].where}) are the same trial; remove one"
            )
        first[condition] = n


def hub(conditions: Sequence[Condition]) -> int:
    """Return the row (from 1) with the most rows that differ from it in one factor. The first such row wins ties."""
    neighbours: Counter[int] = Counter()
    varying = [f for f in conditions[0] if len({text(c[f]) for c in conditions}) > 1]
    for factor in varying:
        remaining_levels = [tuple(text(c[f]) for f in varying if f != factor) for c in conditions]
        counts = Counter(remaining_levels)
        for i, key in enumerate(remaining_levels):
            neighbours[i] += counts[key] - 1
    return max(range(len(conditions)), key=lambda i: (neighbours[i], -i)) + 1


def reference(path: Path, file: StudyKeys, conditions: Sequence[Condition]) -> int:
    """Return the number of the reference row, from 1. Raises AblateError where the file names no row of the study.

    For a reference that is named by label or levels, return the default: `comparisons.row_number` looks it up.
    """
    if not isinstance(file.reference, int):
        return 1 if file.leave_one_out or file.one_at_a_time else hub(conditions)
    if not 1 <= file.reference <= len(conditions):
        raise AblateError(f"{path}: reference: no row {quote(file.reference)}; allowed: 1 to {len(conditions)}")
    return file.reference
