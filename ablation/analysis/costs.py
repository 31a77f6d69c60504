"""Costs of rows: parameters, seconds, peak memory and the numbers that trials report, with the Pareto fronts."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.measures.measure import Measure, scalar
from ablation.statistics import pareto
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.study.table_keys import COSTS

PARAMETERS, SECONDS, MEMORY = COSTS
OF_EVERY_RESULT = {
    PARAMETERS: scalar(PARAMETERS, decimals=0, best="low"),
    SECONDS: scalar(SECONDS, unit="s", decimals=1, best="low"),
    MEMORY: scalar(MEMORY, "peak memory", "bytes", 0, "low"),
}
OF_A_STEP = ("epoch", "time")  # keys of the history that are not numbers of the experiment
DIGITS = 12  # decimals of scores that are compared: equal counts give equal means in any order of summation


@dataclass(frozen=True)
class StudyCosts:
    """Costs of the rows of a study, and the rows on each Pareto front.

    Attributes:
        measures: name of a cost -> its measure, for the costs that a row has.
        rows: row with a finished trial -> name of a cost -> mean over the finished trials of the row.
        split: split of `scores`: "test", or "val" until a selection is sealed.
        scores: row -> primary measure, mean over seeds.
        fronts: name of a cost that varies -> rows on the Pareto front of this cost and the primary measure.
        other_examples: rows on other examples than the reference, which are on no front.
        incomplete: rows with fewer finished trials than other rows, which are on no front.
    """

    measures: Mapping[str, Measure]
    rows: Mapping[int, Mapping[str, float]]
    split: str
    scores: Mapping[int, float]
    fronts: Mapping[str, tuple[int, ...]]
    other_examples: tuple[int, ...]
    incomplete: tuple[int, ...]

    @property
    def main(self) -> str:
        """Name of the cost that orders the rows: the first one that has a front."""
        return next(iter(self.fronts or self.measures))

    def fronts_of(self, row: int) -> list[str]:
        """Return the names of the costs whose front the row is on."""
        return [name for name, rows in self.fronts.items() if row in rows]

    def values(self, name: str) -> list[float]:
        """Return the values of a cost, for the rows that have one."""
        return [costs[name] for costs in self.rows.values() if name in costs]


def reported(record: Record) -> dict[str, Measure]:
    """Return the costs that trials report by themselves: measures without a split."""
    return {name: measure for name, measure in record.measures.items() if not measure.splits}


def measures(record: Record) -> dict[str, Measure]:
    """Return all costs that the trials of a study may have, by name. A reported cost replaces one of the same name."""
    return OF_EVERY_RESULT | reported(record)


def of_result(record: Record, result: Result) -> dict[str, float]:
    """Return the costs of one finished trial; a cost that the trial does not have is missing.

    A reported cost is looked up among the result's costs, then in the last step of the history, then among the scores
    on validation, where an experiment may report every number.
    """
    last = {name: value for name, value in (result.history[-1:] or [{}])[0].items() if name not in OF_A_STEP}
    stated = {**result.scores.get("val", {}), **last, **result.costs}
    costs = {
        PARAMETERS: float(result.parameters or math.nan),
        SECONDS: float(result.seconds or math.nan),  # imported results need not state them
        MEMORY: float(result.memory or math.nan),
        **{name: float(stated.get(name, math.nan)) for name in reported(record)},
    }
    return {name: value for name, value in costs.items() if math.isfinite(value)}


def _mean(costs: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each cost that all trials of a row have."""
    trials = list(costs)
    names = [name for name in trials[0] if all(name in trial for trial in trials)]
    return {name: fmean(trial[name] for trial in trials) for name in names}


def _score(study: StudyAnalysis, row: int) -> float:
    """Return the primary measure of a row on test, otherwise on validation; nan where a trial has none."""
    facts, name = study.analysis.rows.get(row), study.record.primary.name
    if study.test:
        return facts.primary.value if facts else math.nan
    return fmean(result.scores.get("val", {}).get(name, math.nan) for _, result in study.finished(row))


def _front(study: StudyAnalysis, scores: Mapping[int, float], costs: Mapping[int, float], best: str) -> tuple[int, ...]:
    """Return the rows on the Pareto front. `best`: "high" or "low", the direction of better costs."""
    rows = [row for row in scores if row in costs]
    optimal = pareto.front(
        np.round([scores[row] for row in rows], DIGITS),
        np.array([costs[row] for row in rows]),
        study.record.primary.lowest,
        best == "high",
    )
    return tuple(row for row, is_optimal in zip(rows, optimal, strict=True) if is_optimal)


def _fronts(
    study: StudyAnalysis, scores: Mapping[int, float], rows: Mapping[int, Mapping[str, float]]
) -> dict[str, tuple[int, ...]]:
    """Return the front of each cost that varies between the rows with a score.

    Peak memory has none: it is that of a process, which may have trained other rows before.
    """
    fronts = {}
    for name, measure in measures(study.record).items():
        costs = {row: rows[row][name] for row in scores if name in rows[row]}
        if measure is not OF_EVERY_RESULT[MEMORY] and len(set(costs.values())) > 1:
            fronts[name] = _front(study, scores, costs, measure.best)
    return fronts


def of_study(study: StudyAnalysis) -> StudyCosts | None:
    """Return the costs of the finished rows of a study; None where no row has finished."""
    trials = {row: study.finished(row) for row in study.val}
    rows = {row: _mean(of_result(study.record, result) for _, result in pairs) for row, pairs in trials.items()}
    named = {name: m for name, m in measures(study.record).items() if any(name in costs for costs in rows.values())}
    if not named:
        return None
    evidence, reference = study.test or study.val, study.record.grid.reference
    split = evidence[reference].split if reference in evidence else study.record.reference_split
    other_examples = tuple(row for row in rows if row in evidence and evidence[row].split != split)
    most_trials = max(map(len, trials.values()))
    incomplete = tuple(row for row, pairs in trials.items() if len(pairs) < most_trials)
    scores = {row: _score(study, row) for row in rows}
    compared = {
        row: score
        for row, score in scores.items()
        if math.isfinite(score) and row not in (*other_examples, *incomplete)
    }
    fronts = _fronts(study, compared, rows)
    return StudyCosts(named, rows, "test" if study.test else "val", scores, fronts, other_examples, incomplete)
