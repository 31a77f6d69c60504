"""Full model of one trial, from images: preprocessing, backbone, head.

The model has Keras' own layers alone, so that it loads where `ablate` is not installed.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import keras

from ablation.experiments.keras_head.backbones import BACKBONES
from ablation.experiments.keras_head.training import features, head, input_layers
from ablation.experiments.keras_head.training.jobs import HeadTraining


def _frozen_part(training: HeadTraining, pixels: Any) -> Any:
    """Return the output of the frozen part for pixels: the features that the head was trained on."""
    condition = training.condition
    model, preprocess = input_layers.backbone(
        condition.backbone, features.checked(training.weights), condition.image_size
    )
    if condition.trainable == "block5":
        model = input_layers.lower(condition.backbone, model)
    return model(preprocess(keras.ops.cast(pixels, "float32")))


def _apply(layers: Sequence[Any], x: Any) -> Any:
    """Return x after the layers that act in prediction: no dropout, and plain Keras dense layers in the head."""
    for layer in layers:
        if isinstance(layer, keras.layers.Dense):
            plain = keras.layers.Dense.from_config(layer.get_config())
            x = plain(x)
            plain.set_weights(layer.get_weights())
        elif not isinstance(layer, keras.layers.Dropout):
            x = layer(x)
    return x


def build(training: HeadTraining, weights: Path) -> keras.Model:
    """Return the full model of a training: uint8 pixels (N, size, size, 3) to probabilities (N, classes).

    Args:
        training: Training that the head comes from.
        weights: File of the head's weights.
    """
    condition = training.condition
    pixels = keras.Input((condition.image_size, condition.image_size, 3), dtype="uint8", name="images")
    start = pixels if training.on_images else _frozen_part(training, pixels)
    layers = (
        input_layers.build(condition, features.checked(training.weights)) if input_layers.is_needed(condition) else []
    )
    trained = head.build(start.shape[1:], training.classes, condition, training.seed, layers)
    keras.Model(trained.inputs, trained.outputs).load_weights(weights)
    active_layers = list(trained.layers)
    if training.on_images:  # augmentation acts in training alone
        position = next(i for i, layer in enumerate(active_layers) if isinstance(layer, input_layers.Preprocess))
        start = import_module(BACKBONES[condition.backbone].module).preprocess(keras.ops.cast(pixels, "float32"))
        active_layers = active_layers[position + 1 :]
    return keras.Model(pixels, _apply(active_layers, start), name=f"ablate_{condition.backbone}")
