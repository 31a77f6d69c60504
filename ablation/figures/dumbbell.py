"""Train, validation and test accuracy of each row: how far what was learnt carries."""

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
    axis,
    begins,
    bounds,
    chosen,
    dots,
    figure,
    left_out,
    line,
    name,
    names_axis,
    strokes,
    text,
)
from ablation.results.findings import Findings

COLUMNS = ["row", "name", "train", "val", "test", "low", "high"]


@dataclass(frozen=True)
class Dumbbell:
    """`data`: a line a row, accuracies in percent; test and the bounds of its interval are nan until a selection is
    sealed. `majority`: of always guessing the most frequent class, in percent; None where rows differ in it."""

    data: pd.DataFrame
    majority: float | None


def _majority(found: Findings) -> float | None:
    share = found.record.inputs.majority(found.record.inputs.counts)
    return None if share is None else 100 * share


def _line(found: Findings, row: int) -> tuple[Any, ...]:
    scores = [r.scores for _, r in found.finished(row)]
    train, val = (100 * fmean(s[split]["accuracy"] for s in scores) for split in ("train", "val"))
    facts, none = found.analysis.rows.get(row), float("nan")
    test = (facts.over_seeds or facts.accuracy).scaled(100) if facts else None
    return row, name(found, row), train, val, *((test.value, test.low, test.high) if test else (none, none, none))


def info(found: Findings) -> Dumbbell | None:
    rows = chosen(found, MOST)
    return Dumbbell(pd.DataFrame([_line(found, r) for r in rows], columns=COLUMNS), _majority(found)) if rows else None


def draw(found: Dumbbell) -> Mapping[str, Any]:
    data, y = found.data, [float(k) for k in range(len(found.data))]
    ends = data.test.fillna(data.val)
    spans = [(v, place) for place, a, b in zip(y, data.train, ends, strict=True) for v in (a, b, None)]
    bars = {"type": "data", "symmetric": False, "array": list(data.high - data.test), "color": VERMILION, "width": 0,
            "arrayminus": list(data.test - data.low), "thickness": 2}  # fmt: skip
    traces = [strokes([v for v, _ in spans], [p for _, p in spans], "rgba(122, 122, 122, 0.45)", 5, showlegend=False)]
    for key, words, color, symbol in (
        ("train", "train", GREY, "triangle-right"),
        ("val", "validation", BLUE, "square"),
        ("test", "test (95 % interval)", VERMILION, "circle"),
    ):
        values, offset = data[key], 0.22 if key == "test" else 0.0
        if values.isna().all():
            continue
        shown = [f"row {n}<br>{words} {v:.2f} %" for n, v in zip(data.name, values, strict=True)]
        more = {"error_x": bars} if key == "test" else {}
        traces.append(dots(list(values), [p + offset for p in y], color, symbol, text=shown, name=words, **more))
    every = [*data.train, *data.val, *data.test, *data.low, *data.high, *([found.majority] if found.majority else [])]
    low, high = bounds(every, 0, 100)
    shapes, notes = [], []
    if found.majority:
        shapes = [line(x0=found.majority, x1=found.majority, yref="paper", y0=0, y1=1,
                       line={"color": GREEN, "width": 2, "dash": "dot"})]  # fmt: skip
        notes = [text(f"majority class {found.majority:.1f} %", x=found.majority, y=0, yref="paper", xanchor="left",
                      yanchor="bottom", xshift=4)]  # fmt: skip
    return figure(
        traces,
        height=130 + LINE * (len(data) + 1),
        xaxis=axis(begins("Accuracy (%)", low), range=[low, high]),
        yaxis=names_axis(y, list(data.name), title={"text": "Row"}),
        shapes=shapes,
        annotations=notes,
    )


def drawn(found: Findings) -> Drawn | None:
    seen = info(found)
    if not seen:
        return None
    data = seen.data
    gaps = np.asarray(data.train - data.val)
    widest = data.iloc[int(gaps.argmax())]
    tests = f"test {data.test.min():.1f} to {data.test.max():.1f} %; " if data.test.notna().any() else ""
    return Drawn(
        "gap",
        "From training to test",
        "The accuracy of each row on the images it learnt from, on validation and on test. The longer the bar, the "
        "less of what was learnt carries over. Left of the dotted line, always guessing one class would do better.",
        f"Dumbbell plot of {len(data)} rows. Train {data.train.min():.1f} to {data.train.max():.1f} %, validation "
        f"{data.val.min():.1f} to {data.val.max():.1f} %, {tests}the widest gap from train to validation is "
        f"{gaps.max():.1f} pp, row {widest['row']}.",
        data,
        left_out(found, len(data)),
        draw(seen),
    )
