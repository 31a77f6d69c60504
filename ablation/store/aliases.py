"""Aliases: old and new ids of renamed trainings, so that printed ids and ids in databases can still be found."""

import functools
from collections.abc import Mapping
from pathlib import Path

from ablation.store.files import read_json
from ablation.store.workspace import Workspace


@functools.lru_cache(maxsize=16)
def _read(path: Path, changed: int) -> Mapping[str, str]:
    return {old: str(new) for old, new in (read_json(path) or {}).items()}


def read(workspace: Workspace) -> Mapping[str, str]:
    """Return old id -> new id; {} where no training was renamed. Raises AblateError where the file is broken."""
    try:
        return _read(workspace.aliases, workspace.aliases.stat().st_mtime_ns)
    except FileNotFoundError:
        return {}


def current(aliases: Mapping[str, str], trial: str) -> str:
    """Return the current id of a trial ("<training>-<step>")."""
    training, _, step = trial.rpartition("-")
    return f"{aliases[training]}-{step}" if training in aliases else trial


def former(aliases: Mapping[str, str]) -> Mapping[str, str]:
    """Return new id -> old id. With this mapping, `current` returns the id of a trial before the renaming."""
    return {new: old for old, new in aliases.items()}
