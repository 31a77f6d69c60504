"""Factors of a function: a strict model of their levels, made of the description of its parameters."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, create_model

from ablation.errors import AblateError
from ablation.experiments.function.ablate_child import signature
from ablation.experiments.function.description import Parameter
from ablation.study.declared_factors import ANY, LIST, STRICT, is_allowed

KINDS = {name: kind for kind, name in signature.SIMPLE.items()}
BOUNDS = {key: name for name, key in signature.BOUNDS.items()}


def _tuple_of(level: Any) -> Any:
    """Return a list as a tuple, since JSON and TOML have no tuples."""
    return tuple(level) if isinstance(level, list) else level


def type_of(schema: dict[str, Any]) -> Any:
    """Return the type of the levels that a JSON Schema describes."""
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]
    if schema.get("type") == "array":
        part = type_of(schema["items"]) if "items" in schema else Any
        if part is Any:
            return LIST
        size = Field(min_length=schema.get("minItems"), max_length=schema.get("maxItems"))
        parts: Any = tuple.__class_getitem__((part, ...))
        return Annotated[parts, BeforeValidator(_tuple_of), size]
    return KINDS.get(str(schema.get("type")), ANY)


def _field(parameter: Parameter, shared: str) -> tuple[Any, Any]:
    """Return the type of a factor, and its field. A default is not checked: the function states it."""
    schema = parameter.schema_
    bounds: dict[str, Any] = {name: schema[key] for key, name in BOUNDS.items() if key in schema}
    kind = Annotated[type_of(schema), Field(**bounds)] if bounds else type_of(schema)
    if schema.get("nullable"):
        kind = kind | None
    stated: dict[str, Any] = {"title": parameter.title or None}
    if "description" in schema:
        stated["description"] = schema["description"]
    if parameter.name == shared:
        stated["json_schema_extra"] = {"shared": True}
    if not parameter.has_default:
        return kind, Field(**stated)
    default = _tuple_of(parameter.default)
    return kind, Field(float(default) if schema.get("type") == "number" and default is not None else default, **stated)


def model_of(parameters: Sequence[Parameter], more: Iterable[str], shared: str, where: str) -> type[BaseModel]:
    """Return a strict model with one field a factor.

    Args:
        parameters: parameters that are factors.
        more: names of further factors, of a function that takes any keyword.
        shared: the factor that trainings share; "" for none.
        where: beginning of an error message.

    Raises:
        AblateError: a name is taken by the table, or the shared factor is none, or no whole number.
    """
    fields: dict[str, Any] = {}
    names = {parameter.name for parameter in parameters}
    for parameter in (*parameters, *(Parameter(name=name) for name in more if name not in names)):
        if not all(map(is_allowed, parameter.name.split("."))):
            raise AblateError(
                f"{where}: {parameter.name!r} is not allowed as the name of a factor: tables use it; rename the "
                "parameter, or list it in [experiment.settings]"
            )
        fields[parameter.name] = _field(parameter, shared)
    if shared:
        kinds = {p.name: p.schema_.get("type") for p in parameters}
        if kinds.get(shared) != "integer":
            whole = [name for name, kind in kinds.items() if kind == "integer"]
            raise AblateError(
                f"{where.removesuffix('function')}shares: {shared!r} is no parameter of the function that is a whole "
                f"number; allowed: {', '.join(whole) or 'none'}"
            )
    model: type[BaseModel] = create_model("factors", __config__=STRICT, **fields)
    return model
