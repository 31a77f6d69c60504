"""Readable ASCII for streams whose encoding does not have a character: Δ is written as delta, ± as +/-."""
# ruff: noqa: RUF001 (the table lists these signs)

import codecs
import unicodedata

HANDLER = "ablate_readable"  # name of the error handler of streams
SIGNS = {
    "±": "+/-", "−": "-", "–": "-", "—": "-", "×": "x", "·": ".", "→": "->", "←": "<-", "≤": "<=", "≥": ">=", "≠": "!=",
    "≈": "~", "∞": "inf", "°": "^", "★": "*", "◇": "<>", "†": "+", "‡": "++", "‘": "'", "’": "'", "“": '"', "”": '"',
    "─": "-", "━": "-", "╸": "-", "╺": "-", "ß": "ss", "æ": "ae", "ø": "o", "ł": "l", "⁄": "/",
}  # fmt: skip


def readable(text: str, encoding: str) -> str:
    """Return a text with ASCII in place of characters that the encoding does not have."""
    return text.encode(encoding, HANDLER).decode(encoding)


def _ascii(character: str) -> str:
    """Return the sign's replacement, the name of a Greek letter, the base letter of an accented one, otherwise ?."""
    if character in SIGNS:
        return SIGNS[character]
    parts = unicodedata.normalize("NFKD", character)
    if parts != character:
        return "".join(part if part.isascii() else _ascii(part) for part in parts if not unicodedata.combining(part))
    words = unicodedata.name(character, "").split()
    return words[-1].lower() if words[:1] == ["GREEK"] and "LETTER" in words[:-1] else "?"


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_ascii, error.object[error.start : error.end])), error.end


codecs.register_error(HANDLER, _replace)
