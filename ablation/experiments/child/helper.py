"""Helper of a training's child: the first program of every child, and the parent of a command.

    python helper.py START.json

Standard library alone, Python 3.9 and later; nothing of this package is imported. The worker starts the helper as the
leader of a session of its own. START.json holds `argv`, `cwd`, `alive` (descriptor of a pipe whose other end the worker
alone holds), `passed` (descriptors of the command, such as that of the training's lock), `forwards` (whether SIGTERM is
sent on to the command) and `memory` (path of a file for the largest memory, in the unit of getrusage). Other
descriptors that it inherits end with it.

The helper dies with its worker, and all of its process group with it: Dask's workers block signals, which children
would inherit, so the pipe is the only message that always arrives. On Linux the helper is the parent of all processes
that lose theirs, such as daemons with a session of their own, and ends them too: none outlives the training. It ends
with the exit code of the command, or with 128 and the number of the signal that ended the command.
"""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time

try:
    import ctypes
except ImportError:  # a Python that was built without libffi
    ctypes = None  # type: ignore[assignment]

PR_SET_CHILD_SUBREAPER = 36  # of prctl
PERSISTENT = 5.0  # seconds in which descendants are killed again and again: some start others meanwhile
NOT_STARTED = 127  # the command cannot be started; standard error says why


def _reset_signals() -> None:
    """Give the command default handlers and no blocked signals. The helper itself outlives a request to stop."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in signal.valid_signals():
        if signal.getsignal(number) == signal.SIG_IGN:  # as of a shell's background commands
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # in place of Python's own handler
    signal.signal(signal.SIGTERM, lambda *_: None)  # a handler, which the command does not inherit


def _adopt_orphans() -> None:
    """Make this process the parent of descendants that lose theirs, where the system can: Linux."""
    if sys.platform == "linux" and ctypes is not None:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _children() -> dict[int, list[int]]:
    """Return parent -> its children, of all processes that run."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError), open(f"/proc/{name}/stat", encoding="utf-8") as file:
                state, parent, *_ = file.read().rpartition(")")[2].split()
                if state != "Z":
                    children.setdefault(int(parent), []).append(int(name))
    return children


def _descendants() -> list[int]:
    """Return the processes that descend from this one."""
    children, processes = _children(), [os.getpid()]
    for process in processes:
        processes += children.get(process, [])
    return processes[1:]


def _kill_descendants() -> None:
    """Kill all processes that descend from this one. Those that cannot be killed are left after some seconds."""
    end = time.monotonic() + PERSISTENT
    while (processes := _descendants()) and time.monotonic() < end:
        for process in processes:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.01)


def _die_with(alive: int) -> None:
    """Kill all descendants and the whole group as soon as the worker's end of the pipe is closed."""
    os.read(alive, 1)  # nothing is ever written
    _kill_descendants()
    os.killpg(0, signal.SIGKILL)


def _wait(child: int) -> int:
    """Wait for the end of the command, and return its code. Other processes that end meanwhile are no zombies."""
    while True:
        process, status = os.waitpid(-1, 0)
        if process == child:
            return os.waitstatus_to_exitcode(status)


def _has_children() -> bool:
    with contextlib.suppress(ChildProcessError):
        while True:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return True
    return False


def _ask(child: int) -> None:
    """Send SIGTERM to the command."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGTERM)


def _note_memory(path: str) -> None:
    """Write the largest memory of the command and its children. The helper's own counts what it was forked from."""
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
    except OSError:  # a full disk: the result is worth more than its memory
        pass


def main(path: str) -> int:
    with open(path, encoding="utf-8") as file:
        start = json.load(file)
    _reset_signals()
    _adopt_orphans()
    threading.Thread(target=_die_with, args=(start["alive"],), daemon=True).start()
    try:
        # The command holds the lock too: a training's folder is free when all of its processes are gone.
        child = subprocess.Popen(start["argv"], cwd=start["cwd"], pass_fds=start["passed"])
        if start["forwards"]:
            signal.signal(signal.SIGTERM, lambda *_: _ask(child.pid))
    except (OSError, ValueError) as error:  # ValueError: an argument holds a zero byte
        reason = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else str(error)
        print(f"{start['argv'][0]}: cannot be started: {reason}", file=sys.stderr)
        return NOT_STARTED
    code = child.returncode = _wait(child.pid)
    signal.signal(signal.SIGTERM, lambda *_: None)  # the number of the command may be another process's now
    _note_memory(start["memory"])
    if _has_children():  # what the command started and left
        _kill_descendants()
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
