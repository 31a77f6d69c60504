"""Cost of a head: parameters, bytes of its files, and the measured speeds of past trainings of its shape."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from ablation.engine.cost import Size, Speed
from ablation.experiments.keras_head.backbones import BACKBONES, outputs
from ablation.store import result
from ablation.store.files import read_json, understood
from ablation.store.result import Result
from ablation.store.workspace import Workspace
from ablation.study.levels import Condition, text

FREE = ("epochs", "learning_rate", "weights")  # factors that do not change the speed of an epoch
MOMENTS = {"adam": 2, "adamw": 2, "rmsprop": 1, "sgd": 0}  # numbers that an optimizer stores for each parameter
FLOAT = 4  # bytes


class Shape(BaseModel):
    """Properties of a training that its speed depends on.

    `inputs`: shape of one image's features, or of its pixels where the backbone is part of the training.
    `train`, `val`, `test`: images of each split.
    """

    model_config = ConfigDict(frozen=True)

    condition: Condition  # with the factors of FREE at their defaults
    inputs: tuple[int, ...]
    classes: int
    images: str
    split: str
    train: int
    val: int
    test: int

    @property
    def parameters(self) -> int:
        return parameters(self.condition, self.classes)


@dataclass(frozen=True)
class Extraction:
    """Cost of features.

    `shape`: of one image's features. `build`: seconds to build the backbone. `image`: seconds per image. `memory`: peak
    bytes of the process.
    """

    shape: tuple[int, ...]
    build: float
    image: float
    memory: int


def without_speed_neutral(condition: Condition, defaults: Mapping[str, Any]) -> Condition:
    """Return `condition` with the factors of FREE, which do not change the speed, at their defaults."""
    return condition.replace(**{name: defaults[name] for name in FREE})


def units(condition: Condition) -> tuple[int, ...]:
    """Return the units of each dense layer of the head, without the softmax."""
    stated = condition.fc_units
    return stated if isinstance(stated, tuple) else (stated,) * condition.fc_layers


def parameters(condition: Condition, classes: int) -> int:
    """Return the number of trainable parameters of the head and of the trained part of the backbone."""
    widths = [outputs(condition.backbone, condition.image_size), *units(condition), classes]
    return BACKBONES[condition.backbone].parameters[condition.trainable] + sum((a + 1) * b for a, b in pairwise(widths))


def backbone_products(condition: Condition) -> float:
    """Return what a backbone adds to the training of one image, in products per parameter, forward and back.

    The result is 0 where features are stored.
    """
    if condition.trainable == "head" and condition.augment == "none":
        return 0.0
    share = {"head": 1 / 3, "block5": 0.2, "all": 1.0}[
        str(condition.trainable)
    ]  # a backward pass costs two forward ones
    return float(share * BACKBONES[condition.backbone].products * (condition.image_size / 32) ** 2)


def head_bytes(shape: Shape) -> int:
    """Return the bytes of a trained model's weights: all layers after the stored inputs, also frozen ones."""
    condition, backbone_parameters = shape.condition, BACKBONES[shape.condition.backbone].parameters["all"]
    has_backbone = (
        condition.augment != "none"
    )  # augmentation: the model contains the whole backbone, also its frozen layers
    frozen = backbone_parameters - BACKBONES[condition.backbone].parameters[condition.trainable] if has_backbone else 0
    return FLOAT * (shape.parameters + frozen)


def checkpoint_bytes(shape: Shape) -> int:
    """Return the bytes of a checkpoint: the stored weights, and the optimizer's moments of trainable parameters."""
    return head_bytes(shape) + FLOAT * shape.parameters * MOMENTS[shape.condition.optimizer]


def size(shape: Shape) -> Size:
    """Return the bytes of a training's files. A result has a class, a loss and K probabilities for each image."""
    predictions = (shape.val + shape.test) * (2 + 4 + 2 * shape.classes)
    return Size(head_bytes(shape), checkpoint_bytes(shape), predictions)


def measured_speeds(
    workspace: Workspace, shapes: Collection[Shape], environment: Mapping[str, Any]
) -> dict[Shape, Speed]:
    """Return the latest measured speed of each shape, from past trainings of this workspace.

    Args:
        workspace: Workspace with the past trainings.
        shapes: Shapes to look up; shapes without a past training are missing from the result.
        environment: Entries that the environment of a past result must equal.
    """
    names = {_name(s.condition, s.images, s.split, s.classes): s for s in shapes}
    latest: dict[Shape, tuple[float, Speed]] = {}
    for folder in workspace.trainings() if names else ():
        description: Any = read_json(folder.description)
        if description is None:
            continue
        with understood(folder.description):
            name = _name(*(description[key] for key in ("condition", "images", "split", "classes")))
        for stored in result.all_of(folder) if name in names else ():
            shape = names[name]
            if _is_comparable(stored, shape, environment) and stored.finished > latest.get(shape, (0.0, None))[0]:
                latest[shape] = stored.finished, _speed(stored)
    return {shape: speed for shape, (_, speed) in latest.items()}


def _name(levels: Mapping[str, Any], images: str, split: str, classes: int) -> str:
    return text([{k: v for k, v in levels.items() if k not in FREE}, images, split, classes])


def _is_comparable(stored: Result, shape: Shape, environment: Mapping[str, Any]) -> bool:
    """Return whether a result shows the speed of `shape`: three epochs or more, as the first have one-time work."""
    same_environment = all(stored.environment.get(name) == value for name, value in environment.items())
    complete = stored.done and stored.memory and len(stored.history) >= 3
    return bool(same_environment and complete and stored.parameters == shape.parameters)


def _speed(stored: Result) -> Speed:
    """Return the speed of a stored result. The time of an epoch is a mean without the fastest and the slowest tenth.

    The trimmed mean ignores times when the machine slept. Gaps of an interrupted training are longer than an epoch; the
    result's `seconds` does not include such gaps.
    """
    times = np.array([epoch["time"] for epoch in stored.history])
    intervals = np.sort(np.diff(times))
    cut = -(-len(intervals) // 10) if len(intervals) > 2 else 0
    epoch = min(float(intervals[cut : len(intervals) - cut].mean()), stored.seconds / len(stored.history))
    start = max(0.0, float(times[0]) - stored.started - epoch)
    return Speed(start, epoch, max(0.0, stored.finished - float(times[-1])), stored.memory)
