"""`ablate try`: one trial in the foreground; the workspace stays as it is."""

from pathlib import Path

import pytest
from command_study import STUDY

from ablation import cli

SCRIPT = """
import json, sys
folder, width, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
print(f"width {width}, seed {seed}", flush=True)
if width == 3:
    sys.exit("no such width")
json.dump({"val_score": width + seed, "test_score": 12.25, "latency": 3.5}, open(folder + "/metrics.json", "w"))
"""
SEEDED = STUDY.replace("[0, 1]", "[4, 5]")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "mine.toml").write_text(SEEDED)
    return tmp_path


def test_a_trial_shows_what_it_prints_and_gives(place: Path, capsys: pytest.CaptureFixture[str]):
    """Numbers on test stay closed, and nothing is left behind."""
    assert cli.run(["try", "mine.toml", "--row", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "width 2, seed 4"
    assert lines[1].startswith("done in 0:0")
    assert lines[2:] == ["val_score = 6", "latency = 3.5", "test, not opened: score (a number)"]
    assert not list((place / "tmp").iterdir())
    assert not (place / "runs").exists()


def test_another_seed_and_a_level_for_all(place: Path, capsys: pytest.CaptureFixture[str]):
    """The reference by default; --set changes what all rows share."""
    text = SEEDED.replace("[experiment.factors]", "[experiment.factors]\ndepth = { default = 1 }")
    (place / "mine.toml").write_text(text.replace("{width} {seed}", "{width} {seed} {depth}"))
    assert cli.run(["try", "mine.toml", "--seed", "9", "--set", "depth=7"]) == 0
    assert "val_score = 10" in capsys.readouterr().out.splitlines()


def test_a_failed_trial_keeps_its_folder(place: Path, capsys: pytest.CaptureFixture[str]):
    """Exit code 1, the reason once, and the log."""
    assert cli.run(["try", "mine.toml", "--row", "3"]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("kept: ")
    line = printed.out.splitlines()[-1]
    assert "failed in 0:0" in line
    assert "exit code 1: no such width (log: " in line
    assert Path(line.rpartition("(log: ")[2].rstrip(")")).is_file()


@pytest.mark.parametrize(
    ("more", "message"),
    [(["--row", "9"], "--row 9: the study has rows 1 to 3"), (["--set", "widht=2"], "unknown factor 'widht'")],
    ids=["row", "factor"],
)
def test_wrong_input_is_one_line(place: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]):
    """Exit code 2, before anything starts."""
    assert cli.run(["try", "mine.toml", *more]) == 2
    assert message in capsys.readouterr().err
    assert not list((place / "tmp").iterdir())


def test_missing_validation_is_named_first(place: Path, capsys: pytest.CaptureFixture[str]):
    """A function that returns test alone is asked for validation, whatever else is wrong with its results."""
    source = "def train(*, width: int = 1):\n    return {'test': {'label': ['0', '1'], 'predicted': ['1', '1']}}\n"
    (place / "test_alone.py").write_text(source)
    study = 'select_on = "val_accuracy"\n[experiment]\nfunction = "test_alone.py:train"\n[factorial]\nwidth = [1, 2]\n'
    (place / "alone.toml").write_text(study)
    assert cli.run(["try", "alone.toml"]) in (1, 2)
    printed = capsys.readouterr()
    line = 'they have none on validation; return "val" too, or set select_on = "none"'
    assert line in printed.out + printed.err
