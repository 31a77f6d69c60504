"""The report of a study: one HTML file that needs no network."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ablation import figures
from ablation.caveats import Caveat
from ablation.figures import Drawn
from ablation.results.findings import Findings
from ablation.tables import html
from ablation.tables.table import Table
from ablation.templates import HTML

MOST_LINES = 400  # of a figure's data that are listed
TITLES = {
    "ablation": "The ablation table",
    "contrasts": "One-factor contrasts",
    "effects": "Factors",
    "selection": "Selection",
    "selected": "The selected row",
    "reproduction": "Published numbers",
    "importance": "Importance of the factors",
}


def _number(value: object) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.4g}"
    return str(value)


def _finite(value: Any) -> Any:
    """A figure's part as JSON can hold it: what is no number is nothing."""
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


def _figure(drawn: Drawn) -> dict[str, Any]:
    lines = drawn.data.head(MOST_LINES)
    return {
        "key": drawn.key,
        "title": drawn.title,
        "says": drawn.says,
        "alt": drawn.alt,
        "notes": drawn.notes,
        "json": _json(drawn.figure).replace("<", "\\u003c"),  # no end of a script in a text
        "columns": [str(c).replace("_", " ") for c in lines.columns],
        "lines": [[_number(v) for v in line] for line in lines.itertuples(index=False)],
        "more": len(drawn.data) - len(lines),
    }


def report(
    found: Findings, claims: Sequence[str], caveats: Sequence[Caveat], tables: Sequence[Table],
    provenance: Sequence[tuple[str, str]],
) -> str:  # fmt: skip
    """Warnings on top, then tables, figures and where the numbers come from."""
    record = found.record
    return HTML.get_template("report.html").render(
        title=record.grid.title,
        name=record.name,
        claims=claims,
        caveats=caveats,
        tables=[html.view(table) | {"title": TITLES.get(table.key, table.caption.rstrip("."))} for table in tables],
        figures=[_figure(each) for each in figures.every(found)],
        provenance=provenance,
        plotly=figures.script(),
    )
