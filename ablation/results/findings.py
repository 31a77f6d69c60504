"""All that is known of a study, gathered once: tables, figures and warnings are made from it and read no file."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean

import numpy as np

from ablation.grids.grid import Trial
from ablation.grids.record import Record
from ablation.results import elsewhere, result, selection
from ablation.results.elsewhere import Elsewhere
from ablation.results.result import Result
from ablation.results.selection import Opener, Selection
from ablation.statistics import analysis, evaluation, published
from ablation.statistics.facts import Analysis, Answers
from ablation.statistics.published import Reproduction
from ablation.workspace import Workspace, read_json

Results = Mapping[Trial, Result | None]


@dataclass(frozen=True)
class Findings:
    """`results`: of every trial, None where it was not run. `val`, `test`: row -> what its networks said; `test` is
    empty until a selection is `sealed`, and so is what `analysis` says of it. Rows without a finished trial are in
    neither. `replicates`: the reference with more seeds, on test. `twins`: groups of rows that state different
    settings and had the same in the trainer. `elsewhere`: rows on other images."""

    record: Record
    results: Results
    sealed: Selection | None
    val: Mapping[int, Answers]
    test: Mapping[int, Answers]
    replicates: Answers | None
    analysis: Analysis
    reproduction: Reproduction | None
    twins: tuple[tuple[int, ...], ...]
    elsewhere: tuple[Elsewhere, ...]

    def finished(self, row: int) -> list[tuple[Trial, Result]]:
        """The finished trials of a row, by seed; replicates are not among them."""
        return list(self._finished.get(row, {}).items())

    @cached_property
    def _finished(self) -> dict[int, dict[Trial, Result]]:
        return _rows(of_rows(self.record, self.results))


def collect(workspace: Workspace, record: Record) -> dict[Trial, Result | None]:
    """What the files say of every trial: its result, its training's failure, or None where it was not run."""
    found = {t: result.read(workspace.training(record.training_key(t)), t.step) for t in record.grid.trials()}
    lacking = {t: r for t, r in done(found).items() if not all(record.inputs.counts[t.condition.split]["val"])}
    return found | (_scored_anew(lacking, selection.validation(workspace, record)) if lacking else {})


def _scored_anew(lacking: Mapping[Trial, Result], opened: Opener) -> dict[Trial, Result]:
    """Return trials whose validation split lacks a class, with validation macro-F1 as it is defined today: version
    0.1.0 counted a class that was predicted, but had no images, as 0. No train split lacks a class."""
    anew = {}
    for trial, each in lacking.items():
        labels, predicted = opened(trial, each)
        val = {**each.scores["val"], "macro_f1": evaluation.macro_f1(labels, predicted.classes)}
        anew[trial] = replace(each, scores={**each.scores, "val": val})
    return anew


def done(results: Results) -> dict[Trial, Result]:
    """The finished trials."""
    return {t: r for t, r in results.items() if r and r.done}


def of_rows(record: Record, results: Results) -> dict[Trial, Result]:
    """The finished trials, without replicates of the reference."""
    return {t: r for t, r in done(results).items() if not record.grid.is_replicate(t)}


def _answers(record: Record, trials: Mapping[Trial, Result], opened: Opener) -> Answers | None:
    """Of trials of one row."""
    if not trials:
        return None
    found = {t: opened(t, r) for t, r in trials.items()}
    labels = next(iter(found.values()))[0]
    return Answers(
        record.inputs.splits[next(iter(trials)).condition.split],
        labels,
        tuple(t.seed for t in trials),
        np.array([predicted.classes for _, predicted in found.values()]),
        np.array([predicted.losses for _, predicted in found.values()]),
    )


def _rows(finished: Mapping[Trial, Result]) -> dict[int, dict[Trial, Result]]:
    """Row -> its trials."""
    found: dict[int, dict[Trial, Result]] = {}
    for trial, each in finished.items():
        found.setdefault(trial.row, {})[trial] = each
    return found


def _by_row(record: Record, finished: Mapping[Trial, Result], opened: Opener) -> dict[int, Answers]:
    ordered = sorted(finished.items(), key=lambda item: (item[0].row, item[0].seed))
    answers = {row: _answers(record, trials, opened) for row, trials in _rows(dict(ordered)).items()}
    return {row: found for row, found in answers.items() if found}


def _twins(workspace: Workspace, record: Record, finished: Iterable[Trial]) -> Iterator[tuple[int, ...]]:
    """By what the trainer noted of each training before its first step; rows of one training differ in epochs."""
    alike: dict[str, dict[str, int]] = {}
    for trial in finished:
        key = record.training_key(trial)
        noted = read_json(workspace.training(key).witness)
        if noted:  # one that was trained before trainers noted it has none
            what = json.dumps([noted, trial.step, trial.seed], sort_keys=True)
            alike.setdefault(what, {}).setdefault(key, trial.row)
    return (tuple(sorted(rows.values())) for rows in alike.values() if len(rows) > 1)


def _elsewhere(workspace: Workspace, record: Record) -> tuple[Elsewhere, ...]:
    """Of trials that the study still has, under the numbers that their rows have now."""
    rows = {record.trial_key(t): t.row for t in record.grid.trials()}
    found = elsewhere.read_all(workspace.study(record.name))
    return tuple(e.model_copy(update={"row": rows[e.trial]}) for e in found if e.trial in rows)


def gather(
    workspace: Workspace, record: Record, results: Results, sealed: Selection | None, all_intervals: bool = False
) -> Findings:
    """Read the predictions and compute everything. Test predictions are opened only where a selection is sealed.
    Raises AblateError where a file is missing or changed."""
    finished = of_rows(record, results)
    again = {t: r for t, r in done(results).items() if record.grid.is_replicate(t)}
    val = _by_row(record, finished, selection.validation(workspace, record))
    opened = selection.unseal(workspace, record, sealed) if sealed else None
    test = _by_row(record, finished, opened) if opened else {}
    replicates = _answers(record, again, opened) if opened else None
    rows = _rows(finished)
    train = {row: fmean(each.scores["train"]["accuracy"] for each in trials.values()) for row, trials in rows.items()}
    parameters = {row: next(iter(trials.values())).parameters for row, trials in rows.items()}
    selected = sealed.row if sealed else None
    found = analysis.analyse(record, train, parameters, val, test, replicates, selected, all_intervals)
    measured = {row: facts.accuracy.value for row, facts in found.rows.items()}
    reproduction = published.reproduce(record, measured, found.contrasts)
    twins = tuple(dict.fromkeys(_twins(workspace, record, finished)))
    others = _elsewhere(workspace, record) if sealed else ()
    return Findings(record, results, sealed, val, test, replicates, found, reproduction, twins, others)
