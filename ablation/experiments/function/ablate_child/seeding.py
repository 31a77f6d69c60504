"""Seeds of the random generators of Python, NumPy, PyTorch and TensorFlow: a function of (seed, step)."""

from __future__ import annotations

import contextlib
import hashlib
import random
import sys
from typing import Any

BEFORE_IMPORT = -1  # the seed of a user's file: its draws at import are equal in all trainings, in a kept process too


def number(seed: int, step: int | str, bits: int) -> int:
    """Return a seed of some bits: the first bits of the SHA-256 of (seed, step)."""
    digest = hashlib.sha256(f"{seed} {step}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - bits)


def _numpy(module: Any, seed: int, step: int | str) -> None:
    module.random.seed(number(seed, step, 32))


def _torch(module: Any, seed: int, step: int | str) -> None:
    module.manual_seed(number(seed, step, 64) - (1 << 63))  # a signed number of 64 bits


def _tensorflow(module: Any, seed: int, step: int | str) -> None:
    module.random.set_seed(number(seed, step, 32))


LIBRARIES = {"numpy": _numpy, "torch": _torch, "tensorflow": _tensorflow}


class Seeding:
    """Seeds of one process. Libraries that are loaded later are seeded when they are loaded, as if loaded before."""

    def __init__(self) -> None:
        self._now: tuple[int, int | str] = (BEFORE_IMPORT, 0)

    def seed(self, seed: int, step: int | str) -> None:
        """Seed all generators from (seed, step)."""
        self._now = (seed, step)
        random.seed(number(seed, step, 64))
        for name in LIBRARIES:
            if name in sys.modules:
                self.library(name, sys.modules[name])

    def library(self, name: str, module: Any) -> None:
        """Seed one library. A module whose import has failed or has not ended has no generators."""
        with contextlib.suppress(AttributeError):
            LIBRARIES[name](module, *self._now)
