"""Worker's side of the Dask pool: runs a job, sends what the job reports, and is asked to stop."""

import contextlib
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin, get_worker

from ablation.engine import pool
from ablation.engine.pool import Task
from ablation.errors import AblateError
from ablation.fast_imports import loading
from ablation.outcomes import JobOutcome

LOG = logging.getLogger(__name__)

_asked_to_stop: set[str] = set()  # in a worker's process: the keys of jobs that should save and return


def _redirect(log: Path) -> None:
    """Redirect what this process prints and logs to a file: the terminal belongs to the orchestrator."""
    log.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    logging.Formatter.converter = time.gmtime  # UTC, as in run.log
    logging.basicConfig(stream=sys.stdout, format="%(asctime)sZ %(message)s")
    logging.getLogger("ablation").setLevel(logging.INFO)


class _DaskChannel:
    """Channel of a job in a worker's process."""

    def __init__(self, topic: str, key: str) -> None:
        self._worker, self._topic, self._key = get_worker(), topic, key
        self._task = self._worker.get_current_task()

    def _send(self, kind: str, content: Any) -> None:
        self._worker.log_event(self._topic, (kind, self._key, content))

    def placed(self) -> None:
        self._send("placed", self._worker.address)

    def begin(self) -> None:
        self._send("began", str(self._worker.name))

    def report(self, message: dict[str, Any]) -> None:
        self._send("reported", message)

    def stopping(self) -> bool:
        """Return whether the job should stop: after a request, or when the scheduler cancelled its task.

        The scheduler cancels a task whose client is gone. The task runs on unless the job checks for that.
        """
        task = self._worker.state.tasks.get(self._task)
        return self._key in _asked_to_stop or task is None or task.state != "executing"


def run_on_worker(topic: str, task: Task, log: str, required: Mapping[str, str]) -> JobOutcome[Any]:
    """Run the job of a task in the worker's process.

    Args:
        topic: Dask topic of the pool's events.
        task: The task.
        log: Folder for the log of the process.
        required: Environment variables that the process must have.
    """
    _asked_to_stop.discard(task.key)
    channel = _DaskChannel(topic, task.key)
    _redirect(Path(log) / f"worker-{get_worker().name}.log".replace(":", "-"))
    channel.placed()
    for name, value in required.items():
        if (actual := os.environ.get(name)) != value:
            host, actual = socket.gethostname(), actual or "not set"
            raise AblateError(
                f"{name} is {actual} on {host}, but {value} here; start the workers there with {name}={value}"
            )
    outcome = pool.outcome(task.job, task.arguments, channel)
    if outcome.error:
        LOG.error("%s: %s: %s", task.key, outcome.status, outcome.error)
    return outcome


class Preload(WorkerPlugin):  # type: ignore[misc]  # Dask's classes have no types
    """Dask plugin by which each worker loads a module in a thread at the start of its process.

    The first job then finds its modules loaded, or being loaded. The output of that import is lost. Nothing is written
    before the first job.
    """

    def __init__(self, module: str) -> None:
        self._module = module

    def setup(self, worker: Any) -> None:
        _redirect(Path(os.devnull))
        threading.Thread(target=self._load, daemon=True).start()

    def _load(self) -> None:
        with contextlib.suppress(Exception), loading():  # the first job reports the error
            import_module(self._module)


def ask_to_stop(keys: Sequence[str]) -> None:
    _asked_to_stop.update(keys)
