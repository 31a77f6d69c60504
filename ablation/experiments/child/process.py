"""Process group of a child, as its worker starts, watches and ends it. No process of it outlives the call."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ablation.experiments.child.log import BoundedLog
from ablation.store.files import write_json

HELPER = Path(__file__).with_name("helper.py")
LOOK = 0.1  # seconds between two looks at a running child
CHUNK = 1 << 16  # bytes of output that are read at a time
LAST_WORDS = 1.0  # seconds in which output is read that remains in the pipe


@dataclass(frozen=True)
class Start:
    """Arguments, folder and variables of a child.

    `argv`: arguments of the command. `cwd`: its working folder. `folder`: folder of the child's own files. `variables`:
    additional environment variables. `grace`: seconds from SIGTERM to SIGKILL. `lock`: descriptor of the training's
    lock; None for none.
    """

    argv: Sequence[str]
    cwd: Path
    folder: Path
    variables: Mapping[str, str]
    grace: float
    lock: int | None = None

    @property
    def log(self) -> Path:
        return self.folder / "log"


@dataclass(frozen=True)
class Ended:
    """End of a child.

    `code`: its exit code, 128 + N after signal N. `asked`: whether it was asked to stop. `memory`: largest memory of
    one of its processes, in bytes. `last_lines`: the last lines of its output.
    """

    code: int
    asked: bool
    memory: int = 0
    last_lines: Sequence[str] = ()


def run(start: Start, on_line: Callable[[str], None], stopping: Callable[[], bool]) -> Ended:
    """Run a child to its end.

    Args:
        start: what to start.
        on_line: receives each line of the output.
        stopping: returns whether the child should end: SIGTERM to its group, and SIGKILL after the grace time.
    """
    start.folder.mkdir(parents=True, exist_ok=True)
    with _group(start) as process, BoundedLog(start.log, on_line) as log:
        closed, faults = threading.Event(), list[Exception]()
        output = threading.Thread(target=_read, args=(process, log, closed, faults), daemon=True)
        output.start()
        asked: float | None = None
        while not _has_ended(process.pid) and not faults:
            if asked is None and stopping():
                asked = time.monotonic()
                _signal(process.pid, signal.SIGTERM)
            if asked is not None and time.monotonic() - asked > start.grace:
                _signal(process.pid, signal.SIGKILL)
            closed.wait(LOOK) if not closed.is_set() else time.sleep(LOOK / 10)
        _signal(process.pid, signal.SIGKILL)  # what the command started and left
        code, memory = _reaped(process)
        output.join(LAST_WORDS)
        closed.set()
        output.join()  # before the log and the pipe are closed
        if faults:
            raise faults[0]
    return Ended(128 - code if code < 0 else code, asked is not None, memory, tuple(log.last_lines))


def _reaped(process: "subprocess.Popen[bytes]") -> tuple[int, int]:
    """Return the exit code of a process that has ended, and the largest memory of it and its children, in bytes."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@contextmanager
def _group(start: Start) -> Iterator["subprocess.Popen[bytes]"]:
    """Yield the helper, which leads a new session. Whatever happens here, its group is killed at the end."""
    with contextlib.ExitStack() as stack:
        alive, held = os.pipe()
        stack.callback(os.close, held)
        path = start.folder / "start.json"
        stack.callback(path.unlink, missing_ok=True)
        process = _started(start, path, alive)
        assert process.stdout
        stack.callback(process.stdout.close)
        try:
            yield process
        finally:
            if process.returncode is None:
                _signal(process.pid, signal.SIGKILL)
                process.wait()


def _started(start: Start, path: Path, alive: int) -> "subprocess.Popen[bytes]":
    """Return the running helper.

    Args:
        start: what to start.
        path: file of the helper's arguments.
        alive: descriptor of the pipe's end for the helper; it is closed here.
    """
    lock = os.open(os.devnull, os.O_RDONLY) if start.lock is None else os.dup(start.lock)
    try:
        write_json(path, {"argv": list(start.argv), "cwd": str(start.cwd), "alive": alive, "locked": lock})
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(HELPER), str(path)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            pass_fds=[alive, lock], env=_environment(start.variables),
        )  # fmt: skip
    finally:
        os.close(alive)
        os.close(lock)


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a child: this process's, less variables without a value, and equal hashes of texts."""
    fixed = {"PYTHONHASHSEED": "0", "CUBLAS_WORKSPACE_CONFIG": ":4096:8", "PYTHONUNBUFFERED": "1"}
    inherited = {name: value for name, value in os.environ.items() if value}
    return {**inherited, **fixed, **variables}


def _has_ended(pid: int) -> bool:
    """Return whether a child has ended. It stays a zombie, so that its group's number is not given to others."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: a group of zombies
        os.killpg(group, number)


def _read(
    process: "subprocess.Popen[bytes]", log: BoundedLog, closed: threading.Event, faults: list[Exception]
) -> None:
    """Read the output until its end, or until `closed` is set: a process that left the group may hold it open.

    An error, such as that of a full disk, is added to `faults`: a child whose output is not read would wait forever.
    """
    assert process.stdout
    output = process.stdout.fileno()
    try:
        while not closed.is_set():
            if not select.select([output], [], [], LOOK)[0]:
                continue
            if not (chunk := os.read(output, CHUNK)):
                break
            log.write(chunk)
    except Exception as error:
        faults.append(error)
    closed.set()
