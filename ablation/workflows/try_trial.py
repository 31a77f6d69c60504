"""Workflow of `ablate try`: one trial in the foreground, in a folder of its own, without trackers."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from ablation.errors import AblateError
from ablation.outcomes import Status
from ablation.progress.listener import ProgressListener
from ablation.store import record as records
from ablation.store import result
from ablation.store.examples import Examples
from ablation.store.result import Result
from ablation.store.workspace import TrainingFolder, Workspace
from ablation.study.levels import Condition
from ablation.workflows.run_options import NO_TRACKERS, RunOptions
from ablation.workflows.run_study import run_study

LOOK = 0.1  # seconds between two looks at a log


@dataclass(frozen=True)
class Tried:
    """Outcome of one trial.

    `scores`: split -> measure -> value, without test. `costs`: cost -> value. `steps`: number of steps with numbers.
    `examples`: split -> column -> kind and size, such as "int64, 899"; numbers on test stay closed. `folder`: folder of
    the training.
    """

    status: Status
    reason: str
    seconds: float
    folder: Path
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    steps: int = 0
    examples: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """Trial that ran in a folder of its own. `result`: None where it was interrupted."""

    folder: TrainingFolder
    result: Result | None
    examples: Mapping[str, Examples] = field(default_factory=dict)


def train_one(options: RunOptions, row: int | None, seed: int | None, folder: Path, watch: ProgressListener) -> Trained:
    """Run one trial of a study in a folder of its own, or resume it there.

    Args:
        options: Options of `ablate run`.
        row: Number of the row; None for the reference.
        seed: Seed; None for the first one of the study.
        folder: Folder of the trial.
        watch: Listener for progress and notes.

    Raises:
        AblateError: The input is wrong; there is no such row.
        KeyboardInterrupt: A signal arrived.
    """
    grid = options.grid
    number = grid.reference if row is None else row
    if not 1 <= number <= len(grid.rows):
        raise AblateError(f"--row {number}: the study has rows 1 to {len(grid.rows)}")
    return train_rows(options, [grid.rows[number - 1]], folder, watch, seed, grid.labels[number - 1])[0]


def train_rows(
    options: RunOptions, rows: Sequence[Condition], folder: Path, watch: ProgressListener, seed: int | None = None,
    label: str = "",
) -> list[Trained]:  # fmt: skip
    """Run one trial of each of these rows in a folder of its own, or resume them there.

    Args:
        options: Options of `ablate run`.
        rows: Rows, which need not be of the study.
        folder: Folder of the trials.
        watch: Listener for progress and notes.
        seed: Seed; None for the first one of the study.
        label: Label of the rows.

    Raises:
        AblateError: The input is wrong.
        KeyboardInterrupt: A signal arrived.
    """
    grid = options.grid.model_copy(
        update={
            "rows": tuple(rows), "labels": (label,) * len(rows), "published": ({},) * len(rows), "reference": 1,
            "seeds": (options.grid.seeds[0] if seed is None else seed,), "notes": (), "comparisons": (),
            "conflicts": (),
        }
    )  # fmt: skip
    one = replace(
        options, grid=grid, workspace=folder, inline=True, trackers=NO_TRACKERS, replicates=None,
        imported=None, files=(), keep="none", code=None, scheduler=None, timeout=None,
    )  # fmt: skip
    run_study(one, watch)
    workspace = Workspace(folder)
    record = records.need(workspace, options.name)
    return [_trained(workspace.training(record.training_key(trial)), trial.step) for trial in record.grid.trials()]


def _trained(folder: TrainingFolder, step: int) -> Trained:
    stored = result.read(folder, step)
    if stored is None:
        return Trained(folder, None)
    examples = {
        split: Examples.read(folder.predictions(split, step), sha256) for split, sha256 in stored.predictions.items()
    }
    return Trained(folder, stored, examples)


def try_trial(
    options: RunOptions, row: int | None, seed: int | None, folder: Path, watch: ProgressListener,
    show: Callable[[str], None],
) -> Tried:  # fmt: skip
    """Run one trial, and return what it gave; see `train_one`. `show`: receives what it prints, as it comes."""
    with _following(folder, show):
        trained = train_one(options, row, seed, folder, watch)
    stored, path = trained.result, trained.folder.path
    if stored is None:
        return Tried(Status.INTERRUPTED, "", 0.0, path)
    kinds = {split: _kinds(examples) for split, examples in trained.examples.items()}
    return Tried(
        stored.outcome, stored.reason, stored.seconds, path, stored.scores, stored.costs, len(stored.history), kinds
    )


KINDS = {"b": "yes or no", "i": "whole numbers", "u": "whole numbers", "f": "numbers", "U": "text"}  # of NumPy


def _kinds(examples: Examples) -> dict[str, str]:
    """Return the kind and size of each column; of a number its kind alone."""
    columns = {
        name: f"{KINDS.get(array.dtype.kind, array.dtype)}, {' x '.join(map(str, array.shape))}"
        for name, array in examples.columns.items()
    }
    return {**columns, **dict.fromkeys(examples.numbers, "a number")}


@contextmanager
def _following(folder: Path, show: Callable[[str], None]) -> Iterator[None]:
    """Pass on what a child process prints, while the block runs."""
    ended = threading.Event()
    thread = threading.Thread(target=_follow, args=(folder, show, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _follow(folder: Path, show: Callable[[str], None], ended: threading.Event) -> None:
    n_shown, is_last = 0, False
    while not is_last:
        is_last = ended.is_set()
        for log in folder.glob("trained/*/child/log"):
            with open(log, "rb") as file:
                file.seek(n_shown)
                if more := file.read():
                    n_shown += len(more)
                    show(more.decode(errors="replace"))
        time.sleep(0 if is_last else LOOK)
