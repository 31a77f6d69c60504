"""Description of a function as JSON: its parameters, their types as JSON Schema, and their defaults."""

from __future__ import annotations

import dataclasses
import inspect
import math
import pathlib
import typing
from collections.abc import Callable, Iterator
from typing import Any

from .errors import ContractError

SIMPLE = {bool: "boolean", int: "integer", float: "number", str: "string"}
BOUNDS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}
UNSET = object()


def describe(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the description of a function.

    Returns:
        {"parameters": [{"name", "schema", "default" (missing where there is none), "title"}], "groups": parameter ->
        names of the fields of its dataclass or model, "left_out": names whose default no study file can state, which
        stay at it, "takes_more": whether the function takes any keyword}.

    Raises:
        ContractError: A parameter cannot be passed by name.
    """
    signature = _signature(function)
    hints = _hints(function)
    described: dict[str, Any] = {"parameters": [], "groups": {}, "left_out": [], "takes_more": False}
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            described["takes_more"] = True
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            raise ContractError(f"parameter {name} takes no name; remove the / after it")
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            hint = hints.get(name, parameter.annotation)
            default = UNSET if parameter.default is parameter.empty else parameter.default
            _add(described, name, hint, default)
    return described


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        raise ContractError(
            "the function has no signature that Python can read; wrap it in a function of its own"
        ) from None


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the evaluated annotations; those that name something that does not exist are left out."""
    try:
        return typing.get_type_hints(inspect.unwrap(function), include_extras=True)
    except Exception:
        return {n: hint for n, hint in getattr(function, "__annotations__", {}).items() if not isinstance(hint, str)}


def _add(described: dict[str, Any], name: str, hint: Any, default: Any) -> None:
    fields = list(_fields(hint, default))
    if fields:
        described["groups"][name] = [field for field, _, _ in fields]
    for field, of_field, value in fields or [("", hint, default)]:
        full = f"{name}.{field}" if field else name
        if value is UNSET or _is_plain(value):
            described["parameters"].append(_parameter(full, of_field, value))
        else:
            described["left_out"].append(full)


def _fields(hint: Any, default: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield (name, hint, default) of each field of a dataclass or pydantic model."""
    if not isinstance(hint, type):
        return
    hints = _class_hints(hint)
    if dataclasses.is_dataclass(hint):
        for field in dataclasses.fields(hint):
            if field.init:
                yield field.name, hints.get(field.name, field.type), _field_default(field, default)
    elif hasattr(hint, "model_fields"):
        for name, field in hint.model_fields.items():
            value = UNSET if field.is_required() else field.get_default(call_default_factory=True)
            stated = getattr(default, name, value) if default is not UNSET else value
            yield name, hints.get(name, field.annotation), stated


def _class_hints(kind: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except Exception:
        return {}


def _field_default(field: Any, default: Any) -> Any:
    if default is not UNSET:
        return getattr(default, field.name)
    if field.default is not dataclasses.MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else UNSET


def _parameter(name: str, hint: Any, default: Any) -> dict[str, Any]:
    schema = schema_of(hint)
    if not schema and default is not UNSET and default is not None:
        schema = _of_value(default)
    described: dict[str, Any] = {
        "name": name,
        "schema": {key: value for key, value in schema.items() if key != "title"},
    }
    if "title" in schema:
        described["title"] = schema["title"]
    if default is not UNSET:
        described["default"] = _plain(default)
    return described


def _is_plain(value: Any) -> bool:
    """Return whether a study file can state a value."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, str))


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def _of_value(value: Any) -> dict[str, Any]:
    """Return the schema of a parameter without annotation: the type of its default."""
    if type(value) in SIMPLE:
        return {"type": SIMPLE[type(value)]}
    return {"type": "array"} if isinstance(value, (list, tuple)) else {}


def schema_of(hint: Any) -> dict[str, Any]:
    """Return the JSON Schema of an annotation; {} where it states nothing that a study file can check."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint in SIMPLE:
        return {"type": SIMPLE[hint]}
    if isinstance(hint, type) and issubclass(hint, pathlib.PurePath):
        return {"type": "string", "format": "path"}
    if hasattr(hint, "__metadata__"):  # typing.Annotated
        return {**schema_of(hint.__origin__), **_of_metadata(hint.__metadata__)}
    if origin is typing.Literal and all(isinstance(part, (bool, int, float, str)) for part in parts):
        return {"enum": list(parts)}
    if hint in (list, tuple) or origin in (list, tuple):
        kinds = [schema_of(part) for part in parts if part is not Ellipsis]
        is_fixed = origin is tuple and parts and Ellipsis not in parts
        length = {"minItems": len(parts), "maxItems": len(parts)} if is_fixed else {}
        alike = {"items": kinds[0]} if kinds and all(kind == kinds[0] for kind in kinds) else {}
        return {"type": "array", **alike, **length}
    if parts and type(None) in parts:  # an optional parameter
        others = [part for part in parts if part is not type(None)]
        return {**schema_of(others[0]), "nullable": True} if len(others) == 1 else {}
    return {}


def _of_metadata(metadata: Any) -> dict[str, Any]:
    """Return the bounds and the title in annotations, of annotated_types or pydantic, read by attribute."""
    stated: dict[str, Any] = {}
    for one in metadata:
        for part in [one, *(getattr(one, "metadata", None) or ())]:
            for name, key in BOUNDS.items():
                bound = getattr(part, name, None)
                if isinstance(bound, (int, float)) and not isinstance(bound, bool):
                    stated[key] = bound
        for key in ("title", "description"):
            if isinstance(getattr(one, key, None), str):
                stated[key] = getattr(one, key)
    return stated


def arguments(function: Callable[..., Any], levels: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call: levels with dots become a dataclass, lists become tuples where annotated."""
    hints = _hints(function)
    passed: dict[str, Any] = {}
    groups: dict[str, dict[str, Any]] = {}
    for name, level in levels.items():
        group, dot, field = name.partition(".")
        if dot:
            groups.setdefault(group, {})[field] = level
        else:
            passed[name] = _typed(hints.get(name), level)
    for group, fields in groups.items():
        of_fields = _class_hints(hints[group])
        passed[group] = hints[group](**{name: _typed(of_fields.get(name), level) for name, level in fields.items()})
    return passed


def _typed(hint: Any, level: Any) -> Any:
    """Return a level with the type of its annotation: JSON has no tuples."""
    while hasattr(hint, "__metadata__"):
        hint = hint.__origin__
    options = [hint, *typing.get_args(hint)] if type(None) in typing.get_args(hint) else [hint]
    if isinstance(level, list) and any(option is tuple or typing.get_origin(option) is tuple for option in options):
        return tuple(level)
    if isinstance(level, str) and isinstance(hint, type) and issubclass(hint, pathlib.PurePath):
        return hint(level)
    if isinstance(level, int) and not isinstance(level, bool) and float in options and int not in options:
        return float(level)
    return level
