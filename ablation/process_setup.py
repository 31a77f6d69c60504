"""Prepare the process of a command for its surroundings: streams, warnings, proxies, home, temporary folder, signals.

Cron, containers and batch systems start programs with closed streams, without a home folder, without UTF-8. None of
that is a reason to lose a training, so it is mended here, once, before anything else runs.
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

from ablation.addresses import reach_loopback_directly

READER_GONE = (errno.EPIPE, errno.EIO)  # `| head` has ended; the terminal was closed


def prepare(arguments: Sequence[str]) -> None:
    """Make this process, and those that it starts, independent of their surroundings. `arguments`: of the command."""
    _open_closed_descriptors()
    sys.stdout, sys.stderr = _tolerant(sys.stdout, 1), _tolerant(sys.stderr, 2)
    _drop_warning_errors()
    reach_loopback_directly()
    cache = workspace_of(arguments) / "cache"
    _ensure_home(cache / "home")
    _ensure_user()
    _ensure_temporary_folder(cache / "tmp")
    _interrupt_on((signal.SIGTERM, signal.SIGHUP))


def workspace_of(arguments: Sequence[str]) -> Path:
    """Return the workspace that `arguments` name; they may be wrong otherwise."""
    for place, word in enumerate(arguments):
        name, separator, value = word.partition("=")
        if name == "--workspace" and (separator or arguments[place + 1 :]):
            return Path(value if separator else arguments[place + 1])
    return Path("runs")


def _open_closed_descriptors() -> None:
    """Open /dev/null on standard descriptors that are closed: the next file would take their numbers, and what a
    library prints would land in it."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number: this one


class _Sink(io.FileIO):
    """A descriptor whose reader may go away: the work goes on, and what nobody reads is dropped."""

    def write(self, data: object) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            if error.errno not in READER_GONE:
                raise
            return memoryview(data).nbytes  # type: ignore[arg-type]


def _tolerant(stream: TextIO | None, descriptor: int) -> TextIO:
    """Return a stream on `descriptor` that writes ? for characters that its encoding lacks. Notebooks and tests bring
    streams of their own, which stay."""
    if stream is not None and not isinstance(stream, io.TextIOWrapper):
        return stream
    if stream is not None:
        stream.flush()
    encoding = stream.encoding if stream else "utf-8"
    raw = io.BufferedWriter(_Sink(descriptor, "w", closefd=False))
    return io.TextIOWrapper(raw, encoding, "replace", line_buffering=descriptor == 2 or os.isatty(descriptor))


def _drop_warning_errors() -> None:
    """Turn off PYTHONWARNINGS=error and -W error: they would make a warning of any library the failure of a row."""
    os.environ.pop("PYTHONWARNINGS", None)  # workers inherit both
    sys.warnoptions.clear()
    filters = cast("list[tuple[Any, ...]]", warnings.filters)
    filters[:] = [each for each in filters if each[0] != "error"]
    warnings.filterwarnings("ignore", ".*joblib will operate in serial mode")  # without /dev/shm; threads decode then


def _ensure_home(substitute: Path) -> None:
    """Set HOME where this user has none: MLflow and Keras stop without. Nothing is created before they write."""
    try:
        home = Path.home()
    except RuntimeError:
        home = None
    if home is None or not home.is_dir():
        os.environ["HOME"] = str(substitute.absolute())


def _ensure_user() -> None:
    """Name a user that has no entry in passwd, as in a container: getpass.getuser() raises without."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        if not any(os.environ.get(name) for name in ("LOGNAME", "USER", "LNAME", "USERNAME")):
            os.environ["LOGNAME"] = f"uid{os.getuid()}"


def _ensure_temporary_folder(substitute: Path) -> None:
    """Set TMPDIR to a folder that exists: some libraries take the variable as it is, and no other folder."""
    named = os.environ.get("TMPDIR")
    try:
        found = tempfile.gettempdir()  # TMPDIR if it can be written, else /tmp and others, else the current folder
    except FileNotFoundError:
        try:
            substitute.mkdir(parents=True, exist_ok=True)
        except OSError:  # nothing can be written: what needs such a folder says so
            return
        tempfile.tempdir = found = str(substitute.absolute())
    if named is not None and Path(named).absolute() != Path(found):
        os.environ["TMPDIR"] = found


def _interrupt_on(signals: Sequence[signal.Signals]) -> None:
    """Let these signals end a command as Ctrl-C does: it cleans up, and says how to go on. A signal that is ignored
    stays ignored (nohup)."""

    def interrupt(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        for number in signals:
            if signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, interrupt)
