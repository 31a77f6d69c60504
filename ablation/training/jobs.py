"""The trainings of the Keras experiment, and what is computed once for them: a backbone's features."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from ablation.datasets.images import SPLITS
from ablation.errors import AblateError
from ablation.planning.plan import Training
from ablation.training import cost
from ablation.training.cost import Shape, convolutions, parameters
from ablation.training.inputs import Weights, identity
from ablation.workspace import Workspace


class HeadTraining(Training):
    """One fit of a head."""

    images: str
    split: str
    classes: int
    backend: str  # Keras'
    weights: Weights
    alignment: str = ""  # how faces are aligned, where its condition says that they are

    def shape(self, inputs: tuple[int, ...], train: int, val: int, test: int) -> Shape:
        """What its speed depends on. `inputs`: the shape of one image's features; then the images of each split."""
        return Shape(
            condition=cost.free(self.condition, self.defaults),
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
        """Whether the whole network sees images in each epoch: nothing of it can be computed once."""
        return bool(self.condition.trainable == "all" or self.condition.augment != "none")

    def aligned(self, split: str) -> str:
        """How the faces of a split that it sees are aligned; "" where they are as they come."""
        wanted = self.condition.align == "all" or (self.condition.align == "train" and split == "train")
        return self.alignment if wanted else ""

    def described(self) -> dict[str, Any]:
        return {"batch_size": self.condition.batch_size, "fc_units": list(cost.units(self.condition))}

    def identity(self) -> dict[str, Any]:
        return identity(self.images, self.split, self.weights, self.backend, self.alignment)

    def artifacts(self) -> "dict[str, Features]":
        """What is computed once for it, by split; nothing where it is trained on images."""
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
    """The outputs of one frozen backbone for one image set at one size. `cut`: of its part before block 5;
    `alignment`: how its faces were aligned, "" as they come."""

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
    """Raises AblateError where the decoded images that a training sees were deleted."""
    images, size = workspace.images(training.images), training.condition.image_size
    if not all(images.pixels(size, training.aligned(split)).is_file() for split in SPLITS):
        raise AblateError("the study's decoded images were deleted; the same `ablate run` stores them again")


def work(training: HeadTraining) -> float:
    """How long a training takes beside others, in arbitrary units: epochs x steps x parameters x (optimiser + batch),
    and what the backbone adds where it is part of each step.

    The constant is the ratio of the optimiser's passes over memory to one image's products, measured on a CPU.
    """
    condition, images = training.condition, training.examples["train"]
    batch = min(condition.batch_size, images)
    steps = -(-images // batch)
    one = parameters(condition, training.classes) * (54 + batch)
    return float(training.steps * (steps * one + images * convolutions(condition)))
