"""The table of one-factor contrasts."""

from collections.abc import Iterator

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.table import Column, Table
from ablation.report.tables import pairs, stars
from ablation.report.tables.secondary_table import MOST, secondary_table
from ablation.study.levels import short


def contrasts(study: StudyAnalysis) -> Table | None:
    """Return the table of pairs of rows that differ in one factor, compared on the same test examples.

    The result is None if the study has no such contrast.
    """
    shown = study.analysis.contrasts[:MOST]
    if not shown:
        return None
    record, one_seed = study.record, all(c.difference.against for c in shown)
    measures = (record.primary, *pairs.secondary_measures(study))
    columns = [
        Column("factor", "Factor", "text"),
        Column("levels", "Level", "text"),
        Column("rows", "Rows", "text"),
        *pairs.columns(record, measures, one_seed),
    ]
    rows = []
    for contrast in shown:
        pair = contrast.pair
        levels = " → ".join(short(pair.factor, level) for level in pair.levels)
        named = [record.grid.titles[pair.factor], levels, f"{pair.first} → {pair.second}"]
        rows.append([*named, *pairs.cells(record, contrast.difference, measures, one_seed)])
    caption = "One-factor contrasts: rows that differ in one factor alone."
    return secondary_table(study, "contrasts", caption, columns, rows, list(_contrast_notes(study, one_seed)))


def _contrast_notes(study: StudyAnalysis, one_seed: bool) -> Iterator[str]:
    n_contrasts, primary, noun = len(study.analysis.contrasts), study.record.primary, study.record.noun
    if n_contrasts > MOST:
        yield f"The first {MOST} of {n_contrasts:,}; contrasts.csv has them all."
    tests = dict.fromkeys(pairs.test_name(study.record, c.difference) for c in study.analysis.contrasts)
    if test := " or ".join(filter(None, tests)):
        method = f"Intervals: 95 %, paired, unadjusted. p: {test}; Holm over the {n_contrasts:,} contrasts."
    else:
        method = "Of numbers alone: no intervals, and no tests."
    yield f"Second row minus first. {method}"
    yield from stars.note(study.record)
    if one_seed:
        yield pairs.right_only_in(study.record)
    if study.analysis.cochran is not None:
        yield f"Any difference among the rows: Cochran's Q, p {_p(study.analysis.cochran)}."
    if study.analysis.detectable:
        yield (
            f"Smallest difference that one test on these {noun}s finds with power 0.8: "
            f"{primary.size(study.analysis.detectable, 1)} (at the rows' median discordance with the reference)."
        )
    yield from pairs.equivalence(study.record)


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"
