"""Trials of Optuna, in one form for its databases and its journal files."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ablation.errors import AblateError
from ablation.nearest import nearest
from ablation.sources.readers.stored import Point, counted, curves_of, digest, frame_of
from ablation.sources.runs import (
    DONE,
    DURATION,
    FAILED,
    OWN,
    PRUNED,
    REASON,
    RUN,
    RUNNING,
    SETTING,
    STARTED,
    STATUS,
    TAG,
    Runs,
    flat,
)
from ablation.urls import masked

STATES = {"COMPLETE": DONE, "FAIL": FAILED, "PRUNED": PRUNED, "RUNNING": RUNNING, "WAITING": RUNNING}
METRIC_NAMES = "study:metric_names"  # attribute of a study
FAIL_REASON = "fail_reason"  # attribute of a trial
GRID = "grid_id"  # attribute of a trial of GridSampler
INTERMEDIATE = "intermediate"
VALUE = "value"
BETTER = {"MINIMIZE": "minimized", "MAXIMIZE": "maximized", "NOT_SET": "of no direction"}


@dataclass
class OptunaTrial:
    """One trial as Optuna stores it.

    Attributes:
        number: position in its study.
        state: Optuna's word, for example "COMPLETE".
        start: start; None while the trial waits.
        end: end, likewise.
        params: name -> value, with categories as themselves.
        values: value of each objective.
        intermediate: step -> value.
        attributes: what the user noted: name -> value.
        reason: why the trial failed, where Optuna stored the reason.
        of_grid: whether Optuna's sampler of grids stated the params. No other sampler is stored.
    """

    number: int
    state: str
    start: datetime | None = None
    end: datetime | None = None
    params: dict[str, object] = field(default_factory=dict)
    values: dict[int, float] = field(default_factory=dict)
    intermediate: dict[int, float] = field(default_factory=dict)
    attributes: dict[str, object] = field(default_factory=dict)
    reason: str | None = None
    of_grid: bool = False


@dataclass(frozen=True)
class OptunaStudy:
    """Study of Optuna that was chosen in a source.

    Attributes:
        address: address of the source, as the user named it.
        place: file or server.
        name: name of the study.
        directions: "MINIMIZE", "MAXIMIZE" or "NOT_SET" of each objective.
        metric_names: names of the objectives; empty where the study has none.
    """

    address: str
    place: str
    name: str
    directions: Sequence[str]
    metric_names: Sequence[str] = ()

    @property
    def fields(self) -> list[str]:
        """Name of the field of each objective."""
        count = len(self.directions)
        plain = [VALUE] if count == 1 else [f"{VALUE}s.{k}" for k in range(count)]
        names = list(map(str, self.metric_names))
        taken = {*OWN, INTERMEDIATE}
        usable = len(set(names)) == count and not any(n in taken or n.startswith((SETTING, TAG)) for n in names)
        return names if usable and len(names) == count else plain


def choose(address: str, counts: Mapping[str, int], wanted: str) -> str:
    """Return the study that is named, or else the only one.

    Args:
        address: Address of the source, for messages.
        counts: Name of each study -> its number of trials.
        wanted: Name of a study; "" for the only one.
    """
    if wanted in counts:
        return wanted
    if not counts:
        raise AblateError(f"{masked(address)}: no study is stored here")
    if len(counts) == 1 and not wanted:
        return next(iter(counts))
    listed = ", ".join(f"{name!r} ({counted(number, 'trial')})" for name, number in counts.items())
    problem = f"no study {wanted!r}" if wanted else "several studies; append /NAME of one"
    raise AblateError(f"{masked(address)}: {problem}; studies: {listed}{nearest(wanted, counts)}")


def _level(value: object) -> object:
    """Return the value of a param as a cell. None is a choice, where a missing param is None too."""
    return "None" if value is None else tuple(value) if isinstance(value, list) else value


def _record(trial: OptunaTrial, fields: Sequence[str]) -> dict[str, object]:
    """Return the fields of a trial. Only a complete trial has a result."""
    values = trial.values if trial.state == "COMPLETE" else {}
    duration = (trial.end - trial.start).total_seconds() if trial.start and trial.end else None
    return {
        RUN: str(trial.number),
        STATUS: STATES.get(trial.state, FAILED),
        **({REASON: trial.reason} if trial.reason else {}),
        STARTED: trial.start.isoformat(timespec="seconds") if trial.start else None,
        DURATION: duration,
        **{SETTING + name: _level(value) for name, value in trial.params.items()},
        **{name: values.get(k) for k, name in enumerate(fields)},
        **flat(trial.attributes, TAG),
    }


def _notes(study: OptunaStudy, trials: Sequence[OptunaTrial]) -> Iterator[str]:
    """Yield sentences on what was read."""
    states = Counter(STATES.get(trial.state, FAILED) for trial in trials)
    counts = ", ".join(f"{number} {state}" for state, number in states.items())
    yield f"Optuna's study {study.name!r}: {counted(len(trials), 'trial')} ({counts})"
    for name, direction in zip(study.fields, study.directions, strict=True):
        yield f"{name}: {BETTER.get(direction, direction)}"
    if states[PRUNED]:
        number = counted(states[PRUNED], "pruned trial")
        verb = "has" if states[PRUNED] == 1 else "have"
        yield f"{number} {verb} no result: the value that Optuna stores is an intermediate one"
    if study.metric_names and study.fields != list(study.metric_names):
        yield f"names of metrics that are names of other fields are not used: {', '.join(study.metric_names)}"


def _points(trials: Sequence[OptunaTrial]) -> Iterator[Point]:
    for position, trial in enumerate(trials):
        for step, value in trial.intermediate.items():
            yield position, INTERMEDIATE, step, 0, value


def made(study: OptunaStudy, trials: Sequence[OptunaTrial]) -> Runs:
    """Return the trials of a study as runs, in the order of their numbers."""
    address = masked(study.address)
    if not trials:
        raise AblateError(f"{address}: study {study.name!r} has no trials")
    trials = sorted(trials, key=lambda trial: trial.number)
    frame = frame_of([_record(trial, study.fields) for trial in trials])
    curves = curves_of(_points(trials))
    content = {masked(study.place): digest(frame, curves)}
    return Runs(
        address, "optuna", frame, curves, separates_settings=True, is_search=not all(t.of_grid for t in trials),
        notes=[*_notes(study, trials)], files=content,
    )  # fmt: skip
