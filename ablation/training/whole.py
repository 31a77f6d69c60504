"""The whole network of one trial, images in: preprocessing, backbone, head. Keras' own layers alone, so that it loads
where there is no ablate."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import keras

from ablation.backbones import BACKBONES
from ablation.training import features, front, head
from ablation.training.jobs import HeadTraining


def _before(training: HeadTraining, pixels: Any) -> Any:
    """What was computed once for the head: pixels through the frozen part."""
    condition = training.condition
    model, preprocess = front.backbone(condition.backbone, features.checked(training.weights), condition.image_size)
    if condition.trainable == "block5":
        model = front.lower(condition.backbone, model)
    return model(preprocess(keras.ops.cast(pixels, "float32")))


def _apply(layers: Sequence[Any], x: Any) -> Any:
    """What acts when the network answers: no dropout, and the head's dense layers without their faster gradient."""
    for layer in layers:
        if isinstance(layer, keras.layers.Dense):
            plain = keras.layers.Dense.from_config(layer.get_config())
            x = plain(x)
            plain.set_weights(layer.get_weights())
        elif not isinstance(layer, keras.layers.Dropout):
            x = layer(x)
    return x


def build(training: HeadTraining, weights: Path) -> keras.Model:
    """Of a training's head in the file `weights`: uint8 pixels (N, size, size, 3) to probabilities (N, classes)."""
    condition = training.condition
    pixels = keras.Input((condition.image_size, condition.image_size, 3), dtype="uint8", name="images")
    start = pixels if training.on_images else _before(training, pixels)
    layers = front.build(condition, features.checked(training.weights)) if front.is_needed(condition) else []
    trained = head.build(start.shape[1:], training.classes, condition, training.seed, layers)
    keras.Model(trained.inputs, trained.outputs).load_weights(weights)
    found = list(trained.layers)
    if training.on_images:  # augmentation acts in training alone
        place = next(i for i, layer in enumerate(found) if isinstance(layer, front.Preprocess))
        start = import_module(BACKBONES[condition.backbone]).preprocess(keras.ops.cast(pixels, "float32"))
        found = found[place + 1 :]
    return keras.Model(pixels, _apply(found, start), name=f"ablate_{condition.backbone}")
