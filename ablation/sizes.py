"""Sizes of memory as a person states them: 6 GiB, 500 MB."""

import re

from ablation.errors import AblateError

UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def parse(where: str, text: str) -> int:
    """Return a size in bytes. Raises AblateError, beginning with `where`, for a text that is no size."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", text)
    if not match or match[2] not in UNITS or not float(match[1]):
        raise AblateError(f"{where}: {text!r} is not allowed; allowed: a number and a unit, as in 6 GiB or 500 MB")
    return int(float(match[1]) * UNITS[match[2]])
