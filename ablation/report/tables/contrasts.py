"""The table of one-factor contrasts."""

from collections.abc import Iterator

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.phrases import listed, plural
from ablation.model.table import Column, Table
from ablation.report.tables import pairs, stars
from ablation.report.tables.methods import pairing, test_name
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
    n_contrasts = len(study.analysis.contrasts)
    if n_contrasts > MOST:
        yield f"The first {MOST} of {n_contrasts:,}; contrasts.csv has them all."
    tests = dict.fromkeys(test_name(study.record, c.difference) for c in study.analysis.contrasts)
    if test := " or ".join(filter(None, tests)):
        kinds = listed(dict.fromkeys(pairing(c.difference) for c in study.analysis.contrasts if c.difference.over))
        method = f"Intervals: 95 %, {kinds}, unadjusted. p: {test}; Holm over {plural(n_contrasts, 'contrast')}."
    else:
        method = "Of numbers alone: no intervals, and no tests."
    yield f"Second row minus first. {method}"
    yield from pairs.wins_note(study.record)
    yield from stars.note(study.record)
    if one_seed:
        yield pairs.right_only_in(study.record)
    if study.analysis.cochran is not None:
        yield f"Any difference among the rows: Cochran's Q, p {_p(study.analysis.cochran)}."
    if study.analysis.largest_power is not None:
        yield f"{detectable(study)}."
    yield from pairs.equivalence(study.record)


def detectable(study: StudyAnalysis) -> str:
    """Return what one exact McNemar test on the test examples can detect, without a full stop."""
    analysis, noun = study.analysis, study.record.noun
    assert analysis.largest_power is not None
    if analysis.detectable is None:
        return (
            f"On these {noun}s no difference can be found with power 0.8 at this size: even where all {noun}s on which "
            f"two rows disagree favour one row, one exact McNemar test has power {analysis.largest_power:.2f} (at the "
            "rows' median discordance with the reference)"
        )
    return (
        f"Smallest difference that one test on these {noun}s finds with power 0.8: "
        f"{study.record.primary.size(analysis.detectable, 1)} (at the rows' median discordance with the reference)"
    )


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"
