"""Levels, conditions and the factors that an experiment declares. No particular experiment is named here."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from os.path import isabs
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

Level = Any  # str, int, float, bool, None, or a tuple of them


def canonical(level: Level) -> Level:
    """Return a level in the form that is compared and hashed: lists become tuples, -0.0 becomes 0.0.

    Raises:
        ValueError: The level is NaN.
    """
    if isinstance(level, list | tuple):
        return tuple(map(canonical, level))
    if isinstance(level, dict):
        return {str(key): canonical(value) for key, value in level.items()}
    if isinstance(level, float):
        if level != level:
            raise ValueError("NaN is not a level")
        return level + 0.0
    return level


def is_finite(level: Any) -> bool:
    """Return whether no number in a level is NaN or infinite: NaN equals nothing, and JSON has neither."""
    if isinstance(level, list | tuple):
        return all(map(is_finite, level))
    if isinstance(level, dict):
        return all(map(is_finite, level.values()))
    return not isinstance(level, float | Decimal) or math.isfinite(level)


def floats(value: Any) -> Any:
    """Return a value with every Decimal replaced by a float, also inside lists and tables."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {k: floats(v) for k, v in value.items()}
    return [floats(v) for v in value] if isinstance(value, list) else value


def text(level: Level) -> str:
    """Return a level as canonical JSON, which keeps the type: true, 1 and 1.0 differ."""
    return json.dumps(canonical(level), sort_keys=True, ensure_ascii=False, allow_nan=False)


class Condition(Mapping[str, Level]):
    """One row of a table: a level for every factor.

    Conditions are immutable. Two conditions are equal where all levels are equal in value and type. A level is read as
    an item or as an attribute.
    """

    __slots__ = ("_levels", "_text")

    _levels: dict[str, Level]
    _text: str

    def __init__(self, levels: Mapping[str, Level]) -> None:
        object.__setattr__(self, "_levels", {name: canonical(level) for name, level in levels.items()})
        object.__setattr__(self, "_text", text(self._levels))

    def __getitem__(self, factor: str) -> Level:
        return self._levels[factor]

    def __getattr__(self, factor: str) -> Level:
        if factor.startswith("_"):
            raise AttributeError(factor)
        try:
            return self._levels[factor]
        except KeyError:
            raise AttributeError(f"no factor {factor!r}") from None

    def __setattr__(self, factor: str, level: Level) -> None:
        raise AttributeError(f"{factor}: a condition cannot be changed; use `replace`")

    def __iter__(self) -> Iterator[str]:
        return iter(self._levels)

    def __len__(self) -> int:
        return len(self._levels)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"Condition({self._levels!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Condition, (self._levels,)

    def replace(self, **levels: Level) -> "Condition":
        """Return a copy of the condition with some levels replaced."""
        return Condition(self._levels | levels)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return a pydantic schema that reads a condition from a mapping and writes a mapping."""
        return core_schema.no_info_plain_validator_function(
            lambda levels: levels if isinstance(levels, cls) else cls(levels),
            serialization=core_schema.plain_serializer_function_ser_schema(dict),
        )


class Factor(BaseModel):
    """Declaration of one factor by an experiment.

    `declared`: JSON Schema of the factor. `since`: the first version of the experiment that has the factor. With None,
    stored trainings that lack the factor are refused.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    declared: dict[str, Any]
    default: Level = None
    required: bool = False
    since: int | None = None

    @property
    def is_path(self) -> bool:
        return self.declared.get("format") == "path"

    @property
    def choices(self) -> list[str]:
        """Words that the factor takes; none where it takes other levels alone."""
        return [str(level) for level in (*self.declared.get("enum", ()), *self.declared.get("words", ()))]

    @property
    def allowed(self) -> str:
        """Allowed levels, in words."""
        if described := self.declared.get("description"):
            return str(described)
        if "enum" in self.declared:
            return "one of " + ", ".join(map(str, self.declared["enum"]))
        options = [option for option in self.declared.get("anyOf", ()) if option.get("type") != "null"]
        declared = options[0] if len(options) == 1 else self.declared
        kind = KINDS.get(str(declared.get("type")), "a value")
        of_parts = PARTS.get(str(declared.get("items", {}).get("type")), "")
        return f"{kind}{of_parts}{_range(declared)}"


KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "array": "a list",
}
PARTS = {"integer": " of whole numbers", "number": " of numbers", "string": " of texts", "boolean": " of true or false"}


def _range(declared: Mapping[str, Any]) -> str:
    """Return the bounds of a number in words: " from 0 to below 1"."""
    start = _bound(declared, {"minimum": "from", "exclusiveMinimum": "above"})
    below = "to below" if start else "below"
    return start + _bound(declared, {"maximum": "to", "exclusiveMaximum": below})


def _bound(declared: Mapping[str, Any], words: Mapping[str, str]) -> str:
    return next((f" {word} {declared[key]:g}" for key, word in words.items() if key in declared), "")


class Schema(BaseModel):
    """Factors of an experiment, in their order.

    `plugin`: the name that loads the experiment. `shared`: the factor whose levels one training answers together
    (epochs), or "".
    """

    model_config = ConfigDict(frozen=True)

    experiment: str
    version: int
    plugin: str
    factors: tuple[Factor, ...]
    shared: str = ""

    @cached_property
    def by_name(self) -> dict[str, Factor]:
        return {factor.name: factor for factor in self.factors}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(factor.name for factor in self.factors)

    @cached_property
    def titles(self) -> dict[str, str]:
        return {factor.name: factor.title for factor in self.factors}

    def step(self, condition: Condition) -> int:
        """Return the step that gives this condition's result: its level of the shared factor, or 1 without one."""
        return int(condition[self.shared]) if self.shared else 1

    def stated(self, condition: Condition) -> dict[str, Level]:
        """Return the levels that a training's id contains.

        These are the levels of required factors and levels that differ from their defaults, without the shared factor.
        """
        return {
            name: level
            for name, level in condition.items()
            if name != self.shared and (self.by_name[name].required or text(level) != text(self.by_name[name].default))
        }

    def located(self, levels: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        """Return the levels with relative paths resolved from `folder`, the folder of the file that sets them."""
        paths = {f.name: f.declared.get("words", ()) for f in self.factors if f.is_path}
        resolved = dict(levels)
        for name in paths.keys() & levels.keys():
            level = levels[name]
            if isinstance(level, str) and level not in ("", *paths[name]) and "\0" not in level:
                resolved[name] = os.path.realpath(folder / os.path.expanduser(level))
        return resolved


def _properties(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each field of a model."""
    declared = model.model_json_schema()
    return {name: _resolved(prop, declared) for name, prop in declared.get("properties", {}).items()}


def factors_of_model(model: type[BaseModel]) -> tuple[Factor, ...]:
    """Return the factors that the fields of a model declare."""
    properties = _properties(model)
    return tuple(
        Factor(
            name=name,
            title=field.title or name.replace("_", " "),
            declared={k: v for k, v in properties[name].items() if k not in ("title", "default", "since", "shared")},
            default=None if field.is_required() else canonical(field.get_default(call_default_factory=True)),
            required=field.is_required(),
            since=properties[name].get("since"),
        )
        for name, field in model.model_fields.items()
    )


def schema_of(experiment: Any, plugin: str) -> Schema:
    """Return the schema of an experiment, which is loaded by the name `plugin`.

    The experiment's `factors` are a pydantic model. Its fields may have `since` and `shared` in `json_schema_extra`.
    """
    factors, properties = factors_of_model(experiment.factors), _properties(experiment.factors)
    shared = [name for name, prop in properties.items() if prop.get("shared")]
    return Schema(
        experiment=experiment.name,
        version=experiment.version,
        plugin=plugin,
        factors=factors,
        shared=shared[0] if shared else "",
    )


def _resolved(prop: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema property with its `$ref` replaced by the definition in `schema`."""
    reference = prop.get("$ref", "").rpartition("/")[2]
    return {**schema["$defs"][reference], **prop} if reference else prop


def worded(factor: str, level: Level | None = None) -> str:
    """Return a factor, and its level if given, as words: "batch size", "learning rate 1e-4"."""
    name = factor.replace("_", " ")
    return name if level is None else f"{name} {short(factor, level)}"


def short(factor: str, level: object) -> str:
    """Return a level in short form: 1e-4, 128+64, the last name of a path. `factor`: "" for other values."""
    if isinstance(level, tuple | list):
        return "+".join(short(factor, part) for part in level)
    if factor and isinstance(level, str) and isabs(level):
        return Path(level).name or level
    if isinstance(level, float):  # all digits, so that different levels look different; -0.0 becomes 0
        return f"{Decimal(repr(level + 0.0)).normalize():{'e' if 0 < level < 0.01 else 'f'}}"
    return str(level)
