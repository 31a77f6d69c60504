"""Faces with level eyes: by the data's landmarks, else by OpenCV's detector; in no image, in train, or in all."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import ablate, in_process, rows
from PIL import Image

from ablation.errors import AblateError
from ablation.experiments.keras_head.datasets import align, decoding, demo, images


def spot(eyes: np.ndarray, side: int = 60) -> Image.Image:
    """A grey picture with a white spot on each eye."""
    y, x = np.mgrid[:side, :side] + 0.5
    pixels = np.full((side, side), 90.0)
    for ex, ey in eyes:
        pixels += 160 * np.exp(-((x - ex) ** 2 + (y - ey) ** 2) / 8)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert("RGB")


@pytest.mark.parametrize(
    "eyes", [[[20, 20], [40, 20]], [[18, 30], [38, 20]], [[25, 12], [35, 26]], [[5, 30], [55, 34]]]
)
def test_eyes_come_to_their_places(eyes: list[list[int]]):
    """Turned, scaled and moved: each eye is where it should be, within half a pixel."""
    turned = np.asarray(align.level(spot(np.array(eyes)), np.array(eyes, float)).convert("L"), float)
    y, x = np.mgrid[:60, :60] + 0.5
    for half, (px, py) in zip((x < 30, x >= 30), align.PLACES * 60, strict=True):
        weights = np.where(half & (np.hypot(x - px, y - py) < 12), np.maximum(turned - 110, 0), 0)
        assert [np.average(x, weights=weights), np.average(y, weights=weights)] == pytest.approx([px, py], abs=0.5)


def test_unknown_eyes_leave_a_face_as_it_is():
    """A face with unknown eyes, or with both in one place, is not turned."""
    image = spot(np.array([[20, 20], [40, 24]]))
    for eyes in (align.UNKNOWN, np.zeros((2, 2))):
        assert align.level(image, eyes) is image


def some_faces(n: int) -> images.Images:
    drawn = demo.draw("demo", n // 2)
    return drawn.take(np.random.default_rng(1).permutation(len(drawn))[:n])


def test_demo_faces_bring_their_eyes():
    """The eyes of demo faces are pupils, the darkest spots around; aligned faces have a sharper average than plain
    ones."""
    faces = some_faces(60)
    assert faces.eyes is not None
    assert faces.eyes.shape == (60, 2, 2)
    decoded = images.decode(faces, [48], aligned=[48])
    assert decoded.aligned is not None
    assert decoded.aligned.unknown == 0
    plain, level = (x.astype(float).mean(axis=(0, 3))[12:26] for x in (decoded.pixels[48], decoded.aligned.pixels[48]))
    assert level.std() > 1.05 * plain.std()


def test_the_detector_finds_eyes_of_real_faces(shared: Path):
    """The detector finds most eyes of FER-2013 at 48 pixels, in their place; faces aligned by them are more level."""
    with np.load(shared / "fer2013_test.npz") as faces:
        pictures = [decoding.rgb(pixels) for pixels in faces["images"][::60]]
    eyes = np.array([align.find(picture) for picture in pictures])
    detected = ~np.isnan(eyes).any(axis=(1, 2))
    assert detected.mean() > 0.5
    middle = eyes[detected].mean(axis=(0, 1)) / pictures[0].width
    assert middle == pytest.approx([0.5, 0.4], abs=0.06)
    level = [align.find(align.level(p, e)) for p, e, k in zip(pictures, eyes, detected, strict=True) if k]
    slopes = [np.array([e[1, 1] - e[0, 1] for e in positions]) for positions in (eyes[detected], level)]
    assert np.nanmean(np.abs(slopes[1])) < np.mean(np.abs(slopes[0]))


def test_without_a_detector_it_is_said(monkeypatch: pytest.MonkeyPatch):
    """Data without eyes, no OpenCV: one line with the way out, before an image is read."""
    monkeypatch.setattr(align, "find_spec", lambda name: None)
    faces = images.Images([Path("nowhere")], ["a"], np.zeros(1, int), ("a",), np.array([""]), np.array([""]))
    with pytest.raises(AblateError, match=r"no eye detector is installed; pip install 'ablate-table\[align\]'"):
        images.decode(faces, [8], aligned=[8])


def test_other_eyes_are_other_images():
    """A moved eye changes the digest of the images that are trained on."""
    eyes = np.zeros((3, 2, 2))
    moved = eyes.copy()
    moved[1, 0, 0] = 1
    assert align.digest(eyes) == align.digest(eyes.copy()) != align.digest(moved)


STUDY = """
[fixed]
fc_units = 8
weights = "random"
batch_size = 16
epochs = 1
[factorial]
align = ["none", "train", "all"]
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the three levels on faces whose eyes are in the file, but for one image."""
    place = tmp_path_factory.mktemp("align")
    (place / "aligned.toml").write_text(STUDY)
    faces = some_faces(120)
    assert faces.eyes is not None
    eyes = faces.eyes.copy()
    eyes[5] = np.nan
    order = np.random.default_rng(0).permutation(120)
    content: dict[str, np.ndarray] = {"class_names": np.array(faces.classes)}
    for split, part in (("train", order[:90]), ("test", order[90:])):
        content[f"x_{split}"] = np.array([faces.sources[i] for i in part])
        content |= {f"y_{split}": faces.labels[part], f"eyes_{split}": eyes[part]}
    np.savez(place / "faces.npz", **content)
    done = ablate("run", "--grid", "aligned.toml", "--data", "faces.npz", "--slots", "cpu:1", cwd=place)
    assert done.returncode == 0, done.stderr
    return place


def test_what_is_aligned_is_what_the_row_says(study: Path):
    """Rows without it and with it in train alone are tested on the same images; `all` is tested on aligned ones; a
    face without eyes is counted."""
    noted = [json.loads(path.read_text()) for path in (study / "runs/trained").glob("*/witness.json")]
    trained, tested = ({json.dumps(note[part]) for note in noted} for part in ("first", "test"))
    assert (len(noted), len(trained), len(tested)) == (3, 2, 2)
    record = json.loads((study / "runs/aligned/study.json").read_text())
    assert "Faces that could not be aligned because their eyes were not found: 1 of 120" in record["notes"][0]
    assert len(rows(study / "runs/aligned")) == 3


def test_a_row_that_is_aligned_aligns_other_images(study: Path):
    """`ablate evaluate` of the row with align = all on its own test images gives its test accuracy; `predict` too."""
    line = rows(study / "runs/aligned")[2]
    done = in_process("evaluate", "--grid", "aligned.toml", "--data", "faces.npz", "--split", "test", "--row", 3,
                  "--inline", "--json", cwd=study)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["scores"]["accuracy"] == pytest.approx(float(line["test_accuracy"]))


@pytest.mark.parametrize(
    ("eyes", "says"),
    [
        (np.zeros((3, 2)), "eyes_train is float64 of shape (3, 2); allowed: (4, 2, 2) numbers"),
        (np.full((4, 2, 2), "left"), "allowed: (4, 2, 2) numbers"),
    ],
)
def test_wrong_eyes_are_refused(tmp_path: Path, eyes: np.ndarray, says: str):
    """One line names the key and what is allowed."""
    np.savez(tmp_path / "a.npz", x_train=np.zeros((4, 9, 9), np.uint8), y_train=np.arange(4) % 2, eyes_train=eyes)
    with pytest.raises(AblateError) as refused:
        images.load(str(tmp_path / "a.npz"))
    assert says in str(refused.value)
