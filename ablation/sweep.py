"""The workflow: run a study, from its images to its table."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ablation import features, plan, pool, result, selection, slots, splits, table, worker
from ablation import record as records
from ablation.datasets import images, is_demo
from ablation.datasets.images import Index
from ablation.errors import AblateError
from ablation.grid import Grid, Trial
from ablation.outcome import Outcome, check_name, done, draw, outcome
from ablation.plan import Training
from ablation.record import Record, Weights
from ablation.study import Study
from ablation.tracking import Sender, Tracker
from ablation.views import Views
from ablation.workspace import (
    Workspace,
    atomic,
    on_network,
    read_json,
    write_json,
    write_text,
)


@dataclass(frozen=True)
class Options:
    """What `ablate run` was asked for."""

    grid: Grid
    data: str
    workspace: Path
    name: str
    classes: Sequence[str] | None = None
    limit: int | None = None
    skip_bad: bool = False
    slots: str = "auto"
    inline: bool = False
    storage: str | None = None
    tracking: str | None = None


class Watch(Protocol):
    """Who is told how far the work is."""

    def say(self, text: str) -> None: ...
    def step(self, what: str, done: int, total: int) -> None: ...
    def started(self, key: str, label: str, slot: str) -> None: ...
    def epoch(self, key: str, epoch: dict[str, float], epochs: int) -> None: ...
    def ended(self, key: str, outcome: str) -> None: ...
    def work(self, share: float) -> None: ...


def run(options: Options, watch: Watch) -> Outcome:
    """Run a study: what is missing is trained, then a row is selected on validation, then the table is drawn.

    Raises AblateError before anything is written where the input is wrong.
    """
    workspace = Workspace(options.workspace)
    _check_environment(options, workspace)
    index, pixels, left_out = _read_images(options, watch)
    rows = {level: splits.make(index, level, options.grid.split_seed) for level in _levels(options.grid, "split")}
    old = records.read(workspace.study(options.name))
    record = _record(options, index, rows, left_out, _weights(options, workspace, old, watch))
    _refuse_doubles(record)
    if old:
        records.refuse_other(old, record)
    for note in record.notes:
        watch.say(f"note: {note}")
    with workspace.lock():
        _store(workspace, record, index, pixels, rows)
        del pixels  # workers map them from disk
        with _views(options, workspace, record, watch) as views:
            trained = _train_missing(options, workspace, record, views, watch)
            return _conclude(workspace, record, views, trained)


def _check_environment(options: Options, workspace: Workspace) -> None:
    check_name(options.name)
    slots.parse(options.slots)
    if not slots.is_installed(slots.backend()):
        raise AblateError(f"KERAS_BACKEND={slots.backend()}: not installed; install it, or unset the variable")
    if on_network(workspace.root) and not (options.storage and options.tracking):
        raise AblateError(
            f"{workspace.root} lies on a network file system, where SQLite loses data; "
            "pass --storage and --tracking (a database and a server), or a local --workspace"
        )


def _levels(grid: Grid, factor: str) -> list[Any]:
    return sorted({getattr(row, factor) for row in grid.rows})


def _read_images(options: Options, watch: Watch) -> tuple[Index, dict[int, np.ndarray], list[str]]:
    found = images.choose_classes(images.load(options.data), options.classes)
    images.check(found, options.data)
    found = images.limit(found, options.limit)
    images.check(found, options.data)
    return images.decode(
        found,
        _levels(options.grid, "image_size"),
        options.skip_bad,
        lambda done, total: watch.step("reading images", done, total),
    )


def _weights(options: Options, workspace: Workspace, old: Record | None, watch: Watch) -> dict[str, Weights]:
    """The weights of every pair of backbone and level; ImageNet's as they were when the study began."""
    found = {}
    for backbone, level in sorted({(row.backbone, row.weights) for row in options.grid.rows}):
        name = f"{backbone}/{level}"
        known = old.weights.get(name) if old and level == "imagenet" else None
        found[name] = known or features.locate(backbone, level) or _imagenet(options, workspace, backbone, watch)
    return found


def _imagenet(options: Options, workspace: Workspace, backbone: str, watch: Watch) -> Weights:
    digest = (read_json(workspace.known_weights) or {}).get(backbone)
    if digest is None:
        watch.say(f"fetching ImageNet weights of {backbone} through Keras ...")
        child = subprocess.run(
            [sys.executable, "-m", "ablation.worker", backbone],
            env=os.environ | slots.environment(slots.parse("auto")[0]),
            capture_output=True,
            text=True,
        )
        digest = child.stdout.strip().splitlines()[-1] if child.returncode == 0 else None
        if digest is None and not is_demo(options.data):
            reason = (child.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise AblateError(
                f"ImageNet weights of {backbone} cannot be had ({reason[:200]}); connect to the internet once, "
                "or pass --set weights=PATH (a .weights.h5 file), or --set weights=random"
            )
    if digest is None:
        return Weights(level="imagenet", source="random", digest=features.RANDOM_RECIPE)
    return Weights(level="imagenet", source="imagenet", digest=str(digest))


def _record(
    options: Options, index: Index, rows: dict[str, splits.Split], left_out: Sequence[str], weights: dict[str, Weights]
) -> Record:
    def counts(split: splits.Split) -> dict[str, tuple[int, ...]]:
        many = len(index.classes)
        return {part: tuple(np.bincount(index.labels[r], minlength=many).tolist()) for part, r in split.items()}

    replaced = [name.partition("/")[0] for name, w in weights.items() if w.level == "imagenet" != w.source]
    notes = [f"ImageNet weights of {b} could not be had: seeded random weights stand in for them." for b in replaced]
    if left_out:
        notes.append(f"Images left out because they could not be decoded: {len(left_out)}.")
    return Record(
        name=options.name,
        grid=options.grid,
        data=options.data if is_demo(options.data) else str(Path(options.data).absolute()),
        images=index.digest,
        classes=index.classes,
        counts={level: counts(split) for level, split in rows.items()},
        splits={level: splits.digest(split) for level, split in rows.items()},
        weights=weights,
        backend=slots.backend(),
        left_out=tuple(left_out),
        notes=tuple(notes),
    )


def _refuse_doubles(record: Record) -> None:
    """Levels that differ in words can be the same thing: two paths of one file, `given` splits that were not given."""
    first: dict[str, Trial] = {}
    for trial in record.grid.trials():
        double = first.setdefault(record.trial_key(trial), trial)
        if double is not trial:
            raise AblateError(f"rows {double.row} and {trial.row} are the same trial on these data; remove one")


def _store(
    workspace: Workspace, record: Record, index: Index, pixels: dict[int, np.ndarray], rows: dict[str, splits.Split]
) -> None:
    folder = workspace.images(record.images)
    for size, array in pixels.items():
        if not folder.pixels(size).is_file():
            with atomic(folder.pixels(size)) as temporary, open(temporary, "wb") as file:
                np.save(file, array)
    for split in rows.values():
        splits.write(folder, split)
    write_text(folder.index, index.to_json())
    record.write(workspace.study(record.name))
    fetched = {n.partition("/")[0]: w.digest for n, w in record.weights.items() if w.source == "imagenet"}
    if fetched:
        write_json(workspace.known_weights, (read_json(workspace.known_weights) or {}) | fetched)


def _open_study(options: Options, workspace: Workspace, record: Record) -> Study:
    try:
        return Study(options.storage or f"sqlite:///{workspace.optuna.absolute()}", record)
    except Exception as error:  # whatever SQLAlchemy and its drivers raise; an address may hold a password: not named
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AblateError(f"--storage: Optuna's database cannot be opened ({reason[:200]})") from None


@contextmanager
def _views(options: Options, workspace: Workspace, record: Record, watch: Watch) -> Iterator[Views]:
    uri = options.tracking or f"sqlite:///{workspace.mlflow.absolute()}"
    artifacts = None if options.tracking else workspace.artifacts
    study = _open_study(options, workspace, record)
    tracker = Tracker(workspace.study(record.name).outbox, lambda: Sender(uri, artifacts, record.name))
    views = Views(record, study, tracker)
    try:
        yield views
    finally:
        unsent = views.close()
        if unsent:
            watch.say(f"MLflow: {unsent} messages wait for it ({tracker.error}); the next run sends them")


def _train_missing(options: Options, workspace: Workspace, record: Record, views: Views, watch: Watch) -> int:
    """Train what has no result yet; the number of trials trained."""
    missing = plan.missing(workspace, record, record.grid.trials())
    if not missing:
        return 0
    trainings = plan.trainings(record, missing)
    with _pool(options, workspace) as workers:
        _extract(workspace, workers, trainings, watch)
        _Training(workspace, record, views, watch, trainings).run(workers)
    return len(missing)


def _pool(options: Options, workspace: Workspace) -> AbstractContextManager[pool.Pool]:
    found = slots.parse(options.slots)
    return pool.inline(found[0]) if options.inline else pool.local(found, workspace.log("").parent)


def _extract(workspace: Workspace, workers: pool.Pool, trainings: dict[Training, list[Trial]], watch: Watch) -> None:
    wanted = {t.features_of() for t in trainings}
    tasks = [
        pool.Task(f.key, worker.extract, (workspace.root.absolute(), f))
        for f in sorted(wanted, key=lambda f: f.key)
        if not features.is_ready(workspace, f)
    ]

    def reported(_: str, message: dict[str, Any]) -> None:
        watch.step("computing features", message["images"], message["of"])

    for key, trouble in workers.run(tasks, pool.Listener(reported=reported)):
        if trouble:
            reason = trouble.reason if isinstance(trouble, pool.Lost) else trouble.strip().splitlines()[-1]
            raise AblateError(
                f"features {key} could not be computed: {reason}; the log is under {workspace.log('').parent}"
            )


class _Training:
    """The trainings under way, and how far they are."""

    def __init__(
        self, workspace: Workspace, record: Record, views: Views, watch: Watch, trainings: dict[Training, list[Trial]]
    ) -> None:
        self._workspace, self._record, self._views, self._watch = workspace, record, views, watch
        self._trials = {t.key: trials for t, trials in trainings.items()}
        self._trainings = {t.key: t for t in trainings}
        self._work = {t.key: self._work_of(t) for t in trainings}
        self._done = dict.fromkeys(self._work, 0.0)

    def _work_of(self, training: Training) -> float:
        inputs = int(np.prod(features.shape(self._workspace, training.features_of())[1:]))
        train = next(c["train"] for s, c in self._record.counts.items() if self._record.splits[s] == training.split)
        return plan.work(training, inputs, sum(train))

    def run(self, workers: pool.Pool) -> None:
        root = self._workspace.root.absolute()
        tasks = [pool.Task(key, worker.train, (root, training)) for key, training in self._trainings.items()]
        for key, value in workers.run(tasks, pool.Listener(self._started, self._reported)):
            self._ended(key, value)

    def _label(self, key: str) -> str:
        trials = self._trials[key]
        numbers = ", ".join(str(t.row) for t in trials)
        seed = f", seed {trials[0].seed}" if len(self._record.grid.seeds) > 1 else ""
        return f"row {numbers}{seed}" if len(trials) == 1 else f"rows {numbers}{seed}"

    def _started(self, key: str, slot: str) -> None:
        self._watch.started(key, self._label(key), slot)
        for trial in self._trials[key]:
            self._views.started(trial)

    def _reported(self, key: str, epoch: dict[str, float]) -> None:
        epochs = self._trainings[key].condition.epochs
        self._done[key] = epoch["epoch"] / epochs
        self._watch.epoch(key, epoch, epochs)
        self._watch.work(self._share())
        for trial in self._trials[key]:
            if trial.condition.epochs >= epoch["epoch"]:
                self._views.epoch(trial, epoch)
            if trial.condition.epochs == epoch["epoch"]:
                self._tell_end(trial)

    def _share(self) -> float:
        return sum(self._work[k] * self._done[k] for k in self._work) / sum(self._work.values())

    def _tell_end(self, trial: Trial) -> None:
        found = result.read(self._workspace.training(self._record.training_key(trial)), trial.condition.epochs)
        if found:
            self._views.ended(trial, found)

    def _ended(self, key: str, value: object) -> None:
        folder = self._workspace.training(key)
        if isinstance(value, pool.Lost):
            lost = result.Result(
                result.KILLED, self._trainings[key].condition.epochs, error=value.reason, finished=time.time()
            )
            result.write(folder, lost)
        for trial in self._trials[key]:
            self._tell_end(trial)
        self._done[key] = 1.0
        self._watch.ended(key, result.KILLED if isinstance(value, pool.Lost) else str(value))


def _conclude(workspace: Workspace, record: Record, views: Views, trained: int) -> Outcome:
    """Select, seal, and only then open the test predictions; draw the tables and tell the views."""
    results = table.collect(workspace, record)
    found = selection.select(record, done(results))
    sealed = selection.seal(workspace.study(record.name), found) if found else None
    opened, drawn = draw(workspace, record, results, sealed)
    views.agree(results, opened, drawn)
    return outcome(workspace, record, results, drawn, trained)
