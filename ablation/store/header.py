"""Header of the JSON files of a workspace: version of their form, a checksum, and the training that a file belongs to.

A file without header was written by version 0.1, or by another program.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablation.errors import AblateError, BrokenFile

KEY = "$ablate"
FORM = 2  # 1: files of version 0.1, without header
BLANK = "0" * 64  # stands for the checksum while it is computed
END = re.compile(rb'"sha256": "([0-9a-f]{64})"\s*}\s*}\s*\Z')


def _sha256(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def owner(path: Path) -> str:
    """Return the id of the training in whose folder a file is; "" for any other file."""
    return path.parent.name if path.parent.parent.name == "trained" else ""


def with_header(path: Path, value: Mapping[str, Any]) -> str:
    """Return the text of the JSON file `path` with its header. The checksum is the last value of the file."""
    of = {"of": key} if (key := owner(path)) else {}
    header = {"schema": FORM, **of, "sha256": BLANK}
    text = json.dumps({**value, KEY: header}, indent=1, ensure_ascii=False) + "\n"
    start, _, end = text.rpartition(BLANK)
    return start + _sha256(text.encode()) + end


def _is_unchanged(content: bytes, checksum: re.Match[bytes]) -> bool:
    """Return whether the checksum in a file is that of its content."""
    start, end = checksum.span(1)
    return _sha256(content[:start] + BLANK.encode() + content[end:]) == checksum[1].decode()


def without_header(path: Path, content: bytes, value: dict[str, Any]) -> dict[str, Any]:
    """Return the value of a JSON file without its header.

    Args:
        path: the file.
        content: the bytes of the file.
        value: the JSON object in the file.

    Raises:
        BrokenFile: the content has changed since it was written, or belongs to another training.
        AblateError: a newer version wrote the file.
    """
    header, match = value.pop(KEY, None), END.search(content)
    if header is None and not match:
        return value
    is_whole = bool(match and _is_unchanged(content, match) and isinstance(header, dict))
    if is_whole or not match:
        refuse_newer(path, header)
    if not is_whole:
        raise BrokenFile(path, "changed since it was written")
    if not _belongs(path, header.get("of", "")):
        raise BrokenFile(path, f"belongs to another training, {header['of']}")
    return value


def refuse_newer(path: Path, header: object) -> None:
    """Raise AblateError where a newer version wrote a file. `header`: what the file states of its form."""
    form = header.get("schema") if isinstance(header, dict) else None
    if isinstance(form, int) and form > FORM:
        raise AblateError(
            f"{path}: written by a newer version of ablate (schema {form}; this version reads up to {FORM}); upgrade "
            "ablate, or choose another --workspace"
        )


def line(value: Mapping[str, Any]) -> str:
    """Return a line of a JSON Lines file, with the version of its form."""
    return json.dumps({**value, "schema": FORM}) + "\n"


def of_line(path: Path, text: str) -> dict[str, Any]:
    """Return the value of a line of a JSON Lines file. Raises ValueError, or AblateError where it is too new."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"{text[:50]!r} is not a JSON object")
    refuse_newer(path, value)
    value.pop("schema", None)
    return value


def _belongs(path: Path, key: str) -> bool:
    """Return whether a file of the training `key` may be in this folder: its own, or one to which it was renamed."""
    if not key or owner(path) in ("", key):
        return True
    try:
        aliases = json.loads((path.parent.parent / "aliases.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(aliases, dict) and aliases.get(key) == owner(path)
