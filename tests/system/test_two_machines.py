"""A scheduler with its default settings and workers in processes of their own, as on a cluster; all on loopback.

A sweep on them that loses a worker and the orchestrator is in test_kill.py, next to the undisturbed one.
"""

import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path

import psutil
import pytest
from services import process, run_on, scheduler, serve
from test_kill import prepare
from worker_jobs import done, double, each, patient

from ablation.engine import dask_cluster, pool
from ablation.errors import AblateError
from ablation.outcomes import JobOutcome, Status
from ablation.store.workspace import Workspace


def test_workers_come_and_go(tmp_path: Path):
    """A pool uses the workers that come; one that is asked to end does so cleanly."""
    with scheduler(tmp_path) as address, process(tmp_path, "worker", *serve(address)) as worker:
        with dask_cluster.remote(address, pool.Tls(), Workspace(tmp_path), print, pool.ProcessSetup()) as workers:
            outcomes = dict(workers.run(each(*(pool.Task(str(i), double, (i,)) for i in range(3))), pool.Listener()))
        assert outcomes == {str(i): done(2 * i) for i in range(3)}
        children = psutil.Process(worker.pid).children(recursive=True)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=60) == 0
        assert not psutil.wait_procs(children, timeout=20)[1]


def test_a_scheduler_that_dies_is_said(tmp_path: Path):
    """Jobs of a dead scheduler are lost, as when a worker dies; if no other can run, the command ends with a line."""
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
        done = subprocess.run(run_on(address, "long.toml"), cwd=place, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"runs: not visible to the workers on {socket.gethostname()}; a cluster needs a folder" in done.stderr
    assert not list(runs.glob("trained/*/*"))
