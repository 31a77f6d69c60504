"""What may be said of a study, in sentences: no more than its numbers hold."""

from collections.abc import Iterator

from ablation.caveats.caveat import listed, plural, which
from ablation.grids.levels import short
from ablation.results.findings import Findings
from ablation.statistics.comparison import ALPHA
from ablation.statistics.facts import Contrast

MOST = 6  # factors that get a sentence


def claims(found: Findings) -> list[str]:
    """In the order in which they matter; [] until a selection is sealed."""
    return [*_selected(found), *_factors(found), *_seeds(found)] if found.sealed and found.test else []


def _selected(found: Findings) -> Iterator[str]:
    assert found.sealed is not None
    row, facts = found.sealed.row, found.analysis.rows.get(found.sealed.row)
    yield f"Row {row} was selected: {found.sealed.rule.partition(' (')[0]}."
    if facts:
        interval = facts.over_seeds or facts.accuracy
        bounds = f" ({100 * interval.low:.1f} to {100 * interval.high:.1f})" if interval.low == interval.low else ""
        yield f"On test it scored {100 * interval.value:.1f} %{bounds}."
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
        title = found.record.grid.titles[factor]
        yield _factor(title, factor, first, second, some, len(found.analysis.contrasts))


def _told(some: list[Contrast], family: int) -> str:
    """Which of these contrasts a test tells from 0."""
    told = [f"{c.pair.first} → {c.pair.second}" for c in some if c.difference.p_holm < ALPHA]
    test = f"Holm over {plural(family, 'contrast')}"
    return f"told from 0: rows {listed(told)} ({test})" if told else f"not told from 0 ({test})"


def _factor(title: str, factor: str, first: object, second: object, some: list[Contrast], family: int) -> str:
    values = [c.difference.accuracy.value for c in some]
    shown = ", ".join(f"{100 * v:+.1f}" for v in values[:8]) + (", ..." if values[8:] else "")
    change = f"{title} {short(factor, first)} to {short(factor, second)}"
    after = _told(some, family)
    up, down = sum(v > 0 for v in values), sum(v < 0 for v in values)
    if up and down:
        return f"{change}: {len(some)} pairs, signs disagree ({shown} pp); {after}."
    direction, many = ("raised", up) if up else ("lowered", down) if down else ("did not change", len(some))
    pairs = f"{many} of {len(some)} matched pairs" if some[1:] else "the one matched pair"
    return f"{change} {direction} test accuracy in {pairs} ({shown} pp); {after}."


def _seeds(found: Findings) -> Iterator[str]:
    if len(found.record.grid.seeds) == 1:
        yield "One training per row: nothing here speaks of seeds."
