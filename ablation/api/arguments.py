"""Keyword options of `ablation.run` as words of the command line."""

import json
import numbers
import os
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np

from ablation.errors import AblateError

# Options of `ablate run`, by the kind of their values; a test compares them with those of the command.
FLAGS = ("inline", "insecure", "json", "quiet", "skip_bad", "verbose")
LISTS = ("classes", "slots")  # several texts, separated by commas
REPEATED = ("option", "retry", "strict")  # options that are repeated for each of several values
VALUES = ("data", "drain", "code", "keep", "limit", "name", "on_end", "register", "replicate_reference", "scheduler",
          "storage", "timeout", "tls_ca", "tls_cert", "tls_key", "trackers", "tracking", "workspace")  # fmt: skip
OPTIONS = tuple(sorted((*FLAGS, *LISTS, *REPEATED, *VALUES, "seeds", "set")))
ALLOWED = {
    **dict.fromkeys(FLAGS, "True or False"),
    **dict.fromkeys((*LISTS, *REPEATED), "a string, or a list of strings"),
    **dict.fromkeys(VALUES, "a string, a number or a path"),
    "grid": "the name of a study, a path, or a list of them",
    "seeds": "the number of seeds (5), or a list of whole numbers; at most 10,000 seeds",
    "set": "a dict of factor and level, {'dropout': 0.5}; a level is a number, a string, a path or a list of numbers",
}
Flag = bool | np.bool_
Scalar = str | os.PathLike[str] | int | float | Decimal | Fraction | np.generic
Texts = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
Level = Scalar | Iterable[Scalar]
Levels = Mapping[str, Level] | str | Iterable[str]
Seeds = str | int | np.integer[Any] | Iterable[int | np.integer[Any] | str]

MOST = 10_000  # maximum number of values in one list: the maximum number of seeds of a study


class _Refused(Exception):
    """Raised for a value that the command line cannot represent."""


def _number(value: object) -> int | float:
    """Return a number as one of Python's own types.

    A float of another precision keeps the digits that its text shows: float32's 0.1 is 0.1. Raises _Refused.
    """
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, np.generic):
        try:
            return float(str(value)) if value.dtype.kind not in "mM" else _refuse()
        except ValueError:
            raise _Refused from None
    return float(value) if isinstance(value, numbers.Real | Decimal) else _refuse()


def _refuse() -> Any:
    raise _Refused


def _scalar(value: object) -> str | bool | int | float | None:
    """Return a value as one of Python's own types. Raises _Refused."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, str):
        return str.__str__(value)  # converts a member of a string enumeration too
    if isinstance(value, os.PathLike) and isinstance(path := os.fspath(value), str):
        return path
    return _number(value)


def _sorted(members: list[Any]) -> list[Any]:
    try:
        return sorted(members)
    except TypeError:  # numbers among texts
        raise _Refused from None


def _plain(value: object) -> Any:
    """Return a value as one of Python's own types, or a list of such values; sets are sorted. Raises _Refused."""
    if hasattr(value, "__array__"):  # an array of NumPy, pandas or a backend; its scalars too
        try:
            array = np.asarray(value)
        except (TypeError, ValueError, RuntimeError):
            raise _Refused from None
        value = list(array) if array.ndim else array[()]
    if isinstance(value, bytes | bytearray | Mapping):
        raise _Refused
    if isinstance(value, str | os.PathLike) or not isinstance(value, Iterable):
        return _scalar(value)
    members = [_plain(member) for member in islice(value, MOST + 1)]
    if len(members) > MOST:
        raise _Refused
    return _sorted(members) if isinstance(value, set | frozenset) else members


def _texts(value: Any) -> list[str]:
    """Return one plain value or several as texts. Raises _Refused where a value is no text or number."""
    values = value if isinstance(value, list) else [value]
    if not values or any(isinstance(member, list | bool) or member is None for member in values):
        raise _Refused
    return [str(member) for member in values]


def _separated(value: Any) -> str:
    """Return texts joined by commas. Raises _Refused where one of several texts contains a comma."""
    texts = _texts(value)
    if isinstance(value, list) and any("," in text for text in texts):
        raise _Refused
    return ",".join(texts)


def _seeds(value: Any) -> str:
    members = value if isinstance(value, list) else [value]
    numbers_only = all(type(m) is int or (isinstance(m, str) and m.isdecimal()) for m in members)
    if not isinstance(value, str) and not numbers_only:
        raise _Refused
    return ",".join(_texts(value)) + ("," if isinstance(value, list) else "")


def _level(value: object) -> str:
    plain = _plain(value)
    if plain is None:
        raise _Refused
    return plain if isinstance(plain, str) else json.dumps(plain)


def _settings(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{factor}={_level(level)}" for factor, level in value.items()]
    settings = _texts(_plain(value))
    return settings if all("=" in text for text in settings) else _refuse()


def _values(name: str, value: object) -> list[str] | bool:
    """Return the texts for an option, one for each use of the option; True or False for a flag.

    Raises _Refused.
    """
    if name == "set":
        return _settings(value)
    plain = _plain(value)
    if name in FLAGS:
        return plain if isinstance(plain, bool) else bool(_refuse())
    if name == "seeds":
        return [_seeds(plain)]
    if name in LISTS:
        return [_separated(plain)]
    if name in REPEATED:
        return _texts(plain) if plain != [] else []
    return _texts(plain) if not isinstance(plain, list) else list(_refuse())


def _refusal(name: str, value: object) -> AblateError:
    text = repr(value)
    return AblateError(
        f"{name}: {text if len(text) <= 80 else f'{text[:77]}...'} is not allowed; allowed: {ALLOWED[name]}"
    )


def arguments(options: dict[str, Any]) -> list[str]:
    """Return keyword options as words of the command line.

    Raises AblateError, which names the option and the values that it takes.
    """
    words = []
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        try:
            values = [] if value is None else _values(name, value)
        except (_Refused, RecursionError):
            raise _refusal(name, value) from None
        if not isinstance(values, bool) and any("\0" in text for text in values):  # the system would cut the text there
            raise _refusal(name, value)
        words += ([flag] if values else []) if isinstance(values, bool) else [p for v in values for p in (flag, v)]
    return words


def grid_text(value: object) -> str:
    """Return the word of the command line for one study or several. Raises AblateError."""
    try:
        return _separated(_plain(value))
    except _Refused:
        raise _refusal("grid", value) from None
