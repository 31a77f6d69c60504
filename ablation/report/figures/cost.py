"""Score and cost of rows: the primary measure against seconds of training, with the size of the head."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import pandas as pd

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.figure import Figure
from ablation.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    VERMILION,
    around,
    axis,
    begins,
    dots,
    figure,
    left_out,
    settings,
    with_unit,
)

COLUMNS = ["row", "seconds", "parameters", "value", "kind"]
SELECTED, ALIKE, OTHER = "selected", "does not differ significantly from it on validation", "differs from it"
UNKNOWN = "not compared with it"
MARKS = ((SELECTED, VERMILION, "star"), (ALIKE, GREEN, "diamond"), (OTHER, BLUE, "circle"),
         (UNKNOWN, GREY, "circle-open"))  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """Data of the cost figure.

    Attributes:
        data: one line per row: seconds of one training, trainable parameters, the primary measure (scaled), and the
            kind.
        split: "test", or "val" while no selection is sealed.
    """

    data: pd.DataFrame
    split: str


def _kind(study: StudyAnalysis, row: int) -> str:
    """Return the kind of a row: selected, or the result of the comparison with the selected row on validation."""
    stability = study.analysis.stability
    if row == study.selected:
        return SELECTED
    if not stability or row not in stability.shares:
        return UNKNOWN
    return ALIKE if row in stability.not_different else OTHER


def compute(study: StudyAnalysis) -> Cost | None:
    """Return the data of the figure; None where no row is finished."""
    split, primary = "test" if study.test else "val", study.record.primary
    lines = []
    for row in study.val:
        results = [r for _, r in study.finished(row)]
        kind = _kind(study, row)
        facts = study.analysis.rows.get(row)
        scores = [r.scores.get("val", {}).get(primary.name, float("nan")) for r in results]
        value = primary.scale * (facts.primary.value if facts else fmean(scores))
        lines.append((row, fmean(r.seconds for r in results), results[0].parameters, value, kind))
    return Cost(pd.DataFrame(lines, columns=COLUMNS), split) if lines else None


def plot(cost: Cost, study: StudyAnalysis) -> Mapping[str, Any]:
    """Return the plotly figure: seconds against the primary measure, with larger marks for more parameters."""
    data = cost.data
    largest = max(1, int(data.parameters.max()))
    primary, traces = study.record.primary, []
    places = primary.places(2)
    for kind, color, symbol in MARKS:
        subset = data[data.kind == kind]
        hover_texts = [
            f"{settings(study, int(str(c.row)))}<br>{f'{c.value:.{places}f} {primary.unit}'.rstrip()}<br>"
            f"{c.seconds:,.0f} s, {c.parameters:,} parameters"
            for c in subset.itertuples()
        ]
        sizes = [8 + 16 * (p / largest) ** 0.5 for p in subset.parameters]
        if len(subset):
            traces.append(dots(list(subset.seconds), list(subset.value), color, symbol, text=hover_texts, name=kind,
                               marker={"size": sizes, "opacity": 0.85}))  # fmt: skip
    low, high = around(data.value, primary)
    name = with_unit(f"{'Test' if cost.split == 'test' else 'Validation'} {primary.title}", primary.unit)
    return figure(traces, height=400, xaxis=axis("Seconds of one training, as if trained alone", type="log"),
                  yaxis=axis(begins(name, low, primary.unit), range=[low, high]))  # fmt: skip


def render(study: StudyAnalysis) -> Figure | None:
    """Return the figure of score and cost; None where no row is finished."""
    cost = compute(study)
    if not cost:
        return None
    quick, slow = cost.data.seconds.min(), cost.data.seconds.max()
    primary = study.record.primary
    least, most = (f"{value:.{primary.places(1)}f}" for value in (cost.data.value.min(), cost.data.value.max()))
    return Figure(
        "cost",
        f"{primary.title[:1].upper()}{primary.title[1:]} and cost",
        "Each row by the time of its training; larger marks have more trainable parameters. Of the rows that do not "
        "differ significantly from the selected one on validation, the one furthest left is the quickest to train.",
        f"Scatter plot of {len(cost.data)} rows: {quick:,.0f} to {slow:,.0f} seconds, {primary.title} "
        f"{least} to {most} {primary.unit}".rstrip()
        + ".",
        cost.data,
        left_out(study, len(cost.data)),
        plot(cost, study),
    )
