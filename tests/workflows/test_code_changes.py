"""Code of a command is recorded: a change stops the next run, and is kept or trained again, never silent."""

import json
import subprocess
from pathlib import Path

import pytest
from command_study import STUDY

from ablation import cli
from ablation.store import code
from ablation.store.files import read_json

SCRIPT = """
import json, sys
folder, width, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
FACTOR = 2  # a constant
open("starts.log", "a").write(f"{width} {seed}\\n")
json.dump({"val_score": width * FACTOR + seed, "test_score": width + seed}, open(folder + "/metrics.json", "w"))
"""
RUN = ["run", "mine.toml", "--inline", "-q", "--trackers", "none"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Train three rows with two seeds, and return the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "mine.toml").write_text(STUDY)
    assert cli.run(RUN) == 0
    assert starts(tmp_path) == 6
    return tmp_path


def starts(place: Path) -> int:
    return len((place / "starts.log").read_text().splitlines())


def edit(place: Path, before: str, after: str, name: str = "train.py") -> None:
    text = (place / name).read_text()
    assert before in text
    (place / name).write_text(text.replace(before, after))


def warnings(place: Path) -> list[str]:
    return [warning["code"] for warning in json.loads((place / "runs" / "mine" / "warnings.json").read_text())]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# a constant", "# another comment"),
        ("FACTOR = 2", "FACTOR  =  2"),
        ("import json, sys\n", "import json, sys\n\n\n"),
    ],
    ids=["comment", "blanks", "lines"],
)
def test_comments_and_layout_change_nothing(place: Path, before: str, after: str):
    """Comments and layout cause no question and no training."""
    edit(place, before, after)
    assert cli.run(RUN) == 0
    assert starts(place) == 6
    assert "MIXED_CODE" not in warnings(place)


@pytest.mark.parametrize(
    ("before", "after", "name", "path"),
    [
        ("FACTOR = 2", "FACTOR = 3", "train.py", "train.py"),
        ("command = \"python train.py", "command = \"python -O train.py", "mine.toml", "[experiment]"),
    ],
    ids=["script", "command"],
)  # fmt: skip
def test_a_change_stops_the_command(
    place: Path, before: str, after: str, name: str, path: str, capsys: pytest.CaptureFixture[str]
):
    """Exit code 2, the diff and what can be done; no training starts, and the table stays."""
    table = (place / "runs" / "mine" / "table.csv").read_bytes()
    edit(place, before, after, name)
    assert cli.run(RUN[:3]) == 2
    printed = capsys.readouterr()
    assert f"-{'FACTOR = 2' if name == 'train.py' else ''}" in printed.err + printed.out
    assert printed.err.splitlines()[-1] == (
        f"error: {path} has changed since rows 1 to 3 were trained; pass --code keep to use these results all the "
        "same, or --code retrain to train them again"
    )
    assert starts(place) == 6
    assert (place / "runs" / "mine" / "table.csv").read_bytes() == table


def test_kept_results_are_named(place: Path):
    """New rows run the new code; the table says so, and the same change is not asked about again."""
    edit(place, "FACTOR = 2", "FACTOR = 3")
    edit(place, "width = [2, 3]", "width = [2, 3, 4]", "mine.toml")
    assert cli.run([*RUN, "--code", "keep"]) == 0
    assert starts(place) == 8
    assert "MIXED_CODE" in warnings(place)
    assert cli.run(RUN) == 0
    assert starts(place) == 8
    edit(place, "FACTOR = 3", "FACTOR = 5")
    assert cli.run(RUN) == 2


def test_retrained_rows_replace_the_old_ones(place: Path, capsys: pytest.CaptureFixture[str]):
    """Old folders are set aside until `clean`; a study that used them is named."""
    (place / "other.toml").write_text(STUDY.replace("width = [2, 3]", "width = [2]"))
    assert cli.run([*RUN[:1], "other.toml", *RUN[2:]]) == 0
    assert starts(place) == 6  # it shares the trainings
    edit(place, "FACTOR = 2", "FACTOR = 3")
    capsys.readouterr()
    assert cli.run([*RUN, "--code", "retrain"]) == 0
    assert starts(place) == 12
    assert "note: study other used results that are trained again now" in capsys.readouterr().err
    assert "MIXED_CODE" not in warnings(place)
    assert len(list((place / "runs" / "trained" / "superseded").iterdir())) == 6
    assert cli.run(["clean", "superseded", "--yes"]) == 0
    assert not list((place / "runs" / "trained" / "superseded").glob("*"))
    assert cli.run([*RUN[:1], "other.toml", *RUN[2:]]) == 0  # its rows have the new results
    assert starts(place) == 12


def test_a_change_that_all_rows_precede_is_noted(place: Path):
    """All rows keep one code, and the table names the file that has changed since."""
    edit(place, "FACTOR = 2", "FACTOR = 3")
    assert cli.run([*RUN, "--code", "keep"]) == 0
    assert starts(place) == 6
    assert "MIXED_CODE" not in warnings(place)
    noted = json.loads((place / "runs" / "mine" / "warnings.json").read_text())
    (note,) = (warning for warning in noted if warning["code"] == "KEPT_CODE")
    assert note["fact"] == "Rows 1 to 3 were trained before train.py changed; the results were kept (--code keep)."
    assert note["grade"] == "note"
    assert note["fact"] in (place / "runs" / "mine" / "report.html").read_text()
    edit(place, "width = [2, 3]", "width = [2, 3, 4]", "mine.toml")
    assert cli.run(RUN) == 0
    assert {"MIXED_CODE", "KEPT_CODE"} & set(warnings(place)) == {"MIXED_CODE"}  # one fact has one warning
    edit(place, "width = [2, 3, 4]", "width = [2, 3]", "mine.toml")
    edit(place, "FACTOR = 3", "FACTOR = 2")
    assert cli.run(RUN) == 0
    assert "KEPT_CODE" not in warnings(place)  # the code is what was run


def test_a_study_warns_until_it_is_run_again(place: Path, capsys: pytest.CaptureFixture[str]):
    """Another study has trained two of its rows again: its table and report name them, drawn from files alone."""
    other = ["run", "other.toml", *RUN[2:]]
    (place / "other.toml").write_text(STUDY.replace("width = [2, 3]", "width = [4, 2]"))
    assert cli.run(other) == 0
    edit(place, "FACTOR = 2", "FACTOR = 3")
    assert cli.run([*RUN, "--code", "retrain"]) == 0
    assert starts(place) == 14
    assert "RETRAINED" not in warnings(place)
    assert cli.run(["table", "other.toml"]) == 0
    (warning,) = (w for w in json.loads((place / "runs/other/warnings.json").read_text()) if w["code"] == "RETRAINED")
    assert warning["rows"] == [1, 3]
    assert warning["fact"] == (
        "Rows 1 and 3 were trained again with changed code after the last run of this study, by study mine."
    )
    assert warning["fact"] in (place / "runs" / "other" / "report.html").read_text()
    capsys.readouterr()
    assert cli.run(["table", "other.toml", "--strict", "RETRAINED"]) == 1
    assert cli.run(["explain", "RETRAINED"]) == 0
    assert "ablate run other.toml" in capsys.readouterr().out
    assert cli.run([*other, "--code", "retrain"]) == 0
    assert starts(place) == 16  # its own row alone
    assert "RETRAINED" not in (place / "runs" / "other" / "warnings.json").read_text()
    assert cli.run(["table", "other.toml", "--strict", "RETRAINED"]) == 0


def test_code_that_changes_while_a_command_runs_refuses_the_next_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A script that edits itself: one training ends, and none of the others believes the record."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT + 'open(__file__, "a").write("x = 1\\n")\n')
    (tmp_path / "mine.toml").write_text(STUDY)
    assert cli.run(RUN) != 0
    assert starts(tmp_path) == 1


def test_only_files_that_git_tracks_are_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The files that git tracks are code, and the files that the command names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "mine.toml").write_text(STUDY)
    for name in ("tracked.py", "untracked.py", "data.csv"):
        (tmp_path / name).write_text("x = 1\n")
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "add", "tracked.py", "data.csv"], check=True)
    assert cli.run(RUN) == 0
    folder = next((tmp_path / "runs" / "trained").glob("*/code.json"))
    assert set(read_json(folder) or {}) == {"train.py", "tracked.py", "[experiment]"}


def test_further_files_are_stated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Further files are stated by patterns; one that matches nothing is refused."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "prompt.txt").write_text("Answer.")
    (tmp_path / "mine.toml").write_text(STUDY.replace("[experiment]", '[experiment]\ncode = ["*.txt"]', 1))
    assert cli.run(RUN) == 0
    edit(tmp_path, "Answer.", "Answer in one word.", "prompt.txt")
    assert cli.run(RUN) == 2
    assert "prompt.txt has changed since rows 1 to 3 were trained" in capsys.readouterr().err
    edit(tmp_path, '"*.txt"', '"*.prompt"', "mine.toml")
    assert cli.run(RUN) == 2
    assert "code: '*.prompt' matches no file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("before", "after", "is_changed"),
    [("x = 1\n", "x = 1  # one\n", False), ("x = 1\n", "x = 2\n", True), ("x = 1\n", None, True),
     (None, "x = 1\n", True), ("x = (\n", "x = ( \n", True),
     ("def f():\n  return 1\n", "def f():\n    return 1\n", False)],
)  # fmt: skip
@pytest.mark.unit
def test_python_is_compared_by_its_syntax_tree(before: str | None, after: str | None, is_changed: bool):
    """A text that does not parse is compared as it is; so are other languages."""
    assert code.is_changed("a.py", before, after) is is_changed
    assert code.is_changed("a.R", before, after)
