"""Trainings of a study that another study has trained again since its last run, in a file of the study's folder."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ablation.store.files import read_json, understood, write_json
from ablation.store.workspace import StudyFolder


@dataclass(frozen=True)
class Retrained:
    """Trainings of a study that were trained again. `keys`: their ids; `studies`: names of the studies that did it."""

    keys: frozenset[str] = frozenset()
    studies: tuple[str, ...] = ()


def read(folder: StudyFolder) -> Retrained:
    """Return the trainings that others have trained again. Raises AblateError where the file is broken."""
    content: Any = read_json(folder.retrained)
    if content is None:
        return Retrained()
    with understood(folder.retrained):
        return Retrained(frozenset(content["trainings"]), tuple(content["studies"]))


def note(folder: StudyFolder, keys: Iterable[str], study: str) -> None:
    """Add trainings that `study` trains again."""
    earlier = read(folder)
    studies = dict.fromkeys((*earlier.studies, study))
    write_json(folder.retrained, {"trainings": sorted(earlier.keys | set(keys)), "studies": list(studies)})


def forget(folder: StudyFolder) -> None:
    """Delete the note: the study has been run since."""
    folder.retrained.unlink(missing_ok=True)
