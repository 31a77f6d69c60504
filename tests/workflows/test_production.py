"""`ablate evaluate`: a trained row on images that its study has never seen, through the whole command."""

import csv
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ablate, in_process, rows, write_npz
from mlflow import MlflowClient
from PIL import Image

from ablation import cli
from ablation.trackers.databases import sqlite_url

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


@dataclass(frozen=True)
class Printed:
    code: int
    out: str
    err: str

    @property
    def evaluation(self) -> dict[str, Any]:
        assert self.code == 0, self.err
        evaluation: dict[str, Any] = json.loads(self.out)
        return evaluation


@pytest.fixture
def say(study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Printed]:
    """Run a command on the study, in this process."""
    monkeypatch.chdir(study)

    def run(*arguments: object) -> Printed:
        capsys.readouterr()
        return Printed(cli.run([*map(str, arguments)]), *capsys.readouterr())

    return run


@pytest.fixture
def evaluate(say: Callable[..., Printed]) -> Callable[..., Printed]:
    return lambda data, *more: say("evaluate", "--grid", "tiny.toml", "--inline", "--json", "--data", data, *more)


def folders(place: Path, **images: list[Image.Image]) -> Path:
    for name, pictures in images.items():
        (place / name).mkdir(parents=True)
        for i, image in enumerate(pictures):
            image.save(place / name / f"{i}.png")
    return place


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, shape, np.uint8)


@pytest.mark.parametrize("row", [1, 2])
def test_a_rows_own_test_images_give_its_test_scores(study: Path, evaluate: Callable[..., Printed], row: int):
    """The head on its own test images has the scores of the table, kept or trained again; the study stays as it is."""
    before = {p: p.read_bytes() for p in (study / "runs/tiny").glob("*.csv")}
    line = rows(study / "runs/tiny")[row - 1]
    printed = evaluate("data.npz", "--split", "test", "--row", row)
    evaluation = printed.evaluation
    assert evaluation["scores"]["accuracy"] == pytest.approx(float(line["test_accuracy"]))
    assert evaluation["scores"]["loss"] == pytest.approx(float(line["test_loss"]), abs=1e-4)
    assert ("was not kept; retraining it" in printed.err) == (line["selected"] != "True")
    assert "not bit-identical" not in printed.err
    assert {p: p.read_bytes() for p in before} == before


def test_other_classes_are_counted_and_left_out(study: Path, evaluate: Callable[..., Printed], tmp_path: Path):
    """Names are compared without case; classes that the study does not have are named, and classes may be missing."""
    pictures = [Image.fromarray(noise(i, 40, 40)) for i in range(3)]
    data = folders(tmp_path / "other", CLASS1=pictures, joy=pictures[:2], class0=pictures[:1])
    evaluation = evaluate(data, "--predictions", tmp_path / "predictions.csv").evaluation
    assert (evaluation["images"], evaluation["left_out"]) == (4, {"joy": 2})
    assert np.array(evaluation["confusion"]).sum(axis=1).tolist() == [1, 3, 0]
    page = (study / "runs/tiny/tables/production_other.md").read_text()
    assert "Left out, for the study has no such class: joy (2)." in page
    assert "No images of class2 here." in page
    with open(tmp_path / "predictions.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 4
    assert all(sum(float(line[f"p_class{k}"]) for k in range(3)) == pytest.approx(1, abs=1e-5) for line in lines)
    assert {Path(line["image"]).suffix for line in lines} == {".png"}


def test_images_of_all_kinds_are_read(evaluate: Callable[..., Printed], tmp_path: Path):
    """Grey, RGBA, with a palette, and smaller than the network's input."""
    kinds = [
        Image.fromarray(noise(1, 50, 30)), Image.fromarray(noise(2, 40, 40, 4)),
        Image.fromarray(noise(3, 40, 40)).convert("P"), Image.fromarray(noise(4, 5, 5, 3)), Image.new("1", (9, 9)),
    ]  # fmt: skip
    assert evaluate(folders(tmp_path / "kinds", class0=kinds)).evaluation["images"] == 5


def test_wrong_input_is_one_line(evaluate: Callable[..., Printed], tmp_path: Path):
    """Exit 2, naming what is wrong and what is allowed; no traceback."""
    grey = [Image.fromarray(noise(1, 40, 40))]
    deep = folders(tmp_path / "deep", class0=grey)
    Image.fromarray(np.full((40, 40), 60_000, np.uint16)).save(deep / "class0/deep.png")
    (tmp_path / "empty").mkdir()
    none = folders(tmp_path / "none", joy=grey, rage=grey)
    cases = [
        ((none,), "no image of the study's classes (class0, class1, class2); found: joy, rage"),
        ((tmp_path / "empty",), f"{tmp_path}/empty: "),
        ((deep,), "1 of 2 images cannot be decoded: "),
        ((none / "joy/0.png",), "not a set of images; --data takes"),
        (("data.npz", "--row", 3), "--row 3: no such row; allowed: 1 to 2"),
        (("data.npz", "--split", "val"), "--split val: the data have no such split; found: train, test"),
    ]
    for arguments, message in cases:
        printed = evaluate(*arguments)
        assert printed.code == 2, printed.err
        assert printed.err.splitlines()[-1].startswith("error: ")
        assert message in printed.err


def test_it_stands_in_table_report_and_mlflow(
    study: Path, say: Callable[..., Printed], evaluate: Callable[..., Printed]
):
    """The numbers of other images are part of the study: tables that verify, the report, a warning, MLflow's parent."""
    x, names = np.zeros((60, 40, 40), np.uint8), [f"class{k}" for k in range(3)]
    np.savez(study / "dark.npz", x_train=x, y_train=np.zeros(60, int), class_names=names)
    answer = np.argmax(evaluate("dark.npz").evaluation["confusion"][0])  # the same of all, for they are the same
    np.savez(study / "dark.npz", x_train=x, y_train=np.full(60, (answer + 1) % 3), class_names=names)
    evaluation = evaluate("dark.npz").evaluation
    assert (evaluation["images"], evaluation["scores"]["accuracy"]) == (60, 0)
    page = (study / "runs/tiny/tables/production_dark.md").read_text()
    assert "60 images: accuracy 0.0 % (0.0-6.0)" in page
    report = (study / "runs/tiny/report.html").read_text()
    assert "on dark.npz" in report
    warnings = {w["code"]: w for w in json.loads((study / "runs/tiny/warnings.json").read_text())}
    assert "on dark.npz, row " in warnings["SHIFT"]["fact"].lower()
    for suffix in ("md", "tex"):
        verified = say("verify", f"runs/tiny/tables/production_dark.{suffix}")
        assert (verified.code, "all " in verified.out) == (0, True), verified.err
    client = MlflowClient(sqlite_url(study / "runs/mlflow.db"))
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    evaluated = [run for run in runs if "production/dark/accuracy" in run.data.metrics]
    assert [run.data.metrics["production/dark/accuracy"] for run in evaluated] == [0]


def test_data_of_one_name_do_not_replace_each_other(study: Path, evaluate: Callable[..., Printed], tmp_path: Path):
    """Two folders called photos have an evaluation each, and each replaces its own; versions are distinguished."""
    grey = [Image.fromarray(noise(1, 40, 40))]
    for place in ("a/photos", "b/photos", "faces.v1", "faces.v2"):
        folders(tmp_path / place, class0=grey)
    names = [
        evaluate(tmp_path / p).evaluation["name"] for p in ("a/photos", "b/photos", "a/photos", "faces.v1", "faces.v2")
    ]
    assert (names[0], names[2]) == ("photos", "photos")
    assert names[1].startswith("photos-")
    assert names[3:] == ["faces.v1", "faces.v2"]
    assert {names[0], names[1]} <= {path.name for path in (study / "runs/tiny/evaluation").iterdir()}


def test_names_that_make_one_table_are_told_apart(
    evaluate: Callable[..., Printed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Tables are files: names that differ in a sign alone would make the same one; .. is a folder with a name."""
    grey = [Image.fromarray(noise(1, 40, 40))]
    for place in ("day-1", "day_1"):
        folders(tmp_path / place, class0=grey)
    names = [evaluate(tmp_path / p).evaluation["name"] for p in ("day-1", "day_1")]
    assert names[0] == "day-1"
    assert names[1].startswith("day_1-")
    evaluation = evaluate(tmp_path / "day-1/class0/..").evaluation
    assert (evaluation["name"], evaluation["data"]) == ("day-1", str(tmp_path / "day-1"))


def test_an_evaluation_follows_its_row(study: Path, tmp_path: Path):
    """A row that was inserted moves the others; what was measured of one stays its own."""
    shutil.copytree(study, tmp_path, dirs_exist_ok=True, symlinks=True)
    folders(tmp_path / "seen", class0=[Image.fromarray(noise(1, 40, 40))])
    done = in_process("evaluate", "--grid", "tiny.toml", "--data", "seen", "--row", 1, "--inline", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (tmp_path / "tiny.toml").write_text(STUDY + '[[rows]]\ndropout = 0.5\n[[rows]]\n[[rows]]\naugment = "flip"\n')
    done = in_process("run", "--grid", "tiny.toml", "--data", "data.npz", "--inline", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Row 2 on seen" in (tmp_path / "runs/tiny/tables/production_seen_row_1.md").read_text()


def test_a_row_is_trained_again_wherever_its_workspace_is(study: Path, tmp_path: Path):
    """The cache of a moved workspace is found in its new place; where it was cleaned, the way out is named."""
    shutil.copytree(study, tmp_path / "a", symlinks=True)
    folders(tmp_path / "seen", class0=[Image.fromarray(noise(1, 40, 40))])

    def evaluate(place: Path) -> subprocess.CompletedProcess[str]:
        shutil.rmtree(place / "runs/cache/again/trained", ignore_errors=True)
        arguments = ["--grid", "tiny.toml", "--data", tmp_path / "seen", "--row", other, "--inline"]
        return in_process("evaluate", *arguments, cwd=place)

    kept = {path.parent.name for path in (tmp_path / "a").glob("runs/trained/*/head-*")}
    lines = rows(tmp_path / "a/runs/tiny")
    other = next(line["row"] for line in lines if line["trials"].partition("-")[0] not in kept)
    assert evaluate(tmp_path / "a").returncode == 0
    (tmp_path / "a").rename(tmp_path / "b")
    assert evaluate(tmp_path / "b").returncode == 0
    assert in_process("clean", "features", "--yes", cwd=tmp_path / "b").returncode == 0
    done = evaluate(tmp_path / "b")
    assert (done.returncode, "decoded images of the study were deleted; run the same `ablate run`" in done.stderr) == (
        2,
        True,
    )


def test_classes_left_out_are_counted_in_the_split_alone(evaluate: Callable[..., Printed], tmp_path: Path):
    """Images of another split were not asked for."""
    x, y = np.zeros((9, 40, 40), np.uint8), np.array([0] * 4 + [1] * 5)
    np.savez(tmp_path / "two.npz", x_train=x, y_train=y, x_test=x[:5], y_test=y[:5], class_names=["class0", "joy"])
    assert evaluate(tmp_path / "two.npz", "--split", "test").evaluation["left_out"] == {"joy": 1}


def test_images_without_labels(study: Path, say: Callable[..., Printed], tmp_path: Path):
    """A folder, files below it too, or one file: a line each, by name, its probabilities sum to 1; otherwise one
    line."""
    pictures = [Image.fromarray(noise(i, 40, 40)) for i in range(3)]
    folders(tmp_path / "photos", inside=pictures)
    pictures[0].save(tmp_path / "photos/a.png")
    printed = say("predict", tmp_path / "photos", "--grid", "tiny.toml", "--inline")
    lines = list(csv.DictReader(printed.out.splitlines()))
    assert [line["image"] for line in lines] == ["a.png", "inside/0.png", "inside/1.png", "inside/2.png"]
    assert all(sum(float(line[f"p_class{k}"]) for k in range(3)) == pytest.approx(1, abs=1e-5) for line in lines)
    one = say("predict", tmp_path / "photos/a.png", "--grid", "tiny.toml", "--inline", "-o", tmp_path / "one.csv")
    assert one.out.splitlines()[-1] == f"1 image: {tmp_path}/one.csv"
    with open(tmp_path / "one.csv", newline="") as file:
        assert [line["predicted"] for line in csv.DictReader(file)] == [lines[0]["predicted"]]
    (tmp_path / "none").mkdir()
    for path, message in ((tmp_path / "none", "no image ("), ("nowhere", "no such file or folder; predict takes")):
        refused = say("predict", path, "--grid", "tiny.toml", "--inline")
        assert (refused.code, message in refused.err) == (2, True)
