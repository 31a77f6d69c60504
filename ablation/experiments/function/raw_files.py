"""Raw files of a function's training: what its child has written, checked and read by the worker."""

import contextlib
import csv
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ablation.errors import AblateError
from ablation.experiments.commit import Results
from ablation.experiments.function.ablate_child import checkpoints
from ablation.experiments.observation import Columns
from ablation.store import npz
from ablation.store.files import read_json

SPLITS = ("val", "test")
LARGEST = 4 << 30  # bytes of a file of examples
STEP = "step"
STEPS = "steps.jsonl"


def prepare(folder: Path, job: Mapping[str, Any]) -> None:
    """Write run.json, and delete what an earlier attempt left: results that were not stored, and a request to stop."""
    for pattern in ("result-*", "val-*", "test-*", "*.tmp*", "stop"):
        for path in folder.glob(pattern):
            _delete(path)
    Path(job["folder"]).mkdir(exist_ok=True)
    (folder / "run.json").write_text(json.dumps(job), encoding="utf-8")


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def progress(folder: Path) -> str:
    """Return a text that changes with the newest checkpoint, and with the number of answers; "" without any."""
    steps = [int(match[1]) for path in folder.glob("checkpoint-*") if (match := checkpoints.NAME.fullmatch(path.name))]
    sizes = [path.stat().st_size for path in sorted(folder.glob("answers-*.jsonl"))]
    return json.dumps([max(steps, default=0), *sizes]) if steps or sizes else ""


def read(folder: Path, step: int, is_shared: bool) -> Results:
    """Return the results of a milestone, with the largest memory and the duration.

    Args:
        folder: folder of the raw files.
        step: the milestone.
        is_shared: whether later steps belong to other milestones.

    Raises:
        AblateError: a file cannot be read.
    """
    path = folder / f"result-{step}.json"
    content: Any = read_json(path)
    with _understood(path):
        memory, seconds = int(content["memory"]), float(content["seconds"])
        numbers = _numbers(content["numbers"])
        splits = [split for split in SPLITS if split in content["splits"]]
        has_test = bool(content["has_test"])
    if has_test:
        path = folder / f"test-{step}.json"
        of_test = read_json(path) or {}
        with _understood(path):
            numbers |= _numbers(of_test)
    examples = {split: _columns(folder, split, step) for split in splits}
    with _understood(folder / STEPS):
        history = _history(folder, step if is_shared else None)
    return Results(numbers, history, examples, memory, seconds)


@contextlib.contextmanager
def _understood(path: Path) -> Iterator[None]:
    """Raise AblateError, naming the file, where the block cannot read it: the function has changed the file."""
    with npz.refusals(path, "a file of the training's own folder was changed: "):
        try:
            yield
        except (ArithmeticError, AttributeError, IndexError, StopIteration, csv.Error) as error:
            raise ValueError(str(error)) from None


def _numbers(content: Any) -> dict[str, float]:
    """Return name -> number. Raises TypeError or ValueError for other content."""
    return {str(name): float(value) for name, value in content.items()}


def remove(folder: Path, step: int) -> None:
    """Delete the raw files of a milestone whose result is stored."""
    for name in (f"result-{step}.json", f"test-{step}.json", *(f"{split}-{step}.*" for split in SPLITS)):
        for path in folder.glob(name):
            path.unlink(missing_ok=True)


def _history(folder: Path, last: int | None) -> list[dict[str, float]]:
    """Return the numbers of each step up to `last`, with "epoch". Later lines of one step replace earlier ones."""
    of_step: dict[int, dict[str, float]] = {}
    for entry in _lines(folder / STEPS):
        step = int(entry.pop(STEP))
        if last is None or step <= last:
            of_step[step] = {**of_step.get(step, {"epoch": step}), **entry}
    return [of_step[step] for step in sorted(of_step)]


def _lines(path: Path) -> list[dict[str, float]]:
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines]


def _columns(folder: Path, split: str, step: int) -> Columns:
    """Return the columns of a split; `id` is the position where there is none."""
    binary, text = (folder / f"{split}-{step}{suffix}" for suffix in (".npz", ".csv"))
    path = binary if binary.is_file() else text
    with _understood(path):
        if (size := path.stat().st_size) > LARGEST:
            raise AblateError(f"{split}: {size / 2**30:.1f} GiB; allowed: {LARGEST >> 30}: store scores")
        columns = npz.read(binary, LARGEST) if path == binary else _of_text(text)
        n = len(next(iter(columns.values())))
        ids = columns.pop("id", np.arange(n))
        return {"id": ids.astype(str), **{name: _as_numbers(column) for name, column in columns.items()}}


def _as_numbers(column: np.ndarray) -> np.ndarray:
    """Return true and false as 1 and 0."""
    return column.astype(np.int64) if column.dtype.kind == "b" else column


def _of_text(path: Path) -> dict[str, np.ndarray]:
    with open(path, encoding="utf-8", newline="") as file:
        names, *lines = csv.reader(file)
    return {name: _typed([line[i] for line in lines]) for i, name in enumerate(names)}


def _typed(cells: list[str]) -> np.ndarray:
    """Return a column of whole numbers, numbers, true and false, or texts."""
    if set(cells) <= {"True", "False"}:
        return np.array([cell == "True" for cell in cells], np.int64)
    for kind in (np.int64, np.float64):
        try:
            return np.array([kind(cell) for cell in cells])
        except (ValueError, OverflowError):
            continue
    return np.array(cells)
