"""Trainings of the Keras experiment, and the features of a backbone, which are computed once and shared."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from ablation.errors import AblateError
from ablation.experiments.keras_head.datasets.images import SPLITS
from ablation.experiments.keras_head.inputs import Weights, identity
from ablation.experiments.keras_head.training import cost
from ablation.experiments.keras_head.training.cost import Shape, backbone_products, parameters
from ablation.store.training import Training
from ablation.store.workspace import Workspace


class HeadTraining(Training):
    """One training of a head."""

    images: str
    split: str
    classes: int
    backend: str  # name of the Keras backend
    weights: Weights
    alignment: str = ""  # digest of the alignment of faces, where the condition aligns some

    def shape(self, inputs: tuple[int, ...], train: int, val: int, test: int) -> Shape:
        """Return the properties that the training's speed depends on.

        Args:
            inputs: Shape of one image's features, or of its pixels where the backbone is part of the training.
            train: Number of images of train.
            val: Number of images of val.
            test: Number of images of test.
        """
        return Shape(
            condition=cost.without_speed_neutral(self.condition, self.defaults),
            inputs=inputs,
            classes=self.classes,
            images=self.images,
            split=self.split,
            train=train,
            val=val,
            test=test,
        )

    @property
    def on_images(self) -> bool:
        """True if the full model reads images in each epoch, so that no features can be stored."""
        return bool(self.condition.trainable == "all" or self.condition.augment != "none")

    def aligned(self, split: str) -> str:
        """Return the digest of the alignment of a split's faces; "" where the faces are not aligned."""
        is_aligned = self.condition.align == "all" or (self.condition.align == "train" and split == "train")
        return self.alignment if is_aligned else ""

    def described(self) -> dict[str, Any]:
        return {"batch_size": self.condition.batch_size, "fc_units": list(cost.units(self.condition))}

    def identity(self) -> dict[str, Any]:
        return identity(self.images, self.split, self.weights, self.backend, self.alignment)

    def artifacts(self) -> "dict[str, Features]":
        """Return the features that the training needs, by split; {} where the training reads images."""
        if self.on_images:
            return {}
        cut = self.condition.trainable == "block5"

        def of(split: str) -> Features:
            return Features(
                backbone=self.condition.backbone,
                weights=self.weights,
                image_size=self.condition.image_size,
                images=self.images,
                backend=self.backend,
                cut=cut,
                alignment=self.aligned(split),
            )

        return {split: of(split) for split in SPLITS}


class Features(BaseModel):
    """Features: outputs of one frozen backbone for one image set at one size.

    `cut`: whether the features are outputs of the part before block 5. `alignment`: digest of the alignment of the
    faces; "" where the faces are not aligned.
    """

    model_config = ConfigDict(frozen=True)

    backbone: str
    weights: Weights
    image_size: int
    images: str
    backend: str
    cut: bool = False
    alignment: str = ""

    @property
    def key(self) -> str:
        part = ("-cut" if self.cut else "") + (f"-eyes-{self.alignment}" if self.alignment else "")
        weights = self.weights.digest[:16]
        return f"{self.images[:12]}-{self.backbone}-{weights}-{self.backend}-{self.image_size}{part}"


def refuse_cleaned(workspace: Workspace, training: HeadTraining) -> None:
    """Raise AblateError where the decoded images of a training were deleted."""
    images, size = workspace.images(training.images), training.condition.image_size
    if not all(images.pixels(size, training.aligned(split)).is_file() for split in SPLITS):
        raise AblateError("the decoded images of the study were deleted; run the same `ablate run` to restore them")


def work(training: HeadTraining) -> float:
    """Return the duration of a training relative to other trainings, in arbitrary units.

    The duration is epochs x steps x parameters x (optimizer + batch), plus the backbone's work where the backbone is
    part of each step. The constant 54 is the ratio of the optimizer's passes over memory to one image's products,
    measured on a CPU.
    """
    condition, images = training.condition, training.examples["train"]
    batch = min(condition.batch_size, images)
    steps = -(-images // batch)
    image_cost = parameters(condition, training.classes) * (54 + batch)
    return float(training.steps * (steps * image_cost + images * backbone_products(condition)))
