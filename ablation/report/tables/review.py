"""The table for reviewers: all runs, and the differences by other averages; times are in the provenance."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ablation.analysis import review as reviews
from ablation.analysis.review import Review, RowReview
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.measures.measure import PER_EXAMPLE
from ablation.model.phrases import listed, plural
from ablation.model.table import Column, Table
from ablation.outcomes import Status
from ablation.report.tables.contrasts import detectable
from ablation.report.tables.secondary_table import MOST, marked_rows, secondary_table
from ablation.report.tables.table import measured
from ablation.statistics.intervals import Interval
from ablation.store.study_history import changed_keys

CAPTION = "For reviewers: all runs, and the differences from the reference by other averages over seeds."


def review(study: StudyAnalysis) -> Table | None:
    """Return the table for reviewers; None before a selection is sealed."""
    if not study.sealed or not study.test:
        return None
    facts, primary = reviews.review(study), study.record.primary
    has_averages = any(row.median is not None for row in facts.rows)
    change = [("difference", "Mean"), *([("median", "Median"), ("without", "No worst")] if has_averages else [])]
    columns = [
        Column("row", "#", "row"),
        Column("trials", "Trials", "text"),
        *(measured(key, title, "change", f"Δ {primary.title}", primary) for key, title in change),
        *([Column("deviations", "Δ / SD", "change", "", 1.0, 2)] if facts.seed_deviation else []),
        *([Column("holds", "Sign holds", "text")] if has_averages else []),
    ]
    shown = facts.rows[:MOST]
    rows = [[_cells(row)[column.key] for column in columns] for row in shown]
    table = secondary_table(study, "review", CAPTION, columns, rows, list(_notes(study, facts)))
    return marked_rows(table, study, [row.row for row in shown])


def _cells(row: RowReview) -> dict[str, Any]:
    """Return the value of each column for one row."""
    changes = {
        "difference": row.difference, "median": row.median, "without": row.without_worst, "deviations": row.deviations,
    }  # fmt: skip
    nowhere = float("nan")
    return {
        "row": row.row,
        "trials": _outcomes(row.outcomes),
        **{key: None if v is None else Interval(v, nowhere, nowhere) for key, v in changes.items()},
        "holds": {True: "yes", False: "no", None: None}[row.holds],
    }


def _outcomes(outcomes: Mapping[str, int]) -> str:
    """Return numbers of trials by outcome, in words: "3 of 3 done", "2 of 3 done, 1 diverged"."""
    n_done = outcomes.get(Status.DONE, 0)
    failed = [f"{n:,} {outcome}" for outcome, n in outcomes.items() if outcome != Status.DONE]
    return ", ".join([f"{n_done:,} of {sum(outcomes.values()):,} done", *failed])


def _notes(study: StudyAnalysis, facts: Review) -> Iterator[str]:
    if len(facts.rows) > MOST:
        yield f"The first {MOST} of {len(facts.rows):,} rows."
    yield _runs(study, facts)
    yield _varied(study, facts)
    yield _over_examples(study, facts)
    yield from _over_seeds(study, facts)
    yield from _averages(facts, study.record.held_out)
    yield _multiplicity(study, facts)
    yield _study_file(study)


def _runs(study: StudyAnalysis, facts: Review) -> str:
    totals: Counter[str] = sum((Counter(row.outcomes) for row in facts.rows), Counter())
    replicates = f"; replicates of the reference: {_outcomes(facts.replicates)}" if facts.replicates else ""
    others = f"; {plural(len(study.evaluations), 'evaluation')} on other data" if study.evaluations else ""
    trainings = "" if study.record.grid.is_imported else f"; in {plural(facts.trainings, 'training')}"
    return (
        f"All runs: {_outcomes(totals)}{replicates}{others}{trainings}. Starts, "
        "retries and times are in the provenance of report.html."
    )


def _varied(study: StudyAnalysis, facts: Review) -> str:
    grid = study.record.grid
    if len(grid.seeds) == 1 and not grid.replicates:
        return "One training per row: nothing was varied between replicates."
    varied = facts.varies or f"not stated by experiment {grid.factors.experiment!r} (its name `varies`)"
    noun = study.record.noun
    same = {True: f", test {noun}s (the same for all seeds)", False: "", None: ""}[facts.same_examples]
    differ = f" Test {noun}s differ between seeds." if facts.same_examples is False else ""
    if grid.is_imported:
        return f"Varied between replicates: {varied}.{differ}"
    return f"Varied between replicates: {varied}. Not varied: levels, split seed ({grid.split_seed}){same}.{differ}"


def _over_examples(study: StudyAnalysis, facts: Review) -> str:
    noun, primary, difference = study.record.noun, study.record.primary, facts.over_examples
    if study.analysis.largest_power is not None:
        return f"{detectable(study)}."
    if difference is None:
        kind = "no scores of examples" if primary.kind not in PER_EXAMPLE else "no variation between examples"
        return f"Smallest detectable difference over {study.record.held_out_noun}s: not computed, {kind}."
    return (
        f"Smallest difference that one paired t test over these {difference.n:,} {noun}s finds with power 0.8: "
        f"{primary.size(difference.value, 1)} (means over common seeds; standard deviation of the differences "
        f"{primary.size(difference.deviation, 1)})."
    )


def _over_seeds(study: StudyAnalysis, facts: Review) -> Iterator[str]:
    primary, difference = study.record.primary, facts.over_seeds
    if difference:
        yield (
            f"Smallest difference that one paired t test over {difference.n} seeds finds with power 0.8: "
            f"{primary.size(difference.value, 2)} (standard deviation of paired differences "
            f"{primary.size(difference.deviation, 2)}, the rows' median; non-central t)."
        )
    else:
        yield "Smallest detectable difference over seeds: not computed, fewer than 3 seeds or no variation."
    if facts.seed_deviation:
        runs = f"{len(facts.seed_values)} {'runs' if study.record.grid.is_imported else 'trainings'}"
        yield f"SD: of the reference{study.record.on_held_out} over {runs}, {primary.size(facts.seed_deviation, 2)}."


def _averages(facts: Review, held_out: str) -> Iterator[str]:
    """Yield the row that each average over seeds ranks first."""
    for place, firsts in (
        ("selected on validation", facts.selected),
        (f"best on {held_out}" if held_out else "best", facts.best),
    ):
        if firsts:
            rows = ", ".join(f"row {row} by {name}" for name, row in firsts.items())
            yield f"Row that is {place}: {rows}."
    if any(row.holds is not None for row in facts.rows):
        yield "Sign holds: mean, median, and mean without each row's worst seed give Δ the same sign."


def _multiplicity(study: StudyAnalysis, facts: Review) -> str:
    sizes = [f"{n:,} {name}" for name, n in facts.families.items() if n]
    if not sizes:
        return "No p values."
    q = "; Cochran's Q is one test more" if study.analysis.cochran is not None else ""
    others = f" Without p values: {listed(facts.others)}." if facts.others else ""
    families = f"families with Holm's correction each: {listed(sizes)}"
    return f"p values of one measure, {study.record.primary.title}; {families}{q}.{others}"


def _study_file(study: StudyAnalysis) -> str:
    """Return the digest of the study file at the first run, and the keys that changed since, without times."""
    if not study.study_files:
        return "Study file at the first run: not recorded."
    first, last = study.study_files[0], study.study_files[-1]
    digests = listed(f"{file.name} (sha256 {file.sha256[:16]})" for file in first.files)
    start = "Study file at the first run" if first.is_first else "Study file, first recorded after the first run"
    if first is last:
        return f"{start}: {digests}; unchanged since."
    keys = changed_keys(first, last)
    return f"{start}: {digests}; changed since: {listed(keys) if keys else 'comments or layout alone'}."
