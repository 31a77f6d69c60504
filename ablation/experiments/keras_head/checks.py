"""Checks of what the Keras experiment needs on this machine, for `ablate doctor`: the backend and ImageNet weights."""

import os
from collections.abc import Iterator
from pathlib import Path

from ablation import extras
from ablation.experiments.keras_head.backbones import BACKBONES
from ablation.experiments.keras_head.training import devices
from ablation.experiments.protocol import Check


def checks() -> Iterator[Check]:
    """Yield the checks; none where the extra `keras` is not installed."""
    if extras.is_installed("keras"):
        yield _backend()
        yield from _weights()


def _backend() -> Check:
    name = devices.backend()
    if extras.is_installed(name):
        return Check("good", "Keras backend", extras.with_version(name))
    return Check("bad", "Keras backend", f"{name} is not installed; install it, or unset KERAS_BACKEND")


def _weights() -> Iterator[Check]:
    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
    for backbone, described in BACKBONES.items():
        paths = sorted(folder.glob(described.download))
        text = str(paths[0]) if paths else "not found: the first run downloads them; offline, pass --set weights=PATH"
        yield Check("good" if paths else "note", f"ImageNet weights of {backbone}", text)
