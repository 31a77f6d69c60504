"""The primary measure of each row on train, validation and test: how far the score generalizes."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.measures.measure import Measure
from ablation.model.figure import Figure
from ablation.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    LINE,
    MOST,
    VERMILION,
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
from ablation.statistics.intervals import Interval

COLUMNS = ["row", "name", "train", "val", "test", "low", "high"]


@dataclass(frozen=True)
class Dumbbell:
    """Data of the dumbbell plot.

    Attributes:
        data: one line per row, values of `measure`, scaled. The test value and the bounds are nan until a selection is
            sealed. Bounds are nan too where there is no interval.
        majority: accuracy of always predicting the most frequent class, in percent. None where rows differ in this
            share, and where there are no classes.
        measure: the primary measure.
    """

    data: pd.DataFrame
    majority: float | None
    measure: Measure


def _majority(study: StudyAnalysis) -> float | None:
    """Return the share of the most frequent class on test, in percent; None where rows differ, or without classes."""
    share = study.record.inputs.majority(study.record.inputs.counts) if study.record.inputs.classes else None
    return None if share is None else 100 * share


def _line(study: StudyAnalysis, row: int) -> tuple[Any, ...]:
    """Return the line of one row: number, name, scaled train, validation and test values, and the bounds on test."""
    primary, nan = study.record.primary, float("nan")
    scores = [r.scores for _, r in study.finished(row)]
    train, val = (
        primary.scale * fmean(s.get(split, {}).get(primary.name, nan) for s in scores) for split in ("train", "val")
    )
    facts = study.analysis.rows.get(row)
    test = facts.primary.interval.scaled(primary.scale) if facts else Interval(nan, nan, nan)
    return row, name(study, row), train, val, test.value, test.low, test.high


def compute(study: StudyAnalysis) -> Dumbbell | None:
    """Return the data of up to MOST rows; None where no row is finished, or a train or validation value is missing."""
    rows = chosen(study, MOST)
    data = pd.DataFrame([_line(study, r) for r in rows], columns=COLUMNS)
    if data.empty or data[["train", "val"]].isna().any(axis=None):
        return None
    return Dumbbell(data, _majority(study), study.record.primary)


def plot(chart: Dumbbell) -> Mapping[str, Any]:
    """Return the plotly figure: a bar from train to test for each row, with marks for the splits."""
    data, y = chart.data, [float(k) for k in range(len(chart.data))]
    ends = data.test.fillna(data.val)
    spans = [(v, place) for place, a, b in zip(y, data.train, ends, strict=True) for v in (a, b, None)]
    bars = {"type": "data", "symmetric": False, "array": list((data.high - data.test).fillna(0)), "color": VERMILION,
            "width": 0, "arrayminus": list((data.test - data.low).fillna(0)), "thickness": 2}  # fmt: skip
    places, unit = chart.measure.places(2), chart.measure.unit
    traces = [strokes([v for v, _ in spans], [p for _, p in spans], "rgba(122, 122, 122, 0.45)", 5, showlegend=False)]
    for key, label, color, symbol in (
        ("train", "train", GREY, "triangle-right"),
        ("val", "validation", BLUE, "square"),
        ("test", "test (95 % interval)", VERMILION, "circle"),
    ):
        values, offset = data[key], 0.22 if key == "test" else 0.0
        if values.isna().all():
            continue
        shown = [f"row {n}<br>{label} {v:.{places}f} {unit}".rstrip() for n, v in zip(data.name, values, strict=True)]
        error_bars = {"error_x": bars} if key == "test" else {}
        traces.append(dots(list(values), [p + offset for p in y], color, symbol, text=shown, name=label, **error_bars))
    numbers = [*data.train, *data.val, *data.test, *data.low, *data.high, *([chart.majority] if chart.majority else [])]
    low, high = around(numbers, chart.measure)
    title = with_unit(f"{chart.measure.title[:1].upper()}{chart.measure.title[1:]}", unit)
    shapes, notes = [], []
    if chart.majority:
        shapes = [line(x0=chart.majority, x1=chart.majority, yref="paper", y0=0, y1=1,
                       line={"color": GREEN, "width": 2, "dash": "dot"})]  # fmt: skip
        notes = [text(f"majority class {chart.majority:.1f} %", x=chart.majority, y=0, yref="paper", xanchor="left",
                      yanchor="bottom", xshift=4)]  # fmt: skip
    return figure(
        traces,
        height=130 + LINE * (len(data) + 1),
        xaxis=axis(begins(title, low, unit), range=[low, high]),
        yaxis=names_axis(y, list(data.name), title="Row"),
        shapes=shapes,
        annotations=notes,
    )


def render(study: StudyAnalysis) -> Figure | None:
    """Return the figure of scores from training to test; None where `compute` returns None."""
    chart = compute(study)
    if not chart:
        return None
    data, measure = chart.data, chart.measure
    gaps = np.asarray(data.train - data.val)
    gaps = -gaps if measure.lowest else gaps
    widest = data.iloc[int(gaps.argmax())]
    train, val, test = (_range(data[split], measure) for split in ("train", "val", "test"))
    tests = f"test {test}; " if data.test.notna().any() else ""
    baseline = (
        " Left of the dotted line, always guessing one class would do better." if study.record.inputs.classes else ""
    )
    size = f"{gaps.max():.{measure.places(1)}f} {measure.change_unit}".rstrip()
    return Figure(
        "gap",
        "From training to test",
        f"The {measure.title} of each row on the {study.record.noun}s it learnt from, on validation and on test. The "
        f"longer the bar, the less of what was learnt carries over.{baseline}",
        f"Dumbbell plot of {len(data)} rows. Train {train}, validation {val}, {tests}the widest gap from train to "
        f"validation is {size}, row {widest['row']}.",
        data,
        left_out(study, len(data)),
        plot(chart),
    )


def _range(values: pd.Series, measure: Measure) -> str:
    """Return the range of values in words, "91.0 to 96.6 %"."""
    places = measure.places(1)
    return f"{values.min():.{places}f} to {values.max():.{places}f} {measure.unit}".rstrip()
