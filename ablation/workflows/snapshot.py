"""Snapshot of a source in a study's folder: what was read, where it is from, and the results of its runs."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

from ablation import __version__
from ablation.outcomes import Status
from ablation.sources import course, trials
from ablation.sources.arrange import Arranged
from ablation.sources.runs import RUNNING, Runs
from ablation.sources.trials import ImportedTrial
from ablation.store import result
from ablation.store.examples import Examples
from ablation.store.files import write_json, write_text
from ablation.store.result import Result
from ablation.store.workspace import StudyFolder, TrainingFolder, Workspace
from ablation.study.levels import floats
from ablation.urls import masked
from ablation.workflows.import_request import Import

STATUSES = {RUNNING: Status.INTERRUPTED}  # of runs that did not end


def by_split(trial: ImportedTrial) -> dict[str, dict[str, float]]:
    """Return split -> measure -> value of a trial."""
    scores: dict[str, dict[str, float]] = {"train": {}, "val": {}, "test": {}}
    for number, value in trial.numbers.items():
        split, _, measure = number.partition("_")
        scores[split][measure] = value
    return {split: values for split, values in scores.items() if values}


def write_result(place: TrainingFolder, trial: ImportedTrial, step: int, now: float) -> None:
    """Write the result of a run of a source, in place of an earlier one.

    Args:
        place: folder of the result.
        trial: the run.
        step: milestone of the trial that the run answers.
        now: unix seconds, the start of a run whose start is unknown.
    """
    shutil.rmtree(place.path, ignore_errors=True)
    started = trial.started or now - trial.seconds
    result.write(
        place,
        Result(
            outcome=STATUSES.get(trial.status) or Status(trial.status), epochs=step, scores=by_split(trial),
            history=list(trial.history), started=started, finished=started + trial.seconds,
            error=trial.reason or trial.status, attempts=1,
            costs=dict(trial.costs), predictions=_predictions(place, trial, step),
        ),
    )  # fmt: skip


def _predictions(place: TrainingFolder, trial: ImportedTrial, step: int) -> dict[str, str]:
    """Write the columns of the test examples, and return the digest of the file; {} where there are none."""
    if not trial.columns:
        return {}
    path = place.predictions("test", step)
    path.parent.mkdir(parents=True, exist_ok=True)
    return {"test": Examples(trial.columns).write(path)}


def write_source(workspace: Workspace, name: str, imported: Import, arranged: Arranged) -> None:
    """Write what was read for a study, and where it is from."""
    _write_runs(workspace.study(name), arranged.runs)
    write_json(source_file(workspace, name), _described(imported, arranged))


def _write_runs(folder: StudyFolder, runs: Runs) -> None:
    """Write what was read: all fields of all runs, and their courses."""
    lines = (json.dumps(line, default=str, ensure_ascii=False) for line in runs.frame.to_dict("records"))
    write_text(folder.path / "imported" / "runs.jsonl", "\n".join(lines) + "\n")
    if runs.curves is not None:
        curves = course.thinned(runs.curves, trials.MOST_STEPS)
        write_text(folder.path / "imported" / "curves.csv", curves.to_csv(index=False))


def source_file(workspace: Workspace, name: str) -> Path:
    return workspace.study(name).path / "imported" / "source.json"


def _described(imported: Import, arranged: Arranged) -> dict[str, object]:
    """Return where the results are from, and the keys by which they were read."""
    keys = floats(imported.keys.model_dump(by_alias=True, exclude_defaults=True))
    keys["import"]["from"] = masked(imported.import_keys.source)
    runs = arranged.runs
    return {
        "address": runs.address, "kind": runs.kind, "files": dict(runs.files), "runs": len(runs.frame),
        "notes": list(arranged.notes), "read": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": __version__, "folder": str(imported.path.parent.absolute()), "study": keys,
    }  # fmt: skip
