"""Analysis of a study, made once from its files: tables, figures and warnings are made from this value and read no
file."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean

from ablation.analysis import evidence, external_evaluation, published, selection, study_statistics
from ablation.analysis.evidence import Evidence, StudyEvidence
from ablation.analysis.external_evaluation import ExternalEvaluation
from ablation.analysis.facts import Analysis
from ablation.analysis.published import Reproduction
from ablation.analysis.selection import Selection
from ablation.store import result, study_history
from ablation.store.examples import Opener
from ablation.store.files import read_json
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.store.study_history import StudyVersion
from ablation.store.workspace import Workspace
from ablation.study.grid import Trial

Results = Mapping[Trial, Result | None]


@dataclass(frozen=True)
class StudyAnalysis:
    """Results of a study, with all statistics computed from them.

    Attributes:
        results: trial -> its result, None where the trial was not run.
        sealed: the selection; None until one is sealed.
        evidence: evidence of the rows.
        analysis: statistics of the rows; the parts about test are empty until a selection is sealed.
        identical_rows: groups of rows that state different settings, but were the same in the trainer.
        evaluations: evaluations of rows on other images.
        study_files: study files of the first run, and of each run that used other ones; () where none was recorded.
    """

    record: Record
    results: Results
    sealed: Selection | None
    evidence: StudyEvidence
    analysis: Analysis
    reproduction: Reproduction | None
    identical_rows: tuple[tuple[int, ...], ...]
    evaluations: tuple[ExternalEvaluation, ...]
    study_files: tuple[StudyVersion, ...] = ()

    def finished(self, row: int) -> list[tuple[Trial, Result]]:
        """Return the finished trials of a row, by seed, without replicates."""
        return list(self._finished.get(row, {}).items())

    @property
    def val(self) -> Mapping[int, Evidence]:
        """Evidence on validation: row -> evidence."""
        return self.evidence.val

    @property
    def test(self) -> Mapping[int, Evidence]:
        """Evidence on test: row -> evidence; empty until a selection is sealed."""
        return self.evidence.test

    @property
    def replicates(self) -> Evidence | None:
        """Evidence of the reference with other seeds, on test."""
        return self.evidence.replicates

    @property
    def selected(self) -> int | None:
        """Number of the selected row; None before selection, and where the study selects nothing."""
        return self.sealed.row if self.sealed else None

    @cached_property
    def _finished(self) -> dict[int, dict[Trial, Result]]:
        return _rows(of_rows(self.record, self.results))


def collect(workspace: Workspace, record: Record) -> dict[Trial, Result | None]:
    """Return the result of every trial from its files: a success, a failure of the training, or None where the trial
    was not run."""
    results = {t: result.read(workspace.training(record.training_key(t)), t.step) for t in record.grid.trials()}
    return results | _scored_anew(workspace, record, done(results))


def _scored_anew(workspace: Workspace, record: Record, finished: Mapping[Trial, Result]) -> dict[Trial, Result]:
    """Return trials whose validation scores lack a measure that follows from their predictions, with that measure.

    Where a validation split has no image of a class, macro-F1 counts as missing: version 0.1.0 counted a class that was
    predicted, but had no images, as 0. No train split has a missing class.
    """
    incomplete = {t: names for t, r in finished.items() if (names := _lacking(record, t, r))}
    open_val = selection.validation(workspace, record) if incomplete else None
    rescored = {}
    for trial, names in incomplete.items():
        assert open_val is not None
        stored, measures = finished[trial], {name: record.measures[name] for name in names}
        val = {**stored.scores.get("val", {}), **open_val(trial, stored).scored(measures)}
        rescored[trial] = replace(stored, scores={**stored.scores, "val": val})
    return rescored


def _lacking(record: Record, trial: Trial, result: Result) -> list[str]:
    """Return the measures with no validation score, or with an invalid one, that may follow from the trial's
    predictions."""
    if "val" not in result.predictions:
        return []
    val, measures = result.scores.get("val", {}), record.measures.values()
    absent = record.inputs.classes and not all(record.inputs.counts[trial.condition.split]["val"])
    names = [m.name for m in measures if m.needs and "val" in m.splits and m.name not in val]
    return [*names, *(["macro_f1"] if absent and "macro_f1" in val else [])]


def done(results: Results) -> dict[Trial, Result]:
    """Return the finished trials, replicates included."""
    return {t: r for t, r in results.items() if r and r.done}


def of_rows(record: Record, results: Results) -> dict[Trial, Result]:
    """Return the finished trials, without replicates of the reference."""
    return {t: r for t, r in done(results).items() if not record.grid.is_replicate(t)}


def _evidence(record: Record, trials: Mapping[Trial, Result], open_split: Opener, split: str) -> Evidence | None:
    """Return the evidence of one row on a split, val or test, from its trials; None where there are no trials."""
    if not trials:
        return None
    condition = next(iter(trials)).condition
    examples = [open_split(trial, result) for trial, result in trials.items()]
    seeds, size = [t.seed for t in trials], record.examples(condition).get(split, 0)
    return evidence.of_row(record.split_of(condition), seeds, examples, record.measures.values(), size)


def _rows(finished: Mapping[Trial, Result]) -> dict[int, dict[Trial, Result]]:
    """Return the results by row: row -> trial -> result."""
    rows: dict[int, dict[Trial, Result]] = {}
    for trial, stored in finished.items():
        rows.setdefault(trial.row, {})[trial] = stored
    return rows


def _by_row(record: Record, finished: Mapping[Trial, Result], open_split: Opener, split: str) -> dict[int, Evidence]:
    """Return the evidence of each row on a split, val or test; rows on different examples have different digests."""
    ordered = sorted(finished.items(), key=lambda item: (item[0].row, item[0].seed))
    by_row = {row: _evidence(record, trials, open_split, split) for row, trials in _rows(dict(ordered)).items()}
    return evidence.told_apart({row: e for row, e in by_row.items() if e}, record.grid.reference)


def _twins(workspace: Workspace, record: Record, finished: Iterable[Trial]) -> Iterator[tuple[int, ...]]:
    """Return groups of rows with the same fingerprint, which the trainer notes before its first step. Rows of one
    training differ in epochs and are no identical_rows."""
    same_fingerprint: dict[str, dict[str, int]] = {}
    for trial in finished:
        key = record.training_key(trial)
        witness = read_json(workspace.training(key).witness)
        if witness:  # trainings of versions that stored no fingerprint have no file
            fingerprint = json.dumps([witness, trial.step, trial.seed], sort_keys=True)
            same_fingerprint.setdefault(fingerprint, {}).setdefault(key, trial.row)
    return (tuple(sorted(rows.values())) for rows in same_fingerprint.values() if len(rows) > 1)


def _evaluations(workspace: Workspace, record: Record) -> tuple[ExternalEvaluation, ...]:
    """Return the evaluations of trials that the study still has, with the current numbers of their rows."""
    rows = {record.trial_key(t): t.row for t in record.grid.trials()}
    evaluations = external_evaluation.read_all(workspace.study(record.name))
    return tuple(e.model_copy(update={"row": rows[e.trial]}) for e in evaluations if e.trial in rows)


def _trained(record: Record, rows: Mapping[int, Mapping[Trial, Result]]) -> dict[int, float]:
    """Return row -> primary measure on train, for the rows whose trials all have one."""
    name = record.primary.name
    stated = {row: [r.scores.get("train", {}).get(name) for r in trials.values()] for row, trials in rows.items()}
    return {row: fmean(v for v in scores if v is not None) for row, scores in stated.items() if None not in scores}


def _study_evidence(workspace: Workspace, record: Record, results: Results, sealed: Selection | None) -> StudyEvidence:
    """Read the predictions and return the evidence of the rows. Test predictions are opened only where a selection is
    sealed."""
    finished = of_rows(record, results)
    train, val = (
        _trained(record, _rows(finished)),
        _by_row(record, finished, selection.validation(workspace, record), "val"),
    )
    if not sealed:
        return StudyEvidence(train, val, {}, None)
    open_test = selection.unseal(workspace, record, sealed)
    replicates = {t: r for t, r in done(results).items() if record.grid.is_replicate(t)}
    by_row = _by_row(record, finished, open_test, "test")
    return StudyEvidence(train, val, by_row, _evidence(record, replicates, open_test, "test"))


def gather(
    workspace: Workspace, record: Record, results: Results, sealed: Selection | None, all_intervals: bool = False
) -> StudyAnalysis:
    """Read the predictions and return the analysis. Test predictions are opened only where a selection is sealed.

    Args:
        results: trial -> its result, None where the trial was not run.
        sealed: the sealed selection; None where none is sealed.
        all_intervals: compute bootstrap intervals for any number of rows.

    Raises:
        AblateError: a file is missing or changed.
    """
    finished, study_evidence = of_rows(record, results), _study_evidence(workspace, record, results, sealed)
    parameters = {row: next(iter(trials.values())).parameters for row, trials in _rows(finished).items()}
    selected = sealed.row if sealed else None
    statistics = study_statistics.analyse(record, study_evidence, parameters, selected, all_intervals)
    measured = {row: facts.primary.value for row, facts in statistics.rows.items()}
    reproduction = published.reproduce(record, measured, statistics.contrasts)
    identical_rows = tuple(dict.fromkeys(_twins(workspace, record, finished)))
    evaluations = _evaluations(workspace, record) if sealed else ()
    return StudyAnalysis(
        record, results, sealed, study_evidence, statistics, reproduction, identical_rows, evaluations,
        study_history.read(workspace.study(record.name)),
    )  # fmt: skip
