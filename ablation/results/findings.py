"""All that is known of a study, gathered once: tables, figures and warnings are made from it and read no file."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean

from ablation.grids.grid import Trial
from ablation.grids.record import Record
from ablation.results import elsewhere, evidence, result, selection
from ablation.results.elsewhere import Elsewhere
from ablation.results.evidence import Evidence
from ablation.results.examples import Opener
from ablation.results.result import Result
from ablation.results.selection import Selection
from ablation.statistics import analysis, published
from ablation.statistics.facts import Analysis
from ablation.statistics.published import Reproduction
from ablation.workspace import Workspace, read_json

Results = Mapping[Trial, Result | None]
BOOTSTRAP_ROWS = 100  # above so many, bootstrap intervals are made only where they are asked for


@dataclass(frozen=True)
class Findings:
    """`results`: of every trial, None where it was not run. `val`, `test`: row -> what its trainings said; `test` is
    empty until a selection is `sealed`, and so is what `analysis` says of it. Rows without a finished trial are in
    neither. `replicates`: the reference with more seeds, on test. `twins`: groups of rows that state different
    settings and had the same in the trainer. `elsewhere`: rows on other images."""

    record: Record
    results: Results
    sealed: Selection | None
    val: Mapping[int, Evidence]
    test: Mapping[int, Evidence]
    replicates: Evidence | None
    analysis: Analysis
    reproduction: Reproduction | None
    twins: tuple[tuple[int, ...], ...]
    elsewhere: tuple[Elsewhere, ...]

    def finished(self, row: int) -> list[tuple[Trial, Result]]:
        """The finished trials of a row, by seed; replicates are not among them."""
        return list(self._finished.get(row, {}).items())

    @property
    def selected(self) -> int | None:
        """The row that is selected; None before that, and where nothing is to be selected."""
        return self.sealed.row if self.sealed else None

    @cached_property
    def _finished(self) -> dict[int, dict[Trial, Result]]:
        return _rows(of_rows(self.record, self.results))


def collect(workspace: Workspace, record: Record) -> dict[Trial, Result | None]:
    """What the files say of every trial: its result, its training's failure, or None where it was not run."""
    found = {t: result.read(workspace.training(record.training_key(t)), t.step) for t in record.grid.trials()}
    return found | _scored_anew(workspace, record, done(found))


def _scored_anew(workspace: Workspace, record: Record, finished: Mapping[Trial, Result]) -> dict[Trial, Result]:
    """Return trials whose validation scores lack a measure that follows from their predictions, with that measure.

    Where a validation split lacks a class, macro-F1 counts as lacking: version 0.1.0 counted a class that was
    predicted, but had no images, as 0. No train split lacks a class.
    """
    lacking = {t: names for t, r in finished.items() if (names := _lacking(record, t, r))}
    opened = selection.validation(workspace, record) if lacking else None
    anew = {}
    for trial, names in lacking.items():
        assert opened is not None
        each, measures = finished[trial], {name: record.measures[name] for name in names}
        val = {**each.scores.get("val", {}), **opened(trial, each).scored(measures)}
        anew[trial] = replace(each, scores={**each.scores, "val": val})
    return anew


def _lacking(record: Record, trial: Trial, found: Result) -> list[str]:
    """The measures of which the validation scores of a trial say nothing, or nothing that holds, and that may follow
    from its predictions."""
    if "val" not in found.predictions:
        return []
    val, measures = found.scores.get("val", {}), record.measures.values()
    absent = record.inputs.classes and not all(record.inputs.counts[trial.condition.split]["val"])
    names = [m.name for m in measures if m.needs and "val" in m.splits and m.name not in val]
    return [*names, *(["macro_f1"] if absent and "macro_f1" in val else [])]


def done(results: Results) -> dict[Trial, Result]:
    """The finished trials."""
    return {t: r for t, r in results.items() if r and r.done}


def of_rows(record: Record, results: Results) -> dict[Trial, Result]:
    """The finished trials, without replicates of the reference."""
    return {t: r for t, r in done(results).items() if not record.grid.is_replicate(t)}


def _evidence(record: Record, trials: Mapping[Trial, Result], opened: Opener) -> Evidence | None:
    """Of trials of one row."""
    if not trials:
        return None
    split = record.split_of(next(iter(trials)).condition)
    said = [opened(trial, found) for trial, found in trials.items()]
    return evidence.of_row(split, [t.seed for t in trials], said, record.measures.values())


def _rows(finished: Mapping[Trial, Result]) -> dict[int, dict[Trial, Result]]:
    """Row -> its trials."""
    found: dict[int, dict[Trial, Result]] = {}
    for trial, each in finished.items():
        found.setdefault(trial.row, {})[trial] = each
    return found


def _by_row(record: Record, finished: Mapping[Trial, Result], opened: Opener) -> dict[int, Evidence]:
    ordered = sorted(finished.items(), key=lambda item: (item[0].row, item[0].seed))
    said = {row: _evidence(record, trials, opened) for row, trials in _rows(dict(ordered)).items()}
    return evidence.told_apart({row: found for row, found in said.items() if found}, record.grid.reference)


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


def analysed(
    record: Record, train: Mapping[int, float], parameters: Mapping[int, int], val: Mapping[int, Evidence],
    test: Mapping[int, Evidence], replicates: Evidence | None, selected: int | None, all_intervals: bool = False,
) -> Analysis:  # fmt: skip
    """Everything that can be said of a study. `train`: row -> primary measure; `parameters`: how many each row trains;
    `val`, `test`: what each row's trainings said, `test` empty until a selection is sealed; `replicates`: the reference
    with other seeds, on test; `all_intervals`: bootstrap intervals of however many rows."""
    bootstrapped = all_intervals or len(record.grid.rows) <= BOOTSTRAP_ROWS
    sampled = evidence.drawn if bootstrapped else evidence.samples
    primary, selecting = record.primary, record.selected_by or record.primary
    return analysis.analyse(
        record,
        train,
        parameters,
        {selecting.name: evidence.samples(val, selecting), primary.name: sampled(val, primary)},
        {measure.name: sampled(test, measure) for measure in record.detailed},
        replicates.sample(primary) if replicates else None,
        selected,
        bootstrapped,
    )


def _trained(record: Record, rows: Mapping[int, Mapping[Trial, Result]]) -> dict[int, float]:
    """Row -> the primary measure on train, of the rows that state it."""
    name = record.primary.name
    stated = {row: [r.scores.get("train", {}).get(name) for r in trials.values()] for row, trials in rows.items()}
    return {row: fmean(v for v in some if v is not None) for row, some in stated.items() if None not in some}


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
    replicates = _evidence(record, again, opened) if opened else None
    rows = _rows(finished)
    parameters = {row: next(iter(trials.values())).parameters for row, trials in rows.items()}
    selected = sealed.row if sealed else None
    found = analysed(record, _trained(record, rows), parameters, val, test, replicates, selected, all_intervals)
    measured = {row: facts.primary.value for row, facts in found.rows.items()}
    reproduction = published.reproduce(record, measured, found.contrasts)
    twins = tuple(dict.fromkeys(_twins(workspace, record, finished)))
    others = _elsewhere(workspace, record) if sealed else ()
    return Findings(record, results, sealed, val, test, replicates, found, reproduction, twins, others)
