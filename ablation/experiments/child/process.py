"""Process group of a child, as its worker starts, watches and ends it. No process of it outlives the call."""

import contextlib
import json
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
from typing import BinaryIO

from ablation.experiments.child.log import BoundedLog
from ablation.signals import SIGNALS

HELPER = Path(__file__).with_name("helper.py")
LOOK = 0.1  # seconds between two looks at a running child
CHUNK = 1 << 16  # bytes of output that are read at a time
SOON = 3.0  # seconds in which a signal to a whole command reaches its worker, after it ended the child
KILLING = 2.0  # seconds in which the helper ends all processes, before its group is killed
LAST_WORDS = 1.0  # seconds in which output is read that remains in the pipe


@dataclass(frozen=True)
class Start:
    """Arguments, folder and variables of a child.

    `argv`: arguments of the command. `cwd`: its working folder. `folder`: folder of the child's own files. `variables`:
    additional environment variables. `grace`: seconds from SIGTERM to SIGKILL. `lock`: descriptor of the training's
    lock; None for none. `passed`: further descriptors of the command. `forwards`: whether the helper sends the command
    a SIGTERM that it gets itself.
    """

    argv: Sequence[str]
    cwd: Path
    folder: Path
    variables: Mapping[str, str]
    grace: float
    lock: int | None = None
    passed: tuple[int, ...] = ()
    forwards: bool = False

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def memory(self) -> Path:
        """File in which the helper notes the largest memory."""
        return self.folder / "memory"


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


def run(
    start: Start, on_line: Callable[[str], None], stopping: Callable[[], bool], look: Callable[[], None] = lambda: None
) -> Ended:
    """Run a child to its end.

    Args:
        start: what to start.
        on_line: receives each line of the output.
        stopping: returns whether the child should end: SIGTERM to its group, and SIGKILL after the grace time.
        look: is called every LOOK seconds while the child runs.
    """
    start.folder.mkdir(parents=True, exist_ok=True)
    with group(start) as running, BoundedLog(start.log, on_line) as log, _Output(running.process, log) as output:
        asked: float | None = None
        while not running.has_ended(LOOK) and not output.fault:
            look()
            if asked is None and stopping():
                asked = time.monotonic()
                running.signal(signal.SIGTERM)
            if asked is not None and time.monotonic() - asked > start.grace:
                running.kill()
        running.kill()  # what the command started and left
        code, memory = running.process.wait(), _memory(start)
        output.join(LAST_WORDS)
    if output.fault:
        raise output.fault
    code = exit_code(code)
    return Ended(code, asked is not None or was_signalled(code, stopping), memory, tuple(log.last_lines))


def was_signalled(code: int, stopping: Callable[[], bool]) -> bool:
    """Return whether a child ended by a signal that a batch system sent to all processes of the command at once.

    Such a child ends before its worker is asked to stop. `code`: exit code of the child.
    """
    if code not in [128 + number for number in SIGNALS]:
        return False
    end = time.monotonic() + SOON
    while not (is_stopping := stopping()) and time.monotonic() < end:
        time.sleep(LOOK)
    return is_stopping


def exit_code(returned: int) -> int:
    """Return an exit code as shells state it, 128 + N after signal N, for one of `subprocess`, -N."""
    return 128 - returned if returned < 0 else returned


@dataclass(frozen=True)
class Group:
    """Helper and its process group.

    `open`: descriptor of a pipe that ends with the helper. `alive`: the pipe whose end asks the helper to end all
    processes.
    """

    process: "subprocess.Popen[bytes]"
    open: int
    alive: BinaryIO

    def has_ended(self, seconds: float) -> bool:
        """Wait for the end of the helper. It stays a zombie, so that its group's number is not given to others."""
        return bool(select.select([self.open], [], [], seconds)[0])

    def signal_leader(self, number: int) -> None:
        """Send a signal to the helper alone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def signal(self, number: int) -> None:
        """Send a signal to all processes of the group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: a group of zombies
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """End all processes: by the helper, which lists those that left the group, then by a signal to the group."""
        self.alive.close()
        self.signal_leader(signal.SIGCONT)
        self.has_ended(KILLING)
        self.signal(signal.SIGKILL)


class _Output(threading.Thread):
    """Thread that reads the output of a child until its end, or that of this context.

    A process that left the group may hold the output open. `fault`: an error such as that of a full disk: a child whose
    output is not read would wait forever.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", log: BoundedLog) -> None:
        super().__init__(daemon=True)
        assert process.stdout
        self._output, self._log, self._closing = process.stdout.fileno(), log, threading.Event()
        self.fault: Exception | None = None

    def run(self) -> None:
        try:
            while not self._closing.is_set():
                if not select.select([self._output], [], [], LOOK)[0]:
                    continue
                if not (chunk := os.read(self._output, CHUNK)):
                    break
                self._log.write(chunk)
        except Exception as error:
            self.fault = error

    def __enter__(self) -> "_Output":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self.join()


def _memory(start: Start) -> int:
    """Return the largest memory of one process of a child, in bytes, as its helper noted it; 0 where it did not."""
    try:
        text = start.memory.read_text(encoding="utf-8")
    except OSError:
        return 0
    return int(text or 0) * (1 if sys.platform == "darwin" else 1024)


@contextmanager
def group(start: Start) -> Iterator[Group]:
    """Yield the helper, which leads a new session. Whatever happens here, its group is killed at the end."""
    with contextlib.ExitStack() as stack:
        alive, held_end = os.pipe()
        held = stack.enter_context(open(held_end, "wb", buffering=0))
        ended, of_helper = os.pipe()
        stack.callback(os.close, ended)
        path = start.folder / "start.json"
        stack.callback(path.unlink, missing_ok=True)
        stack.callback(start.memory.unlink, missing_ok=True)
        process = _started(start, path, alive, of_helper)
        running = Group(process, ended, held)
        assert process.stdout
        stack.callback(process.stdout.close)
        try:
            yield running
        finally:
            if process.returncode is None:
                running.kill()
                process.wait()


def _started(start: Start, path: Path, alive: int, of_helper: int) -> "subprocess.Popen[bytes]":
    """Return the running helper.

    Args:
        start: what to start.
        path: file of the helper's arguments.
        alive, of_helper: descriptors of the helper; they are closed here.
    """
    lock = os.open(os.devnull, os.O_RDONLY) if start.lock is None else os.dup(start.lock)
    try:
        arguments = {"argv": list(start.argv), "cwd": str(start.cwd), "memory": str(start.memory.absolute())}
        descriptors = {"alive": alive, "passed": [lock, *start.passed]}
        path.write_text(json.dumps({**arguments, **descriptors, "forwards": start.forwards}), encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(HELPER), str(path)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            pass_fds=[alive, of_helper, lock, *start.passed], env=environment(start.variables),
        )  # fmt: skip
    finally:
        for descriptor in (alive, of_helper, lock):
            os.close(descriptor)


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a child: this process's, less variables without a value, and equal hashes of texts."""
    fixed = {"PYTHONHASHSEED": "0", "CUBLAS_WORKSPACE_CONFIG": ":4096:8", "PYTHONUNBUFFERED": "1"}
    inherited = {name: value for name, value in os.environ.items() if value}
    return {**inherited, **fixed, **variables}
