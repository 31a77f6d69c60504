"""Repeats of an example: the scores of one id are averaged before anything else, so that examples are the units."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Columns = Mapping[str, np.ndarray]

REPEAT = "repeat"  # column with the number of the repeat of an example


def has_repeats(columns: Columns) -> bool:
    """Return whether lines of these columns are repeats of examples, which `id` names."""
    return REPEAT in columns and "id" in columns


def first_lines(columns: Columns) -> np.ndarray:
    """Return the position of the first line of each of N examples, (N,), in the order of their ids."""
    lines: np.ndarray = np.unique(columns["id"], return_index=True)[1]
    return lines


def example_of(columns: Columns) -> np.ndarray:
    """Return the example of each of M lines, (M,), counted from 0 in the order of their ids."""
    examples: np.ndarray = np.unique(columns["id"], return_inverse=True)[1]
    return examples


def averaged(columns: Columns, scores: np.ndarray) -> np.ndarray:
    """Return the mean score of each example over its repeats, (N,); without repeats, the scores themselves.

    `scores`: score of each line, (M,).
    """
    if not has_repeats(columns):
        return scores
    examples = example_of(columns)
    means: np.ndarray = np.bincount(examples, weights=scores) / np.bincount(examples)
    return means


def of_lines(columns: Columns, weights: np.ndarray) -> np.ndarray:
    """Return how often each line occurs in a sample, (B, M), from how often each example does, (B, N)."""
    return weights[:, example_of(columns)] if has_repeats(columns) else weights


def fault(columns: Columns) -> str:
    """Return what is wrong with the ids and repeats of the examples, in one sentence; "" where nothing is."""
    if "id" not in columns:
        return "the column repeat needs the column id" if REPEAT in columns else ""
    ids = np.asarray(columns["id"]).tolist()
    if len(set(ids)) == len(ids):
        return ""
    if REPEAT not in columns:
        return f"id {_twice(ids)!r} occurs twice; return each example once, or add a column repeat"
    lines = list(zip(ids, np.asarray(columns[REPEAT]).tolist(), strict=True))
    if len(set(lines)) < len(lines):
        return "id {!r} has the repeat {!r} twice".format(*_twice(lines))
    labelled = set(zip(ids, np.asarray(columns.get("label", np.zeros(len(ids)))).tolist(), strict=True))
    if len(labelled) > len(set(ids)):
        return f"id {_twice([one for one, _ in labelled])!r} has two labels"
    return ""


def _twice(values: Sequence[Any]) -> Any:
    """Return the first value that occurs more than once."""
    return next(value for value, count in Counter(values).items() if count > 1)
