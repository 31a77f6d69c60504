"""Workflow of `ablate check`: an experiment's promises, tested by trials in folders of their own."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ablation import durations, experiments
from ablation.progress.listener import ProgressListener
from ablation.store import code, promises
from ablation.store.promises import BAD, GOOD, NOTE, RESUME, SHARES, Checked
from ablation.store.result import Result
from ablation.store.workspace import Workspace
from ablation.study.grid import Grid
from ablation.workflows.run_options import RunOptions
from ablation.workflows.try_trial import Trained, train_one, train_rows

SHORTEST = 2.0  # seconds of a trial that can be stopped on its way
LEAST_STEPS = 3  # the first step of a schedule is often the same for every total
GRACE = "60s"  # of experiments that state none


@dataclass(frozen=True)
class Promise:
    """Promise of an experiment after its test. `state`: GOOD, NOTE (cannot be said, or need not hold), or BAD."""

    name: str
    state: str
    sentence: str


def n_trials(grid: Grid) -> int:
    """Return the largest number of trials that the tests run."""
    return (8 if grid.factors.shared else 5) + len(_changed_rows(grid))


def check(options: RunOptions, folder: Path, watch: ProgressListener) -> Iterator[Promise]:
    """Yield each promise as soon as it is tested.

    Args:
        options: Options of `ablate run`.
        folder: Empty folder.
        watch: Listener for progress and notes.

    Raises:
        AblateError: The input is wrong.
        KeyboardInterrupt: A signal of the user arrived.
    """
    tested: list[Promise] = []
    first = train_one(options, None, None, folder / "first", watch)
    for promise in _tested(options, first, folder, watch):
        tested.append(promise)
        yield promise
    _store(options, first, tested)


def _tested(options: RunOptions, first: Trained, folder: Path, watch: ProgressListener) -> Iterator[Promise]:
    """Test each promise. `first`: the reference, trained once."""
    grid = options.grid
    if first.result is None or not first.result.done:
        reason = first.result.reason if first.result else "interrupted"
        yield Promise("runs", BAD, f"the reference does not end well: {reason}")
        return
    yield Promise("runs", GOOD, f"the reference ends well, in {durations.duration(first.result.seconds)}")
    yield _deterministic(first, train_one(options, None, None, folder / "again", watch))
    yield _seeds(first, train_one(options, None, grid.seeds[0] + 1, folder / "seed", watch), len(grid.seeds))
    for factor, row in _changed_rows(grid).items():
        yield _acts(factor, row, first, train_one(options, row, None, folder / f"row-{row}", watch))
    if grid.factors.shared:
        yield from _shares(options, first, folder, watch)
    yield from _resumes(options, first, folder / "stopped", watch)


def _store(options: RunOptions, first: Trained, tested: Sequence[Promise]) -> None:
    """Store in the workspace what a table relies on, with the user's code that was tested."""
    digests = code.of_training(first.folder)
    if not digests:
        return
    there, here = Workspace(first.folder.path.parents[1]), Workspace(options.workspace)
    texts = {path: code.stored(there, sha256) or "" for path, sha256 in digests.items()}
    states = {promise.name: promise.state for promise in tested if promise.name in (SHARES, RESUME)}
    if states:
        promises.store(here, options.grid.factors.experiment, Checked(digests, states), texts)


def _changed_rows(grid: Grid) -> dict[str, int]:
    """Return each varying factor with a row that differs from the reference in it, in as few others as possible."""
    rows: dict[str, int] = {}
    for row in sorted(range(1, len(grid.rows) + 1), key=lambda row: len(grid.difference(row))):
        for factor in grid.difference(row):
            rows.setdefault(factor, row)
    return {factor: rows[factor] for factor in grid.varying if factor in rows}


def _is_equal(a: Trained, b: Trained) -> bool:
    """Return whether two trials gave the same numbers and examples, bit for bit. Costs and times may differ."""
    if a.result is None or b.result is None or _numbers(a.result) != _numbers(b.result):
        return False
    if a.examples.keys() != b.examples.keys():
        return False
    for split, examples in a.examples.items():
        other = b.examples[split]
        if examples.numbers != other.numbers or examples.columns.keys() != other.columns.keys():
            return False
        if not all(np.array_equal(column, other.columns[name]) for name, column in examples.columns.items()):
            return False
    return True


def _numbers(result: Result) -> object:
    history = [{name: value for name, value in step.items() if name != "time"} for step in result.history]
    return result.outcome, result.scores, history


def _deterministic(first: Trained, again: Trained) -> Promise:
    if _is_equal(first, again):
        return Promise("same seed", GOOD, "the same seed gives the same numbers")
    return Promise(
        "same seed", BAD, "the same seed gives other numbers (NONDETERMINISTIC): seed all that draws, or say so"
    )


def _seeds(first: Trained, other: Trained, n_seeds: int) -> Promise:
    if not _is_equal(first, other):
        return Promise("other seed", GOOD, "another seed gives other numbers")
    if n_seeds == 1:
        return Promise("other seed", NOTE, "another seed gives the same numbers: one seed is enough")
    return Promise("other seed", BAD, "another seed gives the same numbers: replicates would be copies; use the seed")


def _acts(factor: str, row: int, first: Trained, other: Trained) -> Promise:
    if other.result is None or not other.result.done:
        reason = other.result.reason if other.result else "interrupted"
        return Promise(factor, BAD, f"row {row} does not end well: {reason}")
    if _is_equal(first, other):
        return Promise(
            factor, NOTE, f"row {row} gives the same numbers as the reference: it may act late, or not at all"
        )
    return Promise(factor, GOOD, f"row {row} gives other numbers than the reference")


def _shares(options: RunOptions, first: Trained, folder: Path, watch: ProgressListener) -> Iterator[Promise]:
    """Test that a result on the way to more steps equals that of a training of fewer, and disturbs no later one."""
    grid = options.grid
    factor, reference = grid.factors.shared, grid.rows[grid.reference - 1]
    last = max(int(reference[factor]), LEAST_STEPS)
    part = last - 1 if last == LEAST_STEPS else last // 2
    short, whole = (reference.replace(**{factor: step}) for step in (part, last))
    undisturbed = first if whole == reference else train_rows(options, [whole], folder / "whole", watch)[0]
    alone = train_rows(options, [short], folder / "short", watch)
    both = train_rows(options, [short, whole], folder / "both", watch)
    if not _is_equal(alone[0], both[0]):
        yield Promise(
            SHARES, BAD, f"{factor} {part} on the way to {last} gives other numbers than alone: something depends on "
            "the total, such as a schedule; remove shares, or mend it",
        )  # fmt: skip
    elif not _is_equal(undisturbed, both[1]):
        yield Promise(
            SHARES, BAD, f"a result at {factor} {part} changes that at {last}: the evaluation draws random numbers, or "
            "leaves the model in another state",
        )  # fmt: skip
    else:
        yield Promise(SHARES, GOOD, f"{factor} {part} and {last} of one training equal trainings of their own")


def _resumes(options: RunOptions, first: Trained, folder: Path, watch: ProgressListener) -> Iterator[Promise]:
    """Test that a trial stops when it is asked to, and that it resumes to the same numbers.

    A function with steps is stopped after its first one. Others are stopped in the middle of their time.
    """
    exact, is_resumed = folder.with_name("first-step"), True
    if options.grid.factors.plugin == experiments.FUNCTION:
        stopped = train_one(replace(options, stop_after=1), None, None, exact, watch).result
        is_resumed = stopped is not None and stopped.done  # without steps, it does not stop after one
        if stopped is None:
            yield _equals_after_a_stop(first, train_one(options, None, None, exact, watch))
        elif not stopped.done:
            yield Promise(RESUME, BAD, f"it cannot stop after its first step: {stopped.reason}")
    yield from _stops(options, first, folder, watch, is_resumed)


def _equals_after_a_stop(first: Trained, resumed: Trained) -> Promise:
    if resumed.result and not resumed.result.done:
        return Promise(RESUME, BAD, f"after a stop it fails: {resumed.result.reason}")
    if _is_equal(first, resumed):
        return Promise(RESUME, GOOD, "after a stop it resumes with the same numbers")
    return Promise(
        RESUME, BAD, "after a stop it resumes with other numbers: a part of the state is missing in the checkpoint"
    )


def _stops(
    options: RunOptions, first: Trained, folder: Path, watch: ProgressListener, is_resumed: bool
) -> Iterator[Promise]:
    """Test that a trial stops when it is asked to; with `is_resumed` also that it resumes to the same numbers."""
    assert first.result
    seconds = first.result.seconds
    if seconds < SHORTEST:
        yield Promise("stop", NOTE, f"not tested: a trial takes less than {SHORTEST:g} s")
        return
    keys = options.grid.experiment_keys
    grace = durations.parse("grace", keys.grace if keys else GRACE)
    asked = threading.Timer(seconds / 2, os.kill, (os.getpid(), signal.SIGINT))
    began = time.monotonic()
    asked.start()
    try:
        train_one(options, None, None, folder, watch)
    except KeyboardInterrupt:
        took = time.monotonic() - began - seconds / 2
        is_quick = took < grace
        yield Promise(
            "stop", GOOD if is_quick else BAD,
            f"it stops {took:.1f} s after it is asked to" + ("" if is_quick else "; it was killed: end on SIGTERM"),
        )  # fmt: skip
    else:
        asked.cancel()
        yield Promise("stop", NOTE, "not tested: the trial ended before it was asked to stop")
        return
    if is_resumed:
        yield _equals_after_a_stop(first, train_one(options, None, None, folder, watch))
