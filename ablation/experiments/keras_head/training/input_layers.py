"""Layers before a head that is not trained on stored features: augmentation, preprocessing, the backbone."""

import contextlib
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import keras

from ablation.experiments.keras_head.backbones import BACKBONES, RANDOM_WEIGHTS
from ablation.experiments.keras_head.training import weights_file
from ablation.experiments.keras_head.training.batches import AUGMENT, stream
from ablation.study.levels import Condition


def backbone(name: str, source: str, size: int) -> tuple[Any, Callable[[Any], Any]]:
    """Return a frozen float32 Keras model without its top, and the preprocessing that the model's weights expect.

    Args:
        name: Name of the backbone.
        source: Source of the weights: imagenet, random, a file, or "" for Keras' own untrained weights.
        size: Height and width of the images, which are (size, size, 3).
    """
    keras.config.set_dtype_policy("float32")
    family = import_module(BACKBONES[name].module)
    weights = None if source in ("", "random") else source
    is_file = source not in ("", "random", "imagenet")
    with weights_file.loading(source, name) if is_file else contextlib.nullcontext():
        model = family.build(include_top=False, weights=weights, input_shape=(size, size, 3))
    if source == "random":
        model = import_module(RANDOM_WEIGHTS).randomise(model, family.preprocess)
    model.trainable = False
    return model, family.preprocess


def lower(name: str, model: Any) -> Any:
    """Return the part of a backbone before its block 5: the frozen part where `trainable` is block5."""
    return keras.Model(model.input, model.get_layer(import_module(BACKBONES[name].module).CUT).output)


def _upper(name: str, model: Any) -> Any:
    """Return block 5 of a backbone, built from the layers of `model` itself, not from copies."""
    return keras.Model(model.get_layer(import_module(BACKBONES[name].module).CUT).output, model.output)


@keras.saving.register_keras_serializable("ablate")
class Preprocess(keras.layers.Layer):
    """Layer that converts pixels in 0-255 to the range that a backbone's weights expect."""

    def __init__(self, backbone: str, **more: Any) -> None:
        super().__init__(trainable=False, **more)
        self.backbone = backbone

    def call(self, inputs: Any) -> Any:
        return import_module(BACKBONES[self.backbone].module).preprocess(inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "backbone": self.backbone}


def augmentation(kind: str) -> list[Any]:
    """Return the layers that augment pixels in training alone.

    Kind `light` has the shifts, rotations, scales and brightness changes of a loosely cropped face.
    """
    if kind == "none":
        return []
    flip = [keras.layers.RandomFlip("horizontal", seed=0)]
    if kind == "flip":
        return flip
    options = {"fill_mode": "nearest", "seed": 0}
    return [
        *flip,
        keras.layers.RandomRotation(10 / 360, **options),
        keras.layers.RandomTranslation(0.06, 0.06, **options),
        keras.layers.RandomZoom(0.08, **options),
        keras.layers.RandomBrightness(0.1, value_range=(0, 255), seed=0),
    ]


def seed_augmentation(layers: Sequence[Any], seed: int, epoch: int) -> None:
    """Set each augmentation layer's state to a function of (seed, layer, epoch), as for dropout."""
    for i, layer in enumerate(layers):
        generator = getattr(layer, "generator", None)
        if isinstance(generator, keras.random.SeedGenerator):
            generator.state.assign([stream(seed, AUGMENT, i, epoch), 0])


def is_needed(condition: Condition) -> bool:
    """Return whether the head needs layers before it. Otherwise the head is trained on stored features."""
    return condition.trainable != "head" or condition.augment != "none"


def build(condition: Condition, source: str) -> list[Any]:
    """Return the layers before the head.

    With `trainable` block5 and no augmentation, their input is the output of the frozen part. Otherwise their input is
    uint8 pixels (image_size, image_size, 3). The frozen part never changes, and neither do its moving averages of batch
    normalization.

    Args:
        condition: Levels of the trial.
        source: Source of the backbone's weights, as in `backbone`.
    """
    model, _ = backbone(condition.backbone, source, condition.image_size)
    if condition.trainable == "all":
        model.trainable = True
    if condition.trainable == "block5":
        upper = _upper(condition.backbone, model)
        for layer in upper.layers:
            layer.trainable = True
        if condition.augment == "none":
            return [upper]
        return [
            *augmentation(condition.augment),
            Preprocess(condition.backbone),
            lower(condition.backbone, model),
            upper,
        ]
    return [*augmentation(condition.augment), Preprocess(condition.backbone), model]
