"""Stages of a command that mostly takes a second: they are printed where it takes longer."""

import sys
import threading
import time
from types import TracebackType

AFTER = 3.0  # seconds without a word


class Stages:
    """Printer of the stage of a command, on standard error, once the command has taken AFTER seconds.

    Args:
        quiet: whether nothing is printed.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet, self._begin, self._stage = quiet, time.monotonic(), ""
        self._timer = threading.Timer(AFTER, self._print)
        self._timer.daemon = True

    def __enter__(self) -> "Stages":
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()

    def __call__(self, stage: str) -> None:
        """Begin a stage."""
        self._stage = stage
        if time.monotonic() - self._begin >= AFTER:
            self._print()

    def _print(self) -> None:
        if self._stage and not self._quiet:
            print(f"{self._stage} ...", file=sys.stderr)
