"""Inputs of the trainings of the Keras experiment: images, their splits, and a backbone's weights."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from ablation.experiments.keras_head.datasets import stored_splits
from ablation.measures.classes import of_classes
from ablation.measures.measure import SPLITS, Measure
from ablation.store.record import Inputs
from ablation.store.workspace import Workspace
from ablation.study.levels import Condition, short


class Weights(BaseModel):
    """Weights of a backbone. `level`: the level in the grid. `source`: imagenet, random or a file."""

    model_config = ConfigDict(frozen=True)

    level: str
    source: str
    digest: str


class ImageInputs(Inputs):
    """Digests of images, splits and weights.

    `counts`: level of `split` -> train, val, test -> images of each class. `splits`: level of `split` -> digest of its
    rows. `weights`: by "<backbone>/<level>". `alignment`: digest of the alignment of faces, where a row aligns faces.
    `left_out`: images that could not be decoded.
    """

    same_place: ClassVar[str] = (
        "images (other files, --limit, --skip-bad, split_seed, or demo faces of another version)"
    )

    images: str  # digest of the images' index
    counts: dict[str, dict[str, tuple[int, ...]]]
    splits: dict[str, str]
    weights: dict[str, Weights]
    alignment: str = ""

    def weights_of(self, condition: Condition) -> Weights:
        return self.weights[f"{condition.backbone}/{condition.weights}"]

    def alignment_of(self, condition: Condition) -> str:
        return "" if condition.align == "none" else self.alignment

    def majority(self, levels: Iterable[str]) -> float | None:
        """Return the share of the largest class on test: the accuracy of always predicting this class.

        The result is None where the share differs between the `levels` of `split`, or where there are no test images.
        """
        shares = {max(counts) / sum(counts) for level in levels if sum(counts := self.counts[level]["test"])}
        return shares.pop() if len(shares) == 1 else None

    @property
    def replaced(self) -> tuple[str, ...]:
        """Names "<backbone>/<level>" of weights that were replaced by seeded random weights."""
        return tuple(name for name, w in self.weights.items() if w.level != w.source == "random")

    @property
    def digest(self) -> str:
        return self.images

    def labels(self, workspace: Workspace, split: str) -> Callable[[Condition], np.ndarray]:
        folder = workspace.images(self.images)
        labels = {level: stored_splits.read(folder, key)[1][split] for level, key in self.splits.items()}
        return lambda condition: labels[condition.split]

    def groups(self, workspace: Workspace, split: str) -> Callable[[Condition], np.ndarray] | None:
        folder = workspace.images(self.images)
        subjects = {level: stored_splits.subjects(folder, key)[split] for level, key in self.splits.items()}
        if not all(names.all() for names in subjects.values()):
            return None  # of some images, the subject is not known
        return lambda condition: subjects[condition.split]

    def identity(self, condition: Condition) -> dict[str, Any]:
        return identity(
            self.images,
            self.splits[condition.split],
            self.weights_of(condition),
            self.backend,
            self.alignment_of(condition),
        )

    def examples(self, condition: Condition) -> dict[str, int]:
        return {split: sum(counts) for split, counts in self.counts[condition.split].items()}

    def example_set(self, condition: Condition) -> str:
        return self.splits[condition.split]

    def shown(self, condition: Condition) -> dict[str, Any]:
        """Return the condition as tables show it: the weights in use, a file or folder by its last name."""
        weights = self.weights_of(condition)
        name = weights.source if weights.source in ("imagenet", "random") else weights.level
        return {**condition, "weights": short("weights", name)}

    def given(self, condition: Condition) -> dict[str, Any]:
        return {
            "images": self.images,
            "split": self.splits[condition.split],
            "classes": len(self.classes),
            "backend": self.backend,
            "weights": self.weights_of(condition),
            "alignment": self.alignment_of(condition),
        }

    def measures(self, declared: Mapping[str, Measure]) -> Mapping[str, Measure]:
        return of_classes(len(self.classes), SPLITS)

    def provenance(self) -> Iterator[tuple[str, str]]:
        yield "image set (sha256 of its index)", self.images
        for level, key in self.splits.items():
            yield f"split {level} (sha256 of its rows)", key
            for name in SPLITS:
                counts = self.counts[level][name]
                class_counts = ", ".join(f"{c} {n:,}" for c, n in zip(self.classes, counts, strict=True))
                yield f"split {level}, {name}", f"{sum(counts):,} images: {class_counts}"
        for name, weights in self.weights.items():
            yield f"weights {name}", f"{weights.source} (sha256 {weights.digest})"

    def profile(self) -> dict[str, Any]:
        return {"classes": self.classes, "images": self.counts, "splits": self.splits}

    def changes(self, new: Inputs) -> Iterator[tuple[str, object, object]]:
        assert isinstance(new, ImageInputs)
        common = self.splits.keys() & new.splits.keys()
        yield "--data", (self.images, _subset(self.splits, common)), (new.images, _subset(new.splits, common))
        yield "--classes", self.classes, new.classes
        yield "KERAS_BACKEND", self.backend, new.backend
        shared = self.weights.keys() & new.weights.keys()
        yield "weights", _digests(self.weights, shared), _digests(new.weights, shared)
        if self.alignment and new.alignment:
            yield "eye positions", {"": self.alignment}, {"": new.alignment}


def _subset(digests: dict[str, str], names: Iterable[str]) -> dict[str, str]:
    return {name: digests[name] for name in names}


def _digests(weights: dict[str, Weights], names: Iterable[str]) -> dict[str, str]:
    return {name: weights[name].digest for name in names}


def identity(images: str, split: str, weights: Weights, backend: str, alignment: str) -> dict[str, Any]:
    """Return the digests that are part of a training's id, independent of the names of levels.

    Args:
        images: Digest of the images.
        split: Digest of the split.
        weights: Weights of the backbone.
        backend: Name of the Keras backend.
        alignment: Digest of the alignment of faces; "" where faces are not aligned.
    """
    return {
        "images": images,
        "split": split,
        "weights": weights.digest,
        "backend": backend,
        **({"alignment": alignment} if alignment else {}),
    }
