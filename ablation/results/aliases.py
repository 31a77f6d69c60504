"""Ids of trainings that were renamed: what was printed, or told a database, under an old id is found under the new."""

import functools
from collections.abc import Mapping
from pathlib import Path

from ablation.workspace import Workspace, read_json


@functools.lru_cache(maxsize=16)
def _read(path: Path, changed: int) -> Mapping[str, str]:
    return {old: str(new) for old, new in (read_json(path) or {}).items()}


def read(workspace: Workspace) -> Mapping[str, str]:
    """Return old id -> new id; {} where nothing was renamed. Raises AblateError where the file is broken."""
    try:
        return _read(workspace.aliases, workspace.aliases.stat().st_mtime_ns)
    except FileNotFoundError:
        return {}


def current(aliases: Mapping[str, str], trial: str) -> str:
    """Return the id of a trial ("<training>-<step>") as it is now."""
    training, _, step = trial.rpartition("-")
    return f"{aliases[training]}-{step}" if training in aliases else trial


def former(aliases: Mapping[str, str]) -> Mapping[str, str]:
    """Return new id -> old id: what `current` takes to give the id that a trial had before it was renamed."""
    return {new: old for old, new in aliases.items()}
