"""Splits: as given, or drawn within classes; seeded; never from a trial's seed."""

from pathlib import Path

import numpy as np
import pytest

from ablation import splits
from ablation.datasets.images import Index
from ablation.errors import AblateError
from ablation.workspace import ImagesFolder, write_text


def index(given: list[str], labels: list[int] | None = None) -> Index:
    n = len(given)
    y = np.array(labels if labels is not None else [i % 2 for i in range(n)])
    ids = np.array([f"{i:04d}" for i in range(n)])
    return Index(ids, y, ("a", "b"), np.array(given, str), np.full(n, "", str))


def test_a_missing_test_and_validation_split_are_drawn_within_classes():
    """15 % of all is test, 10 % of what is left validation, in each class; together they are all images, once."""
    found = splits.make(index([""] * 400, [0] * 300 + [1] * 100), "given", 0)
    assert {k: len(v) for k, v in found.items()} == {"train": 306, "val": 34, "test": 60}
    assert [int((found["test"] < 300).sum()), int((found["val"] < 300).sum())] == [45, pytest.approx(25.5, abs=1)]
    assert sorted(np.concatenate(list(found.values()))) == list(range(400))


def test_given_splits_stay():
    """What the data say holds; only a missing validation split is drawn, from train."""
    found = splits.make(index(["train"] * 100 + ["test"] * 20), "given", 0)
    assert found["test"].tolist() == list(range(100, 120))
    assert (len(found["train"]), len(found["val"])) == (90, 10)
    full = splits.make(index(["train"] * 10 + ["val"] * 4 + ["test"] * 4), "given", 0)
    assert [len(full[s]) for s in ("train", "val", "test")] == [10, 4, 4]


def test_a_test_split_is_a_share_of_all():
    """Where train and validation are given, test is 15 % of all images, taken from train."""
    found = splits.make(index(["train"] * 80 + ["val"] * 20), "given", 0)
    assert (len(found["train"]), len(found["val"]), len(found["test"])) == (65, 20, 15)


def test_class_draws_whatever_the_data_say():
    """split = class is the paper's: at random within each class, over all images."""
    found = splits.make(index(["train"] * 100 + ["test"] * 100), "class", 0)
    assert (found["test"] < 100).any()
    assert len(found["test"]) == 30


def test_splits_are_seeded():
    """The same split_seed draws the same rows, another one others; the digest says which."""
    one, same, other = (splits.make(index([""] * 100), "given", seed) for seed in (0, 0, 1))
    assert splits.digest(one) == splits.digest(same) != splits.digest(other)


@pytest.mark.parametrize(
    ("given", "labels", "says"),
    [
        (["test"] * 10, None, "no train split"),
        ([""] * 4, [0, 0, 0, 1], "too few images"),
        (["train"] * 8 + ["val"] * 2 + ["test"] * 2, [0] * 8 + [1] * 4, "no train images of class b"),
        (["train"] * 2 + ["val"] * 98, None, "too few train images"),
    ],
)
def test_what_cannot_be_split_is_refused(given: list[str], labels: list[int] | None, says: str):
    """The error says what is missing."""
    with pytest.raises(AblateError, match=says):
        splits.make(index(given, labels), "given", 0)


def test_rows_and_labels_come_back(tmp_path: Path):
    """A stored split is read with the labels of its images, in index order."""
    folder, found = ImagesFolder(tmp_path), index([""] * 40)
    write_text(folder.index, found.to_json())
    made = splits.make(found, "given", 0)
    rows, labels = splits.read(folder, splits.write(folder, made))
    assert {k: v.tolist() for k, v in rows.items()} == {k: v.tolist() for k, v in made.items()}
    assert labels["test"].tolist() == found.labels[made["test"]].tolist()
