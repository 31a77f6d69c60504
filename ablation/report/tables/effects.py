"""The table of main effects and interactions."""
# ruff: noqa: RUF001 (the table contains these signs)

from collections.abc import Iterator
from typing import Any

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.table import Column, Table
from ablation.report.tables.dataframes import over
from ablation.report.tables.secondary_table import secondary_table
from ablation.report.tables.table import measured
from ablation.study import design
from ablation.study.levels import short

Line = tuple[str, list[Any], str]  # name, cells, reason why there is no effect


def effects(study: StudyAnalysis) -> Table | None:
    """Return the table of main effects and interactions; None if no effect was computed."""
    if not study.analysis.effects:
        return None
    primary = study.record.primary
    columns = [
        Column("factor", "Factor", "text"),
        Column("levels", "Level", "text"),
        Column("pairs", "Pairs", "count"),
        Column("signs", "Up / down", "text"),
        measured("main", "Effect", "change", f"Test {primary.title}", primary),
        measured("line_fit", "Over rows", "change", f"Test {primary.title}", primary),
    ]
    effect_lines = [*_main_effects(study), *_interactions(study)]
    reasons = list(dict.fromkeys(f"{name}: {reason}." for name, _, reason in effect_lines if reason))
    units = over(study.record, study.analysis.effects[0].over)
    interval = f"95 % interval over {units}" if units else "untested"
    notes = [
        f"Effect: linear model of all rows without interactions, {interval}; "
        "of two factors: difference of differences over four rows.",
        "Over rows: the same effect, its interval from what the model leaves unexplained: interactions and seeds.",
        f"Up / down: matched pairs in which {primary.title} rose / fell. Where pairs disagree, the factor interacts.",
        *reasons,
    ]
    rows = [cells for _, cells, _ in effect_lines]
    return secondary_table(study, "effects", "Factors: what the rows can say of each.", columns, rows, notes)


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
