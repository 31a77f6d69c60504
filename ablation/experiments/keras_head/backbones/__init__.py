"""Backbones: conv bases with matching weights and preprocessing.

To add a backbone, write a module of this package with `build`, `preprocess` and `CUT`, describe it in BACKBONES, and
add its name to the factor `backbone` in `factors.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Backbone:
    """Description of a backbone, so that plans need no backend.

    Args:
        module: Module of the backbone. It is named and not imported, because the import loads a backend.
        download: Pattern of Keras' names of the files with ImageNet's weights.
        parameters: Trainable parameters by level of `trainable`.
        products: Multiplications of one forward pass of an image of 32 pixels.
        channels: Channels of the output.
        rounds_up: Whether a side that is no multiple of 32 pixels gives one more position of the output.
    """

    module: str
    download: str
    parameters: Mapping[str, int]
    products: float
    channels: int
    rounds_up: bool = True


BACKBONES = {
    "mobilenetv2": Backbone(
        "ablation.experiments.keras_head.backbones.mobilenetv2",
        download="mobilenet_v2_*_no_top.h5",
        parameters={"head": 0, "block5": 1_681_344, "all": 2_223_872},
        products=6.1e6,
        channels=1280,
    ),
    "vgg16": Backbone(
        "ablation.experiments.keras_head.backbones.vgg16",
        download="vgg16_*_notop.h5",
        parameters={"head": 0, "block5": 7_079_424, "all": 14_714_688},
        products=313e6,
        channels=512,
        rounds_up=False,
    ),
}
# Named and not imported, because the import loads a backend.
FRONT = "ablation.experiments.keras_head.training.input_layers"
RANDOM_WEIGHTS = "ablation.experiments.keras_head.backbones.random_weights"  # for any backbone


def outputs(backbone: str, size: int) -> int:
    """Return the number of outputs of a backbone for an image (size, size, 3): positions times channels."""
    described = BACKBONES[backbone]
    side = -(-size // 32) if described.rounds_up else size // 32
    return side * side * described.channels
