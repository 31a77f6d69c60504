"""What the trainings of the Keras experiment are given: images, their splits, and a backbone's weights."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from ablation.grids.levels import Condition, short
from ablation.grids.record import Inputs
from ablation.measures.classes import of_classes
from ablation.measures.measure import SPLITS, Measure


class Weights(BaseModel):
    """A backbone's weights. `level` is what the grid says; `source` is imagenet, random or a file."""

    model_config = ConfigDict(frozen=True)

    level: str
    source: str
    digest: str


class ImageInputs(Inputs):
    """Digests of images, splits and weights. `counts`: level of `split` -> train, val, test -> images of each class;
    `splits`: level of `split` -> digest of its rows; `weights`: by "<backbone>/<level>"; `alignment`: digest of how
    faces are aligned, where a row asks for that; `left_out`: images that could not be decoded."""

    same_place: ClassVar[str] = (
        "images (other files, --limit, --skip-bad, split_seed, or demo faces of another version)"
    )

    images: str  # digest of the index
    counts: dict[str, dict[str, tuple[int, ...]]]
    splits: dict[str, str]
    weights: dict[str, Weights]
    alignment: str = ""

    def weights_of(self, condition: Condition) -> Weights:
        return self.weights[f"{condition.backbone}/{condition.weights}"]

    def alignment_of(self, condition: Condition) -> str:
        return "" if condition.align == "none" else self.alignment

    def majority(self, levels: Iterable[str]) -> float | None:
        """Share of the largest class on test, in these levels of `split`: the accuracy of always guessing it. None
        where they differ in it, or there are none."""
        shares = {max(counts) / sum(counts) for level in levels if sum(counts := self.counts[level]["test"])}
        return shares.pop() if len(shares) == 1 else None

    @property
    def replaced(self) -> tuple[str, ...]:
        """Backbone and level of the weights in whose place seeded random ones stand."""
        return tuple(name for name, w in self.weights.items() if w.level != w.source == "random")

    @property
    def digest(self) -> str:
        return self.images

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
        """Weights by what was used, without a path; a folder of them by its own name."""
        used = self.weights_of(condition)
        named = used.source if used.source in ("imagenet", "random") else used.level
        return {**condition, "weights": short("weights", named)}

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
                each = ", ".join(f"{c} {n:,}" for c, n in zip(self.classes, counts, strict=True))
                yield f"split {level}, {name}", f"{sum(counts):,} images: {each}"
        for name, weights in self.weights.items():
            yield f"weights {name}", f"{weights.source} (sha256 {weights.digest})"

    def profile(self) -> dict[str, Any]:
        return {"classes": self.classes, "images": self.counts, "splits": self.splits}

    def changes(self, new: Inputs) -> Iterator[tuple[str, object, object]]:
        assert isinstance(new, ImageInputs)
        both = self.splits.keys() & new.splits.keys()
        yield "--data", (self.images, _of(self.splits, both)), (new.images, _of(new.splits, both))
        yield "--classes", self.classes, new.classes
        yield "KERAS_BACKEND", self.backend, new.backend
        shared = self.weights.keys() & new.weights.keys()
        yield "weights", _digests(self.weights, shared), _digests(new.weights, shared)
        if self.alignment and new.alignment:
            yield "places of the eyes", {"": self.alignment}, {"": new.alignment}


def _of(found: dict[str, str], names: Iterable[str]) -> dict[str, str]:
    return {name: found[name] for name in names}


def _digests(weights: dict[str, Weights], names: Iterable[str]) -> dict[str, str]:
    return {name: weights[name].digest for name in names}


def identity(images: str, split: str, weights: Weights, backend: str, alignment: str) -> dict[str, Any]:
    """Return the digests that an id of a training holds, whatever its levels are called."""
    return {
        "images": images,
        "split": split,
        "weights": weights.digest,
        "backend": backend,
        **({"alignment": alignment} if alignment else {}),
    }
