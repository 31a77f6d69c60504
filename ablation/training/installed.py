"""What must be installed for the Keras experiment: Keras, its backend, and what reads images."""

from ablation import extras
from ablation.errors import AblateError
from ablation.training import devices


def check() -> None:
    """Refuse a machine that cannot train. Loads no backend.

    Raises:
        AblateError: Names what is missing and what to do.
    """
    backend = devices.backend()
    other = {"tensorflow"} - {backend}
    extras.need("keras", packages=set(extras.EXTRAS["keras"].packages.values()) - other)
    if not extras.is_installed(backend):
        way = f"{extras.way(backend)}, or" if backend in extras.EXTRAS else "install it, or"
        raise AblateError(f"KERAS_BACKEND={backend}: not installed; {way} unset the variable")
