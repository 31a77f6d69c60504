"""What may go from a workspace, and what may not."""

import shutil
from pathlib import Path

import pytest
from conftest import STUDY, Silent, copied_sweep, in_process, options

from ablation.store.files import TEMPORARY
from ablation.store.workspace import Workspace
from ablation.workflows import clean
from ablation.workflows.run_study import run_study


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, swept: Path) -> Path:
    """A workspace with one study, all of its heads, and a training that nobody uses."""
    place = copied_sweep(swept, tmp_path_factory.mktemp("ran"))
    shutil.copytree(next(p for p in (place / "runs").glob("trained/*") if p.is_dir()), place / "runs/trained/nobodys")
    (place / f"runs/trained/{TEMPORARY}1-x").write_text("half")
    return place


def kinds(workspace: Path) -> dict[str, int]:
    items = clean.find(Workspace(workspace))
    return {kind: sum(i.kind == kind for i in items) for kind in clean.KINDS}


def test_what_no_study_needs_is_found(ran: Path):
    """Features and pixels, unused trainings and half-written files; heads and checkpoints that are kept are not."""
    assert kinds(ran / "runs") == {
        "checkpoints": 0,
        "heads": 0,
        "outputs": 0,
        "features": 3,
        "trainings": 1,
        "set-aside": 0,
        "superseded": 0,
        "leftovers": 1,
    }


def test_without_yes_nothing_is_deleted(ran: Path):
    """The command says what each kind is, how much it is, and how to delete it."""
    done = in_process("clean", cwd=ran)
    assert done.returncode == 0
    assert "trainings" in done.stdout
    assert "to delete them, add --yes" in done.stdout
    assert kinds(ran / "runs")["trainings"] == 1


def test_a_cleaned_workspace_still_has_its_table(ran: Path, npz: Path, tmp_path: Path):
    """The files are gone with --yes; the table is drawn as before, and a run has nothing to train."""
    shutil.copytree(ran, tmp_path, dirs_exist_ok=True)
    before = (tmp_path / "runs/tiny/table.csv").read_bytes()
    assert "deleted" in in_process("clean", "--yes", cwd=tmp_path).stdout
    assert not sum(kinds(tmp_path / "runs").values())
    assert in_process("table", "--grid", "tiny", cwd=tmp_path).returncode == 0
    assert (tmp_path / "runs/tiny/table.csv").read_bytes() == before
    assert run_study(options(ran / "tiny.toml", npz, tmp_path / "runs"), Silent()).trained == 0


def test_all_heads_are_those_of_replicates_too(npz: Path, tmp_path: Path):
    """No head of a study with --keep all is removed, nor of its replicates."""
    (tmp_path / "tiny.toml").write_text(STUDY)
    study = options(tmp_path / "tiny.toml", npz, tmp_path / "runs", keep="all", replicates=2)
    run_study(study, Silent())
    assert len(list((tmp_path / "runs").glob("trained/*/*.h5"))) == 6
    assert kinds(tmp_path / "runs")["heads"] == 0


def test_kinds_are_chosen_and_checked(ran: Path, tmp_path: Path):
    """A kind that does not exist is refused with those that do; a workspace that is not there is named."""
    shutil.copytree(ran, tmp_path, dirs_exist_ok=True)
    assert in_process("clean", "trainings", "--yes", cwd=tmp_path).returncode == 0
    assert kinds(tmp_path / "runs") == {
        "checkpoints": 0,
        "heads": 0,
        "outputs": 0,
        "features": 3,
        "trainings": 0,
        "set-aside": 0,
        "superseded": 0,
        "leftovers": 1,
    }
    wrong = in_process("clean", "everything", cwd=tmp_path)
    assert (wrong.returncode, "allowed: checkpoints, heads" in wrong.stderr) == (2, True)
    assert "no such folder" in in_process("clean", "--workspace", "none", cwd=tmp_path).stderr
