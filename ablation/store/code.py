"""Code of trainings: the texts of a user's files, each stored once by its digest, and whether two texts differ."""

import ast
import difflib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ablation.store.files import read_json, write_json, write_text
from ablation.store.workspace import TrainingFolder, Workspace

LARGEST = 10 << 20  # bytes of a file of code


def text_of(path: Path) -> str | None:
    """Return the text of a file; None for one that is missing, or no text."""
    try:
        content = path.read_bytes() if path.stat().st_size <= LARGEST else b"\0"
        return None if b"\0" in content else content.decode(errors="replace")
    except OSError:
        return None


def digest(text: str) -> str:
    """Return the digest under which a text is stored."""
    return hashlib.sha256(text.encode()).hexdigest()


def store(workspace: Workspace, texts: Mapping[str, str]) -> None:
    """Store the texts of files that are not stored yet. `texts`: path -> text."""
    for text in texts.values():
        path = workspace.code(digest(text))
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, text)


def stored(workspace: Workspace, sha256: str) -> str | None:
    """Return the stored text with this digest; None where it is missing."""
    path = workspace.code(sha256)
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None


def note(folder: TrainingFolder, digests: Mapping[str, str]) -> None:
    """Store the code of a training: path -> digest of its text."""
    write_json(folder.code, dict(digests))


def begin(folder: TrainingFolder, digests: Mapping[str, str], resumes: bool) -> None:
    """Store the code of an attempt that begins. Where it resumes with other code, that of earlier attempts stays."""
    before = of_training(folder)
    if not resumes:
        folder.earlier_code.unlink(missing_ok=True)
    elif any(path in before and before[path] != sha256 for path, sha256 in digests.items()):
        write_json(folder.earlier_code, {"versions": [*earlier(folder), before]})
    note(folder, digests)


def earlier(folder: TrainingFolder) -> list[dict[str, str]]:
    """Return the code of attempts before the training resumed with other code, oldest first."""
    versions: Any = (read_json(folder.earlier_code) or {}).get("versions", [])
    return [dict(version) for version in versions]


def of_training(folder: TrainingFolder) -> dict[str, str]:
    """Return the code of a training: path -> digest of its text; {} where none is stored."""
    return {path: str(sha256) for path, sha256 in (read_json(folder.code) or {}).items()}


def change_key(path: str, before: str, after: str | None) -> str:
    """Return the key of a change, by which the user's decision is stored. `before`, `after`: digests; None: no file."""
    return f"{path} {before[:16]} {after[:16] if after is not None else 'missing'}"


def meaning(path: str, text: str) -> str:
    """Return what a text means: of Python files the syntax tree, so that comments and layout mean nothing."""
    if not path.endswith(".py"):
        return text
    try:
        return ast.dump(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError):
        return text


def is_changed(path: str, before: str | None, after: str | None) -> bool:
    """Return whether a text means something else now. `before`, `after`: texts; None where a file is missing."""
    if before is None or after is None:
        return before != after
    return before != after and meaning(path, before) != meaning(path, after)


def first_changed(folder: Path, digests: Mapping[str, str]) -> str:
    """Return the first file below a folder that has another text now; "" where there is none."""
    return next((path for path, sha256 in digests.items() if digest(text_of(folder / path) or "") != sha256), "")


def difference(path: str, before: str | None, after: str | None) -> Iterator[str]:
    """Yield the lines of a unified diff of two texts."""
    first, second = (before or "").splitlines(), (after or "").splitlines()
    yield from difflib.unified_diff(first, second, f"{path} (as trained)", f"{path} (now)", lineterm="", n=1)
