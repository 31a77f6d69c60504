"""One-factor contrasts: what each single change did to test accuracy, and how sure that is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablation.figures.canvas import (
    BLUE,
    FAINT,
    GREY,
    LINE,
    MOST,
    Drawn,
    axis,
    dots,
    figure,
    left_out,
    line,
    names_axis,
    plain,
    text,
)
from ablation.grids.levels import short
from ablation.results.findings import Findings
from ablation.statistics.comparison import ALPHA

COLUMNS = ["factor", "levels", "first", "second", "pp", "low", "high", "p_holm", "told"]


@dataclass(frozen=True)
class Forest:
    """`data`: a line a contrast; percentage points, second row minus first; `told`: from nothing, after Holm's
    correction. `margin`: half the band that counts as no difference, in percentage points. `over`: images or seeds."""

    data: pd.DataFrame
    many: int
    margin: float | None
    over: str


def info(found: Findings) -> Forest | None:
    contrasts = found.analysis.contrasts
    if not contrasts:
        return None
    lines, titles = [], found.record.grid.titles
    for contrast in contrasts[:MOST]:
        pair, difference = contrast.pair, contrast.difference
        pp = difference.accuracy.scaled(100)
        levels = " → ".join(short(pair.factor, level) for level in pair.levels)
        lines.append(
            (titles[pair.factor], levels, pair.first, pair.second, pp.value, pp.low, pp.high, difference.p_holm,
             bool(difference.p_holm < ALPHA))
        )  # fmt: skip
    margin = found.record.grid.margin
    return Forest(
        pd.DataFrame(lines, columns=COLUMNS),
        len(contrasts),
        100 * margin if margin else None,
        " or ".join(dict.fromkeys(c.difference.over for c in contrasts[:MOST])),
    )


def places(data: pd.DataFrame) -> list[float]:
    """From the top down, with a gap before each factor."""
    changes = (data.factor != data.factor.shift()).cumsum() - 1
    return [float(k + 0.7 * group) for k, group in enumerate(changes)]


def draw(found: Forest) -> Mapping[str, Any]:
    data, y = found.data, places(found.data)
    names = [f"{plain(f'{c.factor} {c.levels}')} · rows {c.first} → {c.second}" for c in data.itertuples()]
    traces = []
    for told, symbol, color, words in (
        (True, "circle", BLUE, "told from 0 (Holm)"),
        (False, "circle-open", GREY, "not told from 0"),
    ):
        some = [k for k, each in enumerate(data.told) if bool(each) == told]
        mine = data.iloc[some]
        bars = {
            "type": "data", "symmetric": False, "color": color, "thickness": 2, "width": 0,
            "array": list(mine.high - mine.pp), "arrayminus": list(mine.pp - mine.low),
        }  # fmt: skip
        shown = [
            f"{names[k]}<br>{c.pp:+.2f} pp [{c.low:+.2f}, {c.high:+.2f}]<br>p (Holm) {c.p_holm:.3g}"
            for k, c in zip(some, mine.itertuples(), strict=True)
        ]
        traces.append(dots(list(mine.pp), [y[k] for k in some], color, symbol, error_x=bars, text=shown, name=words))
    shapes = [line(x0=0, x1=0, yref="paper", y0=0, y1=1)]
    notes = []
    if found.margin:
        band = {"type": "rect", "x0": -found.margin, "x1": found.margin, "yref": "paper", "y0": 0, "y1": 1}
        shapes.insert(0, band | {"fillcolor": FAINT, "line": {"width": 0}, "layer": "below"})
        said = f"within ±{found.margin:g} pp: no difference"
        notes.append(text(said, x=0, y=0, yref="paper", yanchor="bottom", yshift=2))
    low, high = min(0.0, data.low.min()), max(0.0, data.high.max())
    reach = 0.05 * (high - low) or 1.0
    return figure(
        traces,
        height=130 + LINE * int(max(y) + 2),
        xaxis=axis(f"Δ test accuracy (pp), paired 95 % interval over {found.over}", range=[low - reach, high + reach]),
        yaxis=names_axis(y, names),
        shapes=shapes,
        annotations=notes,
    )


def drawn(found: Findings) -> Drawn | None:
    seen = info(found)
    if not seen:
        return None
    told = int(seen.data.told.sum())
    cut = f"The first {len(seen.data)} of {seen.many:,} contrasts; contrasts.csv has them all."
    biggest = seen.data.iloc[int(seen.data.pp.abs().to_numpy().argmax())]
    return Drawn(
        "contrasts",
        "What each single change did",
        "Every two rows that differ in one factor alone, second minus first, on the same test images. A bar that "
        "crosses the line at 0 is a change that these images do not show.",
        f"Forest plot of {len(seen.data)} one-factor contrasts in {seen.data.factor.nunique()} factors; {told} are "
        f"told from 0 after Holm's correction. The largest: {biggest['factor']} {biggest['levels']}, rows "
        f"{biggest['first']} to {biggest['second']}, {biggest['pp']:+.1f} pp ({biggest['low']:+.1f} to "
        f"{biggest['high']:+.1f}).",
        seen.data,
        (*((cut,) if len(seen.data) < seen.many else ()), *left_out(found, len(found.val))),
        draw(seen),
    )
