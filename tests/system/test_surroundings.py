"""Surroundings that cron, containers and batch systems give: the whole command runs in each, on real workers."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from conftest import TESTS, rows, until, write_npz

from ablation import cli
from ablation.cli import process_setup

STUDY = """
[fixed]
fc_units = 8
batch_size = 16
epochs = 1
weights = "random"

[[rows]]
dropout = 0.0
"""
RUN = ("run", "--grid", "tiny.toml", "--data", "tiny.npz")
POLYNOMIAL = '[experiment]\nplugin = "polynomial:"\n[factorial]\ndegree = [1, 2]\n'  # loads no backend
RUN_POLYNOMIAL = ("run", "--grid", "tiny.toml")
NOWHERE = "http://127.0.0.1:9"  # a proxy that refuses
PROXIES = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NOWHERE)
ROOT = os.geteuid() == 0
may_mount = bool(ROOT and shutil.which("unshare"))
needs_root = pytest.mark.skipif(not may_mount, reason="mounting takes root and unshare")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, npz: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study of one row and its images."""
    (tmp_path / "tiny.toml").write_text(STUDY)
    shutil.copy(npz, tmp_path / "tiny.npz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def polynomial(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a study without a backend, where the surroundings are nothing to the trainer."""
    (here / "tiny.toml").write_text(POLYNOMIAL)
    monkeypatch.setenv("PYTHONPATH", str(TESTS / "plugins"))


def command(*words: str) -> tuple[str, ...]:
    return sys.executable, "-m", "ablation", *words


def shell(line: str, words: Sequence[str] = RUN, **env: str | None) -> subprocess.CompletedProcess[str]:
    """Run the command in a shell; `line` says how, with "$@" for the command. An env of None is unset."""
    variables = {name: value for name, value in (os.environ | env).items() if value is not None}
    whole = ["bash", "-c", line, "-", *command(*words)]
    return subprocess.run(whole, env=variables, capture_output=True, text=True, errors="replace")


def assert_done(done: subprocess.CompletedProcess[str]) -> None:
    """Assert that each row has a result, and that no traceback was printed."""
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert {row["outcome"] for row in rows(Path("runs/tiny"))} == {"done"}
    assert not Path("runs/log/crash.log").exists()


# ---- a command that runs


def test_no_home_and_no_user(here: Path):
    """A user without HOME and without an entry in passwd: what needs a home finds one in the workspace's cache."""
    if not (ROOT and shutil.which("setpriv")):
        pytest.skip("another user takes root and setpriv")
    for path in (here, *here.iterdir()):
        os.chown(path, 54321, 54321)
    rights = "setpriv --reuid 54321 --regid 54321 --clear-groups --inh-caps +dac_override --ambient-caps +dac_override"
    assert_done(shell(f'{rights} "$@"', HOME=None, USER=None, LOGNAME=None))
    assert not Path("~").exists()
    doctor = shell(f'{rights} "$@"', ("doctor",), HOME=None, USER=None, LOGNAME=None)
    assert "Traceback" not in doctor.stderr
    assert doctor.returncode in (0, 2)


def test_variables_of_the_environment():
    """HOME names a folder that nobody made, as in many containers; every request would go through a proxy that refuses;
    another library's warning is an error, and no failure of a row."""
    assert_done(shell('"$@"', HOME="/nonexistent/home", PYTHONWARNINGS="error", **PROXIES))
    assert not Path("/nonexistent").exists()


def test_output_that_is_no_utf8():
    """Characters without a code have readable replacements; the command has no input, no controlling terminal, a
    terminal type that can nothing, and 20 columns."""
    done = shell('setsid --wait "$@" < /dev/null', PYTHONIOENCODING="ascii", TERM="dumb", COLUMNS="20")
    assert_done(done)
    assert done.stdout.isascii()
    assert "delta" in done.stdout
    assert "?" not in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    data = shell('"$@"', ("data", "tiny.npz"), PYTHONIOENCODING="latin-1")
    assert data.returncode == 0, data.stderr


def test_closed_descriptors():
    """No standard input, output or error at all: none of the workspace's files takes their place."""
    assert_done(shell('"$@" <&- >&- 2>&-'))
    assert re.fullmatch(r"host \S+, pid \d+", Path("runs/lock").read_text())


def test_a_reader_that_goes_away(polynomial: None):
    """`| head -c 0`: the training continues, and its table is written."""
    assert_done(shell('set -o pipefail; "$@" 2>&1 | head -c 0', RUN_POLYNOMIAL))


def test_few_descriptors():
    """64 open files at a time are enough, and a /dev/shm of 64 KiB, as in a container, where the test may mount one."""
    small = """unshare -m sh -c 'mount -t tmpfs -o size=64k tmpfs /dev/shm && exec "$@"' - "$@" """
    assert_done(shell("ulimit -n 64; " + (small if may_mount else '"$@"')))


@needs_root
def test_no_shared_memory_and_no_temporary_folder():
    """Images are decoded without processes where semaphores cannot be had: 6,000 of them are read."""
    write_npz(Path("many.npz"), train=6000)
    mounts = "for folder in /dev/shm /var/tmp; do mount -t tmpfs -o ro,size=64k tmpfs $folder; done"
    done = shell(f"""unshare -m sh -c '{mounts}; exec "$@"' - "$@" """, ("data", "many.npz"), TMPDIR="/nonexistent")
    assert done.returncode == 0, done.stderr
    assert re.search(r"all +6,000 +24 +6,024", done.stdout)
    assert "Warning" not in done.stderr


# ---- a disk that refuses


@pytest.mark.parametrize("blocks", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_a_limit_of_file_size(blocks: int):
    """The error names the file, its size, the limit, and how to raise it; then the same command resumes. 200 KiB prove
    it on the first file that is larger; 2,000 on a later one."""
    done = shell(f'ulimit -f {blocks}; "$@"')
    assert done.returncode == 2, done.stderr
    line = done.stderr.splitlines()[-1]
    assert re.match(rf"error: runs/\S+: File too large \(it needs [\d,]+ bytes\), the limit is {blocks * 1024:,}", line)
    assert "ulimit -f unlimited" in line
    assert not list(Path("runs").rglob(".tmp-*"))
    assert_done(shell('"$@"'))


@needs_root
def test_a_full_disk():
    """The error names the file and the free space; with room, the same command resumes."""
    Path("runs").mkdir()
    full = """unshare -m sh -c 'mount -t tmpfs -o size=200k tmpfs runs && exec "$@"' - "$@" """
    done = shell(full)
    assert done.returncode == 2, done.stderr
    assert re.match(
        r"error: runs/\S+: No space left on device .* MiB are free; free space", done.stderr.splitlines()[-1]
    )
    assert_done(shell('"$@"'))


@needs_root
def test_a_workspace_that_is_read_only():
    """One line that names the folder."""
    Path("runs").mkdir()
    done = shell("""unshare -m sh -c 'mount -t tmpfs -o ro tmpfs runs && exec "$@"' - "$@" """)
    assert done.returncode == 2
    assert re.match(r"error: (--workspace )?runs\S*: .*Read-only file system", done.stderr.splitlines()[-1])


# ---- an end from outside


def hear_hangups() -> None:
    """Reset SIGHUP in a child, before its program starts: children of tests under nohup would ignore it."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def test_a_closed_terminal(here: Path):
    """SIGHUP lets trainings save and stop, names the command that resumes, and leaves nothing of Python's own on the
    screen."""
    (here / "tiny.toml").write_text(STUDY.replace("epochs = 1", "epochs = 100000"))
    with open("printed", "w") as file:
        child = subprocess.Popen(command(*RUN), stderr=file, stdout=file, preexec_fn=hear_hangups)
        until(lambda: "started on" in Path("printed").read_text())
        time.sleep(1)
        child.send_signal(signal.SIGHUP)
        assert child.wait() == 130
    printed = Path("printed").read_text()
    assert "SIGHUP: saving and stopping trainings" in printed
    assert "resume with: ablate run --grid tiny.toml" in printed
    assert "leaked" not in printed
    assert "SIGHUP: saving and stopping trainings" in Path("runs/tiny/run.log").read_text()


def test_an_ignored_hangup_stays_ignored(polynomial: None):
    """A command under `nohup` ignores SIGHUP."""
    line = ["bash", "-c", "trap '' HUP; exec \"$@\"", "-", *command(*RUN_POLYNOMIAL)]
    child = subprocess.Popen(line, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    until(lambda: Path("runs/tiny/run.log").exists())
    child.send_signal(signal.SIGHUP)
    _, errors = child.communicate()
    assert child.returncode == 0, errors
    assert {row["outcome"] for row in rows(Path("runs/tiny"))} == {"done"}


def test_times_in_the_log_are_utc():
    """Two halves of a run from two time zones stand in order."""
    for zone in ("Asia/Kathmandu", "America/Lima"):
        with patch.dict(os.environ, TZ=zone):
            time.tzset()
            assert cli.run([*RUN, "--inline"]) == 0
    time.tzset()
    lines = Path("runs/tiny/run.log").read_text().splitlines()
    times = [line[:20] for line in lines]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", when) for when in times)
    assert times == sorted(times)
    now = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    assert abs(np.datetime64(times[-1][:16]) - np.datetime64(now)) < np.timedelta64(30, "m")


# ---- the parts


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["run", "--workspace", "a b"], "a b"),
        (["run", "--workspace=x"], "x"),
        (["run"], "runs"),
        (["run", "--workspace"], "runs"),
    ],
)
def test_which_workspace_a_command_names(words: list[str], place: str):
    """The workspace of a command is read in every spelling; a command that is wrong has the default."""
    assert process_setup.workspace_of(words) == Path(place)
