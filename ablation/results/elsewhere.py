"""A trained row on images that its study has never seen: what was measured, kept in a file of the study."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from ablation.datasets import is_demo
from ablation.errors import AblateError
from ablation.results import aliases
from ablation.statistics import evaluation
from ablation.statistics.comparison import Interval, independent, mixed_alike, wilson
from ablation.workspace import StudyFolder, Workspace, read_json, write_json

CONFUSED = 5  # pairs of classes that are told
Counts = tuple[tuple[int, ...], ...]  # (K, K): true classes down, predicted across


class Elsewhere(BaseModel):
    """The content of evaluation.json. `trial`: whose network; `test`: its counts on its own test images; `train`: how
    many images of each class it learnt from; `left_out`: classes that the study does not know, with their images."""

    model_config = ConfigDict(frozen=True)

    name: str
    data: str
    split: str
    row: int
    seed: int
    trial: str
    measured: float  # when, in seconds since 1970
    images: int
    classes: tuple[str, ...]
    scores: Mapping[str, float]
    confusion: Counts
    test: Counts
    train: tuple[int, ...]
    left_out: Mapping[str, int] = {}

    @property
    def key(self) -> str:
        """Of its table."""
        return key_of(self.name)

    @property
    def place(self) -> str:
        """The data as people call them."""
        stem = self.data if is_demo(self.data) else Path(self.data).name
        return stem if self.split == "all" else f"{stem} ({self.split})"

    @property
    def accuracy(self) -> Interval:
        return wilson(_right(self.confusion), self.images)

    @property
    def drop(self) -> Interval:
        """From its own test images; Newcombe's interval for two independent sets of images."""
        n = sum(map(sum, self.test))
        return independent(self.accuracy.value, _right(self.test) / n, self.images, n)


def key_of(name: str) -> str:
    """Of the table of the evaluation with this name; several names may have the same."""
    return "production_" + re.sub(r"\W+", "_", name)


def _right(counts: Counts) -> int:
    return sum(line[k] for k, line in enumerate(counts))


def counted(labels: np.ndarray, predicted: np.ndarray, classes: int) -> Counts:
    return tuple(map(tuple, evaluation.confusion(labels, predicted, classes).tolist()))


def answers(counts: Counts) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions (N,) that have these counts, in the order of the classes."""
    flat = np.array(counts)
    pairs = np.repeat(np.arange(flat.size), flat.ravel())
    return pairs // len(counts), pairs % len(counts)


def write(folder: StudyFolder, found: Elsewhere) -> None:
    write_json(folder.evaluation(found.name) / "evaluation.json", found.model_dump(mode="json"))


def _scored_anew(found: Elsewhere) -> Elsewhere:
    """Return `found` with macro-F1 as it is defined today: version 0.1.0 counted a class that was predicted, but had no
    images, as 0."""
    anew = evaluation.macro_f1(*answers(found.confusion))
    return found.model_copy(update={"scores": {**found.scores, "macro_f1": anew}})


def read_all(folder: StudyFolder) -> list[Elsewhere]:
    """Whatever its rows were tried on, by name. Raises AblateError where a file is broken."""
    found, renamed = [], aliases.read(Workspace(folder.path.parent))
    for path in sorted(folder.evaluation(".").glob("*/evaluation.json")):
        try:
            each = _scored_anew(Elsewhere.model_validate(read_json(path)))
            found.append(each.model_copy(update={"trial": aliases.current(renamed, each.trial)}))
        except ValidationError:
            raise AblateError(
                f"{path}: not what this version reads; remove it and run `ablate evaluate` again"
            ) from None
    return found


def sentences(found: Elsewhere) -> Iterator[str]:
    """What is to be said of it beside its numbers class by class."""
    yield (
        f"{found.images:,} images: accuracy {_percent(found.accuracy)}, macro-F1 "
        f"{100 * found.scores['macro_f1']:.1f} %, loss {found.scores['loss']:.3f} nats; on its own test images "
        f"{100 * _right(found.test) / sum(map(sum, found.test)):.1f} %, so {100 * found.drop.value:+.1f} points."
    )
    if worst := confused(found):
        yield f"Most often taken: {', '.join(worst)}."
    yield from _mix(found)
    absent = [name for name, line in zip(found.classes, found.confusion, strict=True) if not sum(line)]
    if absent:
        yield f"No images of {', '.join(absent)} here."
    if found.left_out:
        left = ", ".join(f"{name} ({count:,})" for name, count in found.left_out.items())
        yield f"Left out, for the study has no such class: {left}."


def confused(found: Elsewhere) -> list[str]:
    """The most frequent mistakes, in words."""
    pairs = sorted(
        ((n, i, j) for i, line in enumerate(found.confusion) for j, n in enumerate(line) if i != j and n), reverse=True
    )
    return [
        f"{found.classes[i]} as {found.classes[j]} ({100 * n / sum(found.confusion[i]):.0f} % of {found.classes[i]})"
        for n, i, j in pairs[:CONFUSED]
    ]


def _mix(found: Elsewhere) -> Iterator[str]:
    """How the classes are mixed here beside training, and what that alone does to the accuracy."""
    here = [sum(line) for line in found.confusion]
    known = [k for k, n in enumerate(here) if n]
    p = mixed_alike([here[k] for k in known], [found.train[k] for k in known])
    if p is None:
        return
    recall = [found.confusion[k][k] / here[k] for k in known]
    total = sum(found.train[k] for k in known)
    weighted = sum(found.train[k] / total * r for k, r in zip(known, recall, strict=True))
    apart = 0.5 * sum(abs(here[k] / found.images - found.train[k] / total) for k in known)
    yield (
        f"Classes are mixed {'otherwise than' if p < 0.05 else 'as'} in training (chi-square test, "
        f"p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}; {100 * apart:.0f} % of the images would have to change class); "
        f"at training's shares the accuracy would be {100 * weighted:.1f} %."
    )


def _percent(found: Interval) -> str:
    return f"{100 * found.value:.1f} % ({100 * found.low:.1f}-{100 * found.high:.1f})"


def measure(
    of: Mapping[str, object], classes: Sequence[str], labels: np.ndarray, probabilities: np.ndarray,
    test: tuple[np.ndarray, np.ndarray],
) -> Elsewhere:  # fmt: skip
    """`of`: what it is and whose, as the fields of Elsewhere are called. `labels`: (N,), `probabilities`: (N, K);
    `test`: labels and predictions on its own test images."""
    predicted = probabilities.argmax(axis=1)
    return Elsewhere.model_validate(
        {
            **of,
            "images": len(labels),
            "classes": tuple(classes),
            "scores": evaluation.scores(labels, predicted, evaluation.losses(labels, probabilities)),
            "confusion": counted(labels, predicted, len(classes)),
            "test": counted(*test, len(classes)),
        }
    )
