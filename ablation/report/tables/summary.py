"""Summary of a study in sentences that its numbers support."""

from collections.abc import Iterator

from ablation.analysis.facts import Contrast
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.phrases import listed, plural, sentence, which
from ablation.report.tables import digits
from ablation.report.tables.cells import p_value
from ablation.report.tables.table import capital
from ablation.statistics.intervals import ALPHA
from ablation.store.record import Record
from ablation.study.levels import short

MOST = 6  # changes of a factor that get a sentence


def claims(study: StudyAnalysis) -> list[str]:
    """Return the sentences, the most important first; [] until a selection is sealed."""
    return (
        [*_selected(study), *_unpaired(study), *_factors(study), *_seeds(study)] if study.sealed and study.test else []
    )


def _selected(study: StudyAnalysis) -> Iterator[str]:
    assert study.sealed is not None
    row, primary = study.sealed.row, study.record.primary
    if row is None:
        yield f"{capital(study.sealed.rule)}."
        return
    facts = study.analysis.rows.get(row)
    yield f"Row {row} was selected: {study.sealed.rule.partition(' (')[0]}."
    if facts:
        interval = facts.primary.interval
        decimals = digits.places(primary, interval, 1)
        low, high = (f"{primary.scale * bound:.{decimals}f}" for bound in (interval.low, interval.high))
        bounds = f" ({low} to {high})" if interval.low == interval.low else ""
        scored = "it scored" if primary.is_share else f"its {primary.title} is"
        number = f"{primary.scale * interval.value:.{decimals}f} {primary.unit}".rstrip()
        yield sentence(f"{study.record.on_held_out} {scored} {number}{bounds}.".strip())
    alike = [r for r, facts in study.analysis.rows.items() if facts.not_different]
    if alike:
        verb = which(alike, "does", "do")
        place = f"{study.record.on_held_out.strip()}, " if study.record.held_out else ""
        yield sentence(f"{place}{verb} not differ significantly from it, which does not show that they are equal.")
    stability = study.analysis.stability
    if stability and stability.cheapest != row:
        yield (
            f"On validation, row {stability.cheapest} does not differ significantly from it, and is the cheapest of "
            "the rows that do not."
        )


def _unpaired(study: StudyAnalysis) -> Iterator[str]:
    """Yield the difference of each row on other test examples from the reference."""
    record, reference = study.record, study.record.grid.reference
    primary = record.primary
    for row, difference in list(study.analysis.unpaired.items())[:MOST]:
        interval = difference.value
        bounds = f" ({primary.change(interval.low, 1)} to {primary.change(interval.high, 1)})"
        test = f", p (Holm) {p_value(difference.p_holm)}" if difference.over else ", untested"
        yield (
            f"Row {row} is tested on other {record.noun}s than row {reference}: its {primary.title} differs by "
            f"{primary.change(interval.value, 1)}{bounds if interval.low == interval.low else ''}, unpaired{test}."
        )


def _factors(study: StudyAnalysis) -> Iterator[str]:
    groups: dict[tuple[str, object, object], list[Contrast]] = {}
    for contrast in study.analysis.contrasts:
        pair = contrast.pair
        groups.setdefault((pair.factor, *pair.levels), []).append(contrast)
    for contrasts in list(groups.values())[:MOST]:
        yield _factor(study.record, contrasts, len(study.analysis.contrasts))


def _significance(contrasts: list[Contrast], family: int) -> str:
    """Return which contrasts differ significantly from 0 after the Holm adjustment over `family` contrasts."""
    significant = [f"{c.pair.first} → {c.pair.second}" for c in contrasts if c.difference.p_holm < ALPHA]
    test = f"Holm over {plural(family, 'contrast')}"
    if not any(c.difference.over and c.difference.p == c.difference.p for c in contrasts):
        return "numbers alone, untested"
    if not significant:
        return f"does not differ significantly from 0 ({test})"
    return f"differs significantly from 0: rows {listed(significant)} ({test})"


def _factor(record: Record, contrasts: list[Contrast], family: int) -> str:
    """Return the sentence on one change of a factor. `contrasts`: the pairs of rows with this change."""
    factor, (first, second) = contrasts[0].pair.factor, contrasts[0].pair.levels
    measure, title = record.primary, record.grid.titles[factor]
    values = [c.difference.value.value for c in contrasts]
    numbers = ", ".join(f"{measure.scale * v:+z.{measure.places(1)}f}" for v in values[:8])
    shown = f"{numbers}{', ...' if values[8:] else ''} {measure.change_unit}".rstrip()
    change = f"{title} {short(factor, first)} to {short(factor, second)}"
    significance = _significance(contrasts, family)
    up, down = sum(v > 0 for v in values), sum(v < 0 for v in values)
    if up and down:
        return f"{change}: {len(contrasts)} pairs, signs disagree ({shown}); {significance}."
    direction, n_pairs = ("raised", up) if up else ("lowered", down) if down else ("did not change", len(contrasts))
    pairs = f"{n_pairs} of {len(contrasts)} matched pairs" if contrasts[1:] else "the one matched pair"
    return f"{change} {direction} {record.compared(measure)} in {pairs} ({shown}); {significance}."


def _seeds(study: StudyAnalysis) -> Iterator[str]:
    if len(study.record.grid.seeds) == 1:
        run = "run" if study.record.grid.is_imported else "training"
        yield f"One {run} per row: no statement here covers the variation between seeds."
