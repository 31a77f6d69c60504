"""Ids of a study's trainings in a workspace where `ablate adopt` has renamed others.

A renamed training leaves its old id, which is the hash of a training that differs from it in the adopted factor. An id
never has two meanings, since printed tables and databases hold both: that training gets another id.
"""

from collections.abc import Mapping

from ablation.store import aliases
from ablation.store.record import Record
from ablation.store.training import Training, hashed_levels, stored_levels, trainings
from ablation.store.workspace import Workspace
from ablation.study.levels import text


def with_issued_ids(workspace: Workspace, record: Record) -> Record:
    """Return a record whose ids lead to renamed trainings of the same levels, and to no renamed one of other levels.

    Raises AblateError where a description cannot be read.
    """
    renamed = aliases.read(workspace)
    if not renamed:
        return record
    reissued: dict[str, str] = {}
    for training in trainings(record, record.grid.trials()):
        key = training.key
        while key in renamed and not _has_levels(workspace, record, training, renamed[key]):
            reissued[key] = key = aliases.after(key)
    return Record(**{**dict(record), "renamed": dict(renamed), "reissued": reissued})


def _has_levels(workspace: Workspace, record: Record, training: Training, key: str) -> bool:
    """Return whether a stored training has the levels of `training` on every factor that both have."""
    stored = stored_levels(workspace.training(key))
    levels: Mapping[str, object] = hashed_levels(record, training)
    return stored is not None and all(text(stored[f]) == text(level) for f, level in levels.items() if f in stored)
