"""Files that an experiment reads: their content is part of each id, and is read once."""

import os
from pathlib import Path
from typing import Any

import pytest

from ablation import cli
from ablation.errors import AblateError
from ablation.experiments import input_files
from ablation.store.files import read_json, write_json
from ablation.store.workspace import Workspace

STUDY = """
select_on = "none"
[experiment]
command = "sh run.sh {folder} {level}"
inputs = ["data/*.csv"]
[experiment.results]
file = "{folder}/metrics.json"
[measures]
score = { best = "high" }
[[rows]]
level = 1
[[rows]]
level = 2
"""
RUN = ["run", "mine.toml", "--inline", "-q", "--trackers", "none"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for name in ("a", "b"):
        (tmp_path / "data" / f"{name}.csv").write_text(f"{name}\n")
    (tmp_path / "run.sh").write_text('cat data/a.csv; echo "{\\"test_score\\": $2}" > $1/metrics.json\n')
    (tmp_path / "mine.toml").write_text(STUDY)
    return tmp_path


def digests(place: Path) -> dict[str, str]:
    return input_files.read(["data/*.csv"], place, Workspace(place / "runs"), "inputs").digests


@pytest.mark.unit
def test_a_digest_is_of_names_and_contents(place: Path):
    """A file that is touched alone changes nothing; another name or content does."""
    first = digests(place)
    os.utime(place / "data" / "a.csv", (1, 1))
    assert digests(place) == first
    (place / "data" / "b.csv").rename(place / "data" / "c.csv")
    assert digests(place) != first


@pytest.mark.unit
def test_unchanged_files_are_not_read_again(place: Path):
    """Files whose size, time and inode are unchanged have their stored digest."""
    workspace = Workspace(place / "runs")
    workspace.input_digests.parent.mkdir(parents=True)
    files = input_files.read(["data/*.csv"], place, workspace, "inputs")
    assert len(files.contents) == 2
    files.store(workspace)
    again = input_files.read(["data/*.csv"], place, workspace, "inputs")
    assert (again.contents, again.digests) == ({}, files.digests)
    stored: Any = read_json(workspace.input_digests)
    path = str(place / "data" / "a.csv")
    write_json(workspace.input_digests, {**stored, path: [*stored[path][:3], "other"]})
    assert input_files.read(["data/*.csv"], place, workspace, "inputs").digests != files.digests


@pytest.mark.unit
def test_large_files_are_compared_by_their_names_and_sizes(place: Path, monkeypatch: pytest.MonkeyPatch):
    """Large files are compared by their names and sizes, and a note says so."""
    monkeypatch.setattr(input_files, "LARGEST", 3)
    files = input_files.read(["data/*.csv"], place, Workspace(place / "runs"), "inputs")
    assert files.notes == ["data/*.csv: 0.0 GiB in 2 files are compared by name, size and time of change"]
    assert not files.contents


@pytest.mark.unit
def test_a_pattern_without_a_file_is_refused(place: Path):
    with pytest.raises(AblateError, match=r"inputs: 'data/\*\.npz' matches no file in "):
        input_files.read(["data/*.npz"], place, Workspace(place / "runs"), "inputs")


@pytest.mark.process
def test_a_study_whose_files_changed_is_refused(place: Path, capsys: pytest.CaptureFixture[str]):
    """A study whose files changed is refused under its name; another name trains all rows."""
    for _ in range(2):
        assert cli.run(RUN) == 0
    assert len(list(place.glob("runs/trained/*/result-*.json"))) == 2
    (place / "data" / "a.csv").write_text("another\n")
    assert cli.run(RUN) == 2
    assert "study 'mine' was run with different inputs; give this run its own --name" in capsys.readouterr().err
    assert cli.run([*RUN, "--name", "second"]) == 0
    assert len(list(place.glob("runs/trained/*/result-*.json"))) == 4
