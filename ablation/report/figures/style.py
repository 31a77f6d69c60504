"""Shared parts of all figures: names of rows, colours, marks, axes, and figures in the form that plotly.js reads.

Figures are plain mappings. plotly's Python objects take longer to build than everything else in a report, and their
checks are covered by the tests.
"""

import html
import math
from collections.abc import Iterable, Sequence
from typing import Any

from plotly.offline import get_plotlyjs

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.measures.measure import Measure
from ablation.study.levels import short

# Colours of Okabe and Ito (2008) that are visible on white and on black.
BLUE, VERMILION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
GREY, FAINT = "#7a7a7a", "rgba(122, 122, 122, 0.25)"
LONGEST = 36  # characters of a name on an axis
MOST = 60  # rows or contrasts drawn one above the other
LINE = 24  # pixels from one row to the next

Trace = dict[str, Any]


def script() -> str:
    """Return the source of plotly.js, for a page without a network."""
    return str(get_plotlyjs())


def plain(text: object, longest: int = LONGEST) -> str:
    """Return text that plotly shows literally, cut after `longest` characters.

    Plotly interprets a part of HTML in labels, so markup is escaped. Characters that cannot be printed become spaces.
    """
    cleaned = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return html.escape(cleaned if len(cleaned) <= longest else f"{cleaned[: longest - 1]}…", quote=False)


def name(study: StudyAnalysis, row: int) -> str:
    """Return the label of a row on an axis: number, marks, and label in the study file.

    The mark ° is the reference, ★ the selected row.
    """
    mark = "°" * (row == study.record.grid.reference) + "★" * (row == study.selected)
    return f"{row}{mark} {plain(study.record.grid.labels[row - 1])}".strip()


def settings(study: StudyAnalysis, row: int) -> str:
    """Return the hover text of a row: name, and the levels of up to eight factors, "batch 256, LR 1e-4"."""
    levels = study.record.shown(study.record.grid.rows[row - 1])
    texts = [f"{f.replace('_', ' ')} {short(f, levels[f])}" for f in study.record.grid.varying[:8]]
    return f"row {name(study, row)}<br>{'<br>'.join(plain(s) for s in texts)}"


def by(study: StudyAnalysis) -> Measure:
    """Return the measure that ranks rows on validation: the measure of the selection, otherwise the primary measure."""
    return study.record.selected_by or study.record.primary


def metric(study: StudyAnalysis) -> str:
    """Return the title of the measure that ranks rows: "accuracy"."""
    return by(study).title


def scale(study: StudyAnalysis) -> tuple[float, str]:
    """Return the factor that values of the ranking measure are multiplied with, and the resulting unit."""
    return by(study).scale, by(study).unit


def with_unit(title: str, unit: str) -> str:
    """Return the title of an axis with its unit, if the unit is not empty."""
    return f"{title} ({unit})" if unit else title


def validated(study: StudyAnalysis) -> dict[int, float]:
    """Return row -> the measure that ranks rows, on validation: mean over seeds, not scaled.

    Rows without this measure are left out.
    """
    key, means = by(study).name, {}
    for row in study.val:
        values = [r.scores.get("val", {}).get(key) for _, r in study.finished(row)]
        if None not in values:
            means[row] = sum(v for v in values if v is not None) / len(values)
    return means


def chosen(study: StudyAnalysis, limit: int) -> list[int]:
    """Return the numbers of up to `limit` finished rows to draw, in ascending order.

    The selected row and the reference are chosen first, then the best rows on validation.
    """
    values = validated(study)
    sign = 1 if by(study).lowest else -1
    always_drawn = {study.record.grid.reference, study.selected}
    return sorted(sorted(study.val, key=lambda r: (r not in always_drawn, sign * values.get(r, 0.0), r))[:limit])


def left_out(study: StudyAnalysis, n_drawn: int) -> tuple[str, ...]:
    """Return notes on the finished rows that are not drawn, and on the rows that did not finish."""
    n_rows, rows = len(study.val), range(1, len(study.record.grid.rows) + 1)
    missing = [str(r) for r in rows if r not in study.val]
    cut_note = f"Drawn are {n_drawn:,} of {n_rows:,} rows: the selected one, the reference, and the best on validation."
    names = ", ".join(missing) if len(missing) <= 20 else f"{', '.join(missing[:20])} and {len(missing) - 20:,} more"
    missing_note = f"Without a result, and not drawn: row{'s' if missing[1:] else ''} {names}."
    return (*((cut_note,) if n_drawn < n_rows else ()), *((missing_note,) if missing else ()))


def around(values: Iterable[float], measure: Measure) -> tuple[float, float]:
    """Return the limits of an axis of a measure, around all finite values.

    The limits of percentages follow `bounds`. Limits of other measures stay above the smallest possible value.

    Args:
        values: values that the axis shows, in the unit of the axis.
        measure: measure of the values.
    """
    if measure.is_share:
        return bounds(values, 0, 100)
    finite = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
    padding = 0.05 * (max(finite) - min(finite)) or 0.05 * abs(finite[0]) or 1.0
    return max(min(finite) - padding, min(measure.bounds[0], min(finite))), max(finite) + padding


def bounds(values: Iterable[float], low: float | None = None, high: float | None = None) -> tuple[float, float]:
    """Return the limits of an axis in percent, around all finite values.

    The limits are multiples of 10 where the values span more than 15, otherwise integers.

    Args:
        values: values in percent.
        low: lower bound of the limits, in percent; None sets no bound.
        high: upper bound of the limits, in percent; None sets no bound.
    """
    finite = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
    step = 10.0 if max(finite) - min(finite) > 15 else 1.0
    first, last = step * math.floor(min(finite) / step - 0.2), step * math.ceil(max(finite) / step + 0.2)
    return (first if low is None else max(low, first)), (last if high is None else min(high, last))


def begins(title: str, low: float, unit: str = "%") -> str:
    """Return the title of an axis, with the start of the axis unless the axis begins at 0."""
    return title if low == 0 else f"{title} (axis begins at {f'{low:.3g} {unit}'.rstrip()})"


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """Return an axis in the style of all figures; `more` overrides its options."""
    return {
        "title": {"text": title, "standoff": 10, "font": {"size": 13}},
        "gridcolor": FAINT,
        "zeroline": False,
        "linecolor": GREY,
        "showline": True,
        "ticks": "outside",
        "tickcolor": GREY,
        "ticklen": 4,
        "automargin": True,
        **more,
    }


def names_axis(places: Sequence[float], names: Sequence[str], **more: Any) -> dict[str, Any]:
    """Return a vertical axis with a name at each place, the first name on top.

    Args:
        places: positions on the axis.
        names: name of each position.
        more: options of the axis.
    """
    limits = (max(places, default=0) + 0.7, min(places, default=0) - 0.7)
    return axis(tickvals=list(places), ticktext=list(names), range=list(limits), showgrid=False, ticks="",
                showline=False, **more)  # fmt: skip


def text(content: str, **more: Any) -> dict[str, Any]:
    """Return an annotation with this text; `more` are its options, such as position."""
    return {"text": content, "showarrow": False, "font": {"size": 12}, **more}


def line(**more: Any) -> dict[str, Any]:
    """Return a straight line across a figure; `more` are its options, such as position."""
    return {"type": "line", "line": {"color": GREY, "width": 1.5}, **more}


def figure(traces: Sequence[Trace], height: int, **layout: Any) -> dict[str, Any]:
    """Return a figure with the layout of all figures.

    The background is transparent, so the colours of the page show. The page sets the colour of text too.

    Args:
        traces: plotly traces.
        height: height in pixels.
        layout: options that override the common layout.
    """
    defaults = {
        "height": height,
        "autosize": True,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": GREY},
        "margin": {"l": 60, "r": 16, "t": 40, "b": 50},
        "hoverlabel": {"bgcolor": "#1b1f24", "bordercolor": "#1b1f24", "font": {"color": "#ffffff", "size": 13}},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom"},
        "hovermode": "closest",
        "dragmode": False,
    }
    return {"data": list(traces), "layout": {**defaults, **layout}}


def dots(x: Sequence[Any], y: Sequence[Any], color: str, symbol: str, **more: Any) -> Trace:
    """Return a trace of marks.

    Args:
        x, y: positions of the marks.
        color: colour of the marks.
        symbol: plotly's name of the symbol.
        more: options of the trace; `name` is shown in the legend, `text` on hover.
    """
    marker = {"color": color, "symbol": symbol, "size": 10, "line": {"color": color, "width": 1.5}}
    return {
        "type": "scatter", "mode": "markers", "x": list(x), "y": list(y), "hoverinfo": "text", "cliponaxis": False,
        **more, "marker": marker | more.get("marker", {}),
    }  # fmt: skip


def strokes(x: Sequence[Any], y: Sequence[Any], color: str = GREY, width: float = 1.5, **more: Any) -> Trace:
    """Return a trace of lines; None in `x` and `y` separates one line from the next.

    Args:
        x, y: points of the lines.
        color: colour of the lines.
        width: width in pixels.
        more: options of the trace.
    """
    stroke = {"color": color, "width": width} | more.pop("line", {})
    return {"type": "scatter", "mode": "lines", "x": list(x), "y": list(y), "line": stroke, "hoverinfo": "skip", **more}


def cells(n_panels: int, n_columns: int, gap: tuple[float, float] = (0.06, 0.1)) -> list[dict[str, list[float]]]:
    """Return the position of each panel of a grid, row by row: {"x": [left, right], "y": [bottom, top]}.

    Positions are fractions of the figure.

    Args:
        n_panels: number of panels.
        n_columns: number of panels side by side.
        gap: horizontal gap as a fraction of the width, and vertical gap as a fraction of a panel's share of the height.
    """
    n_rows = math.ceil(n_panels / n_columns)
    width, height = (1 + gap[0]) / n_columns - gap[0], (1 + gap[1] / n_rows) / n_rows - gap[1] / n_rows
    places = []
    for k in range(n_panels):
        left, top = (k % n_columns) * (width + gap[0]), 1 - (k // n_columns) * (height + gap[1] / n_rows)
        places.append({"x": [left, min(1.0, left + width)], "y": [max(0.0, top - height), top]})
    return places


def number(k: int) -> str:
    """Return plotly's suffix of the axis with index k: "", then "2", "3", ..."""
    return str(k + 1) if k else ""
