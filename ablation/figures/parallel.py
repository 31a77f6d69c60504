"""All factors of many rows at once: a line a row, from level to level to the validation metric."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablation.figures.canvas import Drawn, figure, metric, plain, scale, validated, with_unit
from ablation.grids import design
from ablation.grids.levels import short
from ablation.results.findings import Findings

ROWS, FACTORS = 15, 4  # with fewer, a table is the better picture


@dataclass(frozen=True)
class Parallel:
    """`data`: a line a row, its levels as texts and the metric (percent, a loss in nats) as `value`."""

    data: pd.DataFrame
    order: dict[str, list[str]]


def info(found: Findings) -> Parallel | None:
    grid, values = found.record.grid, validated(found)
    if len(values) < ROWS or len(grid.varying) < FACTORS:
        return None
    times = scale(found)[0]
    order = {f: [short(f, level) for level in design.levels(grid, f)] for f in grid.varying}
    lines = [{"row": r, **{f: short(f, getattr(grid.rows[r - 1], f)) for f in order}, "value": times * v}
             for r, v in values.items()]  # fmt: skip
    return Parallel(pd.DataFrame(lines), order)


def draw(seen: Parallel, found: Findings) -> Mapping[str, Any]:
    dimensions: list[dict[str, Any]] = [
        {"label": plain(found.record.grid.titles[f]), "values": [levels.index(v) for v in seen.data[f]],
         "tickvals": list(range(len(levels))), "ticktext": [plain(v, 16) for v in levels]}
        for f, levels in seen.order.items()
    ]  # fmt: skip
    title = with_unit(f"validation {metric(found)}", scale(found)[1])
    dimensions.append({"label": title, "values": seen.data.value.tolist()})
    trace = {"type": "parcoords", "dimensions": dimensions,
             "line": {"color": seen.data.value.tolist(), "colorscale": "Cividis", "showscale": True}}  # fmt: skip
    return figure([trace], height=460, margin={"l": 80, "r": 60, "t": 60, "b": 30})


def drawn(found: Findings) -> Drawn | None:
    seen = info(found)
    if not seen:
        return None
    return Drawn(
        "parallel",
        "All factors at once",
        "A line a row, coloured by validation. Drag along an axis to keep the rows that pass there.",
        f"Parallel coordinates of {len(seen.data)} rows and {len(seen.order)} factors.",
        seen.data,
        (),
        draw(seen, found),
    )
