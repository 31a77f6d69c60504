"""Addresses of servers and databases. A password in one is never written or said."""

import os
import re
from importlib.util import find_spec

from ablation.errors import AblateError

LOOPBACK = ("localhost", "127.0.0.1", "127.0.0.0/8", "::1")  # the network in the middle: requests knows such, too
PROXIES = tuple(f(f"{kind}_proxy") for kind in ("http", "https", "all", "ftp") for f in (str.lower, str.upper))
_PASSWORD = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@'\"]*:)[^\s/'\"]*(?=@)", re.IGNORECASE)
_REMARK = re.compile(r"\(raised as a result of Query-invoked autoflush[^)]*\)\s*")


def masked(text: str) -> str:
    """The same text with *** in the place of each address' password."""
    return _PASSWORD.sub(r"\1***", text)


def first_line(error: Exception) -> str:
    """Return the first line of an error that says something, without a password; "" where the error has no text.

    SQLAlchemy puts a remark about its own session before what the database says.
    """
    text = _REMARK.sub("", str(error)).strip()
    return masked(text.splitlines()[0]) if text else ""


def refuse_credentials(option: str, uri: str | None) -> None:
    """A server's password comes from MLflow's own variables. Raises AblateError where an http address holds one."""
    if uri and re.match(r"https?://[^/]*@", uri):
        raise AblateError(
            f"{option}: leave user and password out of the address; "
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        )


def reach_loopback_directly() -> None:
    """Except this machine from the proxies in the environment: no proxy can reach it, and one that does not answer
    holds up every library that asks a server here. Child processes inherit this."""
    if not any(os.environ.get(name) for name in PROXIES):
        return  # on macOS the variable itself would take the place of the system's settings
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = [host.strip() for host in known.split(",") if host.strip()]
    if hosts == ["*"]:
        return  # all hosts already, and urllib knows the star alone only
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(dict.fromkeys([*hosts, *LOOPBACK]))


def with_driver(url: str) -> str:
    """PostgreSQL's address with the driver that is installed, where it names none."""
    scheme, separator, rest = url.partition("://")
    if scheme in ("postgresql", "postgres"):  # SQLAlchemy knows the first name only
        scheme = "postgresql" if find_spec("psycopg2") else "postgresql+psycopg"
    return f"{scheme}{separator}{rest}"
