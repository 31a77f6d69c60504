"""Folds of a cross-validation: the indices of training, validation and test examples, the same in every row."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

from .errors import ContractError

GROUPED, STRATIFIED = ("group", "stratified_group"), ("stratified", "stratified_group")


class Split(NamedTuple):
    """Indices of examples, ascending: NumPy arrays where NumPy is loaded, otherwise lists."""

    train: Any
    val: Any
    test: Any


def split(folds: dict[str, Any], replicate: int, n: int, label: Any = None, group: Any = None) -> Split:
    """Return the split of one replicate.

    Args:
        folds: [folds] of the study file: k, kind and val.
        replicate: number of the replicate: its fold is the rest of a division by k, its repeat the quotient.
        n: number of examples.
        label: (N,) classes, for stratified folds.
        group: (N,) groups, for folds of whole groups.

    Raises:
        ContractError: labels or groups are missing, or there are fewer units than folds.
    """
    k, kind, share = folds["k"], folds["kind"], folds["val"]
    labels = _column("label", label, n, kind in STRATIFIED, kind)
    groups = _column("group", group, n, kind in GROUPED, kind)
    units = len(set(groups)) if kind in GROUPED else n
    if units < k + (kind == "time"):
        raise ContractError(f"run.split: {units} {'groups' if kind in GROUPED else 'examples'} for {k} folds")
    fold, repeat = replicate % k, replicate // k
    if kind == "time":
        return _in_time(n, k, fold, share)
    draw = random.Random(f"folds {repeat}")
    fold_of = _dealt(range(n), labels, groups, k, kind, draw)
    test = [i for i in range(n) if fold_of[i] == fold]
    train = [i for i in range(n) if fold_of[i] != fold]
    val = set(_part(train, labels, groups, share, kind, random.Random(f"validation {repeat} {fold}")))
    return Split(_array(i for i in train if i not in val), _array(sorted(val)), _array(test))


def _column(name: str, column: Any, n: int, needed: bool, kind: str) -> list[Hashable]:
    """Return a column as a list of values that can be compared; numbers of a library become Python's."""
    if not needed:
        return []
    if column is None:
        raise ContractError(f'run.split: [folds] kind = "{kind}" needs {name}: run.split(n, {name}=...)')
    values = column.tolist() if hasattr(column, "tolist") else list(column)
    if len(values) != n:
        raise ContractError(f"run.split: {name} has {len(values):,} values for {n:,} examples")
    return values


def _in_time(n: int, k: int, fold: int, share: float) -> Split:
    """Return the split where later examples test: the first of k + 1 blocks trains alone, each other one tests."""
    edges = [n * block // (k + 1) for block in range(k + 2)]
    before, after = edges[fold + 1], edges[fold + 2]
    first_val = before - int(share * before)
    return Split(_array(range(first_val)), _array(range(first_val, before)), _array(range(before, after)))


def _dealt(
    indices: Sequence[int], labels: list[Any], groups: list[Any], k: int, kind: str, draw: random.Random
) -> dict[int, int]:
    """Return index -> fold."""
    if kind in GROUPED:
        return _dealt_groups(indices, labels if kind in STRATIFIED else [0] * len(groups), groups, k, draw)
    order = _shuffled(indices, draw)
    if kind in STRATIFIED:
        order = sorted(order, key=_rank((labels[i] for i in indices), of=labels))
    return {index: position % k for position, index in enumerate(order)}


def _rank(values: Iterable[Any], of: list[Any]) -> Callable[[int], int]:
    """Return a function from an index to the rank of its label, in the order of their texts."""
    ranks = {value: rank for rank, value in enumerate(sorted(set(values), key=str))}
    return lambda index: ranks[of[index]]


def _dealt_groups(
    indices: Sequence[int], labels: list[Any], groups: list[Any], k: int, draw: random.Random
) -> dict[int, int]:
    """Return index -> fold, with whole groups: large ones first, each where the counts of labels become most alike."""
    members: dict[Any, list[int]] = {}
    for index in indices:
        members.setdefault(groups[index], []).append(index)
    names = sorted(_shuffled(sorted(members, key=str), draw), key=lambda name: -len(members[name]))
    counts: list[dict[Any, int]] = [{} for _ in range(k)]
    sizes = [0] * k
    fold_of: dict[int, int] = {}
    for name in names:
        of_group = [labels[index] for index in members[name]]

        def cost(fold: int, of_group: list[Any] = of_group) -> tuple[int, int, int]:
            return sum(counts[fold].get(value, 0) for value in of_group), sizes[fold], fold

        fold = min(range(k), key=cost)
        for index, value in zip(members[name], of_group):
            fold_of[index] = fold
            counts[fold][value] = counts[fold].get(value, 0) + 1
        sizes[fold] += len(members[name])
    return fold_of


def _part(
    indices: list[int], labels: list[Any], groups: list[Any], share: float, kind: str, draw: random.Random
) -> Iterable[int]:
    """Return the indices that validate: a share of these, of each label, or of whole groups."""
    wanted = round(share * len(indices))
    if kind in GROUPED:
        chosen: list[int] = []
        for name in _shuffled(sorted({groups[i] for i in indices}, key=str), draw):
            of_group = [i for i in indices if groups[i] == name]
            if len(chosen) + len(of_group) / 2 <= wanted:
                chosen += of_group
        return chosen
    order = _shuffled(indices, draw)
    if kind in STRATIFIED:
        order = sorted(order, key=_rank((labels[i] for i in indices), of=labels))
        step = len(order) / wanted if wanted else 0.0
        return [order[int((position + 0.5) * step)] for position in range(wanted)]
    return order[:wanted]


def _shuffled(values: Iterable[Any], draw: random.Random) -> list[Any]:
    shuffled = list(values)
    draw.shuffle(shuffled)
    return shuffled


def _array(indices: Iterable[int]) -> Any:
    numpy = sys.modules.get("numpy")
    return list(indices) if numpy is None else numpy.array(list(indices), dtype=int)
