"""Levels, conditions and what an experiment declares of its factors. Values alone: no experiment is named here."""

import json
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
    """Return a level as it is compared and hashed: lists are tuples, -0.0 is 0.0. Raises ValueError for NaN."""
    if isinstance(level, list | tuple):
        return tuple(map(canonical, level))
    if isinstance(level, dict):
        return {str(key): canonical(value) for key, value in level.items()}
    if isinstance(level, float):
        if level != level:
            raise ValueError("NaN is no level")
        return level + 0.0
    return level


def text(level: Level) -> str:
    """Return canonical JSON of a level, which keeps its type: true, 1 and 1.0 differ."""
    return json.dumps(canonical(level), sort_keys=True, ensure_ascii=False, allow_nan=False)


class Condition(Mapping[str, Level]):
    """A level for every factor: one row of a table. Immutable; equal where all levels are equal in value and type.

    A level is read as an item or as an attribute.
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
        raise AttributeError(f"{factor}: a condition does not change; use `replace`")

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
        """Return a condition with these levels in place of its own."""
        return Condition(self._levels | levels)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let pydantic read a condition from a mapping, and write it as one."""
        return core_schema.no_info_plain_validator_function(
            lambda levels: levels if isinstance(levels, cls) else cls(levels),
            serialization=core_schema.plain_serializer_function_ser_schema(dict),
        )


class Factor(BaseModel):
    """What an experiment declares of one factor. `declared`: its JSON Schema; `since`: the version of the experiment
    from which on it exists, None where a training that does not know it is not to be believed."""

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
    def allowed(self) -> str:
        """What a level may be, in words."""
        if described := self.declared.get("description"):
            return str(described)
        if "enum" in self.declared:
            return "one of " + ", ".join(map(str, self.declared["enum"]))
        kind = KINDS.get(str(self.declared.get("type")), "a value")
        return f"{kind}{_range(self.declared)}"


KINDS = {"integer": "a whole number", "number": "a number", "string": "a text", "boolean": "true or false"}


def _range(declared: Mapping[str, Any]) -> str:
    """Return the bounds of a number, in words: " from 0 to below 1"."""
    start = _bound(declared, {"minimum": "from", "exclusiveMinimum": "above"})
    below = "to below" if start else "below"
    return start + _bound(declared, {"maximum": "to", "exclusiveMaximum": below})


def _bound(declared: Mapping[str, Any], words: Mapping[str, str]) -> str:
    return next((f" {word} {declared[key]:g}" for key, word in words.items() if key in declared), "")


class Schema(BaseModel):
    """The factors of an experiment, in their order. `plugin`: what it is loaded by; `shared`: the factor that trainings
    share (epochs), or ""."""

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
        """Return the step after which a training answers this condition: its level of the shared factor, else 1."""
        return int(condition[self.shared]) if self.shared else 1

    def stated(self, condition: Condition) -> dict[str, Level]:
        """Return the levels that differ from their defaults, the shared factor's left out: what an id is made of."""
        return {
            name: level
            for name, level in condition.items()
            if name != self.shared and (self.by_name[name].required or text(level) != text(self.by_name[name].default))
        }


def schema_of(experiment: Any, plugin: str) -> Schema:
    """Return the schema of an experiment that is loaded by the name `plugin`: of its `factors`, a pydantic model whose
    fields may carry `since` and `shared` in their `json_schema_extra`."""
    fields = experiment.factors.model_fields
    declared = experiment.factors.model_json_schema()
    properties = {name: _resolved(found, declared) for name, found in declared.get("properties", {}).items()}
    factors = tuple(
        Factor(
            name=name,
            title=field.title or name.replace("_", " "),
            declared={k: v for k, v in properties[name].items() if k not in ("title", "default", "since", "shared")},
            default=None if field.is_required() else canonical(field.get_default(call_default_factory=True)),
            required=field.is_required(),
            since=properties[name].get("since"),
        )
        for name, field in fields.items()
    )
    shared = [name for name, found in properties.items() if found.get("shared")]
    return Schema(
        experiment=experiment.name,
        version=experiment.version,
        plugin=plugin,
        factors=factors,
        shared=shared[0] if shared else "",
    )


def _resolved(found: dict[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    """Return a property with its reference to a definition filled in."""
    reference = found.get("$ref", "").rpartition("/")[2]
    return {**whole["$defs"][reference], **found} if reference else found


def short(factor: str, level: object) -> str:
    """Return a level as people write it: 1e-4, 128+64, a path by its last name. `factor`: "" for what is no level."""
    if isinstance(level, tuple | list):
        return "+".join(short(factor, part) for part in level)
    if factor and isinstance(level, str) and isabs(level):
        return Path(level).name or level
    if isinstance(level, float):  # all of its digits: other levels look otherwise; -0.0 is 0
        return f"{Decimal(repr(level + 0.0)).normalize():{'e' if 0 < level < 0.01 else 'f'}}"
    return str(level)
