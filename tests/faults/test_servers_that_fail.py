"""MLflow's server, Dask's scheduler or a lock's holder fails: results are complete, and the next command resumes."""

import contextlib
import fcntl
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from conftest import ablate, in_process, until
from fault_series import WHOLE, Series
from killed_sweep import COMMAND, MARK, Sweep, undisturbed_table
from services import free_port, process, serve
from stepping_command import prepare

from ablation.store.workspace import Workspace
from ablation.trackers import mlflow_sender

assert mlflow_sender  # its variables for MLflow are set when it is loaded

STEPS, TRAININGS = 6, 4


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the table of the same study without any fault."""
    return undisturbed_table(prepare(tmp_path_factory.mktemp("undisturbed"), STEPS, TRAININGS))


class _Broken(http.server.BaseHTTPRequestHandler):
    """Answers each request with 500, as a server whose database is gone."""

    def _fail(self) -> None:
        self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = _fail

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextlib.contextmanager
def answers_500() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Broken) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@contextlib.contextmanager
def hangs() -> Iterator[int]:
    """Take connections, and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextlib.contextmanager
def is_down() -> Iterator[int]:
    yield free_port()


@pytest.mark.parametrize("fails", [answers_500, hangs, is_down] if WHOLE else [hangs])
def test_mlflow_that_fails_throughout(
    tmp_path: Path,
    undisturbed: bytes,
    fails: Callable[[], AbstractContextManager[int]],
):
    """The run ends well and says what waits; a server that works later is sent all of it, once."""
    place = prepare(tmp_path, STEPS, TRAININGS)
    with fails() as port:
        command = ("run", "mine.toml", "-q", "--inline", "--drain", "2s", "--tracking", f"http://127.0.0.1:{port}")
        done = in_process(*command, cwd=place)
    assert done.returncode == 0, done.stderr
    assert "messages not sent yet" in done.stderr
    assert "Traceback" not in done.stderr
    assert (place / "runs/mine/table.csv").read_bytes() == undisturbed
    synced = ablate("sync", cwd=place)  # in this process a thread may still wait for the server
    assert (synced.returncode, synced.stderr) == (0, "")
    assert "up to date" in synced.stdout
    Series("MLflow's server answers 500, hangs, or is down throughout a run", 1).record()


def scheduler(place: Path, port: int) -> AbstractContextManager[subprocess.Popen[str]]:
    """Dask's own command."""
    options = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
    return process(place, "scheduler", sys.executable, "-m", "distributed.cli.dask_scheduler", *options)


def test_a_cluster_that_loses_everything(tmp_path: Path, undisturbed: bytes):
    """A worker dies for good, and the run continues; the scheduler dies, and the run says what to do, with exit code 2.
    Started again, with a new worker, it completes the study."""
    place, port = prepare(tmp_path, STEPS, TRAININGS), free_port()
    sweep, address, mark = Sweep(place), f"tcp://127.0.0.1:{port}", {MARK: str(place)}
    run = (sys.executable, "-m", "ablation", *COMMAND, "--scheduler", address)
    with (
        scheduler(place, port) as dask,
        process(place, "worker-a", *serve(address), more=mark) as first,
        process(place, "worker-b", *serve(address), more=mark),
        process(place, "run", *run, more=mark) as disturbed,
    ):
        until(lambda: len({line.split()[0] for line in sweep.lines("step")}) == 2)  # both work
        os.killpg(first.pid, signal.SIGKILL)
        before = len(sweep.lines("step"))
        until(lambda: len(sweep.lines("step")) > before)
        dask.kill()
        assert disturbed.wait(120) == 2, (place / "run.log").read_text()
    assert "the scheduler has ended; start it again and run the same command" in (place / "run.log").read_text()
    until(lambda: not sweep.processes(), 30)
    with (
        scheduler(place, port),
        process(place, "worker-a", *serve(address), more=mark),
        process(place, "run", *run, more=mark) as last,
    ):
        assert last.wait(120) == 0, (place / "run.log").read_text()
    until(lambda: not sweep.processes(), 30)
    assert not sweep.lines("twice")
    assert "Traceback" not in (place / "run.log").read_text()
    assert (place / "runs/mine/table.csv").read_bytes() == undisturbed
    repeated = len(sweep.lines("step")) - TRAININGS * STEPS
    Series("death of a Dask worker for good, then of the scheduler", 2, 0, f"{repeated} steps").record()


@pytest.mark.parametrize("holder", ["host elsewhere, pid 5", f"host {socket.gethostname()}, pid 999999", "", "\0" * 9])
def test_a_lock_that_nobody_holds(tmp_path: Path, holder: str):
    """The kernel frees the lock of a dead process, whatever its file contains."""
    workspace = Workspace(tmp_path)
    workspace.lock_file.write_text(holder)
    workspace.refuse_locked()
    with workspace.lock():
        assert workspace.lock_file.read_text() == f"host {socket.gethostname()}, pid {os.getpid()}"


def test_a_lock_that_another_host_holds(tmp_path: Path):
    """The message names host and process; nothing is changed."""
    place = prepare(tmp_path, STEPS, TRAININGS)
    (place / "runs").mkdir()
    with open(place / "runs/lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write("host elsewhere, pid 5")
        held.flush()
        done = in_process("run", "mine.toml", "-q", "--inline", cwd=place)
    line = "error: runs: in use by another ablate (host elsewhere, pid 5); wait for it, or choose another --workspace\n"
    assert (done.returncode, done.stderr) == (2, line)
    assert [path.name for path in (place / "runs").iterdir()] == ["lock"]
