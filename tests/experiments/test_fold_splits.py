"""Splits of folds: every example tests once a repeat, classes and groups stay as stated, and rows get the same ones."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablation.experiments.function.ablate_child import splits
from ablation.experiments.function.ablate_child.errors import ContractError

N = 60
LABELS = [i % 3 for i in range(N)]
GROUPS = [f"g{i // 4}" for i in range(N)]


def parts(kind: str, replicate: int, k: int = 5, val: float = 0.2, n: int = N, **columns: Any) -> list[list[int]]:
    columns = columns or {"label": LABELS, "group": GROUPS}
    split = splits.split({"k": k, "kind": kind, "val": val}, replicate, n, **columns)
    return [np.asarray(part).tolist() for part in split]


@pytest.mark.parametrize("kind", ["plain", "stratified", "group", "stratified_group"])
def test_each_example_tests_once_a_repeat(kind: str) -> None:
    """Each example is in test once in each of two repeats of five folds, and never in two parts of a fold."""
    for repeat in range(2):
        tested = []
        for fold in range(5):
            train, val, test = parts(kind, 5 * repeat + fold)
            assert sorted([*train, *val, *test]) == list(range(N))
            assert len(val) == pytest.approx(0.2 * (N - len(test)), abs=4)
            tested += test
        assert sorted(tested) == list(range(N))
    assert parts(kind, 0) == parts(kind, 0)
    assert parts(kind, 0)[2] != parts(kind, 5)[2]


def test_stratified_folds_have_the_classes_in_proportion() -> None:
    """All parts of stratified folds have the classes in proportion."""
    for train, val, test in (parts("stratified", fold) for fold in range(5)):
        for part in (train, val, test):
            counts = np.bincount([LABELS[i] for i in part], minlength=3)
            assert counts.max() - counts.min() <= 2


@pytest.mark.parametrize("kind", ["group", "stratified_group"])
def test_groups_are_never_divided(kind: str) -> None:
    """Neither between training and test, nor between training and validation."""
    for fold in range(5):
        of_parts = [{GROUPS[i] for i in part} for part in parts(kind, fold)]
        assert not of_parts[0] & of_parts[1] | of_parts[1] & of_parts[2] | of_parts[0] & of_parts[2]


def test_later_examples_test_in_time() -> None:
    """Each fold trains on all before its test, and validates on the last of them."""
    for fold in range(5):
        train, val, test = parts("time", fold)
        assert [*train, *val, *test] == list(range(10 * (fold + 2)))
        assert len(test) == 10


def test_unequal_groups_give_folds_of_like_sizes() -> None:
    """Large groups are dealt first."""
    groups = [name for name, size in zip("abcdefgh", (20, 10, 10, 5, 5, 4, 3, 3), strict=True) for _ in range(size)]
    sizes = [len(parts("group", fold, k=3, group=groups)[2]) for fold in range(3)]
    assert max(sizes) - min(sizes) <= 2


@pytest.mark.parametrize(
    ("kind", "columns", "message"),
    [
        ("stratified", {"group": GROUPS}, 'kind = "stratified" needs label'),
        ("group", {"label": LABELS}, 'kind = "group" needs group'),
        ("group", {"group": ["a"] * N}, "1 groups for 5 folds"),
        ("stratified", {"label": [1]}, "label has 1 values for 60 examples"),
    ],
)
def test_a_split_that_cannot_be_made_is_refused(kind: str, columns: dict[str, Any], message: str) -> None:
    """A split that cannot be made is refused, and the message names what is missing."""
    with pytest.raises(ContractError, match=message):
        parts(kind, 0, **columns)


@given(
    n=st.integers(7, 80), k=st.integers(2, 6), val=st.floats(0, 0.9), replicate=st.integers(0, 12),
    kind=st.sampled_from(["plain", "stratified", "group", "stratified_group", "time"]), data=st.data(),
)  # fmt: skip
def test_parts_never_overlap(n: int, k: int, val: float, replicate: int, kind: str, data: st.DataObject) -> None:
    """The parts of a split never overlap, with any labels and groups."""
    label = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    group = [i % (k + 1) for i in range(n)]
    replicate = replicate % k if kind == "time" else replicate
    train, validation, test = parts(kind, replicate, k, val, n, label=label, group=group)
    together = [*train, *validation, *test]
    assert len(together) == len(set(together))
    assert test
    assert kind == "time" or sorted(together) == list(range(n))
