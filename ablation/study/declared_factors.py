"""Factors that a study file declares in [experiment.factors]: a model of their levels, as a signature would give it."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from ablation.errors import AblateError
from ablation.nearest import nearest
from ablation.study.experiment_keys import FactorKeys
from ablation.study.levels import Level, is_finite

OWN_COLUMNS = (  # of table.csv and trials.csv: a factor with such a name would lose its column
    "row", "label", "reference", "selected", "outcome", "outcomes", "seed", "seeds", "trial", "trials", "study", "p",
    "p_holm", "p_exact", "n_seeds", "n_train", "n_val", "n_test", "published", "replicate", "equivalent",
    "alike", "within_replicates", "ci_over", "ci_level", "only_first_right", "only_second_right", "best_epoch",
    "parameters", "started", "seconds", "attempts", "memory", "reason", "pareto",
)  # fmt: skip
OWN_STARTS = ("delta_", "published_", "best_val_")
RESERVED = frozenset({*OWN_COLUMNS, "split_seed", "fold"})
STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)


def _any_level(level: Any) -> Level:
    """Return a level of a factor without a declared type. Raises ValueError for a table."""
    if isinstance(level, list | tuple):
        return tuple(map(_any_level, level))
    if not isinstance(level, bool | int | float | str):
        raise ValueError("a number, a string, true, false or a list of them")
    return level


def _parts(level: Any) -> Level:
    if not isinstance(level, list | tuple):
        raise ValueError("a list")
    return _any_level(level)


ANY = Annotated[Any, AfterValidator(_any_level)]
LIST = Annotated[Any, AfterValidator(_parts)]


def _type_of(keys: FactorKeys) -> Any:
    """Return the type of a factor's levels: that of its choices, of its default, or numbers where it has bounds."""
    if keys.choices is not None:
        return Literal[tuple(keys.choices)]
    if keys.if_true is not None or keys.if_false is not None or isinstance(keys.default, bool):
        return bool
    if isinstance(keys.default, int):
        return int
    if isinstance(keys.default, list):
        return LIST
    if keys.default is not None:
        return type(keys.default)
    has_bounds = any(bound is not None for bound in (keys.above, keys.below, keys.least, keys.most))
    return float if has_bounds else ANY


def _field(keys: FactorKeys) -> Any:
    bounds = {"gt": keys.above, "lt": keys.below, "ge": keys.least, "le": keys.most}
    stated: dict[str, Any] = {name: bound for name, bound in bounds.items() if bound is not None}
    if keys.default is None:
        return Field(title=keys.title or None, **stated)
    return Field(keys.default, title=keys.title or None, validate_default=True, **stated)


def is_allowed(name: str) -> bool:
    """Return whether a factor may have this name: an identifier that neither tables nor pydantic use."""
    is_taken = name in RESERVED or name.startswith(OWN_STARTS) or hasattr(BaseModel, name)
    return name.isidentifier() and not name.startswith(("_", "model_dump", "model_validate")) and not is_taken


def model_of(factors: Mapping[str, FactorKeys], more: Iterable[str], where: str) -> type[BaseModel]:
    """Return a strict model with one field a factor.

    Args:
        factors: declared factors.
        more: names of factors that are used without being declared: every row states a level of any type.
        where: beginning of an error message, such as "study.toml: experiment.factors".

    Raises:
        AblateError: a name is taken by the table, or keys of a factor contradict each other.
    """
    fields: dict[str, Any] = {}
    for name, keys in {**factors, **{name: FactorKeys() for name in more if name not in factors}}.items():
        if not is_allowed(name):
            raise AblateError(f"{where}: {name!r} is not allowed as the name of a factor; rename it")
        _check(keys, f"{where}.{name}")
        fields[name] = (_type_of(keys), _field(keys))
    model: type[BaseModel] = create_model("factors", __config__=STRICT, **fields)
    for name, keys in factors.items():
        _check_default(name, keys, fields[name], f"{where}.{name}.default")
    return model


def _check(keys: FactorKeys, where: str) -> None:
    bounds = [bound for bound in (keys.above, keys.below, keys.least, keys.most) if bound is not None]
    if bounds and (keys.choices is not None or isinstance(keys.default, bool | str | list)):
        raise AblateError(f"{where}: bounds are of numbers; leave out above, below, from and to")
    if keys.choices is not None and len({type(choice) for choice in keys.choices}) > 1:
        raise AblateError(f"{where}.choices: levels of different types; state levels of one type")


def _check_default(name: str, keys: FactorKeys, field: Any, where: str) -> None:
    if keys.default is None:
        return
    if not is_finite(keys.default):
        raise AblateError(f"{where}: {keys.default!r} is not allowed: a level is a finite number")
    try:
        create_model("one", __config__=STRICT, **{name: field}).model_validate({name: keys.default})
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        choices = [str(choice) for choice in keys.choices or ()]
        near = nearest(keys.default, choices)
        raise AblateError(f"{where}: {keys.default!r} is not allowed: {reason[:1].lower()}{reason[1:]}{near}") from None
