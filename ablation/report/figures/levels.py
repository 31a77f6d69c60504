"""Levels of each factor against the validation metric; lines join rows that differ in this factor alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.measures.measure import Measure
from ablation.model.figure import Figure
from ablation.report.figures.style import (
    BLUE,
    FAINT,
    VERMILION,
    around,
    axis,
    bounds,
    by,
    cells,
    dots,
    figure,
    left_out,
    metric,
    number,
    plain,
    scale,
    settings,
    strokes,
    text,
    validated,
    with_unit,
)
from ablation.study import design
from ablation.study.levels import short

MOST = 8  # factors
PAIRS = 400  # lines of one factor; more would merge into a blot
ACROSS = 4


@dataclass(frozen=True)
class Levels:
    """Data of the figure of levels.

    Attributes:
        data: one line per factor and row, with the metric in percent (a loss in nats) as `value`.
        pairs: factor -> matched pairs of rows.
        order: factor -> its levels from left to right.
        selected: the selected row, if any.
    """

    data: pd.DataFrame
    pairs: dict[str, list[tuple[int, int]]]
    order: dict[str, list[str]]
    selected: int | None


def compute(study: StudyAnalysis) -> Levels | None:
    """Return the data of up to MOST varying factors; None without validation values or varying factors."""
    grid, values = study.record.grid, validated(study)
    factors = grid.varying[:MOST]
    if not values or not factors:
        return None
    multiplier = scale(study)[0]
    lines = [
        (factor, row, short(factor, getattr(grid.rows[row - 1], factor)), multiplier * value)
        for factor in factors
        for row, value in values.items()
    ]
    pairs: dict[str, list[tuple[int, int]]] = {f: [] for f in factors}
    for pair in design.pairs(grid, list(values)):
        if pair.factor in pairs:
            pairs[pair.factor].append((pair.first, pair.second))
    order = {f: [short(f, level) for level in _sorted(design.levels(grid, f))] for f in factors}
    return Levels(pd.DataFrame(lines, columns=["factor", "row", "level", "value"]), pairs, order, study.selected)


def _sorted(levels: list[Any]) -> list[Any]:
    """Return levels in ascending order where all are numbers, otherwise unchanged."""
    return sorted(levels) if all(isinstance(level, int | float) for level in levels) else levels


def _axis(chart: Levels, measure: Measure) -> tuple[float, float]:
    """Return the limits of the metric's axis: never below 0 in percent, from 0 for other metrics with the minimum 0."""
    if measure.is_share:
        return bounds(chart.data.value, 0.0)
    return (0.0, float(chart.data.value.max()) * 1.1) if measure.bounds[0] == 0 else around(chart.data.value, measure)


def plot(chart: Levels, study: StudyAnalysis) -> Mapping[str, Any]:
    """Return the plotly figure, with a panel for each factor."""
    factors = list(chart.order)
    across = min(ACROSS, len(factors))
    places = cells(len(factors), across, (0.06, 0.3))
    low, high = _axis(chart, by(study))
    texts = {row: settings(study, row) for row in chart.data.row.unique().tolist()}
    traces, axes, titles = [], {}, []
    for k, (factor, place) in enumerate(zip(factors, places, strict=True)):
        data = chart.data[chart.data.factor == factor].set_index("row")
        x = {row: chart.order[factor].index(level) for row, level in data.level.items()}
        y = {row: float(value) for row, value in data.value.items()}
        panel_axes = {"xaxis": f"x{number(k)}", "yaxis": f"y{number(k)}", "showlegend": False}
        joined = [(x[r], y[r]) if r else (None, None) for a, b in chart.pairs[factor][:PAIRS] for r in (a, b, 0)]
        traces.append(strokes([a for a, _ in joined], [b for _, b in joined], FAINT, 1.5, **panel_axes))
        for is_selected, color, symbol in ((False, BLUE, "circle"), (True, VERMILION, "star")):
            rows = [r for r in x if (r == chart.selected) == is_selected]
            traces.append(dots([x[r] for r in rows], [y[r] for r in rows], color, symbol,
                               text=[texts[r] for r in rows], **panel_axes))  # fmt: skip
        names = [plain(level, 14) for level in chart.order[factor]]
        axes[f"xaxis{number(k)}"] = axis(domain=place["x"], anchor=f"y{number(k)}", tickvals=list(range(len(names))),
                                         ticktext=names, range=[-0.4, len(names) - 0.6])  # fmt: skip
        title = with_unit(f"validation {metric(study)}", scale(study)[1]) if not k % across else ""
        axes[f"yaxis{number(k)}"] = axis(title, domain=place["y"], anchor=f"x{number(k)}", range=[low, high],
                                         showticklabels=not k % across)  # fmt: skip
        heading = plain(study.record.grid.titles[factor])
        titles.append(text(heading, x=place["x"][0], y=place["y"][1], xref="paper", yref="paper",
                           xanchor="left", yanchor="bottom"))  # fmt: skip
    down = -(-len(factors) // across)
    return figure(traces, height=100 + 240 * down, annotations=titles, **axes)


def render(study: StudyAnalysis) -> Figure | None:
    """Return the figure of levels and validation; None where `compute` returns None."""
    chart = compute(study)
    if not chart:
        return None
    n_pairs, drawn = sum(map(len, chart.pairs.values())), plot(chart, study)
    return Figure(
        "levels",
        "Levels and validation",
        f"Every row at each of its levels. Lines join rows that differ in that factor alone; where lines of one panel "
        f"slope both ways, the factor may interact with others, or it is chance. The star is the selected row. "
        f"The axis begins at {drawn['layout']['yaxis']['range'][0]:.3g}.",
        f"Validation {metric(study)} by level, for {len(chart.order)} factors, with {n_pairs} matched pairs joined.",
        chart.data,
        left_out(study, len(study.val)),
        drawn,
    )
