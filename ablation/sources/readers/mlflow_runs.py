"""Runs of MLflow, in one form for its databases, its folders and its servers."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ablation.errors import AblateError
from ablation.nearest import nearest
from ablation.sources.readers.stored import Point, counted, curves_of, digest, frame_of
from ablation.sources.runs import (
    ARTIFACTS,
    DONE,
    DURATION,
    FAILED,
    KILLED,
    NAME,
    REASON,
    RUN,
    RUNNING,
    SETTING,
    STARTED,
    STATUS,
    TAG,
    Runs,
)
from ablation.urls import masked

STATES = {"FINISHED": DONE, "FAILED": FAILED, "KILLED": KILLED, "RUNNING": RUNNING, "SCHEDULED": RUNNING}
RUN_NAME, COMMIT, PARENT = "mlflow.runName", "mlflow.source.git.commit", "mlflow.parentRunId"
INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")  # "007" and a number of thirty digits are names
DECIMAL = re.compile(r"[+-]?(?=.*[.eE])((0|[1-9]\d*)\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
BOOLEAN = {"true": True, "false": False}
LIMITS = (250, 500, 6000)  # characters at which versions of MLflow cut the text of a param
LARGEST = 1.7976931348623157e308  # databases of MLflow store infinity as this number
LISTED = 20
STORES = ("mlruns", "mlartifacts")  # folders that MLflow writes files of runs to


@dataclass(frozen=True)
class MlflowRun:
    """One run as MLflow stores it.

    Attributes:
        run_id: MLflow's id.
        name: name of the run; None where it has none.
        status: MLflow's word, for example "FINISHED"; "" where unknown.
        start: start, in milliseconds since 1970; None where unknown.
        end: end, likewise; None while the run has not ended.
        params: name -> text.
        tags: name -> text, with MLflow's own.
        reason: why the run is not complete, where known.
        artifacts: folder of its files on this machine; "" where the files are on another machine.
    """

    run_id: str
    name: str | None
    status: str
    start: float | None
    end: float | None
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None
    artifacts: str = ""


@dataclass(frozen=True)
class Experiment:
    """Experiment of MLflow that was chosen in a source; `place`: the file, folder or server."""

    address: str
    place: str
    name: str
    notes: Collection[str] = ()


def local_artifacts(uri: str, base: Path) -> str:
    """Return the folder of a run's files, "" where it is not on this machine.

    Args:
        uri: address of the folder, as MLflow stores it; other machines write other paths before mlruns/.
        base: folder of the store.
    """
    path = Path(unquote(urlsplit(uri).path) if uri.startswith("file:") else uri)
    place = next((n for n, part in reversed([*enumerate(path.parts)]) if part in STORES), None)
    moved = [] if place is None else [base.joinpath(*path.parts[place:]), base.joinpath(*path.parts[place + 1 :])]
    is_path = uri.startswith(("file:", "/", ".")) or "://" not in uri
    return next((str(p) for p in [base / path, *moved] if uri and is_path and p.is_dir()), "")


def trash(number: int) -> str:
    """Return the sentence on runs that a user deleted, which MLflow keeps."""
    return f"runs in MLflow's trash, left out: {number}"


def choose(address: str, names: Mapping[str, str], wanted: str, count: Callable[[str], int]) -> str:
    """Return the id of the experiment that is named, or else of the one that has runs.

    Args:
        address: Address of the source, for messages.
        names: Id -> name of each experiment.
        wanted: Name or id of the experiment; "" for the one that has runs.
        count: Function that returns the number of runs of an experiment.
    """
    if wanted:
        matches = [key for key, name in names.items() if name in (wanted, f"/{wanted}")]
        matches += [wanted] if wanted in names else []
        if matches:
            return matches[0]
    numbers = {key: number for key in names if (number := count(key))}
    if len(numbers) == 1 and not wanted:
        return next(iter(numbers))
    listed = ", ".join(f"{names[key]!r} ({counted(n, 'run')})" for key, n in list(numbers.items())[:LISTED])
    more = f" and {len(numbers) - LISTED} more" if len(numbers) > LISTED else ""
    problem = f"no experiment {wanted!r}" if wanted else "several experiments have runs; append /NAME of one"
    if not numbers:
        raise AblateError(f"{masked(address)}: no experiment has runs")
    raise AblateError(f"{masked(address)}: {problem}; experiments: {listed}{more}{nearest(wanted, names.values())}")


def typed(text: str) -> bool | int | float | str:
    """Return the value that a text of MLflow stands for: an int, a float, true or false, or the text itself.

    The text "nan" stays: a setting of that value is not a missing setting.
    """
    if text.lower() in BOOLEAN:
        return BOOLEAN[text.lower()]
    if INTEGER.fullmatch(text):
        return int(text)
    if DECIMAL.fullmatch(text) and abs(float(text)) <= LARGEST:
        return float(text)
    return float(text) if text.lower() in ("inf", "-inf") else text


def _time(milliseconds: float) -> str | None:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):  # a program wrote another unit
        return None


def _record(run: MlflowRun) -> dict[str, object]:
    """Return the fields of a run."""
    tags = {TAG + key: text for key, text in run.tags.items() if not key.startswith("mlflow.") or key == COMMIT}
    return {
        RUN: run.run_id,
        NAME: run.tags.get(RUN_NAME) or run.name or None,
        STATUS: STATES.get(run.status, FAILED),
        **({REASON: run.reason} if run.reason else {}),
        **({ARTIFACTS: run.artifacts} if run.artifacts else {}),
        STARTED: None if run.start is None else _time(run.start),
        DURATION: None if run.start is None or run.end is None else (run.end - run.start) / 1000,
        **{SETTING + key: typed(text) for key, text in run.params.items()},
        **tags,
    }


def _notes(runs: Sequence[MlflowRun]) -> Iterator[str]:
    """Yield sentences on content of runs that may mislead."""
    cut = Counter((key, len(text)) for run in runs for key, text in run.params.items() if len(text) in LIMITS)
    for (key, length), number in cut.items():
        where = f"{SETTING}{key} of {counted(number, 'run')}"
        yield f"{where}: exactly {length} characters, a length at which MLflow cuts texts; the text may be incomplete"
    parents = Counter(run.tags[PARENT] for run in runs if PARENT in run.tags)
    if held := [run for run in runs if run.run_id in parents]:
        names = ", ".join(repr(run.tags.get(RUN_NAME) or run.name or run.run_id) for run in held[:3])
        more = ", ..." if len(held) > 3 else ""
        yield f"{counted(len(held), 'run')} with nested runs of its own ({names}{more}) are read as runs too"


def order(run: MlflowRun) -> tuple[bool, float, str]:
    """Return the key that sorts runs by their start; a run without a start is last."""
    return run.start is None, run.start or 0, run.run_id


def _finite(value: float) -> float:
    """Return a metric, with infinity in place of the number by which databases of MLflow store infinity."""
    return value if abs(value) != LARGEST else value * 10


def made(experiment: Experiment, runs: Sequence[MlflowRun], points: Iterable[Point]) -> Runs:
    """Return the runs of an experiment.

    Args:
        experiment: Experiment that was read.
        runs: Its runs, in order.
        points: Values of its metrics, in any order; the first member is the position in `runs`.
    """
    address = masked(experiment.address)
    if not runs:
        raise AblateError(f"{address}: experiment {experiment.name!r} has no runs")
    frame = frame_of([_record(run) for run in runs])
    curves = curves_of((run, name, step, time, _finite(value)) for run, name, step, time, value in points)
    notes = [f"MLflow's experiment {experiment.name!r}: {counted(len(runs), 'run')}", *experiment.notes, *_notes(runs)]
    content = {masked(experiment.place): digest(frame.drop(columns=ARTIFACTS, errors="ignore"), curves)}
    return Runs(address, "mlflow", frame, curves, separates_settings=True, notes=notes, files=content)
