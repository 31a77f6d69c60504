"""Checks for the packages, devices and folders that a run needs."""

import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from ablation import experiments, extras
from ablation.engine import slots
from ablation.errors import AblateError
from ablation.experiments.protocol import Check
from ablation.store.files import file_system, on_network

PACKAGES = ("click", "distributed", "mlflow", "numpy", "optuna", "pandas", "scikit-learn")
SYMBOLS = {"good": "ok     ", "note": "note   ", "bad": "MISSING"}


def examine(workspace: Path) -> list[Check]:
    """Return the results of every check, in the order in which a run needs them."""
    return [*_machine(), *_packages(), *_extras(), *_experiments(), *_gpus(), *_places(workspace)]


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


def _extras() -> Iterator[Check]:
    """Yield a check per extra. No extra is needed by every user: a missing package is a note."""
    for name, extra in extras.EXTRAS.items():
        absent = extras.missing(name)
        installed = ", ".join(
            extras.with_version(package) for package in extra.packages.values() if package not in absent
        )
        instruction = f"{', '.join(absent)} not installed; for {extra.use}: {extras.way(name)}"
        yield Check("note" if absent else "good", f"extra {name}", instruction if absent else installed)


def _experiments() -> Iterator[Check]:
    """Yield the checks that each installed experiment brings."""
    for name in experiments.names():
        try:
            experiment = experiments.load(name)
        except AblateError as error:
            yield Check("bad", f"experiment {name}", str(error))
        else:
            yield from getattr(experiment, "checks", lambda: ())()


def _gpus() -> Iterator[Check]:
    names = [f"{gpu.name} ({gpu.memory / 1024:.0f} GiB)" for gpu in slots.gpus()]
    yield Check("good" if names else "note", "GPUs", ", ".join(names) or "none found: trainings run on the CPU")


def _places(workspace: Path) -> Iterator[Check]:
    folder = next(p for p in (workspace.absolute(), *workspace.absolute().parents) if p.exists())
    kind, free = file_system(workspace) or "unknown", shutil.disk_usage(folder).free / 2**30
    if on_network(workspace):
        yield Check(
            "note",
            "file system",
            f"{kind}, a network file system: databases are in {tempfile.gettempdir()} during runs",
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
