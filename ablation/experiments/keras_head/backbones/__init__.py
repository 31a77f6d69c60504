"""Backbones and their modules. A backbone is a module with a matching `build` and `preprocess`, and `CUT`."""

BACKBONES = {
    "mobilenetv2": "ablation.experiments.keras_head.backbones.mobilenetv2",
    "vgg16": "ablation.experiments.keras_head.backbones.vgg16",
}
DOWNLOADS = {  # Keras' names of the files with ImageNet's weights
    "mobilenetv2": "mobilenet_v2_*_no_top.h5",
    "vgg16": "vgg16_*_notop.h5",
}
# Named and not imported, because the import loads a backend.
FRONT = "ablation.experiments.keras_head.training.input_layers"
RANDOM_WEIGHTS = "ablation.experiments.keras_head.backbones.random_weights"  # for any backbone

# Trainable parameters by level of `trainable`, and channels of the output: plans need both without building a model.
PARAMETERS = {
    "mobilenetv2": {"head": 0, "block5": 1_681_344, "all": 2_223_872},
    "vgg16": {"head": 0, "block5": 7_079_424, "all": 14_714_688},
}
PRODUCTS = {"mobilenetv2": 6.1e6, "vgg16": 313e6}  # of one forward pass of an image of 32 pixels
CHANNELS = {"mobilenetv2": 1280, "vgg16": 512}


def outputs(backbone: str, size: int) -> int:
    """Return the number of outputs of a backbone for an image (size, size, 3): positions times channels."""
    side = size // 32 if backbone == "vgg16" else -(-size // 32)
    return side * side * CHANNELS[backbone]
