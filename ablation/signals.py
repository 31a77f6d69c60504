"""Handling of Ctrl-C, SIGTERM, a closed terminal, and a cluster's warning.

The first signal asks to stop, the second stops, the third ends the process.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from types import FrameType

# HUP: the terminal was closed. USR1: a cluster sends this signal some time before it kills the job.
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
    """Start Python's resource tracker so that SIGHUP and SIGUSR1 do not end the tracker.

    The tracker ignores SIGINT and SIGTERM by itself. Call this function before a library starts the tracker.
    """
    with _blocked():
        resource_tracker.ensure_running()


@contextlib.contextmanager
def signals_blocked() -> Iterator[None]:
    """Block SIGNALS for threads and processes that are started in this context.

    Otherwise Ctrl-C would reach the whole process group. Signals for this process wait until the end of the context.
    """
    shield_tracker()  # a tracker that is started below would unblock SIGINT and SIGTERM again
    with _blocked():
        yield


class Interrupts:
    """Context that receives SIGNALS.

    `asked`: True after a first signal, when work should end. `say` may be replaced by a function that also logs the
    messages, for a terminal that was closed.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say, self._times = say, 0
        self._stop: Callable[[], None] | None = None
        self._end: Callable[[], None] = lambda: None

    @property
    def asked(self) -> bool:
        """True after a first signal."""
        return self._times > 0

    def _come(self, number: int, _: FrameType | None) -> None:
        self._times += 1
        if self._times > 2:
            os._exit(EXIT_CODE)
        name = signal.Signals(number).name
        if self._times > 1:
            self._end()
            self.say(f"{name} again: stopping at once")
        if self._times > 1 or self._stop is None:
            raise KeyboardInterrupt
        self.say(f"{name}: saving and stopping trainings; send it again to stop at once")
        self._stop()

    def __enter__(self) -> "Interrupts":
        self._before = {}
        if threading.current_thread() is threading.main_thread():  # Python delivers signals to the main thread alone
            # nohup ignores SIGHUP: that stays.
            numbers = [n for n in SIGNALS if not (n == signal.SIGHUP and signal.getsignal(n) == signal.SIG_IGN)]
            self._before = {number: signal.signal(number, self._come) for number in numbers}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def softly(self, stop: Callable[[], None], end: Callable[[], None]) -> Iterator[None]:
        """Call `stop` at the first signal in this context; in other contexts a signal raises KeyboardInterrupt.

        The second signal calls `end`, which ends the workers. It does so after this context too: workers that were
        asked to stop are closed there, and that can take seconds.
        """
        self._stop, self._end = stop, end
        try:
            yield
        finally:
            self._stop = None
