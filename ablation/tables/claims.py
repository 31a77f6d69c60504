"""What may be said of a study, in sentences: no more than its numbers hold."""

from collections.abc import Iterator

from ablation.caveats.caveat import listed, plural, which
from ablation.grids.levels import short
from ablation.grids.record import Record
from ablation.results.findings import Findings
from ablation.statistics.comparison import ALPHA
from ablation.statistics.facts import Contrast
from ablation.tables.table import capital

MOST = 6  # factors that get a sentence


def claims(found: Findings) -> list[str]:
    """In the order in which they matter; [] until a selection is sealed."""
    return [*_selected(found), *_factors(found), *_seeds(found)] if found.sealed and found.test else []


def _selected(found: Findings) -> Iterator[str]:
    assert found.sealed is not None
    row, primary = found.sealed.row, found.record.primary
    if row is None:
        yield f"{capital(found.sealed.rule)}."
        return
    facts = found.analysis.rows.get(row)
    yield f"Row {row} was selected: {found.sealed.rule.partition(' (')[0]}."
    if facts:
        interval = facts.primary.interval
        bounds = f" ({primary.number(interval.low, 1)} to {primary.number(interval.high, 1)})"
        scored = "it scored" if primary.is_share else f"its {primary.title} is"
        yield f"On test {scored} {primary.shown(interval.value, 1)}{bounds if interval.low == interval.low else ''}."
    alike = [r for r, facts in found.analysis.rows.items() if facts.alike]
    if alike:
        yield f"Test does not tell {which(alike)} from it."
    stability = found.analysis.stability
    if stability and stability.cheapest != row:
        yield f"Validation does not tell row {stability.cheapest} from it, and that one is the cheapest of those."


def _factors(found: Findings) -> Iterator[str]:
    groups: dict[tuple[str, object, object], list[Contrast]] = {}
    for contrast in found.analysis.contrasts:
        pair = contrast.pair
        groups.setdefault((pair.factor, *pair.levels), []).append(contrast)
    for (factor, first, second), some in list(groups.items())[:MOST]:
        yield _factor(found.record, factor, first, second, some, len(found.analysis.contrasts))


def _told(some: list[Contrast], family: int) -> str:
    """Which of these contrasts a test tells from 0."""
    told = [f"{c.pair.first} → {c.pair.second}" for c in some if c.difference.p_holm < ALPHA]
    test = f"Holm over {plural(family, 'contrast')}"
    if not any(c.difference.over for c in some):
        return "numbers alone, untested"
    return f"told from 0: rows {listed(told)} ({test})" if told else f"not told from 0 ({test})"


def _factor(record: Record, factor: str, first: object, second: object, some: list[Contrast], family: int) -> str:
    measure, title = record.primary, record.grid.titles[factor]
    values = [c.difference.value.value for c in some]
    numbers = ", ".join(f"{measure.scale * v:+.{measure.places(1)}f}" for v in values[:8])
    shown = f"{numbers}{', ...' if values[8:] else ''} {measure.change_unit}".rstrip()
    change = f"{title} {short(factor, first)} to {short(factor, second)}"
    after = _told(some, family)
    up, down = sum(v > 0 for v in values), sum(v < 0 for v in values)
    if up and down:
        return f"{change}: {len(some)} pairs, signs disagree ({shown}); {after}."
    direction, many = ("raised", up) if up else ("lowered", down) if down else ("did not change", len(some))
    pairs = f"{many} of {len(some)} matched pairs" if some[1:] else "the one matched pair"
    return f"{change} {direction} test {measure.title} in {pairs} ({shown}); {after}."


def _seeds(found: Findings) -> Iterator[str]:
    if len(found.record.grid.seeds) == 1:
        yield "One training per row: nothing here speaks of seeds."
