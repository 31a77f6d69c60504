"""Checkpoints of a user's training: files or folders that its own functions write and read."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable

from . import files

SHARE = 0.02  # largest share of a training's time that checkpoints may take
SECONDS = 1.0  # smallest time between two checkpoints
NAME = re.compile(r"checkpoint-(\d+)")


class Checkpoints:
    """Checkpoints in a training's folder."""

    def __init__(self, folder: str, save: Callable[[str], object], load: Callable[[str], object]) -> None:
        """Use the checkpoints in a folder. `save`, `load`: functions of a path."""
        self._folder, self._save, self._load = folder, save, load
        self._last, self._cost = time.monotonic(), 0.0

    def _path(self, step: int) -> str:
        return os.path.join(self._folder, f"checkpoint-{step}")

    def steps(self) -> list[int]:
        """Return the steps of all checkpoints, the latest first."""
        matches = (NAME.fullmatch(name) for name in os.listdir(self._folder))
        return sorted((int(match[1]) for match in matches if match), reverse=True)

    def load(self, before: int) -> int:
        """Load the latest checkpoint before a step, and return its step; 0 where there is none.

        One that cannot be loaded is deleted, so that the next attempt starts from an earlier one.
        """
        for step in self.steps():
            if step < before:
                try:
                    self._load(self._path(step))
                except Exception:
                    files.remove(self._path(step))
                    raise
                return step
        return 0

    def is_due(self) -> bool:
        return time.monotonic() - self._last >= max(SECONDS, self._cost / SHARE)

    def save(self, step: int, last: int) -> None:
        """Save the state after a step, and delete the checkpoints of earlier steps.

        Args:
            step: the step.
            last: the last step of this training; later checkpoints are those of a longer one, and stay.
        """
        began = time.monotonic()
        temporary = self._path(step) + ".tmp"
        files.remove(temporary)
        self._save(temporary)
        files.remove(self._path(step))
        os.replace(temporary, self._path(step))
        for earlier in self.steps():
            if earlier <= last and earlier != step:
                files.remove(self._path(earlier))
        self._last = time.monotonic()
        self._cost = self._last - began
