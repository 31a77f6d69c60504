"""The tables of the comparisons that a user states, one for each family, and of `ablate compare`."""

from collections.abc import Iterable, Iterator

from ablation.analysis.comparisons import OTHER_EXAMPLES
from ablation.analysis.facts import Family
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.phrases import listed, plural, which
from ablation.model.table import Column, Table
from ablation.report.tables import pairs, stars
from ablation.report.tables.dataframes import levels_between
from ablation.report.tables.methods import interval_name, test_name
from ablation.report.tables.secondary_table import MOST, secondary_table
from ablation.store.record import Record
from ablation.study.comparisons import Pair

NOT_CORRECTED = "not corrected; chosen after the table was seen"
MAY_DISAGREE = "Interval and test may disagree near 5 %."


def comparisons(study: StudyAnalysis) -> list[Table]:
    """Return the table of each family of comparisons that the study file states."""
    return [_family(study, n, family) for n, family in enumerate(study.analysis.families, start=1)]


def _family(study: StudyAnalysis, number: int, family: Family) -> Table:
    record, measures = study.record, (study.record.primary,)
    columns = [*_row_columns(), *pairs.columns(record, measures, one_seed=False)]
    empty = [None] * (len(columns) - len(_row_columns()) - 1)
    rows = [
        *([*_rows(record, pair), *pairs.cells(record, d, measures, False)] for pair, d in family.pairs.items()),
        *([*_rows(record, pair), reason, *empty] for pair, reason in family.untested.items()),
    ]
    cut = [f"The first {MOST} of {len(rows):,}; comparisons.csv has them all."] if len(rows) > MOST else []
    correction = _correction(len(family.pairs), len(study.analysis.families))
    notes = [
        *cut,
        *_methods(record, family, correction),
        *pairs.wins_note(record),
        *stars.note(record),
        *_left_out(study, family),
    ]
    notes += pairs.equivalence(record)
    key, caption = f"comparisons_{number}", f"Comparisons {number}: {family.title}."
    return secondary_table(study, key, caption, columns, rows[:MOST], notes)


def after_the_table(study: StudyAnalysis) -> Table:
    """Return the table of `ablate compare`: the first family of a study, without correction."""
    record, family = study.record, study.analysis.families[0]
    one_seed = all(d.against for d in family.pairs.values())
    measures = (record.primary, *pairs.secondary_measures(study))
    columns = [*_row_columns(), *pairs.columns(record, measures, one_seed, corrected=False)]
    rows = [
        [*_rows(record, pair), *pairs.cells(record, d, measures, one_seed, corrected=False)]
        for pair, d in family.pairs.items()
    ]
    notes = [*_methods(record, family, NOT_CORRECTED), *_left_out(study, family)]
    notes += [pairs.right_only_in(record)] if one_seed else []
    notes += pairs.equivalence(record)
    return secondary_table(study, "compare", f"{family.title}.", columns, rows, notes)


def _row_columns() -> list[Column]:
    return [Column("rows", "Rows", "text"), Column("levels", "Differ in", "text")]


def _rows(record: Record, pair: Pair) -> list[str]:
    """Return the cells that name two rows and their different levels."""
    changes = (
        f"{record.grid.titles[factor]} {first} → {second}" for factor, first, second in levels_between(record, pair)
    )
    return [" → ".join(_named(record, row) for row in pair), "; ".join(changes)]


def _named(record: Record, row: int) -> str:
    label = record.grid.labels[row - 1]
    return f"{row} ({label})" if label else str(row)


def _methods(record: Record, family: Family, correction: str) -> Iterator[str]:
    """Yield the direction of the differences, their interval and test, and the correction of the test."""
    intervals = _distinct(interval_name(record, d.over, d.drawn) for d in family.pairs.values())
    tests = _distinct(test_name(record, d) for d in family.pairs.values())
    method = f"Intervals: 95 %, {intervals}, unadjusted. p: {tests}; {correction}. {MAY_DISAGREE}"
    yield f"Second row minus first. {method if tests else 'Of numbers alone: no intervals, and no tests.'}"


def _correction(size: int, n_families: int) -> str:
    """Return how the p values of a family of this size are corrected, in words."""
    holm = f"Holm over the {size:,} comparisons of this family" if size > 1 else "the only test of this family"
    return holm if n_families == 1 else f"{holm}; each of the {n_families} families is corrected on its own"


def _distinct(names: Iterable[str]) -> str:
    return " or ".join(name for name in dict.fromkeys(names) if name)


def _left_out(study: StudyAnalysis, family: Family) -> Iterator[str]:
    """Yield which pairs are not compared, and which rows lack seeds."""
    record = study.record
    apart = [f"{a} → {b}" for (a, b), reason in family.untested.items() if reason == OTHER_EXAMPLES]
    if apart:
        yield f"Not paired, as the test {record.noun}s differ, and in no test: {listed(apart)}."
    if missing := len(family.untested) - len(apart):
        yield f"Not compared, as a row has no result: {plural(missing, 'pair')}."
    n_seeds = {row: study.analysis.rows[row].n_seeds for pair in family.pairs for row in pair}
    if few := [row for row, n in n_seeds.items() if n < len(record.grid.seeds_of(row))]:
        yield f"Differences are over the seeds that both rows have; {which(few, 'has', 'have')} fewer seeds."
