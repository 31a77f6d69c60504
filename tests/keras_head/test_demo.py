"""The demo data: faces with the paper's shares, and the paper's trap in them."""

from collections import Counter

import numpy as np
import pytest

from ablation.errors import AblateError
from ablation.experiments.keras_head.datasets import demo
from ablation.experiments.keras_head.datasets.images import SPLITS, Images

pytestmark = pytest.mark.unit

SHARES = np.array([1058, 369, 953, 1593, 1124, 334]) / 5431


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


def of(images: Images, split: str) -> Images:
    return images.take(np.flatnonzero(images.splits == split))


def test_sizes_and_subjects(images, production):
    """160 faces of 53 subjects to train on, 480 of 159 to test on, 120 to validate on; 300 of 50 in production."""
    sizes = {split: (len(of(images, split)), len(set(of(images, split).subjects))) for split in SPLITS}
    assert sizes["train"] == (160, 53)
    assert sizes["test"] == (480, 159)
    assert sizes["val"][0] == 120
    assert len(images) == 760
    assert (len(production), len(set(production.subjects))) == (300, 50)


def test_test_has_one_frame_of_each_clip(images):
    """Frames of one clip are no independent images: an interval over them would be too narrow."""
    assert set(frames_of_clips(of(images, "test")).values()) == {1}


def test_a_third_of_the_test_clips_are_known_from_train(images):
    """The trap: a third of the test images show clips of train, the others show people whom train does not know."""
    train, test = of(images, "train"), of(images, "test")
    in_train = np.isin(test.subjects, train.subjects)
    assert in_train.sum() == 160
    clips = frames_of_clips(train)
    assert all(clip in clips for clip in frames_of_clips(test.take(np.flatnonzero(in_train))))


@pytest.mark.parametrize("n", [1, 7, 43])
def test_quotas_are_the_papers_shares(n):
    """Each class has the paper's share of train to within one image at any size, and the sum is exact."""
    counts = np.bincount(of(demo.draw("demo", n), "train").labels, minlength=6)
    assert counts.sum() == n
    assert np.abs(counts - n * SHARES).max() < 1


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_every_split_has_the_papers_shares(images, split):
    """Every split has the paper's shares to within two images of a class."""
    counts = np.bincount(of(images, split).labels, minlength=6)
    assert np.abs(counts - counts.sum() * SHARES).max() < 2


def test_default_quotas_and_class_order(images):
    """Classes stand in alphabetical order, happiness is the largest with 47 of 160 in train."""
    assert images.classes == ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
    assert np.bincount(of(images, "train").labels).tolist() == [31, 11, 28, 47, 33, 10]


def test_same_call_same_pixels():
    """Two calls draw the same faces, another seed draws others."""
    one, same, other = (np.stack(demo.draw("demo", 12, seed).sources) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_frames_of_a_clip_in_production(production):
    """A subject has at most one clip of a class, of three frames; one clip a class may be short."""
    clips = frames_of_clips(production)
    short = [label for (_, label), frames in clips.items() if frames < 3]
    assert max(clips.values()) == 3
    assert len(short) == len(set(short))


def test_subjects_have_three_or_four_clips(images):
    """No subject carries the set alone."""
    assert set(Counter(subject for subject, _ in frames_of_clips(images)).values()) == {3, 4}


def test_names_say_subject_class_and_frame(images):
    """A name is subject/class/frame, and is unique."""
    rows = zip(images.names, images.subjects, images.labels, strict=True)
    assert all(name.rsplit("/", 1)[0] == f"{subject}/{images.classes[label]}" for name, subject, label in rows)
    assert len(set(images.names)) == len(images)


def test_production_has_no_splits(production):
    """All of it is there to be tried."""
    assert {*production.splits} == {""}


def test_production_shows_other_people(images, production):
    """No subject is in both sets."""
    assert not set(images.subjects) & set(production.subjects)


def test_faces_are_bright_enough_to_read(images, production):
    """Neither dark skin nor poor light takes a face's mean pixel below 55."""
    assert min(s.mean() for s in (*images.sources, *production.sources)) > 55


def test_known_people_flatter(images):
    """Most expressions of known people are right by the nearest face of train, few of unknown people."""
    train, test = of(images, "train"), of(images, "test")
    x = greys(train)
    nearest = np.array([np.linalg.norm(x - row, axis=1).argmin() for row in greys(test)])
    right, in_train = train.labels[nearest] == test.labels, np.isin(test.subjects, train.subjects)
    assert right[in_train].mean() > right[~in_train].mean() + 0.4


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
