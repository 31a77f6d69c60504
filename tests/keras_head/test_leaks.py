"""Copies, near copies, labels and subjects that cross splits are found, on made-up and on real faces."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthetic import CLASSES, published, sealed, study

from ablation.experiments.keras_head.datasets import decoding, images, leaks
from ablation.experiments.keras_head.datasets.images import Index
from ablation.experiments.keras_head.datasets.leaks import Leaks
from ablation.experiments.keras_head.datasets.stored_splits import Split
from ablation.report.build import RenderOptions, rebuild
from ablation.study import study_file

pytestmark = pytest.mark.unit

SIX = range(6)


def made(pixels: np.ndarray, where: list[str], labels: list[int], subjects: list[str] | None = None):
    """An index as `images.decode` would make it, but in the order given; and its split."""
    ids = np.array([hashlib.sha256(image.tobytes()).hexdigest() for image in pixels])
    names = np.array(where)
    index = Index(ids, np.array(labels), ("a", "b"), names, np.array(subjects or [""] * len(ids)))
    return index, {s: np.flatnonzero(names == s) for s in images.SPLITS}


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    """Drawn faces of 32 pixels, one of each clip."""
    drawn = images.of_split(images.load("demo"), "test")
    return np.stack([np.asarray(decoding.rgb(source).resize((32, 32))) for source in drawn.sources[::12]])


def changed(face: np.ndarray, how: str) -> np.ndarray:
    image = Image.fromarray(face)
    if how == "brighter":
        return np.clip(face.astype(float) * 1.15 + 8, 0, 255).astype(np.uint8)
    if how == "jpeg":
        with io.BytesIO() as file:
            image.save(file, "jpeg", quality=40)
            return np.asarray(Image.open(file).convert("RGB"))
    if how == "resized":
        return np.asarray(image.resize((24, 24)).resize((32, 32)))
    return face[:, ::-1]


@pytest.mark.parametrize("how", ["brighter", "jpeg", "resized", "mirrored"])
def test_a_changed_copy_is_near(faces, how):
    """Light, compression, size and mirroring do not hide that an image was seen in training."""
    face = faces[3]
    pixels = np.stack([faces[0], face, faces[8], changed(face, how)])
    leak = leaks.find(*made(pixels, ["train", "train", "train", "test"], [0, 0, 1, 0]), pixels)
    assert leak.similar["test"] == (0,)
    assert leak.exact["test"] == ()
    assert leak.mirrored == (how == "mirrored")


def test_other_faces_are_not_near(faces):
    """Faces of other people, or of other expressions, are no leak: not one pair of the drawn clips."""
    half = len(faces) // 2
    where = ["train"] * half + ["test"] * (len(faces) - half)
    leak = leaks.find(*made(faces, where, [0] * len(faces)), faces)
    assert (leak.near, leak.copies) == (0, 0)


def test_copies_labels_and_subjects(faces):
    """Equal pixels are counted by group, across splits, and where their labels differ; people likewise."""
    pixels = faces[[0, 1, 1, 1, 2, 0]]
    where, labels = ["train", "train", "val", "test", "test", "train"], [0, 0, 0, 1, 1, 0]
    leak = leaks.find(*made(pixels, where, labels, ["p", "q", "q", "r", "q", ""]), pixels)
    assert (leak.copies, leak.groups, leak.across, leak.conflict) == (3, 2, 1, 1)
    assert leak.conflicting == {"train": 1, "val": 1, "test": 1}
    assert leak.limiting == {"train": 0, "val": 0, "test": 0}
    assert leak.people == {"train": 2, "val": 1, "test": 2}
    assert leak.exact == {"val": (0,), "test": (0,)}
    assert leak.subjects == 1
    assert Leaks.model_validate_json(leak.model_dump_json()) == leak
    assert any("subjects in two splits: 1" in line for line in leaks.summary(leak))


def test_features_of_a_pretrained_backbone_tell_too(faces):
    """Outputs that point in one direction are near, however different the pixels look to a hash."""
    pixels = faces[[0, 7]]
    features = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.01]])
    assert leaks.find(*made(pixels, ["train", "test"], [0, 0]), pixels).near == 0
    assert leaks.find(*made(pixels, ["train", "test"], [0, 0]), pixels, features).similar["test"] == (0,)


def test_accuracy_with_and_without():
    """Leaked images are left out, and how many remain is said."""
    assert leaks.without(np.array([1, 1, 0, 0.5]), [0, 1]) == (0.625, 0.25, 2)


def fer(shared: Path, classes: range) -> tuple[Index, Split, np.ndarray]:
    parts = {name: np.load(shared / f"fer2013_{name}.npz") for name in ("train", "test")}
    kept = {name: np.isin(part["labels"], list(classes)) for name, part in parts.items()}
    faces = np.concatenate([part["images"][kept[name]] for name, part in parts.items()])
    labels = np.concatenate([part["labels"][kept[name]] for name, part in parts.items()])
    where = np.repeat(list(parts), [int(rows.sum()) for rows in kept.values()])
    ids = np.array([hashlib.sha256(face.tobytes()).hexdigest() for face in faces])
    index = Index(ids, labels, CLASSES, where, np.full(len(ids), ""))
    return index, {s: np.flatnonzero(where == s) for s in images.SPLITS}, np.repeat(faces[..., None], 3, axis=3)


@pytest.mark.parametrize(
    ("classes", "figures"),
    [
        pytest.param(range(7), (1532, 1273, 270, 47), id="seven"),
        pytest.param(SIX, (1410, 1161, 248, 38), id="six", marks=pytest.mark.slow),  # the same search in fewer faces
    ],
)
def test_what_real_faces_hold(shared, classes, figures):
    """The copies of FER-2013 are found, all of them and no other; near ones as well."""
    index, split, pixels = fer(shared, classes)
    leak = leaks.find(index, split, pixels)
    assert (leak.copies, leak.groups, leak.across, leak.conflict) == figures
    assert 50 < len(leak.similar["test"]) < 300


def test_they_are_looked_for_once(tmp_path, faces, monkeypatch):
    """A study's leaks are kept next to its images; without pixels nothing is known, and nothing breaks."""
    grid = study_file.read("paper")
    record = study(tmp_path, grid, published(grid))
    workspace = sealed(tmp_path, record)
    leaks.compute(workspace, record, "given")
    assert leaks.stored(workspace, record, "given") is None
    folder = workspace.images(record.inputs.images)
    index = Index.from_json(folder.index.read_text())
    rng = np.random.default_rng(0)
    np.save(folder.pixels(32), rng.integers(0, 255, (len(index), 32, 32, 3), np.uint8))
    monkeypatch.setattr(leaks, "_near", lambda *_: {})
    leaks.compute(workspace, record, "given")
    leak = leaks.stored(workspace, record, "given")
    assert leak is not None
    folder.pixels(32).unlink()
    leaks.compute(workspace, record, "given")
    assert leaks.stored(workspace, record, "given") == leak


def test_a_study_says_what_its_data_leak(tmp_path):
    """Counts, and the accuracy with and without the leaked images, of the reference and the selected row."""
    grid = study_file.read("paper")
    record = study(tmp_path, grid, published(grid))
    workspace = sealed(tmp_path, record)
    none = {"val": (), "test": ()}
    leak = Leaks(images=9, copies=5, groups=4, across=3, conflict=2, near=7, mirrored=1, subjects=6,
                  exact=none | {"test": tuple(range(100))}, similar=none | {"test": (200,)}, series=1)  # fmt: skip
    path = workspace.images(record.inputs.images).leaks(record.inputs.splits["given"])
    path.write_text(leak.model_dump_json())
    facts = {caveat.code: caveat.fact for caveat in rebuild(workspace, "paper", RenderOptions()).warnings}
    assert facts["LEAK_EXACT"].startswith("100 test images and 0 validation images have exact copies in an earlier")
    assert "row 2: 94.0% with them, " in facts["LEAK_EXACT"]
    assert "% on the 5,331 others; row 5: 96.6% with them" in facts["LEAK_EXACT"]
    assert facts["LEAK_NEAR"].startswith("1 test image has a near-duplicate")
    assert facts["LEAK_LABEL"] == "2 groups of equal images carry different labels."
    assert facts["LEAK_SUBJECT"] == "6 subjects are in two splits."
    assert facts["LEAK_AUGMENT"].startswith("1 test image has two or more near-duplicates")
    assert facts["NO_GROUPS"] == "Subjects are known, but no interval and no test uses them."
    path.write_text(leak.model_copy(update={"subjects": None, "exact": none}).model_dump_json())
    facts = {caveat.code: caveat.fact for caveat in rebuild(workspace, "paper", RenderOptions()).warnings}
    assert facts["NO_GROUPS"] == "The data do not identify subjects."
    assert not facts.keys() & {"LEAK_EXACT", "LEAK_SUBJECT"}
