"""`ablate evaluate`: a trained row on images that its study has never seen, through the whole command."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import ablate, rows, write_npz
from PIL import Image

STUDY = '[fixed]\nfc_units = 16\nbatch_size = 16\nweights = "random"\nlearning_rate = 1e-3\nepochs = 2\n'


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rows, the second fine-tuned from images; only the selected row's head is kept."""
    place = tmp_path_factory.mktemp("production")
    (place / "tiny.toml").write_text(STUDY + '[[rows]]\n[[rows]]\naugment = "flip"\n')
    write_npz(place / "data.npz", train=48, test=24)
    done = ablate("run", "--grid", "tiny.toml", "--data", "data.npz", "--slots", "cpu:1", cwd=place)
    assert done.returncode == 0, done.stderr
    return place


def evaluate(place: Path, data: object, *more: object) -> dict:
    done = ablate(
        "evaluate", "--grid", "tiny.toml", "--data", data, "--inline", "--json", *more, cwd=place
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) | {"stderr": done.stderr}


def folders(place: Path, **images: list[Image.Image]) -> Path:
    for name, some in images.items():
        (place / name).mkdir(parents=True)
        for i, image in enumerate(some):
            image.save(place / name / f"{i}.png")
    return place


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, shape, np.uint8)


@pytest.mark.parametrize("row", [1, 2])
def test_a_rows_own_test_images_give_its_test_scores(study: Path, row: int):
    """The head on images it was tested on says what the table says, kept or trained again; the study stays as it is."""
    before = {p: p.read_bytes() for p in (study / "runs/tiny").glob("*.csv")}
    line = rows(study / "runs/tiny")[row - 1]
    found = evaluate(study, "data.npz", "--split", "test", "--row", row)
    assert found["scores"]["accuracy"] == pytest.approx(float(line["test_accuracy"]))
    assert found["scores"]["loss"] == pytest.approx(float(line["test_loss"]), abs=1e-4)
    assert ("was not kept: it is trained again" in found["stderr"]) == (line["selected"] != "True")
    assert "not the same bit for bit" not in found["stderr"]
    assert {p: p.read_bytes() for p in before} == before


def test_other_classes_are_counted_and_left_out(study: Path, tmp_path: Path):
    """Names are compared without case; what the study does not know is said, and classes may be missing."""
    some = [Image.fromarray(noise(i, 40, 40)) for i in range(3)]
    data = folders(tmp_path / "other", CLASS1=some, joy=some[:2], class0=some[:1])
    found = evaluate(study, data, "--predictions", tmp_path / "said.csv")
    assert (found["images"], found["left_out"]) == (4, {"joy": 2})
    assert np.array(found["confusion"]).sum(axis=1).tolist() == [1, 3, 0]
    page = (study / "runs/tiny/evaluation/other/classes.md").read_text()
    assert "Left out, for the study has no such class: joy (2)." in page
    assert "No images of class2 here." in page
    with open(tmp_path / "said.csv", newline="") as file:
        said = list(csv.DictReader(file))
    assert len(said) == 4
    assert all(sum(float(line[f"p_class{k}"]) for k in range(3)) == pytest.approx(1, abs=1e-5) for line in said)
    assert {Path(line["image"]).suffix for line in said} == {".png"}


def test_images_of_all_kinds_are_read(study: Path, tmp_path: Path):
    """Grey, RGBA, with a palette, and smaller than the network's input."""
    kinds = [
        Image.fromarray(noise(1, 50, 30)), Image.fromarray(noise(2, 40, 40, 4)),
        Image.fromarray(noise(3, 40, 40)).convert("P"), Image.fromarray(noise(4, 5, 5, 3)), Image.new("1", (9, 9)),
    ]  # fmt: skip
    assert evaluate(study, folders(tmp_path / "kinds", class0=kinds))["images"] == 5


def test_wrong_input_is_one_line(study: Path, tmp_path: Path):
    """Exit 2, naming what is wrong and what is allowed; no traceback."""
    grey = [Image.fromarray(noise(1, 40, 40))]
    deep = folders(tmp_path / "deep", class0=grey)
    Image.fromarray(np.full((40, 40), 60_000, np.uint16)).save(deep / "class0/deep.png")
    (tmp_path / "empty").mkdir()
    none = folders(tmp_path / "none", joy=grey, rage=grey)
    cases = [
        ((none,), "no image of a class of this study (class0, class1, class2); there are joy, rage"),
        ((tmp_path / "empty",), f"{tmp_path}/empty: "),
        ((deep,), "1 of 2 images cannot be decoded: "),
        ((none / "joy/0.png",), "no image set; --data takes"),
        (("data.npz", "--row", 3), "--row 3: no such row; allowed: 1 to 2"),
        (("data.npz", "--split", "val"), "--split val: the data have none; they have train, test"),
    ]
    for arguments, message in cases:
        done = ablate("evaluate", "--grid", "tiny.toml", "--inline", "--data", *arguments, cwd=study)
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
        assert "Traceback" not in done.stderr
