"""Results as a function gives them, split into numbers and columns of examples, and checked."""

from __future__ import annotations

import sys
from typing import Any

from .errors import ContractError

SPLITS = ("val", "test")
MOST_EXAMPLES = 2_000_000  # of one split


def parts(given: Any) -> tuple[dict[str, float], dict[str, dict[str, Any]]]:
    """Return (numbers, columns of each split) of what a function gave.

    Args:
        given: "val" and "test" -> columns of equal length, or numbers of the split; other names -> numbers.

    Raises:
        ContractError: Something is neither a number nor columns of equal length.
    """
    if not hasattr(given, "items"):
        raise ContractError(
            f"the function returned {_kind(given)}; return a dict, as in {{'val': {{...}}, 'loss': 0.5}}"
        )
    numbers: dict[str, float] = {}
    columns: dict[str, dict[str, Any]] = {}
    for name, value in given.items():
        if not isinstance(name, str):
            raise ContractError(f"the result has the key {name!r}; keys are texts, such as 'val_loss'")
        if name in SPLITS and value is None:
            continue
        if name not in SPLITS:
            numbers[name] = _number(name, value)
            continue
        if not hasattr(value, "items"):
            raise ContractError(
                f"{name} is {_kind(value)}; give columns, as in {name}={{'label': ..., 'predicted': ...}}"
            )
        for key, column in value.items():
            if is_number(column):
                numbers[f"{name}_{key}"] = _number(key, column)
            else:
                columns.setdefault(name, {})[str(key)] = array(f"{name}.{key}", column)
    for split, of_split in columns.items():
        _check(split, of_split)
    if not numbers and not columns:
        raise ContractError("the result is empty; return numbers such as val_loss, or columns of val and test")
    return numbers, columns


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a value of type {type(value).__name__}"


def is_number(value: Any) -> bool:
    """Return whether a value is one number: Python's, or an array without dimensions."""
    if isinstance(value, (bool, int, float)):
        return True
    return hasattr(value, "__float__") and getattr(value, "shape", None) == ()


def _number(name: str, value: Any) -> float:
    try:
        if is_number(value) or getattr(value, "size", None) == 1:
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ContractError(f"{name} is {_kind(value)}; numbers stand alone, columns of examples in 'val' and 'test'")


def array(name: str, column: Any) -> Any:
    """Return a column as an array of numbers or texts where NumPy is loaded, otherwise as a list."""
    if hasattr(column, "detach"):  # of PyTorch, perhaps on a GPU
        column = column.detach().cpu()
        column = column.float() if str(column.dtype) in ("torch.bfloat16", "torch.float16") else column
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return _plain(name, column)
    cells = numpy.asarray(column)
    if cells.dtype.kind == "O" and all(isinstance(cell, str) for cell in cells.ravel()):
        cells = cells.astype(str)
    if cells.dtype.kind == "V" or (cells.dtype.itemsize == 2 and cells.dtype.kind == "f"):  # bfloat16 and float16
        cells = cells.astype("float32")
    if cells.dtype.kind not in "biufU" or not cells.ndim:
        kind = "objects" if cells.dtype.kind == "O" else str(cells.dtype)
        raise ContractError(f"{name} holds {kind}; allowed: numbers or texts, one for each example")
    return cells


def _plain(name: str, column: Any) -> list[Any]:
    try:
        cells = list(column)
    except TypeError:
        raise ContractError(f"{name} is {_kind(column)}; give a list with one value for each example") from None
    for cell in cells:
        if not isinstance(cell, (bool, int, float, str)):
            raise ContractError(f"{name} holds {_kind(cell)}; allowed: numbers or texts, one for each example")
    return cells


def _check(split: str, columns: dict[str, Any]) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise ContractError(f"{split}: columns have unequal lengths ({listed})")
    length = next(iter(lengths.values()))
    if not length:
        raise ContractError(f"{split}: the columns are empty")
    if length > MOST_EXAMPLES:
        raise ContractError(f"{split}: {length:,} examples; allowed: {MOST_EXAMPLES:,}: return one score a group")
