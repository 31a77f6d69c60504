"""What a head costs: its parameters, the bytes of its files, and the speed that past trainings of its shape had."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from ablation.backbones import PARAMETERS, PRODUCTS, outputs
from ablation.grids.levels import Condition, text
from ablation.planning.cost import Size, Speed
from ablation.results import result
from ablation.results.result import Result
from ablation.workspace import Workspace, read_json, understood

FREE = ("epochs", "learning_rate", "weights")  # factors on which the speed of an epoch does not depend
MOMENTS = {"adam": 2, "adamw": 2, "rmsprop": 1, "sgd": 0}  # numbers that an optimiser keeps for each parameter
FLOAT = 4  # bytes


class Shape(BaseModel):
    """What the speed of a training depends on. `inputs`: the shape of one image's features, or of its
    pixels where the backbone is part of the training; then images a split."""

    model_config = ConfigDict(frozen=True)

    condition: Condition  # the factors of FREE at their defaults
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
    """What features cost. `shape`: of one image's. Seconds: `build` until the backbone stands, `image` for each."""

    shape: tuple[int, ...]
    build: float
    image: float
    memory: int


def free(condition: Condition, defaults: Mapping[str, Any]) -> Condition:
    """`condition` without what its speed does not depend on."""
    return condition.replace(**{name: defaults[name] for name in FREE})


def units(condition: Condition) -> tuple[int, ...]:
    """Units of each dense layer of the head, the softmax left out."""
    stated = condition.fc_units
    return stated if isinstance(stated, tuple) else (stated,) * condition.fc_layers


def parameters(condition: Condition, classes: int) -> int:
    """Trainable parameters: of the head, and of the part of the backbone that is trained with it."""
    widths = [outputs(condition.backbone, condition.image_size), *units(condition), classes]
    return PARAMETERS[condition.backbone][condition.trainable] + sum((a + 1) * b for a, b in pairwise(widths))


def convolutions(condition: Condition) -> float:
    """What a backbone adds to the training of one image, in products of a parameter, forward and back; 0 where features
    are stored."""
    if condition.trainable == "head" and condition.augment == "none":
        return 0.0
    share = {"head": 1 / 3, "block5": 0.2, "all": 1.0}[str(condition.trainable)]  # a pass back costs two passes forward
    return float(share * PRODUCTS[condition.backbone] * (condition.image_size / 32) ** 2)


def head_bytes(shape: Shape) -> int:
    """What is kept of a trained network: all of it that sees the stored inputs, what is frozen included."""
    condition, all_of_it = shape.condition, PARAMETERS[shape.condition.backbone]["all"]
    within = condition.augment != "none"  # the backbone stands in the network, however much of it is trained
    frozen = all_of_it - PARAMETERS[condition.backbone][condition.trainable] if within else 0
    return FLOAT * (shape.parameters + frozen)


def checkpoint_bytes(shape: Shape) -> int:
    """The network and the optimiser's moments of what is trained."""
    return head_bytes(shape) + FLOAT * shape.parameters * MOMENTS[shape.condition.optimizer]


def size(shape: Shape) -> Size:
    """Return what the files of a training take. A result holds a class, a loss and K probabilities an image."""
    predictions = (shape.val + shape.test) * (2 + 4 + 2 * shape.classes)
    return Size(head_bytes(shape), checkpoint_bytes(shape), predictions)


def past(workspace: Workspace, wanted: Collection[Shape], environment: Mapping[str, Any]) -> dict[Shape, Speed]:
    """The speeds that trainings of this workspace had in such an environment; the latest of each shape."""
    names = {_name(s.condition, s.images, s.split, s.classes): s for s in wanted}
    found: dict[Shape, tuple[float, Speed]] = {}
    for folder in workspace.trainings() if names else ():
        description: Any = read_json(folder.description)
        if description is None:
            continue
        with understood(folder.description):
            name = _name(*(description[key] for key in ("condition", "images", "split", "classes")))
        for ran in result.all_of(folder) if name in names else ():
            shape = names[name]
            if _alike(ran, shape, environment) and ran.finished > found.get(shape, (0.0, None))[0]:
                found[shape] = ran.finished, _speed(ran)
    return {shape: speed for shape, (_, speed) in found.items()}


def _name(levels: Mapping[str, Any], images: str, split: str, classes: int) -> str:
    return text([{k: v for k, v in levels.items() if k not in FREE}, images, split, classes])


def _alike(ran: Result, shape: Shape, environment: Mapping[str, Any]) -> bool:
    """Whether a result tells the speed of `shape`: its first epochs hold what comes but once, so it takes three."""
    same = all(ran.environment.get(name) == value for name, value in environment.items())
    whole = ran.done and ran.memory and len(ran.history) >= 3
    return bool(same and whole and ran.parameters == shape.parameters)


def _speed(ran: Result) -> Speed:
    """The mean epoch, without the quickest and the slowest tenth: a machine may have slept. Between two epochs of a
    training that was interrupted lies more than an epoch, which `seconds` leaves out."""
    times = np.array([epoch["time"] for epoch in ran.history])
    between = np.sort(np.diff(times))
    cut = -(-len(between) // 10) if len(between) > 2 else 0
    epoch = min(float(between[cut : len(between) - cut].mean()), ran.seconds / len(ran.history))
    start = max(0.0, float(times[0]) - ran.started - epoch)
    return Speed(start, epoch, max(0.0, ran.finished - float(times[-1])), ran.memory)
