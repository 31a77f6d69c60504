"""The table of one-factor contrasts."""

from collections.abc import Iterator

from ablation.analysis.facts import Difference
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.measures.measure import AGGREGATE, Measure
from ablation.model.phrases import plural
from ablation.model.table import Column, Table
from ablation.report.tables.methods import test_name
from ablation.report.tables.secondary_table import MOST, secondary_table
from ablation.report.tables.table import measured
from ablation.study.levels import short


def contrasts(study: StudyAnalysis) -> Table | None:
    """Return the table of pairs of rows that differ in one factor, compared on the same test examples.

    The result is None if the study has no such contrast.
    """
    shown = study.analysis.contrasts[:MOST]
    if not shown:
        return None
    one_seed = all(c.difference.against for c in shown)
    margin, secondary = study.record.grid.margin, _secondary_measures(study)
    columns = [
        Column("factor", "Factor", "text"),
        Column("levels", "Level", "text"),
        Column("rows", "Rows", "text"),
        *(measured(m.name, f"Δ {m.title}", "change", "Test", m) for m in (study.record.primary, *secondary)),
        *([Column("only", "Right only in", "text")] if one_seed else []),
        Column("p", "p", "p"),
        Column("p_holm", "p (Holm)", "p"),
        *([Column("equivalent", "Equivalent", "text")] if margin else []),
    ]
    rows = []
    for contrast in shown:
        pair, d = contrast.pair, contrast.difference
        levels = " → ".join(short(pair.factor, level) for level in pair.levels)
        rows.append(
            [
                study.record.grid.titles[pair.factor], levels, f"{pair.first} → {pair.second}", d.value,
                *(d.others.get(m.name) for m in secondary),
                *([_discordant(d)] if one_seed else []),
                d.p, d.p_holm,
                *([{True: "yes", False: "no", None: None}[d.equivalent]] if margin else []),
            ]
        )  # fmt: skip
    caption = "One-factor contrasts: rows that differ in one factor alone."
    return secondary_table(study, "contrasts", caption, columns, rows, list(_contrast_notes(study, one_seed)))


def _secondary_measures(study: StudyAnalysis) -> list[Measure]:
    """Return the measures other than the primary one whose differences have intervals."""
    primary = study.record.primary.name
    return [
        m for m in study.record.detailed if m.name != primary and (m.kind != AGGREGATE or study.analysis.bootstrapped)
    ]


def _discordant(difference: Difference) -> str:
    against = difference.against
    assert against is not None
    return f"{against.only_a:,} / {against.only_b:,}"


def _contrast_notes(study: StudyAnalysis, one_seed: bool) -> Iterator[str]:
    n_contrasts, primary, noun = len(study.analysis.contrasts), study.record.primary, study.record.noun
    if n_contrasts > MOST:
        yield f"The first {MOST} of {n_contrasts:,}; contrasts.csv has them all."
    tests = dict.fromkeys(test_name(study.record, c.difference) for c in study.analysis.contrasts)
    if test := " or ".join(filter(None, tests)):
        method = f"Intervals: 95 %, paired, unadjusted. p: {test}; Holm over {plural(n_contrasts, 'contrast')}."
    else:
        method = "Of numbers alone: no intervals, and no tests."
    yield f"Second row minus first. {method}"
    if one_seed:
        yield f"Right only in: test {noun}s that only the first / only the second row gets right."
    if study.analysis.cochran is not None:
        yield f"Any difference among the rows: Cochran's Q, p {_p(study.analysis.cochran)}."
    if study.analysis.largest_power is not None:
        yield f"{detectable(study)}."
    if margin := study.record.grid.margin:
        size = f"{primary.scale * margin:g} {primary.change_unit}".rstrip()
        yield f"Equivalent: within ±{size} by two one-sided paired tests."


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
