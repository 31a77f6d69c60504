"""Costs of the orchestrator without the training: a study of N trials whose trainer does nothing.

    python tests/benchmarks/orchestrator.py [--trials 1000 10000] [--profile FILE]

The trainer writes a real result with the project's own functions, after one epoch; no backend is loaded, and the run
has no trackers. Each N runs in a process of its own, so that its memory is its own. Seconds are the
clock's, in brackets the processor's: the difference is what the disk and other programs took.

plan: until the first training starts. ms a trial: the orchestrator's, the trainer's left out. conclude: from the last
training to the end. again: a second start, when there is nothing to train. trainer, fsync: a trial, the latter within
the former (a result is three files, each with an fsync of it and of its folder). Optuna: what a trial costs in Optuna's
SQLite database, when all are sent at once; a run sends them meanwhile.
"""

import argparse
import cProfile
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

from ablation.engine.run import Run
from ablation.experiments.keras_head import experiment
from ablation.experiments.keras_head.datasets import stored_splits
from ablation.experiments.keras_head.training import features
from ablation.experiments.keras_head.training.jobs import HeadTraining
from ablation.outcomes import Status
from ablation.report import build
from ablation.statistics import evaluation
from ablation.store import result
from ablation.store.result import Predictions, Result
from ablation.store.workspace import Workspace
from ablation.study import study_file
from ablation.trackers.optuna_client import OptunaClient
from ablation.trackers.optuna_database import open_study
from ablation.workflows import publish
from ablation.workflows.run_options import NO_TRACKERS, RunOptions
from ablation.workflows.run_study import run_study

CLASSES, IMAGES = 7, 210
HEADINGS = (
    "trials",
    "plan s",
    "ms a trial",
    "conclude s",
    "again s",
    "trainer ms",
    "fsync ms",
    "Optuna ms",
    "KiB a trial",
    "peak MiB",
)
SPENT = {"trainer": 0.0, "trainer's CPU": 0.0, "fsync": 0.0}


class Moment(NamedTuple):
    """A time, or a span: seconds by the clock, and seconds of the processor, all threads of this process."""

    clock: float
    processor: float

    def __sub__(self, other: "Moment") -> "Moment":
        return Moment(self.clock - other.clock, self.processor - other.processor)

    def times(self, factor: float) -> str:
        return f"{self.clock * factor:.1f} ({self.processor * factor:.1f})"


def now() -> Moment:
    return Moment(time.perf_counter(), time.process_time())


class Watch:
    """Notes when things happen and what memory is held then."""

    def __init__(self) -> None:
        self.first: Moment | None = None
        self.last = now()
        self.memory: list[int] = []

    def started(self, key: str, label: str, slot: str) -> None:
        self.first = self.first or now()

    def ended(self, key: str, outcome: str, reason: str = "") -> None:
        self.last = now()
        self.memory.append(psutil.Process().memory_info().rss)

    def say(self, text: str) -> None: ...

    def step(self, name: str, done: int, total: int) -> None: ...
    def epoch(self, key: str, epoch: dict[str, float], epochs: int) -> None: ...
    def work(self, share: float, before: float = 0.0) -> None: ...
    def trials(self, done: int, failed: int, total: int) -> None: ...
    def show(self, board: object) -> None: ...


def _predictions(labels: np.ndarray, rng: np.random.Generator) -> Predictions:
    probabilities = rng.dirichlet(np.ones(CLASSES), len(labels)).astype(np.float32)
    classes = probabilities.argmax(axis=1).astype(np.int16)
    return Predictions(classes, probabilities.astype(np.float16), evaluation.losses(labels, probabilities))


def _train(training: HeadTraining, run: Run) -> Status:
    """Replace the training of the Keras experiment: one epoch, without a network."""
    began = now()
    folder, rng = run.folder, np.random.default_rng(int(training.key, 16))
    labels = _labels(run.workspace, training)
    predictions = {split: _predictions(y, rng) for split, y in labels.items()}
    scores = {s: evaluation.scores(labels[s], p.classes, p.losses) for s, p in predictions.items()}
    epoch = {"epoch": 1, **scores["train"], **{f"val_{k}": v for k, v in scores["val"].items()}, "time": time.time()}
    files = {split: predictions[split].write(folder.predictions(split, 1)) for split in ("val", "test")}
    sealed = {split: scores[split] for split in ("train", "val")}
    times = {"started": epoch["time"], "finished": time.time()}
    result.write(folder, Result(Status.DONE, 1, sealed, [epoch], files, parameters=1000, **times))
    spent = now() - began
    SPENT["trainer"] += spent.clock
    SPENT["trainer's CPU"] += spent.processor
    run.link.report({"epochs": [epoch]})
    return Status.DONE


def _labels(workspace: Workspace, training: HeadTraining, _known: dict[str, Any] = {}) -> dict[str, np.ndarray]:  # noqa: B006
    if training.split not in _known:
        _known[training.split] = stored_splits.read(workspace.images(training.images), training.split)[1]
    return _known[training.split]


def _replace_the_work() -> None:
    """Replace the parts of the program that train, and time its writes."""
    fsync = os.fsync

    def timed(file: int) -> None:
        began = time.perf_counter()
        fsync(file)
        SPENT["fsync"] += time.perf_counter() - began

    os.fsync = timed
    experiment.train = _train
    experiment.is_ready = lambda *_: True
    features.shape = lambda *_: (IMAGES, 1, 1, 512)


def _write_study(place: Path, trials: int) -> Path:
    """A product of dropout and learning rate: each trial is a training of its own."""
    n_dropouts = next(k for k in range(int(trials**0.5), 0, -1) if trials % k == 0)
    dropout = [round(0.9 * i / n_dropouts, 6) for i in range(n_dropouts)]
    rates = [round(1e-4 * (1 + i), 6) for i in range(trials // n_dropouts)]
    path = place / "many.toml"
    path.write_text(
        f'[fixed]\nweights = "random"\nepochs = 1\n[factorial]\ndropout = {dropout}\nlearning_rate = {rates}\n'
    )
    y = np.arange(IMAGES) % CLASSES
    x = np.zeros((IMAGES, 32, 32), np.uint8) + np.arange(IMAGES, dtype=np.uint8)[:, None, None]
    np.savez(place / "tiny.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    return path


def _run(place: Path, path: Path) -> tuple[Moment, Moment, Watch]:
    """Return the moments at which the run began and ended, and its listener."""
    watch, began = Watch(), now()
    grid = study_file.read(str(path))
    run_study(
        RunOptions(grid, str(place / "tiny.npz"), place / "runs", "many", inline=True, trackers=NO_TRACKERS), watch
    )
    return began, now(), watch


def _to_optuna(place: Path) -> Moment:
    """Send all trials to a new database of Optuna."""
    workspace = Workspace(place / "runs")
    drawing = build.rebuild(workspace, "many", build.RenderOptions())
    began = now()
    client = OptunaClient(drawing.study.record, open_study(None, workspace, drawing.study.record, print))
    client.agree(publish.for_trackers(drawing), None)
    assert client.close(math.inf) == 0
    assert not client.error
    return now() - began


def _measure(place: Path, trials: int) -> list[str]:
    _replace_the_work()
    path = _write_study(place, trials)
    began, ended, watch = _run(place, path)
    assert watch.first
    trainer = Moment(SPENT["trainer"], SPENT["trainer's CPU"])
    fsync = SPENT["fsync"]
    again = _run(place, path)
    optuna = _to_optuna(place)
    settled = watch.memory[len(watch.memory) // 10 :]
    growth = (settled[-1] - settled[0]) / len(settled) / 1024
    spans = [
        (watch.first - began).times(1),
        (watch.last - watch.first - trainer).times(1000 / trials),
        (ended - watch.last).times(1),
        (again[1] - again[0]).times(1),
        trainer.times(1000 / trials),
    ]
    peak = (Path("/proc/self/status").read_text().partition("VmHWM:")[2].split() or ["0"])[0]
    optuna_ms = optuna.times(1000 / trials)
    return [str(trials), *spans, f"{1000 * fsync / trials:.1f}", optuna_ms, f"{growth:.1f}", f"{int(peak) / 1024:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--profile", help="write cProfile's numbers of the last N to this file; all is slower then")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        with tempfile.TemporaryDirectory() as place, cProfile.Profile() as profile:
            if not asked.profile:
                profile.disable()
            line = _measure(Path(place), asked.one)
        if asked.profile:
            profile.dump_stats(asked.profile)
        print("".join(f"{cell:>14}" for cell in line))
        return
    print("".join(f"{heading:>14}" for heading in HEADINGS), flush=True)
    more = ["--profile", asked.profile] if asked.profile else []
    for trials in asked.trials:
        subprocess.run([sys.executable, __file__, "--one", str(trials), *more], check=True)


if __name__ == "__main__":
    main()
