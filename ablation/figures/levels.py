"""Each factor's levels against the validation metric; rows that differ in this factor alone are joined."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablation.figures.canvas import (
    BLUE,
    FAINT,
    VERMILION,
    Drawn,
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
from ablation.grids import design
from ablation.grids.levels import short
from ablation.measures.measure import Measure
from ablation.results.findings import Findings

MOST = 8  # factors
PAIRS = 400  # lines of one factor: more are a blot
ACROSS = 4


@dataclass(frozen=True)
class Levels:
    """`data`: a line a factor and row, the metric in percent (a loss in nats). `pairs`: factor -> matched pairs of
    rows. `order`: factor -> its levels from left to right."""

    data: pd.DataFrame
    pairs: dict[str, list[tuple[int, int]]]
    order: dict[str, list[str]]
    selected: int | None


def info(found: Findings) -> Levels | None:
    grid, values = found.record.grid, validated(found)
    factors = grid.varying[:MOST]
    if not values or not factors:
        return None
    times = scale(found)[0]
    lines = [
        (factor, row, short(factor, getattr(grid.rows[row - 1], factor)), times * value)
        for factor in factors
        for row, value in values.items()
    ]
    pairs: dict[str, list[tuple[int, int]]] = {f: [] for f in factors}
    for pair in design.pairs(grid, list(values)):
        if pair.factor in pairs:
            pairs[pair.factor].append((pair.first, pair.second))
    order = {f: [short(f, level) for level in _sorted(design.levels(grid, f))] for f in factors}
    return Levels(pd.DataFrame(lines, columns=["factor", "row", "level", "value"]), pairs, order, found.selected)


def _sorted(levels: list[Any]) -> list[Any]:
    return sorted(levels) if all(isinstance(level, int | float) for level in levels) else levels


def _axis(seen: Levels, measure: Measure) -> tuple[float, float]:
    """Where the axis begins and ends: at 0 of what cannot be less."""
    if measure.is_share:
        return bounds(seen.data.value, 0.0)
    return (0.0, float(seen.data.value.max()) * 1.1) if measure.bounds[0] == 0 else around(seen.data.value, measure)


def draw(seen: Levels, found: Findings) -> Mapping[str, Any]:
    factors = list(seen.order)
    across = min(ACROSS, len(factors))
    places = cells(len(factors), across, (0.06, 0.3))
    low, high = _axis(seen, by(found))
    traces, axes, titles = [], {}, []
    for k, (factor, place) in enumerate(zip(factors, places, strict=True)):
        data = seen.data[seen.data.factor == factor].set_index("row")
        x = {row: seen.order[factor].index(level) for row, level in data.level.items()}
        on = {"xaxis": f"x{number(k)}", "yaxis": f"y{number(k)}", "showlegend": False}
        joined = [
            (x[r], data.value[r]) if r else (None, None) for a, b in seen.pairs[factor][:PAIRS] for r in (a, b, 0)
        ]
        traces.append(strokes([a for a, _ in joined], [b for _, b in joined], FAINT, 1.5, **on))
        for mine, color, symbol in ((False, BLUE, "circle"), (True, VERMILION, "star")):
            rows = [r for r in data.index if (r == seen.selected) == mine]
            traces.append(dots([x[r] for r in rows], [float(data.value[r]) for r in rows], color, symbol,
                               text=[settings(found, r) for r in rows], **on))  # fmt: skip
        names = [plain(level, 14) for level in seen.order[factor]]
        axes[f"xaxis{number(k)}"] = axis(domain=place["x"], anchor=f"y{number(k)}", tickvals=list(range(len(names))),
                                         ticktext=names, range=[-0.4, len(names) - 0.6])  # fmt: skip
        title = with_unit(f"validation {metric(found)}", scale(found)[1]) if not k % across else ""
        axes[f"yaxis{number(k)}"] = axis(title, domain=place["y"], anchor=f"x{number(k)}", range=[low, high],
                                         showticklabels=not k % across)  # fmt: skip
        heading = plain(found.record.grid.titles[factor])
        titles.append(text(heading, x=place["x"][0], y=place["y"][1], xref="paper", yref="paper",
                           xanchor="left", yanchor="bottom"))  # fmt: skip
    down = -(-len(factors) // across)
    return figure(traces, height=100 + 240 * down, annotations=titles, **axes)


def drawn(found: Findings) -> Drawn | None:
    seen = info(found)
    if not seen:
        return None
    many = sum(map(len, seen.pairs.values()))
    return Drawn(
        "levels",
        "Levels and validation",
        f"Every row at each of its levels. Lines join rows that differ in that factor alone; where lines of one panel "
        f"slope both ways, the factor interacts with others. The star is the selected row. The axis begins at "
        f"{draw(seen, found)['layout']['yaxis']['range'][0]:g}.",
        f"Validation {metric(found)} by level, for {len(seen.order)} factors, with {many} matched pairs joined.",
        seen.data,
        left_out(found, len(found.val)),
        draw(seen, found),
    )
