"""Content of a study that is sent to the trackers after its report is drawn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.study.grid import Trial

MakePage = Callable[[str, Sequence[str], list[list[int]]], str]  # title, classes and counts to an HTML page


@dataclass(frozen=True)
class Artifact:
    """File of a training that is sent to MLflow.

    Args:
        name: Path relative to the folder that the training wrote it to.
        path: Path of the file.
        size: Size in bytes.
        changed: Time of its last change in ns.
    """

    name: str
    path: Path
    size: int
    changed: int

    @property
    def stamp(self) -> tuple[str, int, int]:
        """Identity of the content: another stamp is sent again."""
        return self.name, self.size, self.changed


@dataclass(frozen=True)
class Published:
    """Content of a study for the trackers.

    Args:
        study: Analysis of the study.
        files: Name -> content, of the files without a date: these change only when results change.
        report: Name -> content of the report, which contains a date.
        warnings: Codes of the warnings.
        confusion_page: Function that returns an HTML page from a title, the K classes and the counts (K, K).
        artifacts: Trial -> files of its training.
    """

    study: StudyAnalysis
    files: Mapping[str, str]
    report: Mapping[str, str]
    warnings: Sequence[str]
    confusion_page: MakePage
    artifacts: Mapping[Trial, Sequence[Artifact]] = field(default_factory=dict)
