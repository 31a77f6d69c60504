"""Names that are spelt in several ways: which spellings are one name, and what the user is told of that."""

import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

MOST = 10  # names that a message lists


class Merged(NamedTuple):
    """Spellings of one name that were taken together. `kind`: class, subject or split."""

    kind: str
    name: str
    spellings: tuple[str, ...]

    @property
    def note(self) -> str:
        """The sentence for tables, records and the console."""
        return f"Taken as one {self.kind}: {', '.join(map(_quoted, self.spellings))}."


def _quoted(name: str) -> str:
    decomposed = name != unicodedata.normalize("NFC", name)  # looks the same on most screens
    return f"{name!r}{' (decomposed)' if decomposed else ''}"


def notes(merged: Iterable[Merged]) -> tuple[str, ...]:
    """Return a sentence for each name that was merged; of many of one kind the first ones, and how many more."""
    found: dict[str, list[str]] = {}
    for each in merged:
        found.setdefault(each.kind, []).append(each.note)
    return tuple(
        line
        for kind, lines in found.items()
        for line in [*lines[:MOST], *([f"So were {len(lines) - MOST:,} more ({kind})."] if lines[MOST:] else [])]
    )


def composed(name: str) -> str:
    """Return the name in composed form (NFC, as macOS does not store it) and without blanks around it."""
    return unicodedata.normalize("NFC", name).strip()


def key(name: str) -> str:
    """Return what all spellings of a class have in common: composed, without case and without blanks around it."""
    return composed(composed(name).casefold())


def spellings(kind: str, names: Iterable[tuple[str, str]]) -> tuple[dict[str, str], tuple[Merged, ...]]:
    """Return the first spelling of each key, in the order of the names, and the keys that have several spellings.

    Args:
        kind: what the names are of, as in `Merged`.
        names: pairs of a key and a spelling.
    """
    found: dict[str, dict[str, None]] = {}
    for each, name in names:
        found.setdefault(each, {})[name] = None
    first = {each: next(iter(several)) for each, several in found.items()}
    return first, tuple(Merged(kind, first[each], tuple(s)) for each, s in found.items() if len(s) > 1)


def shown(name: str) -> str:
    """Return the name without what would break a line or colour a terminal."""
    return "".join(c if c.isprintable() else " " for c in name)


def listed(names: Iterable[str], most: int = MOST) -> str:
    """Return the names with commas between; of many names the first ones and how many more there are."""
    every = list(names)
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
