"""Ctrl-C, SIGTERM, a closed terminal, and a cluster's warning: the first signal asks to stop, the second stops, the
third ends the process."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from types import FrameType

# HUP: the terminal was closed. USR1: what a cluster sends some time before it kills.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
EXIT_CODE = 130


@contextlib.contextmanager
def _blocked() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def shield_tracker() -> None:
    """Start Python's resource tracker so that SIGHUP and SIGUSR1 do not end it: it ignores the other two by itself. To
    be called before a library starts it."""
    with _blocked():
        resource_tracker.ensure_running()


@contextlib.contextmanager
def shielded() -> Iterator[None]:
    """Threads and processes that are started within never get SIGNALS: Ctrl-C reaches a whole process group. What comes
    for this process waits until the end."""
    shield_tracker()  # if it were started within, it would let SIGINT and SIGTERM through again
    with _blocked():
        yield


class Interrupts:
    """While it is entered, signals come here. `asked`: whether work should end. `say` may be replaced by one that also
    keeps what is said: whoever closed the terminal does not read it there."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say, self._times = say, 0
        self._stop: Callable[[], None] | None = None

    @property
    def asked(self) -> bool:
        return self._times > 0

    def _come(self, number: int, _: FrameType | None) -> None:
        self._times += 1
        if self._times > 2:
            os._exit(EXIT_CODE)
        if self._times > 1 or self._stop is None:
            raise KeyboardInterrupt
        self.say(f"{signal.Signals(number).name}: trainings save and stop; once more stops now")
        self._stop()

    def __enter__(self) -> "Interrupts":
        self._before = {}
        if threading.current_thread() is threading.main_thread():  # Python hands signals to no other
            heard = [n for n in SIGNALS if not (n == signal.SIGHUP and signal.getsignal(n) == signal.SIG_IGN)]  # nohup
            self._before = {number: signal.signal(number, self._come) for number in heard}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def softly(self, stop: Callable[[], None]) -> Iterator[None]:
        """Within, the first signal calls `stop`; elsewhere it raises KeyboardInterrupt."""
        self._stop = stop
        try:
            yield
        finally:
            self._stop = None
