"""Parallel coordinates: a line per row, from level to level to the validation metric."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.figure import Figure
from ablation.report.figures.style import figure, metric, plain, scale, validated, with_unit
from ablation.study import design
from ablation.study.levels import short

ROWS, FACTORS = 15, 4  # with fewer, a table is the better picture


@dataclass(frozen=True)
class Parallel:
    """Data of the parallel coordinates.

    Attributes:
        data: one line per row: levels as texts, and the metric (percent, or a loss in nats) as `value`.
        order: factor -> its levels.
    """

    data: pd.DataFrame
    order: dict[str, list[str]]


def compute(study: StudyAnalysis) -> Parallel | None:
    """Return the data of the chart; None with fewer than ROWS rows or FACTORS factors, where a table is clearer."""
    grid, values = study.record.grid, validated(study)
    if len(values) < ROWS or len(grid.varying) < FACTORS:
        return None
    multiplier = scale(study)[0]
    order = {f: [short(f, level) for level in design.levels(grid, f)] for f in grid.varying}
    lines = [{"row": r, **{f: short(f, getattr(grid.rows[r - 1], f)) for f in order}, "value": multiplier * v}
             for r, v in values.items()]  # fmt: skip
    return Parallel(pd.DataFrame(lines), order)


def plot(chart: Parallel, study: StudyAnalysis) -> Mapping[str, Any]:
    """Return the plotly figure of parallel coordinates."""
    dimensions: list[dict[str, Any]] = [
        {"label": plain(study.record.grid.titles[f]), "values": [levels.index(v) for v in chart.data[f]],
         "tickvals": list(range(len(levels))), "ticktext": [plain(v, 16) for v in levels]}
        for f, levels in chart.order.items()
    ]  # fmt: skip
    title = with_unit(f"validation {metric(study)}", scale(study)[1])
    dimensions.append({"label": title, "values": chart.data.value.tolist()})
    trace = {"type": "parcoords", "dimensions": dimensions,
             "line": {"color": chart.data.value.tolist(), "colorscale": "Cividis", "showscale": True}}  # fmt: skip
    return figure([trace], height=460, margin={"l": 80, "r": 60, "t": 60, "b": 30})


def render(study: StudyAnalysis) -> Figure | None:
    """Return the figure of all factors at once; None where `compute` returns None."""
    chart = compute(study)
    if not chart:
        return None
    return Figure(
        "parallel",
        "All factors at once",
        "A line a row, coloured by validation. Drag along an axis to keep the rows that pass there.",
        f"Parallel coordinates of {len(chart.data)} rows and {len(chart.order)} factors.",
        chart.data,
        (),
        plot(chart, study),
    )
