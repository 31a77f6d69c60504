"""The backbones, and where each lives. A backbone is a module with `build` and `preprocess`, a pair."""

BACKBONES = {
    "vgg16": "ablation.backbones.vgg16",
}
RANDOM_WEIGHTS = "ablation.backbones.random_weights"  # for each of them
