"""Names that look like those of secrets: what has such a name is written into no file and passed as no argument."""

import re
from collections.abc import Mapping
from typing import Any

from ablation.errors import AblateError

_SECRET = re.compile(
    r"(^|_)(api_?key|access_key|access_token|auth_token|password|passwd|secret|credentials?)(_|$)", re.IGNORECASE
)
_PLACE = re.compile(r"_(file|path|dir|folder|name|id|url|env|variable)$", re.IGNORECASE)  # where it is, not what it is


def is_secret(name: str) -> bool:
    """Return whether a name is that of a secret."""
    return bool(_SECRET.search(name))


def refuse_literals(values: Mapping[str, Any], where: str, advice: str) -> None:
    """Raise AblateError for a text under the name of a secret, which the record of a study would hold.

    Args:
        values: name -> value; "$NAME" is a variable of the environment.
        where: beginning of the message.
        advice: what to do, with {variable} for the name of a variable.
    """
    for name, value in values.items():
        is_text = isinstance(value, str) and value and not value.startswith("$")
        if is_text and is_secret(name) and not _PLACE.search(name):
            way = advice.format(variable=name.upper())
            raise AblateError(f"{where}.{name}: looks like a secret, which files of the workspace would hold; {way}")
