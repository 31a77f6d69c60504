"""sacred: config.json, run.json and metrics.json of the FileStorageObserver."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ablation.sources.readers.collector import Curve
from ablation.sources.readers.documents import is_number
from ablation.sources.readers.presets.job import Job, Preset, Results, as_notes
from ablation.sources.runs import DONE, DURATION, FAILED, KILLED, REASON, RUN, RUNNING, STARTED, STATUS, flat

CONFIG, RUN_FILE, METRICS = "config.json", "run.json", "metrics.json"
STATES = {
    "COMPLETED": DONE, "FAILED": FAILED, "TIMEOUT": FAILED, "DIED": FAILED, "INTERRUPTED": KILLED,
    "RUNNING": RUNNING, "QUEUED": RUNNING,
}  # fmt: skip


def _plain_mapping(job: Job, name: str) -> dict[str, Any]:
    """Return the mapping in a file, without the wrappers of jsonpickle."""
    return {key: plain(member) for key, member in job.mapping(name).items()}


def plain(value: Any) -> Any:
    """Return the value without the wrappers of jsonpickle: a tuple or a set is a list, a NumPy number a number."""
    if isinstance(value, list):
        return [plain(member) for member in value]
    if not isinstance(value, dict):
        return value
    for wrapper in ("py/tuple", "py/set"):
        if wrapper in value:
            return plain(value[wrapper])
    if "py/object" in value and "value" in value:
        return plain(value["value"])
    return {key: plain(member) for key, member in value.items()}


def settings(job: Job) -> dict[str, object]:
    """Return the config. Settings that are defaults in the code are not in it."""
    return flat(_plain_mapping(job, CONFIG))


def results(job: Job) -> Results:
    """Return the curves, the result and the state of a run."""
    run = job.mapping(RUN_FILE)
    result = plain(run.get("result"))
    fields = flat({"result": result}) if is_number(result) or isinstance(result, dict) else {}
    state = _state(run) | {RUN: job.folder.rsplit("/", 1)[-1]}
    return Results(_curves(_plain_mapping(job, METRICS)), fields, state=state)


def _curves(metrics: Mapping[str, Any]) -> dict[str, Curve]:
    """Return the curve of each metric; a point without a step takes its position."""
    curves: dict[str, Curve] = {}
    for name, metric in metrics.items():
        values = metric.get("values") if isinstance(metric, dict) else None
        if not isinstance(values, list):
            continue
        steps = dict(enumerate(metric["steps"] if isinstance(metric.get("steps"), list) else []))
        points = {at: float(value) for at, value in enumerate(values) if is_number(value)}
        curves[name] = [float(steps[at] if is_number(steps.get(at)) else at) for at in points], [*points.values()]
    return curves


def _state(run: Mapping[str, Any]) -> dict[str, object]:
    """Return the status of a run, with the last line of a failure, its start and its duration."""
    status = STATES.get(str(run.get("status")).upper(), DONE if run else None)
    experiment = run.get("experiment")
    name = experiment.get("name") if isinstance(experiment, dict) else None
    fields = as_notes({"experiment": name, "command": run.get("command")})
    fields |= {STATUS: status} if status else {}
    trace = run.get("fail_trace")
    if status == FAILED:
        fields[REASON] = str(trace[-1]).strip() if isinstance(trace, list) and trace else str(run["status"]).lower()
    return fields | _times(run.get("start_time"), run.get("stop_time") or run.get("heartbeat"))


def _times(start: object, stop: object) -> dict[str, object]:
    """Return the start and the duration in seconds, where the source has them."""
    try:
        seconds = (datetime.fromisoformat(str(stop)) - datetime.fromisoformat(str(start))).total_seconds()
    except (ValueError, TypeError):
        return {STARTED: start} if isinstance(start, str) else {}
    return {STARTED: start, DURATION: seconds}


PRESET = Preset((RUN_FILE,), settings, results)
