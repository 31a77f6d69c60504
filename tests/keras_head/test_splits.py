"""Splits: as given, drawn within classes, or by subject; seeded; never from a trial's seed."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from ablation.errors import AblateError
from ablation.experiments.keras_head.datasets import splits, stored_splits
from ablation.experiments.keras_head.datasets.images import Index
from ablation.store.files import write_text
from ablation.store.workspace import ImagesFolder

pytestmark = pytest.mark.unit


def index(given: list[str], labels: list[int] | None = None) -> Index:
    n = len(given)
    y = np.array(labels if labels is not None else [i % 2 for i in range(n)])
    ids = np.array([f"{i:04d}" for i in range(n)])
    return Index(ids, y, ("a", "b"), np.array(given, str), np.full(n, "", str))


def test_a_missing_test_and_validation_split_are_drawn_within_classes():
    """15 % of all is test, 10 % of what is left validation, in each class; together they are all images, once."""
    split = splits.make(index([""] * 400, [0] * 300 + [1] * 100), "given", 0)
    assert {k: len(v) for k, v in split.items()} == {"train": 306, "val": 34, "test": 60}
    assert [int((split["test"] < 300).sum()), int((split["val"] < 300).sum())] == [45, pytest.approx(25.5, abs=1)]
    assert sorted(np.concatenate(list(split.values()))) == list(range(400))


def test_given_splits_stay():
    """The splits of the data hold; only a missing validation split is drawn, from train."""
    split = splits.make(index(["train"] * 100 + ["test"] * 20), "given", 0)
    assert split["test"].tolist() == list(range(100, 120))
    assert (len(split["train"]), len(split["val"])) == (90, 10)
    full = splits.make(index(["train"] * 10 + ["val"] * 4 + ["test"] * 4), "given", 0)
    assert [len(full[s]) for s in ("train", "val", "test")] == [10, 4, 4]


def test_a_test_split_is_a_share_of_all():
    """A missing test split is 15 % of all images, taken from train, where train and validation are given."""
    split = splits.make(index(["train"] * 80 + ["val"] * 20), "given", 0)
    assert (len(split["train"]), len(split["val"]), len(split["test"])) == (65, 20, 15)


def test_class_draws_whatever_the_data_say():
    """split = class is the paper's: at random within each class, over all images."""
    split = splits.make(index(["train"] * 100 + ["test"] * 100), "class", 0)
    assert (split["test"] < 100).any()
    assert len(split["test"]) == 30


def test_splits_are_seeded():
    """The same split_seed draws the same rows, another one others; the digest says which."""
    one, same, other = (splits.make(index([""] * 100), "given", seed) for seed in (0, 0, 1))
    assert stored_splits.digest(one) == stored_splits.digest(same) != stored_splits.digest(other)


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


def people(pairs: list[tuple[str, int]], given: str = "") -> Index:
    """An index of (subject, label) pairs."""
    subjects, labels = zip(*pairs, strict=True)
    n = len(pairs)
    classes = tuple("abcdef"[: max(labels) + 1])
    ids = np.array([f"{i:04d}" for i in range(n)])
    return Index(ids, np.array(labels), classes, np.full(n, given), np.array(subjects, str))


def crowd(subjects: int, seed: int = 0) -> Index:
    """Subjects with one to four clips of six frames, each clip of another class of six."""
    rng = np.random.default_rng(seed)
    clips = [(f"s{who}", k) for who in range(subjects) for k in rng.permutation(6)[: rng.integers(1, 5)].tolist()]
    return people([clip for clip in clips for _ in range(6)])


def shared_subjects(index: Index, split: stored_splits.Split) -> set[str]:
    sides = [set(index.subjects[r].tolist()) for r in split.values()]
    return set.union(*(a & b for i, a in enumerate(sides) for b in sides[:i]))


SOME_PEOPLE = st.lists(st.tuples(st.sampled_from(["", *"pqrstuvwxyz"]), st.integers(0, 3)), min_size=1, max_size=80)


@for_all(SOME_PEOPLE, st.integers(0, 2**32 - 1))
def test_no_subject_is_on_two_sides(pairs: list[tuple[str, int]], seed: int):
    """A split has all images once, no subject on two sides and every class in train; or an error says why not."""
    index = people(pairs)
    split: stored_splits.Split = {}
    refused = ""
    try:
        split = splits.make(index, "subject", seed)
    except AblateError as error:
        refused = str(error)
    if refused:
        assert "split = subject" in refused
        return
    assert sorted(np.concatenate(list(split.values())).tolist()) == list(range(len(index)))
    assert all(len(r) and (np.diff(r) > 0).all() for r in split.values())
    assert not shared_subjects(index, split)
    assert set(index.labels[split["train"]]) == set(index.labels)


@for_all(st.integers(0, 1000), st.integers(0, 1000))
def test_subjects_are_chosen_so_that_classes_keep_their_shares(data: int, seed: int):
    """Test is 15 % of 40 subjects' images and validation 10 % of train, to a few images, and each holds all classes."""
    index = crowd(40, data)
    split = splits.make(index, "subject", seed)
    n, test, val = len(index), len(split["test"]), len(split["val"])
    assert test / n == pytest.approx(0.15, abs=0.03)
    assert val / (n - test) == pytest.approx(0.10, abs=0.03)
    shares = {s: np.bincount(index.labels[r], minlength=6) / len(r) for s, r in split.items()}
    assert all((share > 0).all() for share in shares.values())
    assert np.abs(shares["test"] - shares["train"]).max() < 0.12


def test_a_class_of_three_subjects_is_on_all_sides():
    """Each side gets one of the three subjects of a class, even if no other class is theirs."""
    index = people([(f"{k}{who}", k) for k in range(4) for who in "xyz" for _ in range(5)])
    split = splits.make(index, "subject", 0)
    assert {s: set(index.labels[r]) for s, r in split.items()} == {s: set(range(4)) for s in split}


def test_images_without_a_subject_stay_together():
    """Images without a subject may show one person, so they count as one subject's."""
    split = splits.make(people([(who, k) for who in ["", *"pqrst"] for k in (0, 1) for _ in range(4)]), "subject", 0)
    unknown = set(range(8))
    assert sum(bool(unknown & set(r.tolist())) for r in split.values()) == 1


def test_subject_draws_whatever_the_data_say():
    """A given split in which a subject is on both sides does not hold."""
    pairs = [(f"s{i % 10}", i // 10 % 2) for i in range(200)]
    index = people(pairs)
    index.splits[:100], index.splits[100:] = "train", "test"
    split = splits.make(index, "subject", 0)
    assert not shared_subjects(index, split)
    assert (split["test"] < 100).any()


def test_subject_splits_are_seeded():
    """The same split_seed draws the same subjects; another one may draw others."""
    index = crowd(60)
    assert stored_splits.digest(splits.make(index, "subject", 3)) == stored_splits.digest(
        splits.make(index, "subject", 3)
    )
    assert len({stored_splits.digest(splits.make(index, "subject", seed)) for seed in range(4)}) > 1


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        ([("", 0), ("", 1)] * 9, "the data have no subjects; only demo data, an Aff-Wild2 folder or an .npz"),
        ([("p", 0), ("p", 1)] * 9, r"too few subjects to draw a test split \(1 in all"),
        ([("p", 0), ("p", 1), ("q", 0), ("q", 1)] * 9, r"to draw a validation split \(1 in all, 1 with a\)"),
        ([("p", 0), ("q", 1), ("r", 2)] * 9, r"\(3 in all, 1 with a\), because train must keep one of each class"),
    ],
)
def test_too_few_subjects_are_refused(pairs: list[tuple[str, int]], says: str):
    """The error says what is missing, and which data bring it."""
    with pytest.raises(AblateError, match=says):
        splits.make(people(pairs), "subject", 0)


def test_rows_and_labels_come_back(tmp_path: Path):
    """A stored split is read with the labels of its images, in index order."""
    stored = index([""] * 40)
    folder = ImagesFolder(tmp_path / stored.digest)
    write_text(folder.index, stored.to_json())
    made = splits.make(stored, "given", 0)
    rows, labels = stored_splits.read(folder, stored_splits.write(folder, made))
    assert {k: v.tolist() for k, v in rows.items()} == {k: v.tolist() for k, v in made.items()}
    assert labels["test"].tolist() == stored.labels[made["test"]].tolist()
