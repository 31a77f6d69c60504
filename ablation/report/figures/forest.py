"""One-factor contrasts on test: effect of each single change on the primary measure, with intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablation.analysis.facts import Contrast
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.measures.measure import SCALAR, Measure
from ablation.model.figure import Figure
from ablation.model.phrases import plural
from ablation.report.figures.style import (
    BLUE,
    FAINT,
    GREY,
    LINE,
    MOST,
    axis,
    dots,
    figure,
    left_out,
    line,
    names_axis,
    plain,
    text,
    with_unit,
)
from ablation.report.tables.dataframes import over
from ablation.report.tables.methods import pairing
from ablation.statistics.intervals import ALPHA
from ablation.study.levels import short

COLUMNS = ["factor", "levels", "first", "second", "pp", "low", "high", "p_holm", "significant"]


@dataclass(frozen=True)
class Forest:
    """Data of the forest plot.

    Attributes:
        data: one line per contrast: difference of `measure`, scaled, second row minus first. `significant`: whether
            p is below 0.05 after Holm's correction.
        many: number of contrasts of the study, drawn or not.
        margin: half the width of the band of equivalence, scaled; None without a band.
        over: unit of the intervals in words, such as images or seeds; "" where there are no intervals.
        pairing: whether the differences are paired, in words.
        measure: the primary measure, with `title`, its title on the split of the numbers.
    """

    data: pd.DataFrame
    many: int
    margin: float | None
    over: str
    pairing: str
    measure: Measure
    title: str


def _words(study: StudyAnalysis, contrast: Contrast) -> str:
    """Return the unit that an interval is over, in the words of the study: images for examples."""
    return over(study.record, contrast.difference.over).removesuffix(", unpaired")


def compute(study: StudyAnalysis) -> Forest | None:
    """Return the data of the first MOST contrasts; None without contrasts."""
    contrasts = study.analysis.contrasts
    if not contrasts:
        return None
    lines, primary = [], study.record.primary
    titles = study.record.grid.titles
    for contrast in contrasts[:MOST]:
        pair, difference = contrast.pair, contrast.difference
        pp = difference.value.scaled(primary.scale)
        levels = " → ".join(short(pair.factor, level) for level in pair.levels)
        lines.append(
            (titles[pair.factor], levels, pair.first, pair.second, pp.value, pp.low, pp.high, difference.p_holm,
             bool(difference.p_holm < ALPHA))
        )  # fmt: skip
    margin = study.record.grid.margin
    return Forest(
        pd.DataFrame(lines, columns=COLUMNS),
        len(contrasts),
        primary.scale * margin if margin else None,
        " or ".join(dict.fromkeys(_words(study, c) for c in contrasts[:MOST] if c.difference.over)),
        " or ".join(dict.fromkeys(pairing(c.difference) for c in contrasts[:MOST] if c.difference.over)),
        primary,
        study.record.compared(primary),
    )


def places(data: pd.DataFrame) -> list[float]:
    """Return the vertical positions of the contrasts, from the top down, with a gap before each new factor."""
    changes = (data.factor != data.factor.shift()).cumsum() - 1
    return [float(k + 0.7 * group) for k, group in enumerate(changes)]


def _bracket(low: Any, high: Any, digits: int) -> str:
    """Return the interval in brackets; an empty string where the bounds are nan."""
    return f" [{low:+.{digits}f}, {high:+.{digits}f}]" if low == low else ""


def plot(chart: Forest) -> Mapping[str, Any]:
    """Return the plotly figure: a mark and an interval for each contrast, and the band of equivalence."""
    data, y, unit = chart.data, places(chart.data), chart.measure.change_unit
    digits = chart.measure.places(2)
    names = [f"{plain(f'{c.factor} {c.levels}')} · rows {c.first} → {c.second}" for c in data.itertuples()]
    traces = []
    for distinct, symbol, color, label in (
        (True, "circle", BLUE, "differs significantly from 0 (Holm)"),
        (False, "circle-open", GREY, "does not differ significantly from 0"),
    ):
        indices = [k for k, flag in enumerate(data.significant) if bool(flag) == distinct]
        subset = data.iloc[indices]
        bars = {
            "type": "data", "symmetric": False, "color": color, "thickness": 2, "width": 0,
            "array": list((subset.high - subset.pp).fillna(0)), "arrayminus": list((subset.pp - subset.low).fillna(0)),
        }  # fmt: skip
        shown = [
            f"{names[k]}<br>{f'{c.pp:+.{digits}f} {unit}'.rstrip()}{_bracket(c.low, c.high, digits)}"
            + (f"<br>p (Holm) {c.p_holm:.3g}" if chart.over else "")
            for k, c in zip(indices, subset.itertuples(), strict=True)
        ]
        traces.append(
            dots(list(subset.pp), [y[k] for k in indices], color, symbol, error_x=bars, text=shown, name=label)
        )
    shapes = [line(x0=0, x1=0, yref="paper", y0=0, y1=1)]
    notes = []
    if chart.margin:
        band = {"type": "rect", "x0": -chart.margin, "x1": chart.margin, "yref": "paper", "y0": 0, "y1": 1}
        shapes.insert(0, band | {"fillcolor": FAINT, "line": {"width": 0}, "layer": "below"})
        band_text = f"within ±{f'{chart.margin:g} {unit}'.rstrip()}: equivalence margin"
        notes.append(text(band_text, x=0, y=0, yref="paper", yanchor="bottom", yshift=2))
    low, high = min(0.0, data.low.fillna(data.pp).min()), max(0.0, data.high.fillna(data.pp).max())
    title = with_unit(f"Δ {chart.title}", unit)
    interval = f", {chart.pairing} 95 % interval over {chart.over}" if chart.over else ""
    padding = 0.05 * (high - low) or 1.0
    return figure(
        traces,
        height=130 + LINE * int(max(y) + 2),
        xaxis=axis(f"{title}{interval}", range=[low - padding, high + padding]),
        yaxis=names_axis(y, names),
        shapes=shapes,
        annotations=notes,
    )


def render(study: StudyAnalysis) -> Figure | None:
    """Return the forest plot of the contrasts; None without contrasts."""
    chart = compute(study)
    if not chart:
        return None
    n_sig, noun = int(chart.data.significant.sum()), study.record.noun
    same, units = f", on the same {study.record.held_out_noun}s", f"{noun}s"
    if chart.measure.kind == SCALAR:  # which examples are behind a number is not known
        same, units = "", "results"
    cut_note = f"The first {len(chart.data)} of {chart.many:,} contrasts; contrasts.csv has them all."
    largest = chart.data.iloc[int(chart.data.pp.abs().to_numpy().argmax())]
    digits, unit = chart.measure.places(1), chart.measure.change_unit
    bounds = f" ({largest['low']:+.{digits}f} to {largest['high']:+.{digits}f})" if chart.over else ""
    size = f"{largest['pp']:+.{digits}f} {unit}".rstrip()
    return Figure(
        "contrasts",
        "What each single change did",
        f"Every two rows that differ in one factor alone, second minus first{same}. A bar that "
        f"crosses the line at 0 is a change that these {units} do not show.",
        f"Forest plot of {len(chart.data)} one-factor contrasts in {chart.data.factor.nunique()} factors; "
        f"{plural(n_sig, 'differs', 'differ')} significantly from 0 after Holm's correction. The largest: "
        f"{largest['factor']} {largest['levels']}, rows {largest['first']} to {largest['second']}, {size}{bounds}.",
        chart.data,
        (*((cut_note,) if len(chart.data) < chart.many else ()), *left_out(study, len(study.val))),
        plot(chart),
    )
