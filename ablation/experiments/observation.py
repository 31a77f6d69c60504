"""What the results of a training show of its measures: the kinds of its numbers and of the columns of its examples."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ablation.errors import AblateError
from ablation.measures import from_columns
from ablation.measures.names import split_of
from ablation.sources.per_example import Kinds, coded
from ablation.store.files import read_json, understood, write_json
from ablation.store.workspace import TrainingFolder

Columns = Mapping[str, np.ndarray]
LABELLED = (from_columns.CLASSES, from_columns.NUMBERS)  # tasks whose examples have a label


def coded_splits(examples: Mapping[str, Columns], task: str, where: str) -> tuple[dict[str, Columns], Kinds]:
    """Return the columns of each split with classes counted from 0, alike in all splits, and their kinds.

    Raises AblateError where the columns of the splits differ, or do not fit the task.
    """
    if not examples:
        return {}, Kinds()
    names = {split: tuple(sorted(columns)) for split, columns in examples.items()}
    if len(set(names.values())) > 1:
        listed = "; ".join(f"{split}: {', '.join(columns)}" for split, columns in names.items())
        raise AblateError(f"{where}: the splits have different columns ({listed}); write the same ones")
    present = set(next(iter(names.values())))
    if task in LABELLED and "label" not in present:
        if "predicted" in present:
            raise AblateError(f'{where}: task = "{task}" needs a column label; there are {", ".join(sorted(present))}')
        task = ""  # it says what labels are, and these examples have scores
    of_splits, kinds = coded([dict(columns) for columns in examples.values()], task, where, by_label=True)
    return dict(zip(examples, of_splits, strict=True)), kinds


def write(folder: TrainingFolder, kinds: Kinds, numbers: Mapping[str, float], examples: Mapping[str, Columns]) -> None:
    """Store what the results of a training have shown. Of a number only whether it is larger than 1."""
    sizes = {split: len(set(columns["id"].tolist())) for split, columns in examples.items()}
    largest = {name: 2.0 if abs(value) > 1 else 1.0 for name, value in numbers.items()}
    lines = {name: list(values) for name, values in kinds.lines.items()}
    write_json(folder.columns, {"task": kinds.task, "lines": lines, "numbers": largest, "sizes": sizes})


def sizes_of(folder: TrainingFolder) -> dict[str, int]:
    """Return the number of examples of each split of a training."""
    return dict(_stored(folder)["sizes"]) if folder.columns.exists() else {}


def _stored(folder: TrainingFolder) -> dict[str, Any]:
    """Return what `write` has stored. Raises AblateError, naming the file, where it holds something else."""
    content: Any = read_json(folder.columns)
    with understood(folder.columns):
        return {
            "task": str(content["task"]),
            "lines": {str(name): [float(value) for value in values] for name, values in content["lines"].items()},
            "numbers": {str(name): float(value) for name, value in content["numbers"].items()},
            "sizes": {str(split): int(n) for split, n in content["sizes"].items()},
        }


def joined(folders: Iterable[TrainingFolder]) -> dict[str, Any]:
    """Return the fields of `ObservedInputs` for the results in these folders: {} where there are none.

    Raises AblateError where trainings have different tasks.
    """
    contents = [_stored(folder) for folder in folders if folder.columns.exists()]
    tasks = {content["task"] for content in contents if content["task"]}
    if len(tasks) > 1:
        raise AblateError(f"[experiment] task: the results are of different tasks ({', '.join(sorted(tasks))})")
    lines: dict[str, list[float]] = {}
    largest: dict[str, float] = {}
    sizes: dict[str, int] = {}
    for content in contents:
        for name, values in content["lines"].items():
            lines[name] = _either(lines.get(name), values)
        for name, value in content["numbers"].items():
            largest[name] = max(value, largest.get(name, 0.0))
        for split, n in content["sizes"].items():
            sizes[split] = max(n, sizes.get(split, 0))
    return {"task": "".join(tasks), "examples_like": lines, "largest": largest, "sizes": sizes} if contents else {}


def _either(first: list[float] | None, second: list[float]) -> list[float]:
    """Return the kind that covers both: all classes, or scores that are not of 0 and 1 alone."""
    if first is None:
        return second
    if len(first) != len(second):
        return max(first, second, key=len)
    return first if first != [0.0, 1.0] else second


def validation(columns: Columns, kinds: Kinds, numbers: Mapping[str, float], where: str) -> dict[str, float]:
    """Return the score of each measure on validation: computed from its columns, or stated as val_ and its name."""
    stated = {split_of(name)[1]: value for name, value in numbers.items() if split_of(name)[0] == "val"}
    if not columns:
        return stated
    measures = from_columns.measures_of(columns, {}, kinds.task, where)
    computed = {name: m.value(columns) for name, m in measures.items() if m.follows_from(columns)}
    return {**stated, **computed}
