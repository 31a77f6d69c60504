"""The table of main effects and interactions."""
# ruff: noqa: RUF001 (the table contains these signs)

from collections.abc import Iterator
from typing import Any

from ablation.analysis.facts import SEEDS
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.measures.measure import AGGREGATE, BINARY
from ablation.model.phrases import listed, sentence
from ablation.model.table import Column, Table
from ablation.report.tables.dataframes import over
from ablation.report.tables.methods import PSEUDO, interval_name
from ablation.report.tables.secondary_table import secondary_table
from ablation.report.tables.table import measured
from ablation.statistics.bootstrap import RESAMPLES
from ablation.study import design
from ablation.study.levels import short

Line = tuple[str, list[Any], str]  # name, cells, reason why there is no effect


def effects(study: StudyAnalysis) -> Table | None:
    """Return the table of main effects and interactions; None if no effect was computed."""
    if not study.analysis.effects:
        return None
    record, primary = study.record, study.record.primary
    columns = [
        Column("factor", "Factor", "text"),
        Column("levels", "Level", "text"),
        Column("pairs", "Pairs", "count"),
        Column("signs", "Up / down", "text"),
        measured("main", "Effect", "change", sentence(record.compared(primary)), primary),
        measured("line_fit", "Over rows", "change", sentence(record.compared(primary)), primary),
    ]
    effect_lines = [*_main_effects(study), *_interactions(study)]
    reasons = list(dict.fromkeys(f"{name}: {reason}." for name, _, reason in effect_lines if reason))
    notes = [
        f"Effect: coefficient of a linear model of all rows without interactions, {_interval(study)}; of two factors: "
        f"difference of differences over four rows, with the same interval{_exception(study)}. Unadjusted.",
        "Over rows: the same effect, with the t interval of ordinary least squares over rows, from what the model "
        "leaves unexplained: interactions and seeds.",
        f"Up / down: matched pairs in which {primary.title} rose / fell.{_disagreement(study)}",
        *reasons,
    ]
    rows = [cells for _, cells, _ in effect_lines]
    return secondary_table(study, "effects", "Factors: the effects that the rows can estimate.", columns, rows, notes)


def _interval(study: StudyAnalysis) -> str:
    """Return the name of the interval of main effects, as `units.intervals_of` computes it."""
    primary, unit = study.record.primary, study.analysis.effects[0].over
    units, held_out = over(study.record, unit), f"{study.record.held_out} ".lstrip()
    if not unit:
        return "untested"
    if unit == "examples" and primary.kind == BINARY:
        return f"95 % t interval over {held_out}{units}, with the two added {units} of Bonett and Price (2012)"
    drawn = any(facts.primary.drawn for facts in study.analysis.rows.values())
    if unit == "examples" and drawn:
        return f"95 % percentile bootstrap over {held_out}{units}, {RESAMPLES:,} resamples"
    if unit not in ("examples", "seeds"):
        return f"95 % interval: {interval_name(study.record, unit, drawn)}"
    of_values = PSEUDO if unit == "examples" and primary.kind == AGGREGATE else ""
    return f"95 % t interval over {held_out if unit == 'examples' else ''}{units}{of_values}"


def _exception(study: StudyAnalysis) -> str:
    """Return where interactions have another interval than main effects: rows that have seeds in common."""
    over_examples = study.analysis.effects[0].over == "examples"
    several = over_examples and len(study.record.grid.seeds) >= SEEDS
    return f", over seeds where the four rows have the same {SEEDS} or more" if several else ""


def _disagreement(study: StudyAnalysis) -> str:
    """Return a sentence on factors whose pairs disagree: whether an interval of an interaction of theirs leaves out 0.

    Returns "" where no pairs disagree.
    """
    disagreeing = list(dict.fromkeys(e.factor for e in study.analysis.effects if e.up and e.down))
    interacting = {
        factor
        for interaction in study.analysis.interactions
        for factor in interaction.factors
        for _, value in interaction.squares
        if value.low > 0 or value.high < 0
    }
    titles = {f: study.record.grid.titles[f] for f in disagreeing}
    clear = [titles[f] for f in disagreeing if f in interacting]
    unclear = [titles[f] for f in disagreeing if f not in interacting]
    sentences = [
        f" Pairs of {listed(clear)} disagree, and an interaction has an interval without 0." if clear else "",
        f" Pairs of {listed(unclear)} disagree, which alone shows no interaction: none here has an interval without 0."
        if unclear
        else "",
    ]
    return "".join(sentences)


def _main_effects(study: StudyAnalysis) -> Iterator[Line]:
    for e in study.analysis.effects:
        levels = " → ".join(short(e.factor, v) for v in e.levels)
        reason = "not estimable" if e.reason else None
        yield (
            study.record.grid.titles[e.factor],
            [study.record.grid.titles[e.factor], levels, e.pairs, f"{e.up} / {e.down}", e.main or reason, e.line_fit],
            e.reason,
        )


def _interactions(study: StudyAnalysis) -> Iterator[Line]:
    for interaction in study.analysis.interactions:
        name = " × ".join(study.record.grid.titles[f] for f in interaction.factors)
        for square, value in interaction.squares:
            yield name, [name, _square(square), None, None, value, None], ""
        if not interaction.squares:
            reason = interaction.reason.partition(":")[0]
            yield name, [name, None, None, None, reason, None], interaction.reason


def _square(square: design.TwoByTwo) -> str:
    a, b = (
        " → ".join(short(f, level) for level in levels) for f, levels in zip(square.factors, square.levels, strict=True)
    )
    return f"{a}; {b} (rows {', '.join(map(str, square.rows))})"
