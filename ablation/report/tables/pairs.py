"""Parts that tables of differences between two rows share: columns, cells, and the notes on methods."""

from collections.abc import Iterator, Sequence
from typing import Any

from ablation.analysis.differences import WINS
from ablation.analysis.facts import Difference
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.measures.measure import AGGREGATE, Measure
from ablation.model.phrases import sentence
from ablation.model.table import Column
from ablation.report.tables.stars import starred
from ablation.report.tables.table import measured, within_margin
from ablation.statistics.intervals import clopper_pearson
from ablation.store.record import Record

EQUIVALENT = {True: "yes", False: "no", None: None}


def secondary_measures(study: StudyAnalysis) -> list[Measure]:
    """Return the measures other than the primary one whose differences have intervals."""
    primary = study.record.primary.name
    return [
        m for m in study.record.detailed if m.name != primary and (m.kind != AGGREGATE or study.analysis.bootstrapped)
    ]


def columns(record: Record, measures: Sequence[Measure], one_seed: bool, corrected: bool = True) -> list[Column]:
    """Return the columns of a table of differences, behind those that name the two rows.

    Args:
        record: record of the study.
        measures: measures with a difference, the primary one first.
        one_seed: whether all differences have numbers of discordant examples.
        corrected: whether the p values are corrected within a family.
    """
    return [
        *(
            measured(m.name, f"Δ {m.title}", "change", sentence(record.held_out) if record.held_out else "", m)
            for m in measures
        ),
        *([Column("only", "Right only in", "text")] if one_seed else []),
        *([Column("wins", "Wins", "text")] if has_wins(record) else []),
        Column("p", "p", "p"),
        *([starred(record, Column("p_holm", "p (Holm)", "p"))] if corrected else []),
        *([Column("equivalent", "Equivalent", "text")] if record.grid.margin else []),
    ]


def cells(
    record: Record, d: Difference, measures: Sequence[Measure], one_seed: bool, corrected: bool = True
) -> list[Any]:
    """Return the cells of a difference in the columns that `columns` returns for the same arguments."""
    primary = record.primary.name
    return [
        *(d.value if m.name == primary else d.others.get(m.name) for m in measures),
        *([_discordant(d)] if one_seed else []),
        *([_wins(d)] if has_wins(record) else []),
        d.p,
        *([d.p_holm] if corrected else []),
        *([EQUIVALENT[d.equivalent]] if record.grid.margin else []),
    ]


def has_wins(record: Record) -> bool:
    """Return whether rows have enough seeds for the number of seeds that one of them wins."""
    return len(record.grid.seeds) >= WINS and record.grid.replication != "runs"


def _wins(difference: Difference) -> str | None:
    """Return the number of common seeds with a larger value of the second row, and of all: "3.5 of 5"."""
    return f"{difference.wins[0]:g} of {difference.wins[1]}" if difference.wins else None


def wins_note(record: Record) -> Iterator[str]:
    """Yield the note that explains the wins, with the exact interval of the most that the seeds could show."""
    if has_wins(record):
        n = len(record.grid.seeds)
        low = 100 * clopper_pearson(n, n).low
        yield (
            f"Wins: common seeds in which the second row's {record.primary.title} is higher, a tie as half; even {n} "
            f"of {n} are {low:.0f} to 100 % (Clopper-Pearson)."
        )


def _discordant(difference: Difference) -> str:
    against = difference.against
    assert against is not None
    return f"{against.only_a:,} / {against.only_b:,}"


def right_only_in(record: Record) -> str:
    """Return the note that explains the numbers of discordant examples."""
    return f"Right only in: {record.held_out_noun}s that only the first / only the second row gets right."


def equivalence(record: Record) -> Iterator[str]:
    """Yield the note on equivalence where the study states a margin."""
    if record.grid.margin:
        yield f"Equivalent: {within_margin(record)}."
