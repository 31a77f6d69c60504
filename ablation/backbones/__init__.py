"""The backbones, and where each lives. A backbone is a module with `build`, `preprocess` (a pair) and `CUT`."""

BACKBONES = {
    "mobilenetv2": "ablation.backbones.mobilenetv2",
    "vgg16": "ablation.backbones.vgg16",
}
DOWNLOADS = {  # as Keras names the files of ImageNet's weights
    "mobilenetv2": "mobilenet_v2_*_no_top.h5",
    "vgg16": "vgg16_*_notop.h5",
}
FRONT = "ablation.training.front"  # builds them: named here, for whoever must not load a backend
RANDOM_WEIGHTS = "ablation.backbones.random_weights"  # for each of them

# Trainable parameters by level of `trainable`, and channels of the output: what a plan needs without building one.
PARAMETERS = {
    "mobilenetv2": {"head": 0, "block5": 1_681_344, "all": 2_223_872},
    "vgg16": {"head": 0, "block5": 7_079_424, "all": 14_714_688},
}
PRODUCTS = {"mobilenetv2": 6.1e6, "vgg16": 313e6}  # of one pass forward of an image of 32 pixels
CHANNELS = {"mobilenetv2": 1280, "vgg16": 512}


def outputs(backbone: str, size: int) -> int:
    """How many numbers a backbone makes of an image of (size, size, 3): its places times its channels."""
    side = size // 32 if backbone == "vgg16" else -(-size // 32)
    return side * side * CHANNELS[backbone]
