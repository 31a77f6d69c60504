"""HTML report of a study: one file that needs no network."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.figure import Figure
from ablation.model.table import Table
from ablation.report import figures
from ablation.report.tables import html, origin
from ablation.report.tables.provenance import Chapter
from ablation.report.templates import HTML
from ablation.report.warnings import INVALIDATES, NOTE, WEAKENS, Diagnostic

MOST_LINES = 400  # lines of a figure's data that the report lists
PRINTED = 40  # lines of a figure's data on paper
NARROW, NARROW_TICKS = 2, 8  # panels, and names below a panel, that a column of a page has room for
SIZES = {"page": "SVG, page width (170 mm)", "column": "SVG, column width (84 mm)"}
TITLES = {
    "ablation": "The ablation table",
    "contrasts": "One-factor contrasts",
    "effects": "Factors",
    "selection": "Selection",
    "costs": "Costs",
    "selected": "The selected row",
    "reproduction": "Published numbers",
    "importance": "Importance of the factors",
    "review": "For reviewers",
}

GRADE_TITLES = {  # the last grade is folded
    INVALIDATES: "Invalidates numbers or claims",
    WEAKENS: "Weakens claims",
    NOTE: "Notes",
}


def _number(value: object) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.4g}"
    return str(value)


def _finite(value: Any) -> Any:
    """Return a part of a figure with None for NaN and infinite values, which JSON cannot represent."""
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    if isinstance(value, str) or value is None:
        return value
    return value if math.isfinite(value) else None


def _json(figure: Mapping[str, Any]) -> str:
    try:
        return json.dumps(figure, default=float, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(figure), default=float)


def file_name(title: str) -> str:
    """Return a title as a file name without its ending, as any system and LaTeX takes it: letters, digits, hyphens."""
    return re.sub(r"[^\w]+", "-", title).strip("-_")[:100] or "figure"


def _sizes(figure: Figure) -> list[tuple[str, str]]:
    """Return (size, label) of the widths in which a figure can be read: one with many panels needs a page."""
    panels = [options for key, options in figure.figure["layout"].items() if key.startswith("xaxis")]
    n_ticks = max((len(options.get("ticktext", ())) for options in panels), default=0)
    has_room = 0 < len(panels) <= NARROW and n_ticks <= NARROW_TICKS
    return [(size, label) for size, label in SIZES.items() if has_room or size == "page"]


def _figure(figure: Figure) -> dict[str, Any]:
    lines = figure.data.head(MOST_LINES)
    return {
        "key": figure.key,
        "title": figure.title,
        "file": file_name(figure.title),
        "sizes": _sizes(figure),
        "printed": PRINTED,
        "description": figure.description,
        "alt": figure.alt,
        "notes": figure.notes,
        "json": _json(figure.figure).replace("<", "\\u003c"),  # a text must not close the script element
        "columns": [str(c).replace("_", " ") for c in lines.columns],
        "lines": [[_number(v) for v in line] for line in lines.itertuples(index=False)],
        "more": len(figure.data) - len(lines),
    }


def report(
    study: StudyAnalysis, claims: Sequence[str], warnings: Sequence[Diagnostic], tables: Sequence[Table],
    account: Sequence[Chapter],
) -> str:  # fmt: skip
    """Return the HTML of the report: claims, the ablation table, warnings, then other tables, figures and provenance.

    Args:
        study: analysis of the study, from which the figures are made.
        claims: sentences of the summary.
        warnings: warnings of the study.
        tables: tables in the order of the report.
        account: provenance of the numbers.
    """
    record = study.record
    return HTML.get_template("report.html").render(
        title=record.grid.title,
        name=record.name,
        claims=claims,
        warnings=warnings,
        grades=GRADE_TITLES.items(),
        tables=[html.view(table) | {"title": TITLES.get(table.key, table.caption.rstrip("."))} for table in tables],
        figures=[_figure(figure) for figure in figures.every(study)],
        account=account,
        plotly=figures.script(),
        origin=origin.stated(record.name, origin.REPORT, record.grid.table),
    )
