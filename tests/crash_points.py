"""A server that runs studies in forked children, which can die at any operation that changes the disk.

It has loaded all libraries, so that a child costs what its study costs. Operations are found by instrumenting the
interpreter, not by a list: audit events tell of every file that is opened for writing, renamed, deleted or truncated
and of every folder that is made or deleted; files opened for writing, os.write, sendfile and fsync are wrapped; and so
are the commits of Optuna's and MLflow's databases. Code that is added later is covered by itself.

A point is named by its operation, its path below the study's place, and how often both came before:
"rename runs/tiny/table.csv #1". A child that dies there has not done it. "half of write ..." dies in the middle. Death
after an operation is death before the next one.
"""

import builtins
import collections
import contextlib
import errno
import gc
import importlib
import io
import json
import os
import re
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import left_behind
import mlflow.store.db.utils
import mlflow.store.model_registry.sqlalchemy_store
import numpy_keras
import sqlalchemy
from crash_workflows import NAME
from mlflow import MlflowClient
from sqlalchemy.engine import Engine

from ablation import cli, signals
from ablation.engine import run as run_of_training
from ablation.progress import recorder
from ablation.store import result
from ablation.store.result import Predictions
from ablation.store.workspace import Workspace
from ablation.trackers import databases, mlflow_tracker
from ablation.workflows import sweep

DIED, UNSEALED = 77, 78  # exit codes
SPACE = (
    "write",
    "half of write",
    "mkdir",
    "sendfile",
    "posix_fallocate",
    "copy_file_range",
    "commit",
)  # they take some
PID = 7  # of every child: processes of containers have equal ids, and temporary files are named by them
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Points:
    """Counts operations below `place` and dies at the one named `die`. `changed`: whether the disk differs from what
    it was at the point before."""

    def __init__(self, place: Path, die: str | None, is_full: bool) -> None:
        """Count operations from here. `is_full`: the disk is full from the named one on, and the process does not
        die."""
        self._place, self._die, self._lock = str(place), die, threading.RLock()
        self._is_full, self._full = is_full, False
        self._times: collections.Counter[str] = collections.Counter()
        self._last: object = None
        self.passed: list[tuple[str, bool]] = []

    def reach(self, operation: str, path: object, dies: Callable[[], None] = lambda: None) -> None:
        """`dies`: is done before the death, in its place otherwise nothing."""
        text = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else _path_of(path)
        text = os.path.abspath(text)
        if not text.startswith(f"{self._place}/runs"):
            return
        with self._lock:
            path = re.sub(r"[0-9a-f]{32}", "RUN", os.path.relpath(text, self._place))
            path = re.sub(r"(?<=artifact\.uploading\.).*", "X", path)  # MLflow's, with random letters
            path = re.sub(r"(?<=\.tmp-)\w{8}(?=/|\Z)", "X", path)  # a temporary folder
            name = f"{operation} {path}"
            self._times[name] += 1
            name = f"{name} #{self._times[name]}"
            if name == self._die:
                dies()
                if not self._is_full:
                    os._exit(DIED)
                self._full = True
            if self._full and operation in SPACE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), text)
            if self._die is None:
                state = _fingerprint(f"{self._place}/runs")
                self.passed.append((name, state != self._last or operation.startswith("half")))
                self._last = state


def _path_of(descriptor: Any) -> str:
    with contextlib.suppress(OSError, TypeError):
        return os.readlink(f"/proc/self/fd/{int(descriptor)}")
    return ""


def _fingerprint(root: str) -> list[tuple[str, int, int, int]]:
    entries = []
    for folder, _, names in os.walk(root):
        entries.append((folder, 0, 0, 0))
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                stat = os.lstat(f"{folder}/{name}")
                entries.append((f"{folder}/{name}", stat.st_size, stat.st_mtime_ns, stat.st_ino))
    return sorted(entries)


class _File(io.FileIO):
    """A file opened for writing; every system call of it that changes the file is a point."""

    points: Points

    def write(self, data: Any) -> int:
        half = memoryview(data).cast("B")[: memoryview(data).nbytes // 2]
        self.points.reach("write", self.name)
        self.points.reach("half of write", self.name, lambda: super(_File, self).write(half))  # type: ignore[arg-type]
        return super().write(data)

    def truncate(self, size: int | None = None) -> int:
        self.points.reach("truncate", self.name)
        return super().truncate(size)


def _wrap_open(points: Points) -> None:
    real = io.open
    _File.points = points

    def opened(
        file: Any, mode: str = "r", buffering: int = -1, encoding: str | None = None, errors: str | None = None,
        newline: str | None = None, closefd: bool = True, opener: Any = None,
    ) -> Any:  # fmt: skip
        if isinstance(file, int) or not set(mode) & set("wax+"):
            return real(file, mode, buffering, encoding, errors, newline, closefd, opener)
        raw = _File(file, mode.replace("b", "").replace("t", ""), closefd, opener)
        if buffering == 0:
            return raw
        buffer = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        if "b" in mode:
            return buffer
        text = io.TextIOWrapper(buffer, encoding, errors, newline)
        text.mode = mode  # type: ignore[misc]
        return text

    builtins.open = io.open = opened  # type: ignore[assignment]


def _wrap_descriptors(points: Points) -> None:
    """`os` functions that take a descriptor, by the position of the one that is written to."""
    for name, place in {"write": 0, "fsync": 0, "sendfile": 0, "posix_fallocate": 0, "copy_file_range": 1}.items():
        real = getattr(os, name, None)
        if real is None:
            continue

        def wrapped(*arguments: Any, _name: str = name, _place: int = place, _real: Any = real, **more: Any) -> Any:
            points.reach(_name, arguments[_place])
            return None if _name == "fsync" else _real(*arguments, **more)  # no power is cut here

        setattr(os, name, wrapped)


def _audit(points: Points) -> None:
    """Hear of each operation before it is done."""

    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and arguments[0] is not None and _writes(arguments[1], arguments[2]):
            points.reach("open", arguments[0])
        elif event == "os.rename":
            points.reach("rename", arguments[1])
        elif event in ("os.remove", "os.rmdir", "os.mkdir"):
            points.reach(event[3:], _below(arguments[0], arguments[-1]))
        elif event == "os.truncate":
            points.reach("truncate", arguments[0])
        elif event in ("os.link", "os.symlink"):
            points.reach(event[3:], _below(arguments[1], arguments[-1]))

    sys.addaudithook(heard)


def _writes(mode: Any, flags: Any) -> bool:
    return bool(set(mode) & set("wax+")) if isinstance(mode, str) else bool((flags or 0) & WRITES)


def _below(path: Any, folder: Any) -> str:
    """`folder`: the descriptor that a relative path is meant from, -1 if none."""
    text = os.fsdecode(path)
    return os.path.join(_path_of(folder), text) if isinstance(folder, int) and folder >= 0 else text


def _hear_commits(points: Points) -> None:
    def committing(connection: Any) -> None:
        if connection.dialect.name == "sqlite" and connection.connection.dbapi_connection.in_transaction:
            try:
                points.reach("commit", connection.engine.url.database)
            except OSError:
                full = sqlite3.OperationalError("database or disk is full")
                raise sqlalchemy.exc.OperationalError("COMMIT", {}, full) from None

    def connecting(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous = OFF")  # as fsync above

    sqlalchemy.event.listen(Engine, "commit", committing)
    sqlalchemy.event.listen(Engine, "connect", connecting)


def _tables_from(template: Path) -> None:
    """MLflow's migrations take seconds; what they make, a copy makes too."""

    def copied(engine: Engine) -> None:
        with (
            contextlib.closing(sqlite3.connect(template)) as source,
            contextlib.closing(sqlite3.connect(str(engine.url.database))) as target,
        ):
            source.backup(target)

    mlflow.store.db.utils._initialize_tables = copied
    mlflow.store.model_registry.sqlalchemy_store._initialize_tables = copied


def _tell_at_once() -> None:
    """A message is sent before the next thing is done."""
    put = mlflow_tracker.Tracker.enqueue

    def enqueue(self: Any, *messages: Any) -> None:
        put(self, *messages)
        while messages and self._outbox._path.exists() and not self.error:
            time.sleep(0.001)

    mlflow_tracker.Tracker.enqueue = enqueue  # type: ignore[method-assign]


def _tell_at_the_end() -> None:
    """Send no message before all else is done."""

    def work(self: Any) -> None:
        self._closing.wait()
        self._drain()

    mlflow_tracker.Tracker._work = work  # type: ignore[method-assign]


def _same_operations_each_time() -> None:
    """Write by operations, not by the clock: on a slow machine a point would be missed."""
    run_of_training.REPORT_SECONDS = -1.0  # each step alone
    recorder.WRITE_SECONDS = 1e6  # the progress at the start and at the end


def _watch_the_seal(place: Path) -> None:
    read = Predictions.read.__func__  # type: ignore[attr-defined]

    def reading(cls: type, path: Path, sha256: str) -> Predictions:
        if path.name.startswith("test") and not list(place.glob("runs/*/selection.json")):
            os._exit(UNSEALED)
        return read(cls, path, sha256)  # type: ignore[no-any-return]

    result.Predictions.read = classmethod(reading)  # type: ignore[method-assign,assignment]


def run(place: Path, arguments: list[str], die: str | None, sending: str, template: str, is_full: bool) -> int:
    """Run the command in `place`, in this process, which is a child and ends after it. `is_full`: see Points."""
    os.chdir(place)
    os.environ["TMPDIR"] = str(place / "tmp")
    log = os.open(place / "output.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.getpid = lambda: PID
    signals.shield_tracker = lambda: None  # a process that starts another costs time
    numpy_keras.TRAINED = place / "epochs"
    _tables_from(Path(template))
    {"at once": _tell_at_once, "at the end": _tell_at_the_end}[sending]()
    _same_operations_each_time()
    _watch_the_seal(place)
    points = Points(place, die, is_full)
    _hear_commits(points)
    _wrap_open(points)
    _wrap_descriptors(points)
    _audit(points)
    code = cli.run(arguments)
    report = json.dumps({"points": points.passed, "modules": sorted(sys.modules)}).encode()
    (place / "points.json").write_bytes(report)
    return code


def make_template(path: str) -> int:
    MlflowClient(databases.sqlite_url(Path(path))).search_experiments()
    return 0


def _child(request: dict[str, Any]) -> int:
    if request["do"] == "template":
        return make_template(request["path"])
    place = Path(request["place"])
    if request["do"] == "look":
        left = left_behind.look(place / "runs", NAME, request["database"])
        (place / "look.json").write_text(json.dumps(left))
        return 0
    return run(place, request["arguments"], request["die"], request["sending"], request["template"], request["full"])


def _forked(request: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 70
    try:
        code = _child(request)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _load(modules: list[str]) -> None:
    """Load the modules that a child had to load, so that the next ones need not."""
    for name in modules:
        if name not in sys.modules:
            with contextlib.suppress(Exception):
                importlib.import_module(name)


def serve() -> None:
    """A request a line on standard input, the exit code of its child a line on standard output."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    numpy_keras.install()
    importlib.import_module("ablation.experiments.keras_head.training.fit")
    assert sweep
    assert Workspace
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "load":
            _load(request["modules"])
            code = len(os.listdir("/proc/self/task")) - 1 if Path("/proc/self/task").exists() else 0
        else:
            code = _forked(request)
        print(code, file=answers, flush=True)


if __name__ == "__main__":
    serve()
