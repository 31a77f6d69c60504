"""Checkpoints of a user's training: files or folders that its own functions write and read."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable

from . import files
from .errors import ContractError

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

    def seconds(self, step: int) -> float:
        """Return the duration of the training up to a checkpoint; 0 for step 0."""
        try:
            with open(self._path(step) + ".json", encoding="utf-8") as file:
                return float(json.load(file)["seconds"])
        except (OSError, ValueError, KeyError):
            return 0.0

    def save(self, step: int, last: int, seconds: float) -> None:
        """Save the state after a step, and delete the checkpoints of earlier steps.

        Args:
            step: the step.
            last: the last step of this training; later checkpoints are those of a longer one, and stay.
            seconds: duration of the training up to now.

        Raises:
            ContractError: `save` has written nothing at the path that it was given.
        """
        began = time.monotonic()
        temporary = self._path(step) + ".tmp"
        files.remove(temporary)
        self._save(temporary)
        files.write_json(self._path(step) + ".json", {"seconds": seconds})
        files.remove(self._path(step))
        os.replace(self._written(temporary), self._path(step))
        for earlier in self.steps():
            if earlier <= last and earlier != step:
                files.remove(self._path(earlier))
                files.remove(self._path(earlier) + ".json")
        self._last = time.monotonic()
        self._cost = self._last - began

    def _written(self, path: str) -> str:
        """Return where `save` has written: at its path, or with a suffix, as numpy.savez adds it."""
        if os.path.lexists(path):
            return path
        names = [name for name in os.listdir(self._folder) if name.startswith(os.path.basename(path) + ".")]
        if len(names) == 1:
            return os.path.join(self._folder, names[0])
        raise ContractError(
            "run.state: save wrote nothing at the path that it was given; write a file or a folder there"
        )
