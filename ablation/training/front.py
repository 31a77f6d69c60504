"""What stands before a head that is not trained on stored features: augmentation, preprocessing, the backbone."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import keras

from ablation.backbones import BACKBONES, RANDOM_WEIGHTS
from ablation.grids.levels import Condition
from ablation.training.batches import AUGMENT, stream


def backbone(name: str, source: str, size: int) -> tuple[Any, Callable[[Any], Any]]:
    """A frozen Keras model without top for (size, size, 3) images, in float32, and the preprocessing that its weights
    expect. `source`: imagenet, random, a file, or "" for Keras' own untrained weights."""
    keras.config.set_dtype_policy("float32")
    family = import_module(BACKBONES[name])
    weights = None if source in ("", "random") else source
    model = family.build(include_top=False, weights=weights, input_shape=(size, size, 3))
    if source == "random":
        model = import_module(RANDOM_WEIGHTS).randomise(model, family.preprocess)
    model.trainable = False
    return model, family.preprocess


def lower(name: str, model: Any) -> Any:
    """The part of a backbone before its block 5: what is frozen where `trainable` is block5."""
    return keras.Model(model.input, model.get_layer(import_module(BACKBONES[name]).CUT).output)


def _upper(name: str, model: Any) -> Any:
    """Block 5, with the layers of `model` themselves."""
    return keras.Model(model.get_layer(import_module(BACKBONES[name]).CUT).output, model.output)


@keras.saving.register_keras_serializable("ablate")
class Preprocess(keras.layers.Layer):
    """Pixels in 0-255 to what a backbone's weights expect."""

    def __init__(self, backbone: str, **more: Any) -> None:
        super().__init__(trainable=False, **more)
        self.backbone = backbone

    def call(self, inputs: Any) -> Any:
        return import_module(BACKBONES[self.backbone]).preprocess(inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "backbone": self.backbone}


def augmentation(kind: str) -> list[Any]:
    """Layers that change pixels in training alone. `light`: the shifts, turns and scales of a loosely cropped face."""
    if kind == "none":
        return []
    flip = [keras.layers.RandomFlip("horizontal", seed=0)]
    if kind == "flip":
        return flip
    around = {"fill_mode": "nearest", "seed": 0}
    return [
        *flip,
        keras.layers.RandomRotation(10 / 360, **around),
        keras.layers.RandomTranslation(0.06, 0.06, **around),
        keras.layers.RandomZoom(0.08, **around),
        keras.layers.RandomBrightness(0.1, value_range=(0, 255), seed=0),
    ]


def seed_augmentation(layers: Sequence[Any], seed: int, epoch: int) -> None:
    """What an epoch's changes are is a function of (seed, layer, epoch), as with dropout's masks."""
    for i, layer in enumerate(layers):
        generator = getattr(layer, "generator", None)
        if isinstance(generator, keras.random.SeedGenerator):
            generator.state.assign([stream(seed, AUGMENT, i, epoch), 0])


def is_needed(condition: Condition) -> bool:
    """Whether something stands before the head: else it is trained on stored features."""
    return condition.trainable != "head" or condition.augment != "none"


def build(condition: Condition, source: str) -> list[Any]:
    """The layers before the head. With `trainable` block5 and no augmentation their input is the output of the frozen
    part, else uint8 pixels (image_size, image_size, 3). Nothing of the frozen part ever changes, moving averages of
    its batch normalisation included."""
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
