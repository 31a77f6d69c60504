"""Workflow of `ablate import`: from the runs of a source to the files and the table of a study."""

import json
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ablation import experiments
from ablation.analysis import selection
from ablation.analysis.study_analysis import collect
from ablation.errors import AblateError
from ablation.model.run_summary import RunSummary
from ablation.report.build import RenderOptions, build, summarize, write
from ablation.sources.arrange import Arranged
from ablation.sources.runs import Runs
from ablation.store import record as records
from ablation.store.files import read_json
from ablation.store.record import Imports, Record
from ablation.store.upgrade import opened
from ablation.store.workspace import Workspace, check_name
from ablation.study.study_keys import StudyKeys
from ablation.trackers.optuna_importances import importances
from ablation.urls import masked
from ablation.workflows import imported_study, mixed_study, snapshot
from ablation.workflows.import_request import Import
from ablation.workflows.redo import redoing

Scores = Mapping[str, Mapping[str, float]]  # numbers by split and measure
MOST_NAMED = 3  # trials, and numbers of each, that are named where they have changed
UNCHANGED = "Since the last import: no change."


def run(imported: Import, say: Callable[[str], None] = lambda stage: None) -> tuple[RunSummary, list[str]]:
    """Import the results of a source; return the summary of the study, and sentences on what was read.

    Args:
        imported: what is imported.
        say: function that gets the name of each stage when it begins.

    Raises:
        AblateError: the source or a key is wrong; raised before anything is written.
    """
    check_name(imported.name)
    workspace = Workspace(imported.workspace)
    if not imported.keys.is_imported:
        return redoing(workspace, say, lambda: _mixed(imported))
    say(f"reading {masked(imported.import_keys.source)}")
    runs = imported_study.runs_of(imported)
    say(f"arranging {len(runs.frame):,} lines")
    arranged = imported_study.arranged(imported, runs)
    say(f"computing the table of {len(arranged.trials):,} runs")
    return redoing(workspace, say, lambda: _imported(imported, arranged))


def of_runs(imported: Import, runs: Runs) -> RunSummary:
    """Import runs that are read already; see `run`."""
    arranged = imported_study.arranged(imported, runs)
    return redoing(Workspace(imported.workspace), lambda message: None, lambda: _imported(imported, arranged))[0]


def _imported(imported: Import, arranged: Arranged) -> tuple[RunSummary, list[str]]:
    workspace = opened(imported.workspace, lambda message: None)
    record = imported_study.record_of(imported, arranged)
    with workspace.lock():
        old = records.read(workspace.study(record.name))
        if old and old.grid.factors.plugin != experiments.IMPORTED:
            raise AblateError(f"study {record.name!r} was trained, not imported; pass another --name")
        if old and old.inputs.source != record.inputs.source:
            raise AblateError(f"study {record.name!r} is of {old.inputs.source}; pass another --name")
        changes = _changes(workspace, old, record, arranged) if old else []
        snapshot.write_source(workspace, record.name, imported, arranged)
        _write(workspace, record, arranged, old)
        try:
            return _concluded(workspace, record), [*arranged.notes, *changes]
        except BaseException:
            if old is None:  # nothing half made stays
                _discard(workspace, record)
            raise


def _mixed(imported: Import) -> tuple[RunSummary, list[str]]:
    """Read the source of a study whose missing trials are trained again, and draw its table.

    Raises AblateError where the study was never run: `ablate run` reads its data, and imports too.
    """
    workspace = opened(imported.workspace, lambda message: None)
    with workspace.lock():
        old = records.read(workspace.study(imported.name))
        if old is None:
            raise AblateError(
                f"{imported.path}: its missing rows are trained by {imported.keys.experiment.plugin or 'its command'}; "
                f"import and train them with `ablate run --grid {imported.path}`"
            )
        record, mixture = mixed_study.mixed(imported, mixed_study.with_imports(old, Imports()))
        changes = _changed(_imported_scores(workspace, old), mixture.scores(record), record)
        mixture.store(workspace, record)
        record.write(workspace.study(record.name))
        return _concluded(workspace, record), changes


def _imported_scores(workspace: Workspace, record: Record) -> dict[str, Scores]:
    """Return id of a trial -> its numbers by split, for the imported trials of a mixed study."""
    results, plain = collect(workspace, record), mixed_study.with_imports(record, Imports())
    return {plain.trial_key(t): r.scores for t, r in results.items() if r and record.is_imported(t)}


def _discard(workspace: Workspace, record: Record) -> None:
    """Delete the files of a study and of its runs."""
    for trial in record.grid.trials():
        shutil.rmtree(workspace.training(record.training_key(trial)).path, ignore_errors=True)
    shutil.rmtree(workspace.study(record.name).path, ignore_errors=True)


def _changes(workspace: Workspace, old: Record, new: Record, arranged: Arranged) -> list[str]:
    """Return sentences on what changed since the last import."""
    before = {old.trial_key(t): result.scores if result else None for t, result in collect(workspace, old).items()}
    now = {new.trial_key(new.grid.trial(t.row, t.seed)): snapshot.by_split(t) for t in arranged.trials}
    return _changed(before, now, new)


def _names(record: Record) -> dict[str, str]:
    """Return id of a trial, as it would be trained -> its name."""
    plain = mixed_study.with_imports(record, Imports()) if record.imports.ids else record
    return {plain.trial_key(t): f"row {t.row}, seed {t.seed}" for t in record.grid.trials()}


def _difference(before: Scores, now: Scores) -> str:
    """Return the first numbers of a trial that have changed, in words."""
    names = sorted({(split, name) for scores in (before, now) for split in scores for name in scores[split]})
    pairs = [(f"{s}_{n}", before.get(s, {}).get(n), now.get(s, {}).get(n)) for s, n in names]
    texts = [f"{name} {_number(a)} → {_number(b)}" for name, a, b in pairs if a != b]
    return ", ".join(texts[:MOST_NAMED])


def _number(value: float | None) -> str:
    return "missing" if value is None else f"{value:.6g}"


def _changed(before: Mapping[str, Scores | None], now: Mapping[str, Scores], record: Record) -> list[str]:
    """Return the sentence on which trials are new, gone or have other numbers, with the first of these numbers.

    Args:
        before: id of a trial -> its numbers by split; None for a trial without a result.
        now: the same of the source as it is now.
        record: the study as it is now, which names the trials.
    """
    gone, added = before.keys() - now.keys(), now.keys() - before.keys()
    changed = [key for key in before.keys() & now.keys() if before[key] not in (None, now[key])]
    parts = [f"{len(part)} {word}" for part, word in ((added, "new"), (gone, "gone"), (changed, "changed")) if part]
    if not parts:
        return [UNCHANGED]
    names = _names(record) if changed else {}
    first = [f"{names[key]}: {_difference(before[key] or {}, now[key])}" for key in names if key in changed]
    detail = f" ({'; '.join(first[:MOST_NAMED])}{'; ...' if len(first) > MOST_NAMED else ''})" if first else ""
    return [f"Since the last import ({len(before)} runs, {len(now)} now): {', '.join(parts)}{detail}."]


def _write(workspace: Workspace, record: Record, arranged: Arranged, old: Record | None) -> None:
    """Write the results, then the record; results that are gone are deleted."""
    folder, now = workspace.study(record.name), time.time()
    keys = set()
    for trial in arranged.trials:
        stated = record.grid.trial(trial.row, trial.seed)
        keys.add(record.training_key(stated))
        snapshot.write_result(workspace.training(record.training_key(stated)), trial, stated.step, now)
    before = {old.training_key(trial_before) for trial_before in old.grid.trials()} if old else set()
    for key in before - keys:
        shutil.rmtree(workspace.training(key).path, ignore_errors=True)
    record.write(folder)


def reread(workspace: Workspace, name: str) -> list[str]:
    """Read the source of an imported study again, and return sentences on what differs; [] where nothing does.

    Raises AblateError where the study was not imported, or where its source cannot be read.
    """
    record, stored = records.need(workspace, name), read_json(snapshot.source_file(workspace, name))
    if stored is None:
        raise AblateError(f"study {name!r}: has no source, its results were not imported")
    keys = StudyKeys.model_validate_json(json.dumps(stored["study"]))
    imported = Import(keys, Path(str(stored["folder"])) / f"{name}.toml", name, workspace.root)
    if "***" in imported.import_keys.source:
        raise AblateError(f"study {name!r}: its source needs a password, which is not stored; import it again")
    if record.imports.ids:
        again, mixture = mixed_study.mixed(imported, mixed_study.with_imports(record, Imports()))
        changes = _changed(_imported_scores(workspace, record), mixture.scores(again), again)
        return [] if changes == [UNCHANGED] else changes
    arranged = imported_study.read(imported)
    changes = _changes(workspace, record, imported_study.record_of(imported, arranged), arranged)
    return [] if changes == [UNCHANGED] else changes


def _concluded(workspace: Workspace, record: Record) -> RunSummary:
    """Select a row on validation, draw the table, and return the summary."""
    results = collect(workspace, record)
    sealed = selection.select_and_seal(workspace, record, results)
    drawing = build(workspace, record, results, sealed, RenderOptions(importances=importances))
    write(workspace, drawing)
    return summarize(workspace, drawing, 0)
