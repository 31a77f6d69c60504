"""Links in a workspace that lead out of it, ids that are no names, and folders of another user."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_study import STUDY
from conftest import in_process
from test_hostile_paths import TRAIN

from ablation.errors import AblateError
from ablation.store.files import TEMPORARY
from ablation.store.workspace import Workspace


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study of a command that was run."""
    place = tmp_path_factory.mktemp("finished")
    (place / "s.toml").write_text(STUDY)
    (place / "train.py").write_text(TRAIN)
    done = in_process("run", "s.toml", "--inline", "--trackers", "none", cwd=place)
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture
def here(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, to write in."""
    return shutil.copytree(finished, tmp_path / "here")


def contents(folder: Path) -> dict[str, bytes]:
    """Name -> content of all files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def moved_out(here: Path, name: str) -> Path:
    """Move a file or folder of the workspace out of it, and leave a link."""
    outside = here.parent / "outside"
    outside.mkdir(exist_ok=True)
    target = outside / Path(name).name
    shutil.move(here / "runs" / name, target)
    (here / "runs" / name).symlink_to(target)
    return outside


def unused(trained: Path) -> Path:
    """A training that no study uses, and a file that a process which died has left."""
    source = next(path for path in trained.iterdir() if (path / "result-1.json").is_file())
    (trained / f"{TEMPORARY}1-x").write_text("half")
    return shutil.copytree(source, trained / "0123456789abcdef")


def test_clean_deletes_nothing_behind_a_link(here: Path):
    """A folder of trainings behind a link may be that of another workspace too."""
    unused(here / "runs/trained")
    before = contents(moved_out(here, "trained"))
    done = in_process("clean", "--yes", cwd=here)
    assert done.returncode == 0, done.stderr
    assert contents(here.parent / "outside") == before


def test_clean_deletes_a_link_and_not_its_target(here: Path):
    """A training and a leftover that are links themselves; a link that leads nowhere too."""
    trained = here / "runs/trained"
    outside = here.parent / "outside"
    outside.mkdir()
    shutil.move(unused(trained), outside / "training")
    (outside / "kept").write_text("kept")
    (trained / "0123456789abcdef").symlink_to(outside / "training")
    (trained / f"{TEMPORARY}2-x").symlink_to(outside / "kept")
    (trained / f"{TEMPORARY}3-x").symlink_to(outside / "nowhere")
    before = contents(outside)
    done = in_process("clean", "--yes", cwd=here)
    assert done.returncode == 0, done.stderr
    assert contents(outside) == before
    assert not [path for path in trained.iterdir() if path.name.startswith(TEMPORARY) or path.is_symlink()]


@pytest.mark.parametrize("name", ["s", "trained", "cache", "s/study.json", "s/table.csv"])
def test_a_linked_part_is_read(here: Path, name: str):
    """A workspace may lie on several disks: folders may be links; a file that is written again replaces its link."""
    outside = moved_out(here, name)
    before = contents(outside)
    for command in (["run", "s.toml", "--inline", "--trackers", "none"], ["table", "s"], ["status"]):
        done = in_process(*command, cwd=here)
        assert done.returncode == 0, done.stderr
    if "." in name:
        assert contents(outside) == before


def test_a_linked_lock_is_refused(here: Path):
    """The lock of a workspace is written: behind a link, another file would lose its content."""
    target = here.parent / "precious"
    target.write_text("precious")
    (here / "runs/lock").unlink()
    (here / "runs/lock").symlink_to(target)
    done = in_process("run", "s.toml", "--inline", "--trackers", "none", cwd=here)
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr
    assert "runs: not writable" in done.stderr
    assert target.read_text() == "precious"


def test_a_linked_result_that_leads_nowhere_is_no_result(here: Path):
    """The training is run again, and the link is replaced by its result."""
    result = next((here / "runs/trained").glob("*/result-1.json"))
    result.unlink()
    result.symlink_to(here / "nowhere.json")
    done = in_process("run", "s.toml", "--inline", "--trackers", "none", cwd=here)
    assert done.returncode == 0, done.stderr
    assert "trained 1 trial" in done.stdout
    assert not result.is_symlink()
    assert not (here / "nowhere.json").exists()


@pytest.mark.parametrize("key", ["", ".", "..", "../s", "/etc", "a/b", "a\0b"])
def test_an_id_is_a_name(tmp_path: Path, key: str):
    """Ids of a broken or hostile record lead to no other folder: not to be read, and not to be deleted."""
    workspace = Workspace(tmp_path / "w")
    for path in (workspace.training, workspace.images, workspace.code):
        with pytest.raises(AblateError, match="is no name of a file or folder"):
            path(key)


@pytest.mark.parametrize("form", ["../../precious", "/precious"])
def test_aliases_rename_nothing_outside(here: Path, form: str):
    """The file of renamed trainings holds ids: a path in it is refused, and nothing is moved."""
    precious = here.parent / "precious"
    precious.mkdir()
    target = form if form.startswith("..") else str(precious)
    (here / "runs/trained/aliases.json").write_text(json.dumps({target: "0" * 16}))
    for command in (
        ["status"],
        ["run", "s.toml", "--inline", "--trackers", "none"],
        ["clean", "--yes"],
        ["table", "s"],
    ):
        assert in_process(*command, cwd=here).returncode in (0, 2)
    assert precious.is_dir()


def test_aliases_in_a_circle_are_refused(here: Path):
    """Two ids that are renamed to one another: one line, and no endless search."""
    first, second = [path.name for path in (here / "runs/trained").iterdir() if path.is_dir()][:2]
    (here / "runs/trained/aliases.json").write_text(json.dumps({first: second, second: first}))
    done = in_process("table", "s", cwd=here)
    assert (done.returncode, "in a circle" in done.stderr) == (2, True), done.stderr


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can act as another user")
@pytest.mark.parametrize(
    "command",
    [
        "run s.toml --inline --trackers none",
        "clean --yes",
        "sync",
        "import r.csv --factors norm --seed seed --metric acc",
    ],
)
def test_a_workspace_of_another_user_is_refused(here: Path, command: str):
    """A workspace without permission to write is refused in one line with its name, exit 2, and stays unchanged."""
    (here / "r.csv").write_text("norm,seed,acc\na,0,0.5\nb,0,0.6\n")
    for path in (here, *here.parents):
        if path.owner() == "root" and not path.stat().st_mode & 1 and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
    before = contents(here)
    as_other = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", sys.executable, "-m", "ablation"]
    env = os.environ | {"HOME": "/nonexistent", "TMPDIR": "/tmp"}
    done = subprocess.run([*as_other, *command.split()], cwd=here, env=env, capture_output=True, text=True)
    if "No module named" in done.stderr or "Permission denied: '/root" in done.stderr or "can't open" in done.stderr:
        pytest.skip("another user cannot read this interpreter")
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert (done.returncode, len(lines)) == (2, 1), done.stderr
    assert "runs" in lines[0]
    assert contents(here) == before
