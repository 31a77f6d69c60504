"""Names with several spellings: which spellings count as one name, and the notes to the user."""

import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

MOST = 10  # names listed in a message


class Merged(NamedTuple):
    """Spellings that were merged into one name. `kind`: class, subject or split."""

    kind: str
    name: str
    spellings: tuple[str, ...]

    @property
    def note(self) -> str:
        """Sentence for tables, records and the console."""
        return f"Taken as one {self.kind}: {', '.join(map(_quoted, self.spellings))}."


def _quoted(name: str) -> str:
    decomposed = name != unicodedata.normalize("NFC", name)  # looks the same on most screens
    return f"{name!r}{' (decomposed)' if decomposed else ''}"


def notes(merged: Iterable[Merged]) -> tuple[str, ...]:
    """Return a sentence for each merged name. Of each kind, the first MOST are listed and the others are counted."""
    notes_of_kind: dict[str, list[str]] = {}
    for m in merged:
        notes_of_kind.setdefault(m.kind, []).append(m.note)
    return tuple(
        line
        for kind, lines in notes_of_kind.items()
        for line in [*lines[:MOST], *([f"So were {len(lines) - MOST:,} more ({kind})."] if lines[MOST:] else [])]
    )


def composed(name: str) -> str:
    """Return the name in composed form (NFC; macOS stores NFD) and without surrounding blanks."""
    return unicodedata.normalize("NFC", name).strip()


def key(name: str) -> str:
    """Return the key that all spellings of a class share: composed, without case and without surrounding blanks."""
    return composed(composed(name).casefold())


def spellings(kind: str, names: Iterable[tuple[str, str]]) -> tuple[dict[str, str], tuple[Merged, ...]]:
    """Return the first spelling of each key, in the order of the names, and the keys that have several spellings.

    Args:
        kind: class, subject or split, as in `Merged`.
        names: pairs of a key and a spelling.
    """
    spellings_of: dict[str, dict[str, None]] = {}
    for common_key, name in names:
        spellings_of.setdefault(common_key, {})[name] = None
    first = {common_key: next(iter(several)) for common_key, several in spellings_of.items()}
    return first, tuple(
        Merged(kind, first[common_key], tuple(s)) for common_key, s in spellings_of.items() if len(s) > 1
    )


def shown(name: str) -> str:
    """Return the name with blanks in place of characters that would break a line or colour a terminal."""
    return "".join(c if c.isprintable() else " " for c in name)


def listed(names: Iterable[str], most: int = MOST) -> str:
    """Return the names, separated by commas. Of more than `most` names, the first are listed and the others counted."""
    every = list(names)
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
