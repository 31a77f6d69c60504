"""Extras of the installation: the packages of each, and the refusal of work that needs a missing package."""

from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from ablation.errors import AblateError


@dataclass(frozen=True)
class Extra:
    """Packages that are installed with `pip install 'ablate-table[NAME]'`.

    Args:
        use: What needs the packages.
        packages: Map from the module that is looked for to the package's name for pip.
    """

    use: str
    packages: dict[str, str]


EXTRAS = {  # the same as in pyproject.toml; a test compares both
    "keras": Extra(
        "the Keras experiment",
        {"tensorflow": "tensorflow", "keras": "keras", "PIL": "pillow", "imagehash": "imagehash", "joblib": "joblib"},
    ),
    "gpu": Extra("TensorFlow on NVIDIA's GPUs", {"nvidia.cudnn": "tensorflow[and-cuda]"}),
    "jax": Extra("KERAS_BACKEND=jax", {"jax": "jax"}),
    "align": Extra("eye detection, for data without eye positions", {"cv2": "opencv-python-headless"}),
    "postgres": Extra("databases on PostgreSQL", {"psycopg": "psycopg"}),
}


def is_installed(module: str) -> bool:
    """Return whether a module can be imported. The module is not imported."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the parent package is missing
        return False


def missing(extra: str) -> list[str]:
    """Return the packages of an extra that are not installed, under their names for pip."""
    return [name for module, name in EXTRAS[extra].packages.items() if not is_installed(module)]


def with_version(package: str) -> str:
    """Return a package with its version, or without, where no package of that name is installed."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


def way(extra: str) -> str:
    """Return the command that installs an extra."""
    return f"pip install 'ablate-table[{extra}]'"


def need(extra: str, use: str = "", packages: Collection[str] | None = None) -> None:
    """Raise AblateError where an extra is needed but not installed.

    Args:
        extra: Key of EXTRAS.
        use: What needs the extra, for the message. Default: the extra's own text.
        packages: Packages of the extra that the work needs. Default: all.

    Raises:
        AblateError: Names the missing packages and the command that installs the extra.
    """
    absent = [name for name in missing(extra) if packages is None or name in packages]
    if absent:
        *others, last = absent
        names = f"{', '.join(others)} and {last}" if others else last
        raise AblateError(f"{use or EXTRAS[extra].use} needs {names}: {way(extra)}")
