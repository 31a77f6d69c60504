"""Preparation of a command's process: streams, warnings, proxies, home, temporary folder, signals.

Cron, containers and batch systems start programs with closed streams, without a home folder, without UTF-8. None of
these is a reason to lose a training, so this module fixes all of them before anything else runs.
"""

import errno
import io
import os
import pwd
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, TextIO, cast

from ablation.cli.terminal.readable import HANDLER
from ablation.urls import reach_loopback_directly

READER_GONE = (errno.EPIPE, errno.EIO)  # `| head` has ended, or the terminal was closed


def prepare(arguments: Sequence[str]) -> None:
    """Make this process and its child processes independent of their environment.

    `arguments` are those of the command.
    """
    _open_closed_descriptors()
    sys.stdout, sys.stderr = _tolerant(sys.stdout, 1), _tolerant(sys.stderr, 2)
    _drop_warning_errors()
    reach_loopback_directly()
    cache = workspace_of(arguments) / "cache"
    _ensure_home(cache / "home")
    _ensure_user()
    _ensure_temporary_folder(cache / "tmp")
    _interrupt_on((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))


def workspace_of(arguments: Sequence[str]) -> Path:
    """Return the workspace that `arguments` name, which may be invalid otherwise."""
    for index, word in enumerate(arguments):
        name, separator, value = word.partition("=")
        if name == "--workspace" and (separator or arguments[index + 1 :]):
            return Path(value if separator else arguments[index + 1])
    return Path("runs")


def _open_closed_descriptors() -> None:
    """Open /dev/null on standard descriptors that are closed.

    Otherwise the next opened file would get such a number, and a library's output would be written into it.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest free number: `descriptor`


class _Sink(io.FileIO):
    """Descriptor whose reader may go away: the work continues, and unread output is dropped."""

    def write(self, data: object) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            if error.errno not in READER_GONE:
                raise
            return memoryview(data).nbytes  # type: ignore[arg-type]


def _tolerant(stream: TextIO | None, descriptor: int) -> TextIO:
    """Return a stream on `descriptor` that writes readable ASCII for characters that its encoding does not have.

    Streams that notebooks and tests have installed are returned unchanged.
    """
    if stream is not None and not isinstance(stream, io.TextIOWrapper):
        return stream
    if stream is not None:
        stream.flush()
    encoding = stream.encoding if stream else "utf-8"
    raw = io.BufferedWriter(_Sink(descriptor, "w", closefd=False))
    return io.TextIOWrapper(raw, encoding, HANDLER, line_buffering=descriptor == 2 or os.isatty(descriptor))


def _drop_warning_errors() -> None:
    """Turn off PYTHONWARNINGS=error and -W error.

    Either would turn a warning of any library into the failure of a row.
    """
    os.environ.pop("PYTHONWARNINGS", None)  # workers inherit both
    sys.warnoptions.clear()
    filters = cast("list[tuple[Any, ...]]", warnings.filters)
    filters[:] = [entry for entry in filters if entry[0] != "error"]
    # joblib warns where /dev/shm is missing; images are then decoded in threads.
    warnings.filterwarnings("ignore", ".*joblib will operate in serial mode")


def _ensure_home(substitute: Path) -> None:
    """Set HOME where this user has no home folder: MLflow and Keras fail without it.

    The folder is created only when they write to it.
    """
    try:
        home = Path.home()
    except RuntimeError:
        home = None
    if home is None or not home.is_dir():
        os.environ["HOME"] = str(substitute.absolute())


def _ensure_user() -> None:
    """Set a name for a user without an entry in passwd, as in a container.

    getpass.getuser() raises an error otherwise.
    """
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        if not any(os.environ.get(name) for name in ("LOGNAME", "USER", "LNAME", "USERNAME")):
            os.environ["LOGNAME"] = f"uid{os.getuid()}"


def _ensure_temporary_folder(substitute: Path) -> None:
    """Set TMPDIR to an existing folder: some libraries use this variable alone, without a check."""
    variable = os.environ.get("TMPDIR")
    try:
        folder = tempfile.gettempdir()  # TMPDIR if writable, otherwise /tmp and others, otherwise the current folder
    except FileNotFoundError:
        try:
            substitute.mkdir(parents=True, exist_ok=True)
        except OSError:  # nothing can be written: code that needs the folder reports that
            return
        tempfile.tempdir = folder = str(substitute.absolute())
    if variable is not None and Path(variable).absolute() != Path(folder):
        os.environ["TMPDIR"] = folder


def _interrupt_on(signals: Sequence[signal.Signals]) -> None:
    """Make these signals end a command as Ctrl-C does: with cleanup and a hint how to resume.

    A signal that is ignored stays ignored (nohup).
    """

    def interrupt(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        for number in signals:
            if signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, interrupt)


def end_on_interrupt() -> None:
    """Make Ctrl-C end this process without a traceback, while it cleans up after its command."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_DFL)
