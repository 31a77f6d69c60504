"""Address of a Dask scheduler: who may reach it without encryption. Dask's messages are pickles, which may run code."""

import ipaddress
from urllib.parse import urlsplit

from ablation.errors import AblateError

ENCRYPTED = ("tls", "wss")  # schemes of Dask


def _host(address: str) -> str:
    """Return the host of an address: tcp://head:8786, head:8786, tcp://[::1]:8786; "" where none is stated."""
    try:
        return urlsplit(f"//{address.rpartition('://')[2]}").hostname or ""
    except ValueError:
        return ""


def is_loopback(address: str) -> bool:
    """Return whether an address leads to this machine, whatever a name server answers."""
    host = _host(address)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_plain(address: str | None, insecure: bool) -> None:
    """Raise AblateError for a scheduler on another machine without TLS, unless the user accepts it.

    Whoever reaches the scheduler or a worker can run code there, and whoever is on the way can read and change it.

    Args:
        address: Address of the scheduler; None for none.
        insecure: Whether the user passes --insecure.
    """
    if not address or insecure or address.partition("://")[0] in ENCRYPTED or is_loopback(address):
        return
    raise AblateError(
        f"--scheduler {address}: another machine, without encryption: anyone who reaches it can run code; use "
        "tls://HOST:8786 with --tls-ca, --tls-cert and --tls-key, or pass --insecure in a network that you trust"
    )
