"""What all figures share: names of rows, colours, marks and axes; and what a figure is, in plotly's own words.

Figures are plain mappings, as plotly.js reads them: building plotly's Python objects takes longer than everything else
in a report, and checks what the tests check.
"""

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from plotly.offline import get_plotlyjs

from ablation.grids.levels import short
from ablation.measures.measure import Measure
from ablation.results.findings import Findings

# Of Okabe and Ito's colours (2008), those that can be seen on white and on black.
BLUE, VERMILION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
GREY, FAINT = "#7a7a7a", "rgba(122, 122, 122, 0.25)"
LONGEST = 36  # characters of a name beside an axis
MOST = 60  # rows or contrasts that are drawn one above the other
LINE = 24  # pixels from one of them to the next

Trace = dict[str, Any]


@dataclass(frozen=True)
class Drawn:
    """A figure as a report shows it. `says`: what is to be seen, a sentence or two; `alt`: the same for those who
    cannot see it, with numbers; `data`: what is drawn; `notes`: what is not; `figure`: plotly's `data` and `layout`."""

    key: str
    title: str
    says: str
    alt: str
    data: pd.DataFrame
    notes: tuple[str, ...]
    figure: Mapping[str, Any]


def script() -> str:
    """plotly.js, for a page that has no network."""
    return str(get_plotlyjs())


def plain(text: object, longest: int = LONGEST) -> str:
    """Text that plotly shows as it stands: it reads a part of HTML in labels."""
    words = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return html.escape(words if len(words) <= longest else f"{words[: longest - 1]}…", quote=False)


def name(found: Findings, row: int) -> str:
    """A row beside an axis: its number, its marks, and what the study file calls it."""
    mark = "°" * (row == found.record.grid.reference) + "★" * (row == found.selected)
    return f"{row}{mark} {plain(found.record.grid.labels[row - 1])}".strip()


def settings(found: Findings, row: int) -> str:
    """What a row is: "batch 256, LR 1e-4", for those who point at it."""
    levels = found.record.shown(found.record.grid.rows[row - 1])
    some = [f"{f.replace('_', ' ')} {short(f, levels[f])}" for f in found.record.grid.varying[:8]]
    return f"row {name(found, row)}<br>{'<br>'.join(plain(s) for s in some)}"


def by(found: Findings) -> Measure:
    """The measure that rows are ranked by on validation: the one that selects, else the primary one."""
    return found.record.selected_by or found.record.primary


def metric(found: Findings) -> str:
    """What rows are ranked by, in words: "accuracy"."""
    return by(found).title


def scale(found: Findings) -> tuple[float, str]:
    """What a value of that measure is multiplied with, and the unit that it has then."""
    return by(found).scale, by(found).unit


def with_unit(title: str, unit: str) -> str:
    """An axis' title with its unit, where there is one."""
    return f"{title} ({unit})" if unit else title


def validated(found: Findings) -> dict[int, float]:
    """Row -> the measure that rows are ranked by, on validation, mean over seeds, not yet scaled; rows without it are
    left out."""
    key, means = by(found).name, {}
    for row in found.val:
        values = [r.scores.get("val", {}).get(key) for _, r in found.finished(row)]
        if None not in values:
            means[row] = sum(v for v in values if v is not None) / len(values)
    return means


def chosen(found: Findings, most: int) -> list[int]:
    """Of the finished rows as many as can be drawn, in their order: the selected one, the reference, and the best on
    validation."""
    values = validated(found)
    sign = 1 if by(found).lowest else -1
    first = {found.record.grid.reference, found.selected}
    return sorted(sorted(found.val, key=lambda r: (r not in first, sign * values.get(r, 0.0), r))[:most])


def left_out(found: Findings, drawn: int) -> tuple[str, ...]:
    """What is said of the finished rows that are not drawn, and of those that did not finish."""
    many, every = len(found.val), range(1, len(found.record.grid.rows) + 1)
    lacking = [str(r) for r in every if r not in found.val]
    cut = f"Drawn are {drawn:,} of {many:,} rows: the selected one, the reference, and the best on validation."
    names = ", ".join(lacking) if len(lacking) <= 20 else f"{', '.join(lacking[:20])} and {len(lacking) - 20:,} more"
    none = f"Without a result, and not drawn: row{'s' if lacking[1:] else ''} {names}."
    return (*((cut,) if drawn < many else ()), *((none,) if lacking else ()))


def around(values: Iterable[float], measure: Measure) -> tuple[float, float]:
    """Where an axis of a measure begins and ends: around all values; of percentages as `bounds` says."""
    if measure.is_share:
        return bounds(values, 0, 100)
    some = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
    reach = 0.05 * (max(some) - min(some)) or 0.05 * abs(some[0]) or 1.0
    return max(min(some) - reach, min(measure.bounds[0], min(some))), max(some) + reach


def bounds(values: Iterable[float], low: float | None = None, high: float | None = None) -> tuple[float, float]:
    """Where an axis in percent begins and ends: around all values, on tens, never outside of `low` and `high`."""
    some = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
    step = 10.0 if max(some) - min(some) > 15 else 1.0
    first, last = step * math.floor(min(some) / step - 0.2), step * math.ceil(max(some) / step + 0.2)
    return (first if low is None else max(low, first)), (last if high is None else min(high, last))


def begins(title: str, low: float, unit: str = "%") -> str:
    """An axis' title that says where the axis is cut."""
    return title if low == 0 else f"{title} (axis begins at {f'{low:g} {unit}'.rstrip()})"


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    return {
        "title": {"text": title, "standoff": 10},
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
    """A vertical axis with a name at each place, the first one on top."""
    outer = (max(places, default=0) + 0.7, min(places, default=0) - 0.7)
    return axis(tickvals=list(places), ticktext=list(names), range=list(outer), showgrid=False, ticks="",
                showline=False, **more)  # fmt: skip


def text(content: str, **more: Any) -> dict[str, Any]:
    """Words in a figure."""
    return {"text": content, "showarrow": False, "font": {"size": 12}, **more}


def line(**more: Any) -> dict[str, Any]:
    """A line across a figure."""
    return {"type": "line", "line": {"color": GREY, "width": 1.5}, **more}


def figure(traces: Sequence[Trace], height: int, **layout: Any) -> dict[str, Any]:
    """Transparent, so that the page's colour shows; the page sets the colour of words too."""
    same = {
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
    return {"data": list(traces), "layout": {**same, **layout}}


def dots(x: Sequence[Any], y: Sequence[Any], color: str, symbol: str, **more: Any) -> Trace:
    """Marks; `name` is what the legend says of them, `text` what is shown to those who point at them."""
    marker = {"color": color, "symbol": symbol, "size": 10, "line": {"color": color, "width": 1.5}}
    return {
        "type": "scatter", "mode": "markers", "x": list(x), "y": list(y), "hoverinfo": "text", "cliponaxis": False,
        **more, "marker": marker | more.get("marker", {}),
    }  # fmt: skip


def strokes(x: Sequence[Any], y: Sequence[Any], color: str = GREY, width: float = 1.5, **more: Any) -> Trace:
    """Lines; None parts one from the next."""
    stroke = {"color": color, "width": width} | more.pop("line", {})
    return {"type": "scatter", "mode": "lines", "x": list(x), "y": list(y), "line": stroke, "hoverinfo": "skip", **more}


def cells(many: int, across: int, gap: tuple[float, float] = (0.06, 0.1)) -> list[dict[str, list[float]]]:
    """Where each of many small panels lies, row by row: {"x": [left, right], "y": [bottom, top]}, as shares."""
    down = math.ceil(many / across)
    width, height = (1 + gap[0]) / across - gap[0], (1 + gap[1] / down) / down - gap[1] / down
    places = []
    for k in range(many):
        left, top = (k % across) * (width + gap[0]), 1 - (k // across) * (height + gap[1] / down)
        places.append({"x": [left, min(1.0, left + width)], "y": [max(0.0, top - height), top]})
    return places


def number(k: int) -> str:
    """plotly counts axes from "", then 2."""
    return str(k + 1) if k else ""
