"""The primary measure of each row on train, validation and test: how far what was learnt carries."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from ablation.figures.canvas import (
    BLUE,
    GREEN,
    GREY,
    LINE,
    MOST,
    VERMILION,
    Drawn,
    around,
    axis,
    begins,
    chosen,
    dots,
    figure,
    left_out,
    line,
    name,
    names_axis,
    strokes,
    text,
    with_unit,
)
from ablation.measures.measure import Measure
from ablation.results.findings import Findings
from ablation.statistics.comparison import Interval

COLUMNS = ["row", "name", "train", "val", "test", "low", "high"]


@dataclass(frozen=True)
class Dumbbell:
    """`data`: a line a row, values of `measure`, scaled; test is nan until a selection is sealed, and so are the bounds
    of an interval that there is not. `majority`: of always guessing the most frequent class, in percent; None where
    rows differ in it, and where there are no classes."""

    data: pd.DataFrame
    majority: float | None
    measure: Measure


def _majority(found: Findings) -> float | None:
    share = found.record.inputs.majority(found.record.inputs.counts) if found.record.inputs.classes else None
    return None if share is None else 100 * share


def _line(found: Findings, row: int) -> tuple[Any, ...]:
    primary, none = found.record.primary, float("nan")
    scores = [r.scores for _, r in found.finished(row)]
    train, val = (
        primary.scale * fmean(s.get(split, {}).get(primary.name, none) for s in scores) for split in ("train", "val")
    )
    facts = found.analysis.rows.get(row)
    test = facts.primary.interval.scaled(primary.scale) if facts else Interval(none, none, none)
    return row, name(found, row), train, val, test.value, test.low, test.high


def info(found: Findings) -> Dumbbell | None:
    rows = chosen(found, MOST)
    data = pd.DataFrame([_line(found, r) for r in rows], columns=COLUMNS)
    if data.empty or data[["train", "val"]].isna().any(axis=None):
        return None
    return Dumbbell(data, _majority(found), found.record.primary)


def draw(found: Dumbbell) -> Mapping[str, Any]:
    data, y = found.data, [float(k) for k in range(len(found.data))]
    ends = data.test.fillna(data.val)
    spans = [(v, place) for place, a, b in zip(y, data.train, ends, strict=True) for v in (a, b, None)]
    bars = {"type": "data", "symmetric": False, "array": list((data.high - data.test).fillna(0)), "color": VERMILION,
            "width": 0, "arrayminus": list((data.test - data.low).fillna(0)), "thickness": 2}  # fmt: skip
    places, unit = found.measure.places(2), found.measure.unit
    traces = [strokes([v for v, _ in spans], [p for _, p in spans], "rgba(122, 122, 122, 0.45)", 5, showlegend=False)]
    for key, words, color, symbol in (
        ("train", "train", GREY, "triangle-right"),
        ("val", "validation", BLUE, "square"),
        ("test", "test (95 % interval)", VERMILION, "circle"),
    ):
        values, offset = data[key], 0.22 if key == "test" else 0.0
        if values.isna().all():
            continue
        shown = [f"row {n}<br>{words} {v:.{places}f} {unit}".rstrip() for n, v in zip(data.name, values, strict=True)]
        more = {"error_x": bars} if key == "test" else {}
        traces.append(dots(list(values), [p + offset for p in y], color, symbol, text=shown, name=words, **more))
    every = [*data.train, *data.val, *data.test, *data.low, *data.high, *([found.majority] if found.majority else [])]
    low, high = around(every, found.measure)
    title = with_unit(f"{found.measure.title[:1].upper()}{found.measure.title[1:]}", unit)
    shapes, notes = [], []
    if found.majority:
        shapes = [line(x0=found.majority, x1=found.majority, yref="paper", y0=0, y1=1,
                       line={"color": GREEN, "width": 2, "dash": "dot"})]  # fmt: skip
        notes = [text(f"majority class {found.majority:.1f} %", x=found.majority, y=0, yref="paper", xanchor="left",
                      yanchor="bottom", xshift=4)]  # fmt: skip
    return figure(
        traces,
        height=130 + LINE * (len(data) + 1),
        xaxis=axis(begins(title, low, unit), range=[low, high]),
        yaxis=names_axis(y, list(data.name), title={"text": "Row"}),
        shapes=shapes,
        annotations=notes,
    )


def drawn(found: Findings) -> Drawn | None:
    seen = info(found)
    if not seen:
        return None
    data, measure = seen.data, seen.measure
    gaps = np.asarray(data.train - data.val)
    gaps = -gaps if measure.lowest else gaps
    widest = data.iloc[int(gaps.argmax())]
    train, val, test = (_range(data[split], measure) for split in ("train", "val", "test"))
    tests = f"test {test}; " if data.test.notna().any() else ""
    baseline = (
        " Left of the dotted line, always guessing one class would do better." if found.record.inputs.classes else ""
    )
    size = f"{gaps.max():.{measure.places(1)}f} {measure.change_unit}".rstrip()
    return Drawn(
        "gap",
        "From training to test",
        f"The {measure.title} of each row on the {found.record.noun}s it learnt from, on validation and on test. The "
        f"longer the bar, the less of what was learnt carries over.{baseline}",
        f"Dumbbell plot of {len(data)} rows. Train {train}, validation {val}, {tests}the widest gap from train to "
        f"validation is {size}, row {widest['row']}.",
        data,
        left_out(found, len(data)),
        draw(seen),
    )


def _range(values: pd.Series, measure: Measure) -> str:
    places = measure.places(1)
    return f"{values.min():.{places}f} to {values.max():.{places}f} {measure.unit}".rstrip()
