"""Ray Tune: params.json, and progress.csv or result.json of a trial."""

from collections.abc import Mapping
from typing import Any

from ablation.sources.readers.collector import course
from ablation.sources.readers.documents import is_number
from ablation.sources.readers.presets.job import Job, Preset, Results, as_notes, merged
from ablation.sources.runs import FAILED, REASON, STATUS

SETTINGS, LINES, TABLE, ERROR = "params.json", "result.json", "progress.csv", "error.txt"
STEP, CONFIG, LISTS = "training_iteration", "config", "hist_stats"
NOTES = ("experiment_tag", "trial_id", "experiment_id", "date", "done")
NO_METRICS = ("pid", "timestamp", "done", "time_since_restore", "iterations_since_restore", "timesteps_since_restore")


def _lines(job: Job) -> list[dict[str, Any]]:
    """Return the last line of each iteration, with names such as info/loss: restarts append iterations again."""
    if TABLE in job.paths:
        lines = job.csv(TABLE)
    elif LINES in job.paths:
        lines = [_slashed(line) for line in job.json_lines(LINES)]
    else:
        return []
    newest = {str(line.get(STEP, f"line {number}")): line for number, line in enumerate(lines)}
    if len(newest) < len(lines):
        job.tree.remark("Iterations that a restart repeats are read from their last line", job.folder)
    return list(newest.values())


def _slashed(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one mapping, with the names joined by slashes as in progress.csv."""
    fields: dict[str, Any] = {}
    for key, value in content.items():
        fields |= _slashed(value, f"{prefix}{key}/") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return fields


def settings(job: Job) -> dict[str, object]:
    """Return the parameters of the trial; those that its lines repeat where there is no file of them."""
    values = merged(job, [SETTINGS])
    last = (_lines(job) or [{}])[-1] if not values else {}
    start = f"{CONFIG}/"
    return values or {
        name.removeprefix(start).replace("/", "."): tuple(value) if isinstance(value, list) else value
        for name, value in last.items()
        if name.startswith(start)
    }


def results(job: Job) -> Results:
    """Return the curves over the iterations; a trial with a file of an error has failed."""
    lines = sorted(_lines(job), key=lambda line: line[STEP] if is_number(line.get(STEP)) else 0)
    left_out = (f"{CONFIG}/", f"{LISTS}/")
    numbers = [{k: v for k, v in line.items() if not k.startswith(left_out) and k not in NO_METRICS} for line in lines]
    notes = as_notes({name: lines[-1].get(name) for name in NOTES} if lines else {})
    return Results(course(numbers, (STEP,)), state=notes | _status(job))


def _status(job: Job) -> dict[str, object]:
    if ERROR not in job.paths:
        return {}
    lines = job.tree.text(job.paths[ERROR]).strip().splitlines()
    return {STATUS: FAILED, REASON: lines[-1].strip() if lines else ERROR}


PRESET = Preset((SETTINGS, LINES, TABLE), settings, results)
