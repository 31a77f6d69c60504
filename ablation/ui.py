"""MLflow's own pages on a workspace: a server that answers on this machine alone, and the links worth opening."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from ablation import record as records
from ablation import tracking
from ablation.errors import AblateError
from ablation.runs import in_order
from ablation.workspace import Workspace

HOST = "127.0.0.1"
START = 120  # seconds until the server must answer
STOP = 10  # seconds until it is killed
MOST = 100  # rows of one comparison: the page asks for each of them


@dataclass(frozen=True)
class Links:
    """Pages of one study. `compare`: all of its rows side by side, `rows` of them; `curves`: an epoch a point."""

    study: str
    experiment: str
    compare: str
    curves: str
    rows: int


def _page(base: str, path: str, **query: str) -> str:
    return f"{base}/#/{path}?" + "&".join(f"{name}={quote(value)}" for name, value in query.items())


def _links(base: str, study: str, experiment: str, runs: Sequence[str]) -> Links:
    runs, kind = list(runs)[:MOST], {"workflowType": "machine_learning"}
    here = f"experiments/{experiment}/runs"
    mine = f"tags.`{tracking.STUDY}` = '{study}' and tags.`ablate.row` != ''"
    return Links(
        study,
        _page(base, here, **kind),
        _page(base, "compare-runs", runs=json.dumps(runs), experiments=json.dumps([experiment])),
        _page(base, here, searchFilter=mine, compareRunsMode="CHART", **kind),
        len(runs),
    )


def links(workspace: Workspace, uri: str | None, base: str, names: Sequence[str]) -> list[Links]:
    """Of each study that MLflow knows. Raises AblateError where it cannot be reached."""
    found = []
    for name in names:
        try:
            sender = tracking.connect(workspace, uri, name)
        except Exception as error:  # whatever MLflow, its database driver or the network raises
            raise AblateError(f"MLflow cannot be reached ({tracking.one_line(error)})") from None
        runs = in_order(records.need(workspace, name), sender.runs)
        if runs:
            found.append(_links(base, name, sender.experiment, runs))
    return found


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


def _answers(base: str) -> bool:
    try:
        with urllib.request.urlopen(f"{base}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _environment(database: str) -> dict[str, str]:
    """The database is no argument: it may hold a password, and all users of a machine see arguments."""
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    before = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return {**before, **quiet, "MLFLOW_BACKEND_STORE_URI": database}


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """It and its own processes."""
    for number, seconds in ((signal.SIGTERM, STOP), (signal.SIGKILL, STOP)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and a closed terminal are as Ctrl-C, so that no server stays; while it is stopped, they are nothing."""

    def come(*_: object) -> None:
        raise KeyboardInterrupt

    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {kind: signal.signal(kind, come) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


@contextlib.contextmanager
def serve(workspace: Workspace, database: str) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """MLflow's server on a database, on this machine alone: its address and its process. It is stopped at the end.

    Raises AblateError where it does not come up.
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
            start_new_session=True,  # so that it is stopped as a whole
            cwd=log.parent,
        )
        try:
            base, until = f"http://{HOST}:{port}", time.monotonic() + START
            while not _answers(base):
                if process.poll() is not None or time.monotonic() > until:
                    raise AblateError(f"MLflow's server does not start; its log is {log}")
                time.sleep(0.2)
            yield base, process
        finally:
            for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(kind, signal.SIG_IGN)
            _stop(process)
