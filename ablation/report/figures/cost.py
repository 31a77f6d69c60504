"""Score and cost of rows: the primary measure against each cost that varies, with the Pareto front of each."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablation.analysis import costs as row_costs
from ablation.analysis.costs import OF_EVERY_RESULT, SECONDS, StudyCosts
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.measures.measure import Measure
from ablation.model.figure import Figure
from ablation.model.phrases import listed, which
from ablation.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    PURPLE,
    VERMILION,
    Trace,
    around,
    axis,
    begins,
    cells,
    dots,
    figure,
    left_out,
    number,
    settings,
    strokes,
    with_unit,
)

SELECTED, ALIKE, OTHER = "selected", "does not differ significantly from it on validation", "differs from it"
UNKNOWN = "not compared with it"
MARKS = ((SELECTED, VERMILION, "star"), (ALIKE, GREEN, "diamond"), (OTHER, BLUE, "circle"),
         (UNKNOWN, GREY, "circle-open"))  # fmt: skip
FRONT = "Pareto front"
MOST = 4  # panels
HEIGHT = 380  # pixels of a line of panels
RING = 18  # pixels of the mark around a row on the front
FAR_APART = 3.0  # from this ratio of the largest to the smallest cost on, an axis is logarithmic


@dataclass(frozen=True)
class Cost:
    """Data of the cost figure.

    Attributes:
        data: one line per row: its costs, the primary measure (scaled), the kind, and the costs whose Pareto front the
            row is on, separated by commas.
        measures: name of the cost of each panel -> its measure.
        fronts: name of a cost -> rows on its Pareto front, from the cheapest.
        split: "test", or "val" while no selection is sealed.
    """

    data: pd.DataFrame
    measures: Mapping[str, Measure]
    fronts: Mapping[str, list[int]]
    split: str


def _kind(study: StudyAnalysis, row: int) -> str:
    """Return the kind of a row: selected, or the result of the comparison with the selected row on validation."""
    stability = study.analysis.stability
    if row == study.selected:
        return SELECTED
    if not stability or row not in stability.shares:
        return UNKNOWN
    return ALIKE if row in stability.not_different else OTHER


def _panels(costs: StudyCosts) -> list[str]:
    """Return the names of the costs that have a panel: those with a front, otherwise seconds, otherwise the first."""
    only = SECONDS if SECONDS in costs.measures else next(iter(costs.measures))
    return list(costs.fronts)[:MOST] or [only]


def compute(study: StudyAnalysis) -> Cost | None:
    """Return the data of the figure; None where no row is finished."""
    costs = row_costs.of_study(study)
    if not costs:
        return None
    scale, panels = study.record.primary.scale, _panels(costs)
    lines = [
        {"row": row, **{name: values.get(name) for name in costs.measures}, "value": scale * costs.scores[row],
         "kind": _kind(study, row), "front": ", ".join(costs.fronts_of(row))}
        for row, values in costs.rows.items()
    ]  # fmt: skip
    fronts = {
        name: sorted(rows, key=lambda row, name=name: costs.rows[row][name])  # type: ignore[misc]
        for name, rows in costs.fronts.items()
    }
    measures = {name: costs.measures[name] for name in panels}
    return Cost(pd.DataFrame(lines), measures, fronts, costs.split)


def _hover(study: StudyAnalysis, cost: Cost, line: Mapping[str, Any]) -> str:
    primary = study.record.primary
    value = f"{line['value']:.{primary.places(2)}f} {primary.unit}".rstrip()
    values = [_amount(m, line[name]) for name, m in cost.measures.items() if line[name] == line[name]]
    fronts = [f"{FRONT}: {line['front']}"] if line["front"] else []
    return "<br>".join([settings(study, int(line["row"])), value, ", ".join(values), *fronts])


def _number(measure: Measure, value: float) -> str:
    """Return a cost without unit: "1,234" parameters, "12.3" seconds."""
    if measure in OF_EVERY_RESULT.values():
        return f"{value:,.{1 if measure is OF_EVERY_RESULT[SECONDS] and value < 100 else 0}f}"
    return measure.number(value)


def _amount(measure: Measure, *values: float) -> str:
    """Return a cost, or a range of costs, in words: "seconds 12.3", "latency 3.2 to 4.1 ms"."""
    unit = measure.unit if measure is not OF_EVERY_RESULT[SECONDS] else ""
    return f"{measure.title} {' to '.join(_number(measure, value) for value in values)} {unit}".rstrip()


def _front(cost: Cost, name: str, colour: str) -> list[Trace]:
    """Return the step line through the rows on a front, and the ring around each of them."""
    lines = cost.data.set_index("row").loc[cost.fronts.get(name, [])]
    x, y = list(cost.measures[name].scale * lines[name]), list(lines["value"])
    ring = {"size": RING, "symbol": "square-open", "line": {"color": colour, "width": 2}}
    shape = "vh" if cost.measures[name].best == "high" else "hv"
    return [
        strokes(x, y, colour, line={"shape": shape, "dash": "dash"}, showlegend=False),
        dots(
            x,
            y,
            colour,
            "square-open",
            marker=ring,
            name=FRONT,
            hoverinfo="skip",
            legendgroup=FRONT,
            mode="markers+text",
            text=[str(row) for row in lines.index],
            textposition="top left",
        ),
    ]


def _traces(study: StudyAnalysis, cost: Cost, name: str) -> list[Trace]:
    """Return the traces of one panel: the front, then the rows of each kind."""
    traces = _front(cost, name, PURPLE) if cost.fronts.get(name) else []
    for kind, color, symbol in MARKS:
        lines = [line for line in cost.data.to_dict("records") if line["kind"] == kind]
        if lines:
            x = [cost.measures[name].scale * line[name] for line in lines]
            hover_texts = [_hover(study, cost, {str(k): v for k, v in line.items()}) for line in lines]
            traces.append(dots(x, [line["value"] for line in lines], color, symbol, text=hover_texts, name=kind,
                               legendgroup=kind, marker={"opacity": 0.85}))  # fmt: skip
    return traces


def _title(measure: Measure) -> str:
    if measure is OF_EVERY_RESULT[SECONDS]:
        return "Seconds of one training"
    return with_unit(f"{measure.title[:1].upper()}{measure.title[1:]}", measure.unit)


def _ticks(least: float, most: float) -> dict[str, Any]:
    """Return the options of a logarithmic axis with its ticks: 1, 2 and 5 times a power of ten, or powers alone."""
    steps = (1, 2, 5) if most < 100 * least else (1,)
    powers = range(math.floor(math.log10(least)) - 1, math.ceil(math.log10(most)) + 1)
    ticks = [step * 10.0**power for power in powers for step in steps]
    texts = [f"{tick:,.0f}" if tick >= 1 else f"{tick:g}" for tick in ticks]
    return {"type": "log", "tickvals": ticks, "ticktext": texts}


def _cost_axis(cost: Cost, name: str, k: int, domain: list[float]) -> dict[str, Any]:
    """Return the horizontal axis of a panel: logarithmic where the costs are positive and far apart."""
    values = cost.data[name].dropna() * cost.measures[name].scale
    least, most = values.min(), values.max()
    scale = _ticks(least, most) if least > 0 and most > FAR_APART * least else {}
    return axis(_title(cost.measures[name]), anchor=f"y{number(k)}", domain=domain, **scale)


def plot(cost: Cost, study: StudyAnalysis) -> Mapping[str, Any]:
    """Return the plotly figure: a panel for each cost, with the primary measure upwards."""
    primary, traces, axes = study.record.primary, [], {}
    columns = min(2, len(cost.measures))
    places = cells(len(cost.measures), columns, gap=(0.1, 0.3))
    low, high = around(cost.data.value, primary)
    split = study.record.held_out if cost.split == "test" else "validation"
    name = with_unit(f"{split} {primary.title}".strip(), primary.unit)
    for k, (panel, place) in enumerate(zip(cost.measures, places, strict=True)):
        for trace in _traces(study, cost, panel):
            shown = k == 0 and trace.pop("showlegend", True)
            traces.append({**trace, "xaxis": f"x{number(k)}", "yaxis": f"y{number(k)}", "showlegend": shown})
        axes[f"xaxis{number(k)}"] = _cost_axis(cost, panel, k, place["x"])
        title = begins(name, low, primary.unit) if k % columns == 0 else ""
        axes[f"yaxis{number(k)}"] = axis(title, anchor=f"x{number(k)}", domain=place["y"], range=[low, high])
    return figure(traces, HEIGHT * -(-len(places) // columns), **axes)


def _alternative(cost: Cost, primary: Measure) -> str:
    """Return the alternative text: the ranges of all numbers, and the rows on each front."""
    ranges = [_amount(m, cost.data[name].min(), cost.data[name].max()) for name, m in cost.measures.items()]
    least, most = (f"{v:.{primary.places(1)}f}" for v in (cost.data.value.min(), cost.data.value.max()))
    score = f"{primary.title} {least} to {most} {primary.unit}".rstrip()
    fronts = [
        f"{FRONT} of {cost.measures[n].title}: {which(cost.fronts[n])}." for n in cost.measures if n in cost.fronts
    ]
    return " ".join([f"Scatter plot of {len(cost.data)} rows: {'; '.join(ranges)}; {score}.", *fronts])


def render(study: StudyAnalysis) -> Figure | None:
    """Return the figure of score and cost; None where no row is finished."""
    cost = compute(study)
    if not cost:
        return None
    primary = study.record.primary
    front = (
        "Squares with the number of the row, and the dashed line, mark the Pareto front: no other row is at least as "
        "good in both numbers and better in one. The front is of the measured numbers, without regard to noise. "
        if any(name in cost.fronts for name in cost.measures)
        else ""
    )
    return Figure(
        "cost",
        f"{primary.title[:1].upper()}{primary.title[1:]} and cost",
        f"Each row by {listed(_words(m) for m in cost.measures.values())}. {front}Of the rows that do not differ "
        "significantly from the selected one on validation, the one furthest left is the cheapest.",
        _alternative(cost, primary),
        cost.data,
        left_out(study, len(cost.data)),
        plot(cost, study),
    )


def _words(measure: Measure) -> str:
    return "the time of its training, as if trained alone" if measure is OF_EVERY_RESULT[SECONDS] else measure.title
