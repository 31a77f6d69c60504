"""MLflow's server for a workspace: reachable from this machine alone, and stopped with the command."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ablation.errors import AblateError
from ablation.store.workspace import Workspace

HOST = "127.0.0.1"
START = 120  # seconds within which the server must answer
STOP = 10  # seconds to wait for the server to stop after each signal
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


_directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy can reach this machine's loopback


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def _answers(base: str) -> bool:
    try:
        with _directly.open(f"{base}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _environment(database: str) -> dict[str, str]:
    """Return the environment of the server, with the URL of its database.

    The URL is not passed as an argument: it may contain a password, and all users of a machine see arguments.
    """
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    before = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return {**before, **quiet, "MLFLOW_BACKEND_STORE_URI": database}


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Stop a process and its child processes: SIGTERM first, then SIGKILL."""
    for number, seconds in ((signal.SIGTERM, STOP), (signal.SIGKILL, STOP)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Raise KeyboardInterrupt for SIGTERM and for a closed terminal, as for Ctrl-C, so that no server is left running.

    `serve` ignores these signals while the server is stopped.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {kind: signal.signal(kind, interrupt) for kind in SIGNALS}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


@dataclass(frozen=True)
class Server:
    """Running server of MLflow. `base`: URL of its pages, which are available after `ready`."""

    base: str
    log: Path
    process: "subprocess.Popen[bytes]"

    def ready(self) -> None:
        """Wait until the server answers. Raises AblateError where the server does not start."""
        until = time.monotonic() + START
        while not _answers(self.base):
            if self.process.poll() is not None or time.monotonic() > until:
                raise AblateError(f"MLflow's server did not start; its log is {self.log}")
            time.sleep(0.2)

    def wait(self) -> None:
        """Wait until the server ends, then raise AblateError: the server should not end by itself."""
        self.process.wait()
        raise AblateError(f"MLflow's server ended; its log is {self.log}")


@contextlib.contextmanager
def serve(workspace: Workspace, database: str) -> Iterator[Server]:
    """Start MLflow's server on a database, and stop the server at the end or on a signal.

    Raises KeyboardInterrupt for SIGTERM and for a closed terminal too.
    """
    port, log = _free_port(), workspace.log("mlflow")
    log.parent.mkdir(parents=True, exist_ok=True)
    artifacts = workspace.artifacts.absolute().as_uri()
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    with open(log, "wb") as file, _ended_by_signals():
        process = subprocess.Popen(
            [*command, "--default-artifact-root", artifacts, "--no-serve-artifacts"],
            env=_environment(database),
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # its own process group, which can be stopped as a whole
            cwd=log.parent,
        )
        try:
            yield Server(f"http://{HOST}:{port}", log, process)
        finally:
            for kind in SIGNALS:
                signal.signal(kind, signal.SIG_IGN)
            _stop(process)
