"""Conversion of a drawn report for the trackers."""

from ablation.report.build import REPORT, Report
from ablation.report.tables.markdown_csv import confusion_page
from ablation.trackers.content import Published


def for_trackers(report: Report) -> Published:
    """Return the parts of a report that trackers show."""
    codes = [warning.code for warning in report.warnings]
    return Published(report.study, report.undated, {REPORT: report.files[REPORT]}, codes, confusion_page)
