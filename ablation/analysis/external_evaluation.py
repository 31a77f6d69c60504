"""Evaluation of a trained row on images from outside its study, stored in a file of the study."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from ablation.errors import BrokenFile
from ablation.experiments import is_demo
from ablation.model.phrases import p_value, plural
from ablation.statistics import evaluation
from ablation.statistics.intervals import ALPHA, Interval, newcombe, wilson
from ablation.statistics.tests import chi_square
from ablation.store import aliases
from ablation.store.files import read_json, write_json
from ablation.store.workspace import StudyFolder, Workspace

CONFUSED = 5  # most frequent confusions that are listed
Counts = tuple[tuple[int, ...], ...]  # (K, K): true class by row, predicted class by column


class ExternalEvaluation(BaseModel):
    """Content of evaluation.json.

    Attributes:
        trial: id of the trial that trained the network.
        confusion: counts on the external images.
        test: counts on the study's own test images.
        train: number of training images of each class.
        left_out: class unknown to the study -> number of its images.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    data: str
    split: str
    row: int
    seed: int
    trial: str
    measured: float  # time of the evaluation, in seconds since 1970
    images: int
    classes: tuple[str, ...]
    scores: Mapping[str, float]
    confusion: Counts
    test: Counts
    train: tuple[int, ...]
    left_out: Mapping[str, int] = {}

    @property
    def key(self) -> str:
        """Key of the table of this evaluation."""
        return key_of(self.name)

    @property
    def place(self) -> str:
        """Short name of the data, with the split where only one split was used."""
        stem = self.data if is_demo(self.data) else Path(self.data).name
        return stem if self.split == "all" else f"{stem} ({self.split})"

    @property
    def accuracy(self) -> Interval:
        """Accuracy on the external images, with its Wilson interval."""
        return wilson(_right(self.confusion), self.images)

    @property
    def drop(self) -> Interval:
        """Accuracy minus that on the study's own test images, with Newcombe's interval for two independent sets of
        images."""
        n = sum(map(sum, self.test))
        return newcombe(self.accuracy.value, _right(self.test) / n, self.images, n)

    @property
    def mix(self) -> tuple[float, float | None]:
        """Share of images that would have to change class to have test's shares of classes, and p (chi-square test)."""
        return _shares([sum(line) for line in self.confusion], [sum(line) for line in self.test])


def _shares(first: Sequence[int], second: Sequence[int]) -> tuple[float, float | None]:
    """Return how far the shares of classes in two sets of images are apart, and p of the chi-square test.

    Args:
        first, second: number of images of each class in the two sets.

    Returns:
        The share of images that would have to change class (the total variation distance), and p; None where the test
        is not defined. Classes without images in either set are left out.
    """
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a or b]
    n, n_second = sum(first), sum(second)
    if not n or not n_second:
        return float("nan"), None
    p = chi_square([a for a, _ in pairs], [b for _, b in pairs])
    return 0.5 * sum(abs(a / n - b / n_second) for a, b in pairs), p


def key_of(name: str) -> str:
    """Return the key of the table of the evaluation with this name; several names may have the same key."""
    return "production_" + re.sub(r"\W+", "_", name)


def _right(counts: Counts) -> int:
    """Return the number of correct predictions, the sum of the diagonal."""
    return sum(line[k] for k, line in enumerate(counts))


def counted(labels: np.ndarray, predicted: np.ndarray, classes: int) -> Counts:
    """Return the confusion counts of labels and predictions, both (N,)."""
    return tuple(map(tuple, evaluation.confusion(labels, predicted, classes).tolist()))


def answers(counts: Counts) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and predictions, both (N,), that have these counts, in the order of the classes."""
    flat = np.array(counts)
    pairs = np.repeat(np.arange(flat.size), flat.ravel())
    return pairs // len(counts), pairs % len(counts)


def write(folder: StudyFolder, external: ExternalEvaluation) -> None:
    """Write evaluation.json to the study's folder of this evaluation."""
    write_json(folder.evaluation(external.name) / "evaluation.json", external.model_dump(mode="json"))


def _scored_anew(stored: ExternalEvaluation) -> ExternalEvaluation:
    """Return the stored evaluation with macro-F1 by today's definition. Version 0.1.0 counted a class that was
    predicted, but had no images, as 0."""
    macro_f1 = evaluation.macro_f1(*answers(stored.confusion))
    return stored.model_copy(update={"scores": {**stored.scores, "macro_f1": macro_f1}})


def read_all(folder: StudyFolder) -> list[ExternalEvaluation]:
    """Return all external evaluations of the study, sorted by path, with the current ids of their trials. Raise
    BrokenFile where a file is broken."""
    evaluations, new_ids = [], aliases.read(Workspace(folder.path.parent))
    for path in sorted(folder.evaluation(".").glob("*/evaluation.json")):
        try:
            stored = _scored_anew(ExternalEvaluation.model_validate(read_json(path)))
            evaluations.append(stored.model_copy(update={"trial": aliases.current(new_ids, stored.trial)}))
        except ValidationError:
            raise BrokenFile(path, "this version cannot read it") from None
    return evaluations


def sentences(external: ExternalEvaluation) -> Iterator[str]:
    """Yield the text of the report that accompanies the numbers of each class."""
    yield (
        f"{plural(external.images, 'image')}: accuracy {_percent(external.accuracy)}, macro-F1 "
        f"{100 * external.scores['macro_f1']:.1f} %, loss {external.scores['loss']:.3f} nats; on its own test images "
        f"{100 * _right(external.test) / sum(map(sum, external.test)):.1f} %, so "
        f"{100 * external.drop.value:+.1f} points (95 % interval {100 * external.drop.low:+.1f} to "
        f"{100 * external.drop.high:+.1f}, Newcombe, two independent sets)."
    )
    if confusions := confused(external):
        yield f"Most often taken: {', '.join(confusions)}."
    yield from _mix(external)
    absent = [name for name, line in zip(external.classes, external.confusion, strict=True) if not sum(line)]
    if absent:
        yield f"No images of {', '.join(absent)} here."
    if external.left_out:
        left_out = ", ".join(f"{name} ({count:,})" for name, count in external.left_out.items())
        yield f"Left out, for the study has no such class: {left_out}."


def confused(external: ExternalEvaluation) -> list[str]:
    """Return the most frequent confusions, in words, at most CONFUSED of them."""
    pairs = sorted(
        ((n, i, j) for i, line in enumerate(external.confusion) for j, n in enumerate(line) if i != j and n),
        reverse=True,
    )
    return [
        f"{external.classes[i]} as {external.classes[j]} "
        f"({100 * n / sum(external.confusion[i]):.0f} % of {external.classes[i]})"
        for n, i, j in pairs[:CONFUSED]
    ]


def _mix(external: ExternalEvaluation) -> Iterator[str]:
    """Yield a sentence that compares the shares of the classes with those in training, and gives the accuracy at
    training's shares. Yield nothing where the chi-square test is not defined."""
    n_images = [sum(line) for line in external.confusion]
    present = [k for k, n in enumerate(n_images) if n]
    p = chi_square([n_images[k] for k in present], [external.train[k] for k in present])
    if p is None:
        return
    recall = [external.confusion[k][k] / n_images[k] for k in present]
    total = sum(external.train[k] for k in present)
    weighted = sum(external.train[k] / total * r for k, r in zip(present, recall, strict=True))
    distance = 0.5 * sum(abs(n_images[k] / external.images - external.train[k] / total) for k in present)
    yield (
        f"The shares of the classes {'differ' if p < ALPHA else 'do not differ'} significantly from those in training "
        f"(chi-square test, {p_value(p)}; {100 * distance:.0f} % of the images would have to change class); "
        f"at training's shares the accuracy would be {100 * weighted:.1f} %."
    )


def _percent(interval: Interval) -> str:
    return f"{100 * interval.value:.1f} % ({100 * interval.low:.1f}-{100 * interval.high:.1f})"


def measure(
    of: Mapping[str, object], classes: Sequence[str], labels: np.ndarray, probabilities: np.ndarray,
    test: tuple[np.ndarray, np.ndarray],
) -> ExternalEvaluation:  # fmt: skip
    """Return the evaluation of predicted probabilities.

    Args:
        of: the other fields of ExternalEvaluation, which identify the data and the trial.
        classes: names of the K classes.
        labels: (N,).
        probabilities: (N, K).
        test: labels and predictions on the study's own test images.
    """
    predicted = probabilities.argmax(axis=1)
    return ExternalEvaluation.model_validate(
        {
            **of,
            "images": len(labels),
            "classes": tuple(classes),
            "scores": evaluation.scores(labels, predicted, evaluation.losses(labels, probabilities)),
            "confusion": counted(labels, predicted, len(classes)),
            "test": counted(*test, len(classes)),
        }
    )
