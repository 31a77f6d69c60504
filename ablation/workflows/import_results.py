"""Workflow of `ablate import`: from the runs of a source to the files and the table of a study."""

import json
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ablation import __version__, experiments
from ablation.analysis import selection
from ablation.analysis.study_analysis import collect
from ablation.errors import AblateError
from ablation.outcomes import Status
from ablation.report.build import Importances, RenderOptions, RunSummary, build, summarize, write
from ablation.sources import address, arrange, course, numbers, trials
from ablation.sources.arrange import Arranged
from ablation.sources.runs import RUNNING, Runs
from ablation.sources.trials import ImportedTrial
from ablation.store import record as records
from ablation.store import result
from ablation.store.examples import Examples
from ablation.store.files import read_json, write_json, write_text
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.store.upgrade import opened
from ablation.store.workspace import StudyFolder, TrainingFolder, Workspace, check_name
from ablation.study.study_keys import StudyKeys, floats
from ablation.urls import masked
from ablation.workflows import imported_study
from ablation.workflows.imported_study import Import

UNCHANGED = "Since the last import: no change."
STATUSES = {RUNNING: Status.INTERRUPTED}  # of runs that did not end


def run(
    imported: Import, importances: Importances | None = None, say: Callable[[str], None] = lambda stage: None
) -> tuple[RunSummary, list[str]]:
    """Import the results of a source; return the summary of the study, and sentences on what was read.

    Args:
        imported: what is imported.
        importances: function that computes the importances of the factors, as in `RenderOptions`.
        say: function that gets the name of each stage when it begins.

    Raises:
        AblateError: the source or a key is wrong; raised before anything is written.
    """
    check_name(imported.name)
    say(f"reading {masked(imported.import_keys.source)}")
    runs = _runs(imported)
    say(f"arranging {len(runs.frame):,} lines")
    arranged = _arranged(imported, runs)
    say(f"computing the table of {len(arranged.trials):,} runs")
    return _imported(imported, arranged, importances)


def of_runs(imported: Import, runs: Runs) -> RunSummary:
    """Import runs that are read already; see `run`."""
    return _imported(imported, _arranged(imported, runs), None)[0]


def _imported(imported: Import, arranged: Arranged, importances: Importances | None) -> tuple[RunSummary, list[str]]:
    workspace = opened(imported.workspace, lambda message: None)
    record = imported_study.record_of(imported, arranged)
    with workspace.lock():
        old = records.read(workspace.study(record.name))
        if old and old.grid.factors.plugin != experiments.IMPORTED:
            raise AblateError(f"study {record.name!r} was trained, not imported; pass another --name")
        if old and old.inputs.source != record.inputs.source:
            raise AblateError(f"study {record.name!r} is of {old.inputs.source}; pass another --name")
        changes = _changes(workspace, old, record, arranged) if old else []
        _write_snapshot(workspace.study(record.name), arranged.runs)
        _write(workspace, record, arranged, old)
        write_json(_source_file(workspace, record.name), _source(imported, arranged))
        try:
            return _concluded(workspace, record, importances), [*arranged.notes, *changes]
        except BaseException:
            if old is None:  # nothing half made stays
                _discard(workspace, record)
            raise


def _discard(workspace: Workspace, record: Record) -> None:
    """Delete the files of a study and of its runs."""
    for trial in record.grid.trials():
        shutil.rmtree(workspace.training(record.training_key(trial)).path, ignore_errors=True)
    shutil.rmtree(workspace.study(record.name).path, ignore_errors=True)


def read(imported: Import) -> Arranged:
    """Return the rows that the runs of the source make."""
    return _arranged(imported, _runs(imported))


def _runs(imported: Import) -> Runs:
    return address.read(imported.import_keys.source, imported.path.parent, f"{imported.where}.from")


def _arranged(imported: Import, runs: Runs) -> Arranged:
    numbers.refuse_summaries(runs)
    arranged = arrange.arrange(runs, imported.import_keys, imported.where, imported_study.best(imported))
    return imported_study.with_classes(imported, arranged)


def _changes(workspace: Workspace, old: Record, new: Record, arranged: Arranged) -> list[str]:
    """Return sentences on what changed since the last import."""
    before = {old.trial_key(t): result for t, result in collect(workspace, old).items()}
    now = {new.trial_key(new.grid.trial(t.row, t.seed)): _by_split(t) for t in arranged.trials}
    gone, added = before.keys() - now.keys(), now.keys() - before.keys()
    changed = [
        key for key in before.keys() & now.keys() if (old_result := before[key]) and old_result.scores != now[key]
    ]
    parts = [f"{len(part)} {word}" for part, word in ((added, "new"), (gone, "gone"), (changed, "changed")) if part]
    if not parts:
        return [UNCHANGED]
    return [f"Since the last import ({len(before)} runs, {len(now)} now): {', '.join(parts)}."]


def _by_split(trial: ImportedTrial) -> dict[str, dict[str, float]]:
    """Return split -> measure -> value of a trial."""
    scores: dict[str, dict[str, float]] = {"train": {}, "val": {}, "test": {}}
    for number, value in trial.numbers.items():
        split, _, measure = number.partition("_")
        scores[split][measure] = value
    return {split: values for split, values in scores.items() if values}


def _write(workspace: Workspace, record: Record, arranged: Arranged, old: Record | None) -> None:
    """Write the results, then the record; results that are gone are deleted."""
    folder, now = workspace.study(record.name), time.time()
    keys = set()
    for trial in arranged.trials:
        stated = record.grid.trial(trial.row, trial.seed)
        keys.add(record.training_key(stated))
        place = workspace.training(record.training_key(stated))
        shutil.rmtree(place.path, ignore_errors=True)
        status = STATUSES.get(trial.status) or Status(trial.status)
        started = trial.started or now - trial.seconds
        result.write(
            place,
            Result(
                outcome=status, epochs=stated.step, scores=_by_split(trial), history=list(trial.history),
                started=started, finished=started + trial.seconds,
                error=trial.reason or trial.status, attempts=1,
                costs=dict(trial.costs), predictions=_predictions(place, trial, stated.step),
            ),
        )  # fmt: skip
    before = {old.training_key(trial_before) for trial_before in old.grid.trials()} if old else set()
    for key in before - keys:
        shutil.rmtree(workspace.training(key).path, ignore_errors=True)
    record.write(folder)


def _predictions(place: TrainingFolder, trial: ImportedTrial, step: int) -> dict[str, str]:
    """Write the columns of the test examples, and return the digest of the file; {} where there are none."""
    if not trial.columns:
        return {}
    path = place.predictions("test", step)
    path.parent.mkdir(parents=True, exist_ok=True)
    return {"test": Examples(trial.columns).write(path)}


def _write_snapshot(folder: StudyFolder, runs: Runs) -> None:
    """Write what was read: all fields of all runs, and their courses."""
    lines = (json.dumps(line, default=str, ensure_ascii=False) for line in runs.frame.to_dict("records"))
    write_text(folder.path / "imported" / "runs.jsonl", "\n".join(lines) + "\n")
    if runs.curves is not None:
        curves = course.thinned(runs.curves, trials.MOST_STEPS)
        write_text(folder.path / "imported" / "curves.csv", curves.to_csv(index=False))


def _source_file(workspace: Workspace, name: str) -> Path:
    return workspace.study(name).path / "imported" / "source.json"


def _source(imported: Import, arranged: Arranged) -> dict[str, object]:
    """Return where the results are from, and the keys by which they were read."""
    keys = floats(imported.keys.model_dump(by_alias=True, exclude_defaults=True))
    keys["import"]["from"] = masked(imported.import_keys.source)
    runs = arranged.runs
    return {
        "address": runs.address, "kind": runs.kind, "files": dict(runs.files), "runs": len(runs.frame),
        "notes": list(arranged.notes), "read": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": __version__, "folder": str(imported.path.parent.absolute()), "study": keys,
    }  # fmt: skip


def reread(workspace: Workspace, name: str) -> list[str]:
    """Read the source of an imported study again, and return sentences on what differs; [] where nothing does.

    Raises AblateError where the study was not imported, or where its source cannot be read.
    """
    record, stored = records.need(workspace, name), read_json(_source_file(workspace, name))
    if record.grid.factors.plugin != experiments.IMPORTED or stored is None:
        raise AblateError(f"study {name!r}: has no source, its results were not imported")
    keys = StudyKeys.model_validate_json(json.dumps(stored["study"]))
    imported = Import(keys, Path(str(stored["folder"])) / f"{name}.toml", name, workspace.root)
    if "***" in imported.import_keys.source:
        raise AblateError(f"study {name!r}: its source needs a password, which is not stored; import it again")
    arranged = read(imported)
    changes = _changes(workspace, record, imported_study.record_of(imported, arranged), arranged)
    return [] if changes == [UNCHANGED] else changes


def _concluded(workspace: Workspace, record: Record, importances: Importances | None) -> RunSummary:
    """Select a row on validation, draw the table, and return the summary."""
    results = collect(workspace, record)
    sealed = selection.select_and_seal(workspace, record, results)
    drawing = build(workspace, record, results, sealed, RenderOptions(importances=importances))
    write(workspace, drawing)
    return summarize(workspace, drawing, 0)
