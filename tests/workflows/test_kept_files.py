"""`--keep` rules the files that a command leaves in the folder of its training; its log always stays."""

import json
from pathlib import Path

import pytest
from command_study import STUDY

from ablation import cli
from ablation.store import record as records
from ablation.store.files import read_json, write_json
from ablation.store.workspace import Workspace

SCRIPT = """
import json, os, sys
folder, width, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
print("width", width)
open("starts.log", "a").write(f"{width} {seed}\\n")
os.makedirs(folder + "/plots")
for name in ("model.bin", "plots/curve.png"):
    open(f"{folder}/{name}", "w").write(name)
if width == 9:
    sys.exit("no such width")
json.dump({"val_score": width + seed, "test_score": width}, open(folder + "/metrics.json", "w"))
"""
RUN = ["run", "mine.toml", "--inline", "-q", "--trackers", "none"]
FILES = ["model.bin", "plots"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "mine.toml").write_text(STUDY)
    return tmp_path


def files(place: Path, row: int, name: str = "mine") -> list[list[str]]:
    """Return the files that the trainings of a row left, by seed, without those that always stay."""
    workspace = Workspace(place / "runs")
    record = records.need(workspace, name)
    folders = [workspace.training(record.training_key(trial)) for trial in record.grid.seeded(row)]
    assert all("width" in (folder.child / "log").read_text() for folder in folders)
    return [[path.name for path in folder.outputs()] for folder in folders]


@pytest.mark.parametrize(("keep", "rows"), [("all", [1, 2, 3]), ("selected", [3]), ("none", [])])
def test_files_of_the_kept_rows_stay(place: Path, keep: str, rows: list[int]):
    """All rows, the selected one, or none; what is not kept is named in the folder of its training."""
    assert cli.run([*RUN, "--keep", keep]) == 0
    for row in (1, 2, 3):
        assert files(place, row) == [FILES if row in rows else []] * 2
    noted = [json.loads(path.read_text())["names"] for path in (place / "runs" / "trained").glob("*/deleted.json")]
    assert noted == [FILES] * 2 * (3 - len(rows))


def test_the_selected_row_is_the_default(place: Path):
    """The files of the selected row are kept by workers too, which end while others still train."""
    assert cli.run(["run", "mine.toml", "--slots", "cpu:2", "-q", "--trackers", "none"]) == 0
    assert [files(place, row) for row in (1, 2, 3)] == [[[], []], [[], []], [FILES, FILES]]


def test_a_row_that_is_selected_later_is_named(place: Path, capsys: pytest.CaptureFixture[str]):
    """The note for a row that is selected later says that its files are gone."""
    assert cli.run(RUN) == 0
    (place / "mine.toml").write_text(STUDY.replace('best = "high"', 'best = "low"'))
    capsys.readouterr()
    assert cli.run(RUN) == 0
    assert "row 1 is selected now, but its output was not kept when it was trained" in capsys.readouterr().err


def test_files_of_failed_trainings_stay(place: Path):
    """A training without a result may resume from them, whatever is kept."""
    (place / "mine.toml").write_text(STUDY.replace("[2, 3]", "[2, 9]"))
    assert cli.run([*RUN, "--keep", "none"]) == 1
    assert files(place, 3) == [FILES, FILES]
    assert files(place, 2) == [[], []]


def test_another_study_keeps_its_files(place: Path):
    """Files that two studies share are deleted when neither keeps them."""
    (place / "other.toml").write_text(STUDY.replace("[2, 3]", "[2]"))
    assert cli.run(["run", "other.toml", *RUN[2:], "--keep", "all"]) == 0
    assert cli.run(RUN) == 0
    assert [files(place, row) for row in (1, 2, 3)] == [[FILES, FILES]] * 3
    assert cli.run(["run", "other.toml", *RUN[2:]]) == 0
    assert [files(place, row) for row in (1, 2, 3)] == [[[], []], [FILES, FILES], [FILES, FILES]]
    assert len((place / "starts.log").read_text().splitlines()) == 6


def test_what_no_study_keeps_is_cleaned(place: Path, capsys: pytest.CaptureFixture[str]):
    """Files of a row that nobody keeps any more, such as those of an earlier --keep all."""
    assert cli.run([*RUN, "--keep", "all"]) == 0
    assert cli.run(["clean"]) == 0
    assert "outputs" not in capsys.readouterr().out
    path = place / "runs" / "mine" / "study.json"
    write_json(path, {**(read_json(path) or {}), "keep": "selected"})
    assert cli.run(["clean", "outputs", "--yes"]) == 0
    assert [files(place, row) for row in (1, 2, 3)] == [[[], []], [[], []], [FILES, FILES]]
