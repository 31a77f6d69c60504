"""The command: wrong input is one line that says what is allowed, exit 2, and nothing is written."""

import errno
import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import ablate, write_npz
from PIL import Image

import ablation
from ablation import cli
from ablation.api.arguments import arguments as as_options
from ablation.cli.commands import options
from ablation.cli.terminal import doctor
from ablation.errors import AblateError
from ablation.experiments import is_demo
from ablation.experiments.keras_head.backbones import BACKBONES
from ablation.experiments.keras_head.datasets import demo
from ablation.experiments.keras_head.training import input_layers
from ablation.study import study_file

GOOD = '[fixed]\nfc_units = 8\nepochs = 1\nweights = "random"\n[[rows]]\ndropout = 0.0\n[[rows]]\ndropout = 0.5\n'


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Return the exit code and stderr of a command in this process."""
    code = cli.run([*map(str, arguments)])
    return code, capsys.readouterr().err


def folders(root: Path, classes: dict[str, int]) -> Path:
    for name, n in classes.items():
        (root / name).mkdir(parents=True)
        for i in range(n):
            Image.fromarray(np.full((40, 40), i, np.uint8)).save(root / name / f"{i}.png")
    return root


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run each test in a folder of its own, so that its files can be compared."""
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture(autouse=True, scope="module")
def drawn() -> Iterator[None]:
    """Demo data are drawn once for all tests of this file: that takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "load", functools.cache(demo.load))
        yield


def refused(capsys: pytest.CaptureFixture[str], here: Path, *arguments: object) -> str:
    """Return the one line of an error; no file was written."""
    before = sorted(p for p in here.rglob("*"))
    code, error = call(capsys, "run", *arguments)
    assert code == 2, error
    lines = [line for line in error.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert error.splitlines()[-1] == lines[0]
    assert sorted(p for p in here.rglob("*")) == before
    return lines[0]


@pytest.mark.parametrize(
    ("study", "says"),
    [
        ("[fixed]\nunits = 3\n[[rows]]\n", "unknown factor 'units'; known: backbone"),
        ('[[rows]]\nbatch_size = "256"\n', "rows[1].batch_size: '256' is not allowed; allowed: a whole number from 1"),
        ("[[rows]]\nbatch_size = 256.0\n", "allowed: a whole number"),
        ("[[rows]]\ndropout = 1.0\n", "dropout: 1.0 is not allowed; allowed: a number from 0 to below 1"),
        ("[[rows]]\nepochs = 3\n[[rows]]\nepochs = 3\n", "rows 1 and 2 (rows[2]) are the same trial; remove one"),
        ("rows = [", "not valid TOML"),
        ('[[rows]]\nalign = "some"\n', "align: 'some' is not allowed; allowed: one of none, train, all"),
    ],
)
def test_a_wrong_study_file(capsys: pytest.CaptureFixture[str], here: Path, study: str, says: str):
    """Unknown factor, wrong type, out of range, doubled row, no TOML, unknown level."""
    Path("wrong.toml").write_text(study)
    line = refused(capsys, here, "--grid", "wrong.toml", "--data", "demo")
    assert "wrong.toml" in line
    assert says in line


def test_wrong_data(capsys: pytest.CaptureFixture[str], here: Path, tmp_path: Path):
    """Missing path, empty class folder, one class only, labels out of range, a csv without its columns."""
    Path("good.toml").write_text(GOOD)
    (folders(tmp_path / "empty", {"a": 3}) / "b").mkdir()
    folders(tmp_path / "one", {"a": 3})
    write_npz(tmp_path / "range.npz", class_names=["a", "b"])
    (tmp_path / "bad.csv").write_text("label,pixels\n1,2 3\n")
    for data, says in {
        "missing": "no such file or folder",
        "empty": "empty class folder",
        "one": "one class only",
        "range.npz": "y_train",
        "bad.csv": "emotion",
    }.items():
        assert says in refused(capsys, here, "--grid", "good.toml", "--data", tmp_path / data)


def test_a_corrupt_image(capsys: pytest.CaptureFixture[str], here: Path, tmp_path: Path):
    """A corrupt image is named and stops the run; --skip-bad leaves it out, and the table says so."""
    Path("good.toml").write_text(GOOD)
    faces = folders(tmp_path / "faces", {"a": 20, "b": 20})
    (faces / "a" / "broken.png").write_bytes(b"no image")
    line = refused(capsys, here, "--grid", "good.toml", "--data", faces)
    assert "1 of 41 images cannot be decoded: a/broken.png" in line
    assert call(capsys, "run", "--grid", "good.toml", "--data", faces, "--skip-bad", "--inline")[0] == 0
    assert "left out because they could not be decoded: 1." in Path("runs/good/table.md").read_text()


def test_imagenet_weights_that_cannot_be_had(capsys: pytest.CaptureFixture[str], here: Path, tmp_path: Path, npz: Path):
    """Real data stop with the ways out; demo data continue with random weights, which every table states."""
    Path("good.toml").write_text(GOOD.replace("random", "imagenet"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(tmp_path / "keras"))
        patch.setenv("https_proxy", "http://127.0.0.1:9")
        line = refused(capsys, here, "--grid", "good.toml", "--data", npz)
        assert "--set weights=PATH" in line
        assert "--set weights=random" in line
        code, error = call(capsys, "run", "--grid", "good.toml", "--data", "demo", "--limit", 60, "--inline")
    assert code == 0, error
    assert "seeded random weights replace them" in error
    for name in ("table.md", "table.tex", "study.json"):
        assert "random weights" in Path("runs/good-demo", name).read_text()


def test_a_used_name_with_other_data(capsys: pytest.CaptureFixture[str], here: Path, tmp_path: Path, npz: Path):
    """Other data, classes or settings under a used name are refused, and --name is the way out."""
    Path("good.toml").write_text(GOOD)
    assert call(capsys, "run", "--grid", "good.toml", "--data", npz, "--inline")[0] == 0
    other = write_npz(tmp_path / "other.npz", train=48)
    assert f"different --data ({npz} before, {other} now); give this run its own --name" in refused(
        capsys, here, "--grid", "good.toml", "--data", other
    )
    run = ("--grid", "good.toml", "--data", npz)
    assert "--name" in refused(capsys, here, *run, "--classes", "class1,class0,class2")
    assert "--set" in refused(capsys, here, *run, "--set", "learning_rate=1e-3")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--grid", "no-such"], "shipped: baseline, heads, paper, preprocessing, smoke, split"),
        (["--grid", "missing.toml"], "ablate new missing.toml"),
        (["--grid", "smoke", "--set", "colour=red"], "unknown factor 'colour'; known factors: backbone"),
        (["--grid", "smoke", "--set", "dropout"], "--set dropout: expected factor=level"),
        (["--grid", "smoke", "--name", ""], "--name: is empty"),
        (["--grid", ""], "--grid: is empty"),
        (["--grid", "smoke", "--set", "epochs=5"], "--set epochs: the rows of"),
        (["--grid", "smoke", "--seeds", "none"], "--seeds none: allowed: a number of seeds"),
        (["--grid", "smoke", "--slots", "gpu"], "cpu:N"),
        (["--grid", "smoke", "--limit", "0"], "--limit"),
        (["--grid", "smoke", "--classes", "joy"], "known: anger"),
        (["--grid", "smoke", "--set", "weights=missing.h5"], "no such file"),
        (["--grid", "smoke", "--unknown"], "no option '--unknown'"),
        (["--grid", "smoke", "--name", "../elsewhere"], "pass --name with letters"),
        (["--grid", "smoke", "--set", f"weights={'x' * 999}"], "no such file"),
    ],
)
def test_wrong_options(capsys: pytest.CaptureFixture[str], here: Path, arguments: list[str], says: str):
    """Every option says what it takes."""
    assert says in refused(capsys, here, *arguments)


def test_a_backend_that_is_missing(capsys: pytest.CaptureFixture[str], here: Path, monkeypatch: pytest.MonkeyPatch):
    """KERAS_BACKEND is checked before any work."""
    monkeypatch.setenv("KERAS_BACKEND", "no_such_backend")
    assert "KERAS_BACKEND=no_such_backend: not installed" in refused(capsys, here, "--grid", "smoke")


def test_a_folder_called_demo_something_is_no_demo():
    """The names `demo` and `demo:...` alone are drawn; data of similar names are real data, which are never
    replaced."""
    assert [is_demo(d) for d in ("demo", "demo:production", "demo-faces", "demo/", "demos")] == [
        True,
        True,
        *[False] * 3,
    ]
    assert options.default_name("paper", "demo-faces") == "paper"
    assert options.default_name("paper", "demo:production") == "paper-demo-production"


def test_a_workspace_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], here: Path, monkeypatch: pytest.MonkeyPatch
):
    """A disk that is full or read-only is named, and no bug of ours."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "runs/study.json")

    monkeypatch.setattr("ablation.study.study_file.read", full)
    assert "runs/study.json: No space left on device" in refused(capsys, here, "--grid", "smoke")


def test_a_database_that_cannot_be_opened(capsys: pytest.CaptureFixture[str], tmp_path: Path, npz: Path):
    """The reason is given, the address is not: it may hold a password."""
    Path("good.toml").write_text(GOOD)
    url = "postgresql://me:secret@127.0.0.1:9/none"
    code, error = call(capsys, "run", "--grid", "good.toml", "--data", npz, "--inline", "--storage", url)
    assert code == 2
    assert "--storage: Optuna's database cannot be opened" in error
    assert "secret" not in error


def test_own_studies_name_their_data(capsys: pytest.CaptureFixture[str], here: Path):
    """Demo data are the default of the shipped studies alone."""
    Path("good.toml").write_text(GOOD)
    assert "--data: good.toml needs images" in refused(capsys, here, "--grid", "good.toml")
    assert "needs images" in refused(capsys, here, "--grid", "paper,good.toml")
    for grid in ("all-paper", "heads,paper"):  # `smoke` alone is among the wrong options
        assert "known: anger" in refused(capsys, here, "--grid", grid, "--classes", "joy")


def test_a_bug_is_exit_3_with_a_log(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """No traceback reaches a user; the log's path does."""

    def bug(*_: object) -> None:
        raise ZeroDivisionError("secret of ours")

    monkeypatch.setattr("ablation.study.study_file.read", bug)
    code, error = call(capsys, "run", "--grid", "smoke", "--workspace", "elsewhere")
    assert code == 3
    assert "Traceback" not in error
    assert "crash.log" in error
    assert "secret of ours" in Path("elsewhere/log/crash.log").read_text()


def test_an_interrupt_is_exit_130_and_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """The command that resumes is printed."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ablation.study.study_file.read", interrupt)
    code, error = call(capsys, "run", "--grid", "smoke")
    assert (code, error.strip()) == (130, "interrupted; resume with: ablate run --grid smoke")


def test_new_writes_a_study_that_runs(capsys: pytest.CaptureFixture[str]):
    """The starter file is a valid study; a file that is there is not overwritten."""
    assert call(capsys, "new", "mine.toml")[0] == 0
    assert len(study_file.read("mine.toml").rows) == 2
    assert call(capsys, "new", "mine.toml")[0] == 2
    assert call(capsys, "new", "mine.txt")[0] == 2


def test_data_says_what_is_there(capsys: pytest.CaptureFixture[str], npz: Path):
    """Counts by class and split, and a sheet of faces."""
    assert cli.run(["data", str(npz), "--sheet", "faces.png"]) == 0
    out = capsys.readouterr().out
    assert "class0" in out
    assert "84" in out
    assert Image.open("faces.png").size == (12 * 64, 3 * 64)


def test_data_looks_at_broken_sets(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Images that cannot be decoded are counted, whether one or all, and are on no sheet."""
    place = tmp_path / "faces"
    for name in ("a", "b"):
        (place / name).mkdir(parents=True)
        Image.fromarray(np.zeros((40, 40), np.uint8)).save(place / name / "good.png")
    (place / "a/broken.png").write_text("no image")
    assert cli.run(["data", str(place), "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert "cannot be decoded: 1 (a/broken.png)" in capsys.readouterr().out
    for name in ("a", "b"):
        (place / name / "good.png").write_text("no image")
    assert cli.run(["data", str(place)]) == 0
    assert "cannot be decoded: 3" in capsys.readouterr().out


def test_names_that_are_no_text_are_refused(capsys: pytest.CaptureFixture[str], here: Path, tmp_path: Path):
    """A folder whose name is Latin-1, as old archives leave them."""
    for name in (b"\xdcberraschung", b"joy"):
        folder = os.path.join(os.fsencode(tmp_path / "faces"), name)
        os.makedirs(folder)
        Image.fromarray(np.zeros((40, 40), np.uint8)).save(os.path.join(os.fsdecode(folder), "0.png"))
    for command in (["data", str(tmp_path / "faces")], ["run", "--grid", "smoke", "--data", str(tmp_path / "faces")]):
        code, error = call(capsys, *command)
        assert (code, "?berraschung: a name that is not UTF-8; rename it" in error) == (2, True), error


def test_doctor_says_what_is_there(capsys: pytest.CaptureFixture[str]):
    """Packages, extras, backend, GPUs, weights, workspace; exit 0 where nothing is missing."""
    assert cli.run(["doctor", "--json"]) == 0
    states = {c["what"]: c["found"] for c in json.loads(capsys.readouterr().out)}
    assert {"Python", "Keras backend", "GPUs", "ImageNet weights of vgg16", "workspace", "file system"} <= set(states)
    assert "keras 3" in states["extra keras"]


@pytest.mark.parametrize("command", ["status", "table"])
def test_a_study_that_is_not_there(capsys: pytest.CaptureFixture[str], command: str):
    """The studies that the workspace holds are named."""
    for name in ("faces", "tiny"):
        Path("runs", name).mkdir(parents=True)
        Path("runs", name, "study.json").touch()
    for arguments in (["--grid", "paper"], ["--grid", "paper", "--name", "papre"]):
        code, error = call(capsys, command, *arguments)
        assert (code, error.count("choose a --name of: faces, tiny")) == (2, 1)


COMMANDS = ["run", "plan", "status", "table", "compare", "explain", "clean", "worker", "new", "data", "doctor"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example(capsys: pytest.CaptureFixture[str], command: str):
    """--help shows how a command is used."""
    assert cli.run([command, "--help"]) == 0
    assert f"ablate {command}" in capsys.readouterr().out.split("Usage:")[1].split("\n", 1)[1]


def test_from_python(npz: Path):
    """`ablation.run` returns the table as a DataFrame, and raises AblateError for wrong input."""
    Path("good.toml").write_text(GOOD)
    table = ablation.run("good.toml", data=npz, workspace="elsewhere", inline=True, set={"learning_rate": 1e-3})
    assert table.row.tolist() == [1, 2]
    assert table.learning_rate.tolist() == [1e-3, 1e-3]
    assert table.test_accuracy.between(0, 1).all()
    with pytest.raises(AblateError, match="no such study"):
        ablation.run("no-such")


def test_options_from_python():
    """Lists are lists: one seed is that seed, and what may be given several times is."""
    options = as_options(
        {"seeds": [7], "classes": ("a", "b"), "strict": ["SINGLE_SEED", "BOUNDARY"], "retry": "diverged"}
    )
    assert options == ["--seeds", "7,", "--classes", "a,b", "--strict", "SINGLE_SEED", "--strict", "BOUNDARY",
                     "--retry", "diverged"]  # fmt: skip
    assert as_options({"seeds": 5, "inline": True, "skip_bad": False, "limit": None, "strict": None}) == [
        "--seeds",
        "5",
        "--inline",
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["data", "demo", "--sheet", "nowhere/faces.png"], "--sheet nowhere/faces.png: no folder nowhere"),
        (["data", "demo", "--sheet", "faces"], "--sheet faces: not the name of an image file; allowed endings: .bmp, "),
        (["predict", "demo", "--grid", "paper", "-o", "a/b.csv"], "--output a/b.csv: no folder a; create it"),
        (["evaluate", "--data", "demo", "--grid", "paper", "--predictions", "a/b.csv"], "--predictions a/b.csv: "),
    ],
)  # fmt: skip
def test_files_that_cannot_be_written(capsys: pytest.CaptureFixture[str], here: Path, arguments: list[str], says: str):
    """A file that cannot be written is reported before any work, not after it."""
    code, error = call(capsys, *arguments)
    assert (code, error.startswith(f"error: {says}")) == (2, True), error


def test_doctor_finds_the_weights_that_keras_keeps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The command `doctor` looks for weights under the names that Keras gives its downloads."""
    (tmp_path / "models").mkdir()

    def get_file(name: str, *_: object, **__: object) -> None:
        (tmp_path / "models" / name).touch()
        raise LookupError

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    for backbone in BACKBONES:
        with pytest.raises(LookupError):
            input_layers.backbone(backbone, "imagenet", 32)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    checks = [check for check in doctor.examine(tmp_path) if check.what.startswith("ImageNet weights")]
    assert [check.state for check in checks] == ["good"] * len(BACKBONES)


def test_module_and_command_are_one():
    """`python -m ablation` is `ablate`."""
    assert ablate("--version").stdout.startswith("ablate, version")
