"""Child process of `ablation.run`: its arguments, its output, and its end when a user interrupts the run.

The child has a process group of its own. A kernel's stop button sends SIGINT to the group of the kernel, and a second
signal would stop trainings before they are saved. The child therefore receives the signals of this process alone.
"""

import json
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import pandas as pd

from ablation.api.arguments import arguments, grid_text
from ablation.api.progress_view import View, chosen, last_line
from ablation.errors import AblateError

REFRESH = 0.5  # seconds between two looks at the progress of the child
KEPT = 65_536  # bytes of the child's messages, of which the last line explains an error
SAVED = "interrupted: finished trials and checkpoints are saved; run the same call again to resume"


def run(grid: object, options: Mapping[str, Any], progress: bool | None) -> pd.DataFrame:
    """Run a study in a child process and return its table; see `ablation.run`."""
    words = ["run", "--grid", grid_text(grid), "--json", *arguments(dict(options))]
    workspace = Path(next(iter(arguments({"workspace": options.get("workspace")})[1:]), "runs"))
    code, printed, message = _finish(words, chosen(progress, bool(options.get("quiet")), workspace))
    if code not in (0, 1) or not printed:
        raise AblateError(message.removeprefix("error: ") or "no message")
    folder = Path(json.loads(printed)["folder"])
    return pd.read_csv(folder / "table.csv", keep_default_na=False, na_values=[""])  # a label may be "NA"


def _finish(words: Sequence[str], view: View) -> tuple[int, str, str]:
    """Return exit code, standard output and last message of a command. Raises KeyboardInterrupt after the child."""
    interrupted, tail = False, bytearray()
    with TemporaryFile() as output, _started(words, output, view, tail) as child:
        started = time.time()
        while child.poll() is None:
            try:
                child.wait(REFRESH)
            except subprocess.TimeoutExpired:
                view.refresh(child.pid, started, bytes(tail))
            except KeyboardInterrupt:
                interrupted = True
                child.send_signal(signal.SIGINT)
        code = child.returncode
        output.seek(0)
        printed = output.read().decode(errors="replace")
    view.refresh(child.pid, started, bytes(tail))
    if interrupted:
        raise KeyboardInterrupt(SAVED if code in (0, 1, 130, -signal.SIGINT) else f"interrupted: {last_line(tail)}")
    return code, printed, last_line(tail)


@contextmanager
def _started(words: Sequence[str], output: IO[bytes], view: View, tail: bytearray) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a child whose messages go to the view and to `tail`. Closing its stdin makes the child save and end.

    The words go through its stdin: the URL of a database may have a password, and all users of a machine see arguments.
    """
    ours, theirs = _terminal() if view.on_terminal else os.pipe()
    command = [sys.executable, "-m", "ablation.api.watched_command"]
    try:
        line = b"\0".join(map(os.fsencode, words)).hex().encode() + b"\n"
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=theirs, process_group=0)
        assert process.stdin
        process.stdin.write(line)
        process.stdin.flush()
    except (OSError, ValueError) as error:  # ValueError: half a surrogate pair
        os.close(ours)
        raise AblateError(
            f"the options cannot be passed to `ablate run` ({error}); remove characters that are not allowed in paths"
        ) from None
    finally:
        os.close(theirs)
    reader = threading.Thread(target=_read, args=(ours, view.receive, tail), daemon=True)
    reader.start()
    with process:
        yield process
    reader.join(timeout=5)  # a process that the child has left behind may keep the pipe open


def _terminal() -> tuple[int, int]:
    """Return both ends of a pseudo-terminal with the size of the terminal, for progress that is redrawn in place."""
    ours, theirs = pty.openpty()
    with suppress(OSError, ValueError, termios.error):
        termios.tcsetwinsize(theirs, termios.tcgetwinsize(sys.stderr.fileno()))
    return ours, theirs


def _read(descriptor: int, receive: Callable[[bytes], None], tail: bytearray) -> None:
    """Pass on the messages of a child until its end, and keep the last KEPT bytes."""
    with suppress(OSError):  # how Linux reports the end of a pseudo-terminal
        while chunk := os.read(descriptor, KEPT):
            tail += chunk
            del tail[:-KEPT]
            receive(chunk)
    os.close(descriptor)
