"""The extras of the installation: what each brings, and the refusal of work that needs a missing one."""

from collections.abc import Collection
from dataclasses import dataclass
from importlib.util import find_spec

from ablation.errors import AblateError


@dataclass(frozen=True)
class Extra:
    """Packages that are installed with `pip install 'ablate-table[NAME]'`.

    Args:
        use: What needs them.
        packages: The module of each, which is looked for, and its name for pip.
    """

    use: str
    packages: dict[str, str]


EXTRAS = {  # as pyproject.toml has them; a test compares
    "keras": Extra(
        "the Keras experiment",
        {"tensorflow": "tensorflow", "keras": "keras", "PIL": "pillow", "imagehash": "imagehash", "joblib": "joblib"},
    ),
    "gpu": Extra("TensorFlow on NVIDIA's GPUs", {"nvidia.cudnn": "tensorflow[and-cuda]"}),
    "jax": Extra("KERAS_BACKEND=jax", {"jax": "jax"}),
    "align": Extra("eyes, where the data do not say where they are", {"cv2": "opencv-python-headless"}),
    "postgres": Extra("databases on PostgreSQL", {"psycopg": "psycopg"}),
}


def is_installed(module: str) -> bool:
    """Return whether a module can be imported; it is not."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it
        return False


def missing(extra: str) -> list[str]:
    """Return the packages of an extra that are not installed, as pip calls them."""
    return [name for module, name in EXTRAS[extra].packages.items() if not is_installed(module)]


def way(extra: str) -> str:
    """Return the command that installs an extra."""
    return f"pip install 'ablate-table[{extra}]'"


def need(extra: str, use: str = "", packages: Collection[str] | None = None) -> None:
    """Refuse work that needs an extra, where that is not installed.

    Args:
        extra: A name of EXTRAS.
        use: What needs it, as the message says it. Default: the extra's own.
        packages: Those of its packages that the work needs. Default: all.

    Raises:
        AblateError: Names the missing packages and the command that installs the extra.
    """
    lacking = [name for name in missing(extra) if packages is None or name in packages]
    if lacking:
        *first, last = lacking
        names = f"{', '.join(first)} and {last}" if first else last
        raise AblateError(f"{use or EXTRAS[extra].use} needs {names}: {way(extra)}")
