"""The demo data: faces with the paper's shares, and the paper's trap in them."""

from collections import Counter

import numpy as np
import pytest

from ablation.datasets import demo
from ablation.datasets.images import Images
from ablation.errors import AblateError


@pytest.fixture(scope="module")
def images() -> Images:
    return demo.load("demo")


@pytest.fixture(scope="module")
def production() -> Images:
    return demo.load("demo:production")


def frames_of_clips(images: Images) -> Counter[tuple[str, int]]:
    return Counter(zip(images.subjects.tolist(), images.labels.tolist(), strict=True))


def greys(images: Images) -> np.ndarray:
    cells = np.stack(images.sources).reshape(len(images), 16, 4, 16, 4, 3)
    return cells.mean((2, 4, 5)).reshape(len(images), -1)


def test_faces_are_64_pixels_square_in_colour(images, production):
    """Each source is a uint8 array (64, 64, 3)."""
    assert {(s.shape, s.dtype.name) for s in (*images.sources, *production.sources)} == {((64, 64, 3), "uint8")}


def test_sizes_and_subjects(images, production):
    """240 faces of 14 subjects to train and test on, 300 of 50 in production."""
    assert (len(images), len(set(images.subjects))) == (240, 14)
    assert (len(production), len(set(production.subjects))) == (300, 50)


@pytest.mark.parametrize("n", [1, 7, 43])
def test_quotas_are_the_papers_shares(n):
    """Whatever the size, each class has the paper's share to within one image, and the sum is exact."""
    counts = np.bincount(demo.draw("demo", n).labels, minlength=6)
    assert counts.sum() == n
    assert np.abs(counts - n * np.array([1058, 369, 953, 1593, 1124, 334]) / 5431).max() < 1


def test_default_quotas_and_class_order(images):
    """Classes stand in alphabetical order, happiness is the largest with 70 of 240."""
    assert images.classes == ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
    assert np.bincount(images.labels).tolist() == [47, 16, 42, 70, 50, 15]


def test_same_call_same_pixels():
    """Two calls draw the same faces, another seed draws others."""
    one, same, other = (np.stack(demo.draw("demo", 12, seed).sources) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("name", "size"), [("images", 6), ("production", 3)])
def test_frames_of_a_clip(name, size, request):
    """A subject has at most one clip of a class, of six frames, in production three; one clip a class may be short."""
    images = request.getfixturevalue(name)
    clips = frames_of_clips(images)
    short = [label for (_, label), frames in clips.items() if frames < size]
    assert max(clips.values()) == size
    assert len(short) == len(set(short))


def test_subjects_have_about_three_clips(images):
    """No subject carries the set alone: each has two to four clips."""
    assert set(Counter(subject for subject, _ in frames_of_clips(images)).values()) <= {2, 3, 4}


def test_names_say_subject_class_and_frame(images):
    """A name is subject/class/frame, and is unique."""
    rows = zip(images.names, images.subjects, images.labels, strict=True)
    assert all(name.rsplit("/", 1)[0] == f"{subject}/{images.classes[label]}" for name, subject, label in rows)
    assert len(set(images.names)) == len(images)


def test_the_demo_gives_no_splits(images, production):
    """Splitting is the study's business: the data give none."""
    assert {*images.splits, *production.splits} == {""}


def test_production_shows_other_people(images, production):
    """No subject is in both sets."""
    assert not set(images.subjects) & set(production.subjects)


def test_faces_are_bright_enough_to_read(images, production):
    """Neither dark skin nor poor light takes a face's mean pixel below 55."""
    assert min(s.mean() for s in (*images.sources, *production.sources)) > 55


def test_a_random_split_flatters(images):
    """By the nearest other face most expressions are named right, by the nearest face of another person few."""
    x, y = greys(images), images.labels
    distances = np.stack([np.linalg.norm(x - row, axis=1) for row in x])
    itself = np.eye(len(x), dtype=bool)
    same_person = images.subjects[:, None] == images.subjects
    random, unseen = (
        (y[np.where(hidden, np.inf, distances).argmin(1)] == y).mean() for hidden in (itself, same_person)
    )
    assert random > unseen + 0.4


@pytest.mark.parametrize(
    ("data", "ours"), [("demo", True), ("demo:production", True), ("demo:x", True), ("demos", False)]
)
def test_what_is_a_demo(data, ours):
    """`demo` and all that begins with `demo:` is for this layout; no folder is."""
    assert demo.matches(data) is ours


def test_unknown_demo_is_refused():
    """A demo of another name is refused, and the message says which there are."""
    with pytest.raises(AblateError, match=r"demo:x.*known: demo, demo:production"):
        demo.load("demo:x")
