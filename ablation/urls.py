"""URLs of servers and databases. A password in a URL is never written or printed."""

import os
import re
from importlib.util import find_spec

from ablation.errors import AblateError

LOOPBACK = ("localhost", "127.0.0.1", "127.0.0.0/8", "::1")  # requests accepts a network such as 127.0.0.0/8 too
PROXIES = tuple(f(f"{kind}_proxy") for kind in ("http", "https", "all", "ftp") for f in (str.lower, str.upper))
_PASSWORD = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@'\"]*:)[^\s/'\"]*(?=@)", re.IGNORECASE)
_REMARK = re.compile(r"\(raised as a result of Query-invoked autoflush[^)]*\)\s*")


def masked(text: str) -> str:
    """Return the text with *** in place of the password of each URL."""
    return _PASSWORD.sub(r"\1***", text)


def first_line(error: Exception) -> str:
    """Return the first meaningful line of an error, without a password; "" where the error has no text.

    SQLAlchemy puts a remark about its own session before the database's message.
    """
    text = _REMARK.sub("", str(error)).strip()
    return masked(text.splitlines()[0]) if text else ""


def refuse_credentials(option: str, uri: str | None) -> None:
    """Raise AblateError where an http URL contains a user or password.

    MLflow has environment variables of its own for a server's password.
    """
    if uri and re.match(r"https?://[^/]*@", uri):
        raise AblateError(
            f"{option}: pass credentials in the environment, not in the URL: set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        )


def reach_loopback_directly() -> None:
    """Exclude this machine from the proxies in the environment.

    No proxy can reach this machine. A proxy that does not answer would delay every library that connects to a local
    server. Child processes inherit the setting.
    """
    if not any(os.environ.get(name) for name in PROXIES):
        return  # on macOS the variable would replace the proxy settings of the system
    no_proxy = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = [host.strip() for host in no_proxy.split(",") if host.strip()]
    if hosts == ["*"]:
        return  # excludes all hosts already, and urllib supports the star only by itself
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(dict.fromkeys([*hosts, *LOOPBACK]))


def with_driver(url: str) -> str:
    """Return a PostgreSQL URL with the installed driver, where the URL names none."""
    scheme, separator, location = url.partition("://")
    if scheme in ("postgresql", "postgres"):  # SQLAlchemy supports the first name only
        scheme = "postgresql" if find_spec("psycopg2") else "postgresql+psycopg"
    return f"{scheme}{separator}{location}"
