"""Checks for the packages, devices and folders that a run needs."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from ablation import extras
from ablation.engine import slots
from ablation.experiments.keras_head.backbones import BACKBONES, DOWNLOADS
from ablation.experiments.keras_head.training import devices
from ablation.store.files import file_system, on_network

PACKAGES = ("click", "distributed", "mlflow", "numpy", "optuna", "pandas", "scikit-learn")
SYMBOLS = {"good": "ok     ", "note": "note   ", "bad": "MISSING"}


@dataclass(frozen=True)
class Check:
    """Result of one check. `state`: good, note (works, but the user should know), or bad (must be fixed)."""

    state: str
    what: str
    found: str


def examine(workspace: Path) -> list[Check]:
    """Return the results of every check, in the order in which a run needs them."""
    keras = [*_backend(), *_weights()] if extras.is_installed("keras") else []
    return [*_machine(), *_packages(), *_extras(), *keras, *_gpus(), *_places(workspace)]


def _machine() -> Iterator[Check]:
    supported = (3, 11) <= sys.version_info < (3, 14)
    yield Check("good" if supported else "bad", "Python", f"{platform.python_version()} (3.11 to 3.13 are supported)")
    memory = psutil.virtual_memory()
    cores = slots.cores()
    yield Check(
        "good", "machine", f"{cores} cores, {memory.available / 2**30:.0f} of {memory.total / 2**30:.0f} GiB free"
    )


def _packages() -> Iterator[Check]:
    for name in PACKAGES:
        try:
            yield Check("good", name, version(name))
        except PackageNotFoundError:
            yield Check("bad", name, "not installed; install ablate again")


def _named(package: str) -> str:
    """Return a package with its version, or without, where no package of that name is installed."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


def _extras() -> Iterator[Check]:
    """Yield a check per extra. No extra is needed by every user: a missing package is a note."""
    for name, extra in extras.EXTRAS.items():
        absent = extras.missing(name)
        installed = ", ".join(_named(package) for package in extra.packages.values() if package not in absent)
        instruction = f"{', '.join(absent)} not installed; for {extra.use}: {extras.way(name)}"
        yield Check("note" if absent else "good", f"extra {name}", instruction if absent else installed)


def _backend() -> Iterator[Check]:
    name = devices.backend()
    if extras.is_installed(name):
        yield Check("good", "Keras backend", _named(name))
    else:
        yield Check("bad", "Keras backend", f"{name} is not installed; install it, or unset KERAS_BACKEND")


def _gpus() -> Iterator[Check]:
    names = [f"{gpu.name} ({gpu.memory / 1024:.0f} GiB)" for gpu in slots.gpus()]
    yield Check("good" if names else "note", "GPUs", ", ".join(names) or "none found: trainings run on the CPU")


def _weights() -> Iterator[Check]:
    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
    for backbone in BACKBONES:
        paths = sorted(folder.glob(DOWNLOADS[backbone]))
        text = str(paths[0]) if paths else "not found: the first run downloads them; offline, pass --set weights=PATH"
        yield Check("good" if paths else "note", f"ImageNet weights of {backbone}", text)


def _places(workspace: Path) -> Iterator[Check]:
    folder = next(p for p in (workspace.absolute(), *workspace.absolute().parents) if p.exists())
    kind, free = file_system(workspace) or "unknown", shutil.disk_usage(folder).free / 2**30
    if on_network(workspace):
        yield Check(
            "note", "file system", f"{kind}, a network file system: pass --storage and --tracking to `ablate run`"
        )
    else:
        yield Check("good", "file system", f"{kind}, local, {free:.0f} GiB free")
    try:
        with tempfile.TemporaryFile(dir=folder):
            yield Check("good", "workspace", f"{workspace.absolute()} is writable")
    except OSError as error:
        yield Check("bad", "workspace", f"{workspace.absolute()} is not writable ({error.strerror}); pass --workspace")
    latex = shutil.which("pdflatex")
    yield Check("good" if latex else "note", "pdflatex", latex or "not found: only needed to compile table.tex")


def draw(checks: list[Check]) -> str:
    """Return the text of the checks, a line per check."""
    wide = max(len(c.what) for c in checks)
    return "\n".join(f"{SYMBOLS[c.state]}  {c.what:<{wide}}  {c.found}" for c in checks)
