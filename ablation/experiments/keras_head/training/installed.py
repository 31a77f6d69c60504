"""Packages that the Keras experiment needs: Keras, its backend, and the readers of images."""

from ablation import extras
from ablation.errors import AblateError
from ablation.experiments.keras_head.training import devices


def check() -> None:
    """Check that the packages for training are installed, without loading a backend.

    Raises:
        AblateError: A package is missing. The message names the package and the remedy.
    """
    backend = devices.backend()
    other = {"tensorflow"} - {backend}
    extras.need("keras", packages=set(extras.EXTRAS["keras"].packages.values()) - other)
    if not extras.is_installed(backend):
        remedy = f"{extras.way(backend)}, or" if backend in extras.EXTRAS else "install it, or"
        raise AblateError(f"KERAS_BACKEND={backend}: not installed; {remedy} unset the variable")
