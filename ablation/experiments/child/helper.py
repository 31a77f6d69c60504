"""Helper of a training's child: the first program of every child, and the parent of a command.

    python helper.py START.json

Standard library alone, Python 3.9 and later; nothing of this package is imported. The worker starts the helper as the
leader of a session of its own. START.json holds `argv`, `cwd`, `alive` (descriptor of a pipe whose other end the worker
alone holds), `passed` (descriptors of the command, such as that of the training's lock), `forwards` (whether SIGTERM is
sent on to the command) and `memory` (path of a file for the largest memory, in the unit of getrusage). Other
descriptors that it inherits end with it.

The helper dies with its worker, and all of its process group with it: Dask's workers block signals, which children
would inherit, so the pipe is the only message that always arrives. It ends with the exit code of the command, or with
128 and the number of the signal that ended the command.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import threading

NOT_STARTED = 127  # the command cannot be started; standard error says why


def _reset_signals() -> None:
    """Give the command default handlers and no blocked signals. The helper itself outlives a request to stop."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in signal.valid_signals():
        if signal.getsignal(number) == signal.SIG_IGN:  # as of a shell's background commands
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # in place of Python's own handler
    signal.signal(signal.SIGTERM, lambda *_: None)  # a handler, which the command does not inherit


def _die_with(alive: int) -> None:
    """Kill the whole group as soon as the worker's end of the pipe is closed."""
    os.read(alive, 1)  # nothing is ever written
    os.killpg(0, signal.SIGKILL)


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
    threading.Thread(target=_die_with, args=(start["alive"],), daemon=True).start()
    try:
        # The command holds the lock too: a training's folder is free when all of its processes are gone.
        child = subprocess.Popen(start["argv"], cwd=start["cwd"], pass_fds=start["passed"])
        if start["forwards"]:
            signal.signal(signal.SIGTERM, lambda *_: child.send_signal(signal.SIGTERM))
    except (OSError, ValueError) as error:  # ValueError: an argument holds a zero byte
        reason = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else str(error)
        print(f"{start['argv'][0]}: cannot be started: {reason}", file=sys.stderr)
        return NOT_STARTED
    code = child.wait()
    _note_memory(start["memory"])
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
