"""Addresses of servers and databases. A password in one is never written or said."""

import re
from importlib.util import find_spec

from ablation.errors import AblateError

_PASSWORD = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@'\"]*:)[^\s/'\"]*(?=@)", re.IGNORECASE)


def masked(text: str) -> str:
    """The same text with *** in the place of each address' password."""
    return _PASSWORD.sub(r"\1***", text)


def refuse_credentials(option: str, uri: str | None) -> None:
    """A server's password comes from MLflow's own variables. Raises AblateError where an http address holds one."""
    if uri and re.match(r"https?://[^/]*@", uri):
        raise AblateError(
            f"{option}: leave user and password out of the address; "
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        )


def with_driver(url: str) -> str:
    """PostgreSQL's address with the driver that is installed, where it names none."""
    scheme, separator, rest = url.partition("://")
    if scheme in ("postgresql", "postgres") and not find_spec("psycopg2"):
        scheme = "postgresql+psycopg"
    return f"{scheme}{separator}{rest}"
