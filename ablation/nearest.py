"""The nearest name: what a person probably meant by a misspelt one. Messages end with it."""

import difflib
import re
from collections.abc import Iterable


def nearest(name: object, names: Iterable[object]) -> str:
    """Return "; nearest: lr" for the misspelt name lrr, or "" where no name is near.

    Names are compared without case and signs, as a whole and by their last part: lrr is near params.lr. A name that is
    one of `names`, and is refused where it is, has no nearest one.
    """
    by_key: dict[str, str] = {}
    candidates = [str(candidate) for candidate in names]
    if not isinstance(name, str) or name in candidates:  # a number is no misspelt word
        return ""
    for candidate in candidates:
        for key in (candidate, re.split(r"[./]", candidate)[-1]):
            by_key.setdefault(_plain(key), candidate)
    close = difflib.get_close_matches(_plain(name), by_key, 1, 0.6)
    return f"; nearest: {by_key[close[0]]}" if close else ""


def _plain(name: str) -> str:
    return re.sub(r"\W|_", "", name.lower())
