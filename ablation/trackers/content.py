"""Content of a study that is sent to the trackers after its report is drawn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ablation.analysis.study_analysis import StudyAnalysis

MakePage = Callable[[str, Sequence[str], list[list[int]]], str]  # title, classes and counts to an HTML page


@dataclass(frozen=True)
class Published:
    """Content of a study for the trackers.

    Args:
        study: Analysis of the study.
        files: Name -> content, of the files without a date: these change only when results change.
        report: Name -> content of the report, which contains a date.
        warnings: Codes of the warnings.
        confusion_page: Function that returns an HTML page from a title, the K classes and the counts (K, K).
    """

    study: StudyAnalysis
    files: Mapping[str, str]
    report: Mapping[str, str]
    warnings: Sequence[str]
    confusion_page: MakePage
