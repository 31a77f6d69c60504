"""One-factor contrasts: what each single change did to the primary measure on test, and how sure that is."""

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
    with_unit,
)
from ablation.grids.levels import short
from ablation.measures.measure import Measure
from ablation.results.findings import Findings
from ablation.statistics.comparison import ALPHA

COLUMNS = ["factor", "levels", "first", "second", "pp", "low", "high", "p_holm", "told"]


@dataclass(frozen=True)
class Forest:
    """`data`: a line a contrast; differences of `measure`, scaled, second row minus first; `told`: from nothing, after
    Holm's correction. `margin`: half the band that counts as no difference, scaled too. `over`: what intervals are
    over, in words; "" where there are none."""

    data: pd.DataFrame
    many: int
    margin: float | None
    over: str
    measure: Measure


def _words(over: str, noun: str) -> str:
    """What intervals are over, in the study's words."""
    return f"{noun}s" if over == "examples" else over


def info(found: Findings) -> Forest | None:
    contrasts = found.analysis.contrasts
    if not contrasts:
        return None
    lines, primary, noun = [], found.record.primary, found.record.noun
    titles = found.record.grid.titles
    for contrast in contrasts[:MOST]:
        pair, difference = contrast.pair, contrast.difference
        pp = difference.value.scaled(primary.scale)
        levels = " → ".join(short(pair.factor, level) for level in pair.levels)
        lines.append(
            (titles[pair.factor], levels, pair.first, pair.second, pp.value, pp.low, pp.high, difference.p_holm,
             bool(difference.p_holm < ALPHA))
        )  # fmt: skip
    margin = found.record.grid.margin
    return Forest(
        pd.DataFrame(lines, columns=COLUMNS),
        len(contrasts),
        primary.scale * margin if margin else None,
        " or ".join(dict.fromkeys(_words(c.difference.over, noun) for c in contrasts[:MOST] if c.difference.over)),
        primary,
    )


def places(data: pd.DataFrame) -> list[float]:
    """From the top down, with a gap before each factor."""
    changes = (data.factor != data.factor.shift()).cumsum() - 1
    return [float(k + 0.7 * group) for k, group in enumerate(changes)]


def _bracket(low: Any, high: Any, digits: int) -> str:
    return f" [{low:+.{digits}f}, {high:+.{digits}f}]" if low == low else ""


def draw(found: Forest) -> Mapping[str, Any]:
    data, y, unit = found.data, places(found.data), found.measure.change_unit
    digits = found.measure.places(2)
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
            "array": list((mine.high - mine.pp).fillna(0)), "arrayminus": list((mine.pp - mine.low).fillna(0)),
        }  # fmt: skip
        shown = [
            f"{names[k]}<br>{f'{c.pp:+.{digits}f} {unit}'.rstrip()}{_bracket(c.low, c.high, digits)}"
            + (f"<br>p (Holm) {c.p_holm:.3g}" if found.over else "")
            for k, c in zip(some, mine.itertuples(), strict=True)
        ]
        traces.append(dots(list(mine.pp), [y[k] for k in some], color, symbol, error_x=bars, text=shown, name=words))
    shapes = [line(x0=0, x1=0, yref="paper", y0=0, y1=1)]
    notes = []
    if found.margin:
        band = {"type": "rect", "x0": -found.margin, "x1": found.margin, "yref": "paper", "y0": 0, "y1": 1}
        shapes.insert(0, band | {"fillcolor": FAINT, "line": {"width": 0}, "layer": "below"})
        said = f"within ±{f'{found.margin:g} {unit}'.rstrip()}: no difference"
        notes.append(text(said, x=0, y=0, yref="paper", yanchor="bottom", yshift=2))
    low, high = min(0.0, data.low.fillna(data.pp).min()), max(0.0, data.high.fillna(data.pp).max())
    title = with_unit(f"Δ test {found.measure.title}", unit)
    interval = f", paired 95 % interval over {found.over}" if found.over else ""
    reach = 0.05 * (high - low) or 1.0
    return figure(
        traces,
        height=130 + LINE * int(max(y) + 2),
        xaxis=axis(f"{title}{interval}", range=[low - reach, high + reach]),
        yaxis=names_axis(y, names),
        shapes=shapes,
        annotations=notes,
    )


def drawn(found: Findings) -> Drawn | None:
    seen = info(found)
    if not seen:
        return None
    told, noun = int(seen.data.told.sum()), found.record.noun
    cut = f"The first {len(seen.data)} of {seen.many:,} contrasts; contrasts.csv has them all."
    biggest = seen.data.iloc[int(seen.data.pp.abs().to_numpy().argmax())]
    digits, unit = seen.measure.places(1), seen.measure.change_unit
    bounds = f" ({biggest['low']:+.{digits}f} to {biggest['high']:+.{digits}f})" if seen.over else ""
    size = f"{biggest['pp']:+.{digits}f} {unit}".rstrip()
    return Drawn(
        "contrasts",
        "What each single change did",
        f"Every two rows that differ in one factor alone, second minus first, on the same test {noun}s. A bar that "
        f"crosses the line at 0 is a change that these {noun}s do not show.",
        f"Forest plot of {len(seen.data)} one-factor contrasts in {seen.data.factor.nunique()} factors; {told} are "
        f"told from 0 after Holm's correction. The largest: {biggest['factor']} {biggest['levels']}, rows "
        f"{biggest['first']} to {biggest['second']}, {size}{bounds}.",
        seen.data,
        (*((cut,) if len(seen.data) < seen.many else ()), *left_out(found, len(found.val))),
        draw(seen),
    )
