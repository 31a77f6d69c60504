"""History of a study's file: its text, digest and time at the first run, and at each run that used another text."""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ablation.store import header
from ablation.store.files import understood, write_text
from ablation.store.workspace import StudyFolder
from ablation.study.study_file import StudyText


@dataclass(frozen=True)
class StudyVersion:
    """Study files as one run used them; several files where studies are merged.

    Attributes:
        time: start of the run, UTC.
        is_first: whether the run was the first of the study, so that nothing was trained before.
        files: name, sha256 and text of each file.
    """

    time: str
    is_first: bool
    files: tuple[StudyText, ...]


def read(folder: StudyFolder) -> tuple[StudyVersion, ...]:
    """Return the versions of a study's file, oldest first; () where none was recorded. Raises AblateError."""
    if not folder.study_files.is_file():
        return ()
    with understood(folder.study_files):
        texts = folder.study_files.read_text(encoding="utf-8").split("\n")
        lines = [header.of_line(folder.study_files, text) for text in texts if text]
        versions = tuple(
            StudyVersion(_text(line["time"]), bool(line["first"]), tuple(map(_study_text, line["files"])))
            for line in lines
        )
        _ = [list(_values(version)) for version in versions]  # raises ValueError for a text that is not TOML
        return versions


def _text(value: Any) -> str:
    """Return a text. Raises TypeError for another value."""
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _study_text(file: Any) -> StudyText:
    return StudyText(_text(file["name"]), _text(file["sha256"]), _text(file["text"]))


def note(folder: StudyFolder, files: Sequence[StudyText]) -> None:
    """Record the study files of a run that starts now, where they differ from those of the last run."""
    versions = read(folder)
    if not files or (versions and versions[-1].files == tuple(files)):
        return
    line = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "first": not versions and not folder.record.is_file(),
        "files": [vars(file) for file in files],
    }
    earlier = folder.study_files.read_text(encoding="utf-8") if versions else ""
    write_text(folder.study_files, f"{earlier}{header.line(line)}")


def changed_keys(before: StudyVersion, now: StudyVersion) -> list[str]:
    """Return the keys of the study files with another value, or that only one version has: "seeds", "fixed.epochs"."""
    old, new = (dict(_values(version)) for version in (before, now))
    return [key for key in dict.fromkeys((*old, *new)) if old.get(key) != new.get(key)]


def _values(version: StudyVersion) -> Iterator[tuple[str, Any]]:
    """Yield each key of the study files with its value; the keys of a table one by one."""
    for file in version.files:
        prefix = f"{file.name}: " if version.files[1:] else ""
        for key, value in tomllib.loads(file.text).items():
            inner = value.items() if isinstance(value, dict) else [("", value)]
            yield from ((f"{prefix}{key}.{name}".rstrip("."), level) for name, level in inner)
