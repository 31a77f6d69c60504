"""Aliases: old and new ids of renamed trainings, so that printed ids and ids in databases can still be found."""

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path

from ablation.store.files import read_json, write_json
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
    """Return new id -> first id. With this mapping, `current` returns the id of a trial before all renamings."""
    return {new: old for old, new in reversed(tuple(aliases.items()))}


def add(workspace: Workspace, renamed: Mapping[str, str]) -> None:
    """Store further aliases. `renamed`: old id -> new id. An earlier alias of an old id leads to the new id then."""
    earlier = {first: renamed.get(later, later) for first, later in read(workspace).items()}
    write_json(workspace.aliases, earlier | dict(renamed))


def unused(aliases: Mapping[str, str], key: str) -> str:
    """Return `key`, or where renamed trainings had this id another one, so that an id never has two meanings."""
    while key in aliases:
        key = after(key)
    return key


def after(key: str) -> str:
    """Return the id that a training gets whose own id was that of a renamed training."""
    return hashlib.sha256(f"after {key}".encode()).hexdigest()[:16]


def complete(workspace: Workspace) -> int:
    """Rename the folders of trainings that still have their old ids. Return their number."""
    n_renamed = 0
    for name, key in read(workspace).items():
        old, new = workspace.training(name), workspace.training(key)
        if old.path.is_dir() and not new.path.exists():
            old.path.rename(new.path)
            n_renamed += 1
    return n_renamed
