"""Conversion of a drawn report for the trackers."""

from collections.abc import Callable

from ablation.report.build import REPORT, Report
from ablation.report.tables.markdown_csv import confusion_page
from ablation.store.workspace import Workspace
from ablation.trackers.content import Published
from ablation.workflows import artifacts


def for_trackers(
    report: Report, workspace: Workspace | None = None, say: Callable[[str], None] = lambda text: None
) -> Published:
    """Return the parts of a report that trackers show.

    Args:
        report: Drawn report.
        workspace: Workspace with the files of the selected row; None to send no files.
        say: Receives notes on files that are not sent.
    """
    codes = [warning.code for warning in report.warnings]
    files = artifacts.of_selected(workspace, report.study, say) if workspace else {}
    return Published(report.study, report.undated, {REPORT: report.files[REPORT]}, codes, confusion_page, files)
