"""What a good row costs: the primary measure on test against seconds of training, with the size of the head."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import pandas as pd

from ablation.figures.canvas import (
    BLUE,
    GREEN,
    GREY,
    VERMILION,
    Drawn,
    around,
    axis,
    begins,
    dots,
    figure,
    left_out,
    settings,
    with_unit,
)
from ablation.results.findings import Findings

COLUMNS = ["row", "seconds", "parameters", "value", "kind"]
SELECTED, ALIKE, OTHER = "selected", "not told from it on validation", "told from it"
UNKNOWN = "not compared with it"
MARKS = ((SELECTED, VERMILION, "star"), (ALIKE, GREEN, "diamond"), (OTHER, BLUE, "circle"),
         (UNKNOWN, GREY, "circle-open"))  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """`data`: a line a row; seconds of one training, trainable parameters, the primary measure, scaled. `split`: test,
    or val while no selection is sealed."""

    data: pd.DataFrame
    split: str


def _kind(found: Findings, row: int) -> str:
    stability = found.analysis.stability
    if row == found.selected:
        return SELECTED
    if not stability or row not in stability.shares:
        return UNKNOWN
    return ALIKE if row in stability.alike else OTHER


def info(found: Findings) -> Cost | None:
    split, primary = "test" if found.test else "val", found.record.primary
    lines = []
    for row in found.val:
        results = [r for _, r in found.finished(row)]
        kind = _kind(found, row)
        facts = found.analysis.rows.get(row)
        stated = [r.scores.get("val", {}).get(primary.name, float("nan")) for r in results]
        value = primary.scale * (facts.primary.value if facts else fmean(stated))
        lines.append((row, fmean(r.seconds for r in results), results[0].parameters, value, kind))
    return Cost(pd.DataFrame(lines, columns=COLUMNS), split) if lines else None


def draw(seen: Cost, found: Findings) -> Mapping[str, Any]:
    data = seen.data
    largest = max(1, int(data.parameters.max()))
    primary, traces = found.record.primary, []
    places = primary.places(2)
    for kind, color, symbol in MARKS:
        mine = data[data.kind == kind]
        said = [
            f"{settings(found, int(str(c.row)))}<br>{f'{c.value:.{places}f} {primary.unit}'.rstrip()}<br>"
            f"{c.seconds:,.0f} s, {c.parameters:,} parameters"
            for c in mine.itertuples()
        ]
        sizes = [8 + 16 * (p / largest) ** 0.5 for p in mine.parameters]
        if len(mine):
            traces.append(dots(list(mine.seconds), list(mine.value), color, symbol, text=said, name=kind,
                               marker={"size": sizes, "opacity": 0.85}))  # fmt: skip
    low, high = around(data.value, primary)
    name = with_unit(f"{'Test' if seen.split == 'test' else 'Validation'} {primary.title}", primary.unit)
    return figure(traces, height=400, xaxis=axis("Seconds of one training, as if trained alone", type="log"),
                  yaxis=axis(begins(name, low, primary.unit), range=[low, high]))  # fmt: skip


def drawn(found: Findings) -> Drawn | None:
    seen = info(found)
    if not seen:
        return None
    quick, slow = seen.data.seconds.min(), seen.data.seconds.max()
    primary = found.record.primary
    least, most = (f"{value:.{primary.places(1)}f}" for value in (seen.data.value.min(), seen.data.value.max()))
    return Drawn(
        "cost",
        f"{primary.title[:1].upper()}{primary.title[1:]} and cost",
        "Each row by the time of its training; larger marks have more trainable parameters. Of the rows that "
        "validation does not tell from the selected one, the one furthest left is the cheapest to train.",
        f"Scatter plot of {len(seen.data)} rows: {quick:,.0f} to {slow:,.0f} seconds, {primary.title} "
        f"{least} to {most} {primary.unit}".rstrip()
        + ".",
        seen.data,
        left_out(found, len(seen.data)),
        draw(seen, found),
    )
