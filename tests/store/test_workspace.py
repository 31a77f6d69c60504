"""Files that are whole or not there, and the lock."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ablation.errors import AblateError
from ablation.outcomes import Status
from ablation.store.files import TEMPORARY, atomic, on_network, read_json, write_json, write_text
from ablation.store.result import Predictions, Result, is_done, read, write
from ablation.store.workspace import Workspace, check_name


def write_half(path: Path) -> None:
    with atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path):
    """A reader sees the old content or the new, never half of it; nothing else is left behind."""
    path = tmp_path / "a" / "file.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError):
        write_half(path)
    assert path.read_text() == "old"
    assert os.listdir(path.parent) == ["file.txt"]


@pytest.mark.unit
def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path):
    """A folder, a pipe or a device in the place of a file stays what it is."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(AblateError, match=f"{name}: is not a regular file, and is not replaced"):
            write_text(tmp_path / name, "content")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_half_a_file_of_a_dead_process_is_not_built_upon(tmp_path: Path):
    """Temporary files are named by their process, and in containers all have the same id: what one left is deleted
    before the next writes."""
    path = tmp_path / "file.db"
    half = tmp_path / f"{TEMPORARY}{os.getpid()}-file.db"
    half.write_text("half")
    with atomic(path) as temporary:
        assert (temporary, temporary.exists()) == (half, False)
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_loses_nothing(tmp_path: Path):
    """The old file stays and no temporary one is left where the disk is full (here: a file may not grow)."""
    path = tmp_path / "file.txt"
    write_text(path, "old")
    code = (
        "import resource, signal, sys\nfrom pathlib import Path\nfrom ablation.store.files import write_text\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_text(Path(sys.argv[1]), 'x' * 5000)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert "File too large" in done.stderr
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_broken_json_is_named(tmp_path: Path):
    """A file that is no JSON is named; one that is missing is None."""
    assert read_json(tmp_path / "none.json") is None
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(AblateError, match=r"bad\.json"):
        read_json(tmp_path / "bad.json")
    write_json(tmp_path / "good.json", {"a": 1})
    assert read_json(tmp_path / "good.json") == {"a": 1}


def test_the_lock_dies_with_its_holder(tmp_path: Path):
    """One orchestrator at a time; the kernel frees the lock when its holder is killed."""
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom ablation.store.workspace import Workspace\n"
        "with Workspace(Path(sys.argv[1])).lock():\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(AblateError, match=f"pid {holder.pid}"), Workspace(tmp_path).lock():
        pass
    holder.kill()
    holder.wait()
    with Workspace(tmp_path).lock():
        pass


def test_a_link_to_a_network_is_on_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The folder that a link leads to decides whether files are on a network."""
    (tmp_path / "scratch").mkdir()
    (tmp_path / "runs").symlink_to(tmp_path / "scratch")
    mounts = [
        SimpleNamespace(mountpoint=str(p), fstype=t) for p, t in ((tmp_path, "ext4"), (tmp_path / "scratch", "nfs4"))
    ]
    monkeypatch.setattr("psutil.disk_partitions", lambda all: mounts)
    assert [on_network(tmp_path / p) for p in ("runs", "runs/mine", "scratch", "else")] == [True, True, True, False]


def test_names_of_the_workspaces_own_files_are_no_studys():
    """The names of the workspace's own files are refused as names of studies."""
    workspace = Workspace(Path("w"))
    own = (workspace.optuna, workspace.mlflow, workspace.artifacts, workspace.lock_file, workspace.known_weights.parent,
           workspace.log("x").parent, workspace.training("x").path.parent)  # fmt: skip
    for path in own:
        with pytest.raises(AblateError, match="is not allowed"):
            check_name(path.name)


def test_a_workspace_that_cannot_be_made_is_named(tmp_path: Path):
    """A path that no folder can have is the user's to mend."""
    (tmp_path / "file").write_text("")
    with pytest.raises(AblateError, match="not writable"), Workspace(tmp_path / "file" / "runs").lock():
        pass


def predictions() -> Predictions:
    probabilities = np.array([[0.25, 0.75], [0.5, 0.5]], np.float16)
    return Predictions(np.array([1, 0], np.int16), probabilities, np.array([0.3, 0.7], np.float32))


def test_predictions_come_back_and_a_change_is_found(tmp_path: Path):
    """The same predictions give the same bytes; a file that was changed or is gone is refused."""
    path = tmp_path / "test-3.npz"
    digest = predictions().write(path)
    assert predictions().write(tmp_path / "again.npz") == digest
    stored = Predictions.read(path, digest)
    assert stored.classes.tolist() == [1, 0]
    assert stored.probabilities.tolist() == [[0.25, 0.75], [0.5, 0.5]]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(AblateError, match="changed"):
        Predictions.read(path, digest)
    path.unlink()
    with pytest.raises(AblateError, match="missing"):
        Predictions.read(path, digest)


def test_results_come_back(tmp_path: Path):
    """A finished trial is read from its own file; one that is not falls back on its training's failure."""
    folder = Workspace(tmp_path).training("k")
    done = Result(Status.DONE, 3, scores={"val": {"accuracy": 0.5}}, history=[{"epoch": 1, "val_accuracy": 0.1}])
    failed = Result(Status.FAILED, 10, error="Traceback\n  ...\nValueError: no\n")
    assert read(folder, 3) is None
    write(folder, done)
    write(folder, failed)
    assert (read(folder, 3), read(folder, 10)) == (done, failed)
    assert (is_done(folder, 3), is_done(folder, 10)) == (True, False)
    assert failed.reason == "ValueError: no"
    history = [{"epoch": epoch, "val_accuracy": 0.2, "val_mae": 3.0 - epoch} for epoch in (1, 2)]
    ended = Result(Status.DONE, 2, history=history)
    assert (ended.best("val_accuracy")["epoch"], ended.best("val_mae", lowest=True)["epoch"]) == (1, 2)
    assert ended.best("val_f1") == {}


WORDS = ("done", "diverged", "out of memory", "killed", "timed out", "failed", "interrupted", "pruned")


def test_statuses_are_words_that_stay(tmp_path: Path):
    """Files, tables and trackers hold them: those of version 0.1.0 are read, and written again they are the same."""
    assert tuple(status.value for status in Status) == WORDS
    folder = Workspace(tmp_path).training("k")
    for word in WORDS[1:]:
        write(folder, Result(Status(word), 10, error="no"))
        text = folder.failure.read_text()
        assert text.startswith(f'{{\n "outcome": "{word}",\n "epochs": 10,\n')
        result = read(folder, 10)
        assert result
        assert (result.outcome, str(result.outcome), f"{result.outcome}") == (Status(word), word, word)
        write(folder, result)
        assert folder.failure.read_text() == text


@pytest.mark.parametrize("outcome", ['"exploded"', "1", "null"])
def test_an_unknown_status_is_refused_by_file(tmp_path: Path, outcome: str):
    """A word that this version does not know is no failure of some kind: the file is named."""
    folder = Workspace(tmp_path).training("k")
    folder.path.mkdir(parents=True)
    folder.failure.write_text(f'{{"outcome": {outcome}, "epochs": 10}}')
    with pytest.raises(AblateError, match=r"failure\.json: this version cannot read it"):
        read(folder, 10)
