"""A scheduler with its default settings and workers in processes of their own, as on a cluster; all on loopback."""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from conftest import ablate, until
from services import process
from test_kill import EPOCHS, assert_as_undisturbed, epochs_trained, prepare
from worker_jobs import done, double, each, patient

from ablation.engine import dask_cluster, pool
from ablation.errors import AblateError
from ablation.outcomes import JobOutcome, Status
from ablation.store.workspace import Workspace


@contextlib.contextmanager
def scheduler(place: Path) -> Iterator[str]:
    """Dask's own command, with its default settings; the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
    with process(place, "scheduler", sys.executable, "-m", "distributed.cli.dask_scheduler", *options):
        yield f"tcp://127.0.0.1:{port}"


def serve(address: str) -> list[str]:
    return [sys.executable, "-m", "ablation", "worker", "--scheduler", address, "--slots", "cpu:1"]


def run(address: str) -> list[str]:
    command = ["run", "--grid", "long.toml", "--data", "data.npz", "--scheduler", address]
    return [sys.executable, "-m", "ablation", *command]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of the same sweep on local workers with as many threads."""
    place = prepare(tmp_path_factory.mktemp("undisturbed"))
    done = ablate("run", "--grid", "long.toml", "--data", "data.npz", "--slots", "cpu:1", cwd=place)
    assert done.returncode == 0, done.stderr
    return place / "runs"


def test_a_cluster_that_loses_a_worker_and_the_orchestrator(tmp_path: Path, undisturbed: Path):
    """One worker dies for good, the orchestrator is killed and started again: complete, and nothing trained twice."""
    place = prepare(tmp_path)
    runs = place / "runs"
    with (
        scheduler(place) as address,
        process(place, "worker-a", *serve(address)) as doomed,
        process(place, "worker-b", *serve(address)),
    ):
        with process(place, "run", *run(address)):
            until(lambda: epochs_trained(runs) >= 4, 240)
            os.killpg(doomed.pid, signal.SIGKILL)
            before = epochs_trained(runs)
            until(lambda: epochs_trained(runs) > before + 2, 240)
        with process(place, "run-again", *run(address)) as again:
            assert again.wait(timeout=400) == 0, (place / "run-again.log").read_text()
        assert_as_undisturbed(place, undisturbed)
        assert epochs_trained(runs) <= 2 * EPOCHS
        assert_never_two_at_once(runs)


def assert_never_two_at_once(runs: Path) -> None:
    """The epochs of a training, as logged by whoever trained it, do not run beside each other in two processes."""
    for training in {path.parent for path in runs.glob("trained/*/*")}:
        lines = [
            (line[:23], path.name)
            for path in runs.glob("log/worker-*.log")
            for line in path.read_text().splitlines()
            if f"{training.name} epoch" in line
        ]
        order = [name for _, name in sorted(lines)]
        changes = sum(a != b for a, b in itertools.pairwise(order))
        started = [json.loads(line) for line in (training / "attempts.jsonl").read_text().splitlines()]
        assert changes < len(started)


def test_workers_come_and_go(tmp_path: Path):
    """A pool uses the workers that come; one that is asked to end does so cleanly."""
    with scheduler(tmp_path) as address, process(tmp_path, "worker", *serve(address)) as worker:
        with dask_cluster.remote(address, pool.Tls(), Workspace(tmp_path), print, pool.ProcessSetup()) as workers:
            found = dict(workers.run(each(*(pool.Task(str(i), double, (i,)) for i in range(3))), pool.Listener()))
        assert found == {str(i): done(2 * i) for i in range(3)}
        children = psutil.Process(worker.pid).children(recursive=True)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=60) == 0
        assert not psutil.wait_procs(children, timeout=20)[1]


def test_a_scheduler_that_dies_is_said(tmp_path: Path):
    """What ran there is lost, as when a worker dies; what cannot be run any more ends the command with a line."""
    with contextlib.ExitStack() as lives, contextlib.ExitStack() as opened:
        address = lives.enter_context(scheduler(tmp_path))
        opened.enter_context(process(tmp_path, "worker", *serve(address)))
        remote = dask_cluster.remote(address, pool.Tls(), Workspace(tmp_path), print, pool.ProcessSetup())
        workers = opened.enter_context(remote)
        workers.client._timeout = 5  # seconds for which it looks for one that is gone
        listener = pool.Listener(began=lambda key, slot: lives.close())
        ends = workers.run(each(*(pool.Task(str(i), patient) for i in range(9))), listener)
        assert next(ends) == ("0", JobOutcome(Status.KILLED))
        with pytest.raises(AblateError, match="the scheduler has ended"):
            list(ends)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a process other mounts")
def test_a_workspace_that_is_not_shared_is_refused(tmp_path: Path):
    """Found out before any work starts, with the host that does not see it."""
    place, runs = prepare(tmp_path), tmp_path / "runs"
    runs.mkdir()
    hidden = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs tmpfs "{runs}" && exec "$@"', "sh"]
    with scheduler(place) as address, process(place, "worker", *hidden, *serve(address)):
        done = subprocess.run(run(address), cwd=place, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"runs: not visible to the workers on {socket.gethostname()}; a cluster needs a folder" in done.stderr
    assert not list(runs.glob("trained/*/*"))
