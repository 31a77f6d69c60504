"""Build and fit a head; nothing else in the project trains. Equal seeds give equal bits, whatever `epochs` is."""

import math
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ablation.grids.grid import Condition
from ablation.results.result import Predictions
from ablation.statistics.evaluation import losses
from ablation.training.batches import DROPOUT, WEIGHTS, batches, class_weights, stream
from ablation.training.front import seed_augmentation

PREDICT_BATCH = 1024
POLICIES = {
    "float32": "float32",
    "tensorfloat32": "float32",  # the products' own switch: see training/worker.py
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}
FUSED = {"tensorflow": "ablation.training.fused"}  # Keras backend -> where its faster optimizers live


def build(
    shape: tuple[int, ...], classes: int, condition: Condition, seed: int, front: Sequence[keras.Layer] = ()
) -> keras.Model:
    """front -> flatten -> fc_layers x (dense fc_units ReLU, dropout) -> softmax, compiled.

    `shape`: of one image's features, or of what `front` takes. The front is as it was built, in float32 where it is
    frozen; `precision` is the head's, and that of a front that is trained.
    """
    keras.config.set_dtype_policy(POLICIES[condition.precision])
    layers: list[keras.Layer] = [keras.Input(shape), *front, keras.layers.Flatten()]
    for i, units in enumerate(condition.units):
        layers.append(_dense(units, "relu", seed, i))
        if condition.dropout:
            layers.append(keras.layers.Dropout(condition.dropout, seed=0))  # its state is set at each epoch's start
    layers.append(_dense(classes, "softmax", seed, len(condition.units), dtype="float32"))
    model = keras.Sequential(layers)
    model.compile(
        optimizer=_optimizer(condition),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # "auto" would differ between machines; on a CPU XLA's products are slower
    )
    return model


@keras.ops.custom_gradient
def _product(x: Any, kernel: Any) -> tuple[Any, Any]:
    """x @ kernel, (batch, in) and (in, out), with the gradient of x as the transpose of a product of kernel's rows.

    Equal mathematics; CPU libraries split the long side over threads and read a transposed kernel slowly.
    """

    def gradients(*arguments: Any, upstream: Any = None) -> tuple[Any, Any]:
        upstream = arguments[0] if upstream is None else upstream
        by_x = keras.ops.transpose(keras.ops.matmul(kernel, keras.ops.transpose(upstream)))
        return by_x, keras.ops.matmul(keras.ops.transpose(x), upstream)

    return keras.ops.matmul(x, kernel), gradients


class _Dense(keras.layers.Dense):
    """A dense layer that trains with `_product`."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if not training:
            return super().call(inputs)
        x = _product(inputs, keras.ops.convert_to_tensor(self.kernel))
        return self.activation(keras.ops.add(x, self.bias))


def _dense(units: int, activation: str, seed: int, layer: int, **more: Any) -> keras.layers.Dense:
    initializer = keras.initializers.GlorotUniform(seed=stream(seed, WEIGHTS, layer))
    return _Dense(units, activation, kernel_initializer=initializer, **more)


def _optimizer(condition: Condition) -> keras.optimizers.Optimizer:
    """Keras' optimizer; where the backend has a faster update with the same formula, that one."""
    path = FUSED.get(keras.backend.backend())
    fused = import_module(path).OPTIMIZERS if path else {}
    build_optimizer = fused.get(condition.optimizer)
    if build_optimizer:
        return build_optimizer(learning_rate=condition.learning_rate)
    config = {"class_name": condition.optimizer, "config": {"learning_rate": condition.learning_rate}}
    return keras.optimizers.get(config)


def _seed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    """Saved weights do not bring back where a mask's generator stood: make it a function of (seed, layer, epoch)."""
    for i, layer in enumerate(model.layers):
        if isinstance(layer, keras.layers.Dropout):
            layer.seed_generator.state.assign([stream(seed, DROPOUT, i, epoch), 0])


def fit_epoch(
    model: keras.Model, x: np.ndarray, y: np.ndarray, condition: Condition, seed: int, epoch: int
) -> dict[str, float]:
    """Train one epoch (from 1) on x (n, ...), y (n,) and return its mean loss and accuracy, dropout on."""
    _seed_dropout(model, seed, epoch)
    seed_augmentation(model.layers, seed, epoch)
    model.reset_metrics()
    logs: dict[str, float] = {}
    weights = class_weights(y) if condition.balance == "class_weight" else None
    for some_x, some_y in batches(x, y, condition.batch_size, seed, epoch, even=condition.balance == "batch"):
        # the logs are running means since the reset
        logs = model.train_on_batch(some_x, some_y, class_weight=weights, return_dict=True)
    return {name: float(logs[name]) for name in ("loss", "accuracy")}


def fit(
    model: keras.Model, x: np.ndarray, y: np.ndarray, condition: Condition, seed: int, done: int = 0
) -> Iterator[tuple[int, dict[str, float]]]:
    """Train up to epoch `condition.epochs`; `done` of them are behind. Yields (epoch, loss and accuracy) after each."""
    for epoch in range(done + 1, condition.epochs + 1):
        yield epoch, fit_epoch(model, x, y, condition, seed, epoch)


def _state(model: keras.Model) -> list[Any]:
    model.optimizer.build(model.trainable_variables)  # else there are no moments yet to read or to set
    return [*model.weights, *model.optimizer.variables]


def trainable(model: keras.Model) -> int:
    """How many numbers training changes."""
    return sum(math.prod(v.shape) for v in model.trainable_variables)


def state(model: keras.Model) -> list[np.ndarray]:
    """All that training changes: weights and the optimizer's variables."""
    return [keras.ops.convert_to_numpy(v) for v in _state(model)]


def state_bytes(model: keras.Model) -> int:
    """The size of `state`."""
    return sum(math.prod(v.shape) * np.dtype(str(v.dtype)).itemsize for v in _state(model))


def set_state(model: keras.Model, arrays: Sequence[np.ndarray]) -> None:
    """Undo `state`. Raises ValueError where the arrays are another head's."""
    for variable, array in zip(_state(model), arrays, strict=True):
        variable.assign(array)


def save(model: keras.Model, path: Path) -> None:
    """The weights alone, without the optimizer, in Keras' `.weights.h5` format."""
    keras.Model(model.inputs, model.outputs).save_weights(path)


def predict(model: keras.Model, x: np.ndarray, y: np.ndarray) -> Predictions:
    """What the model says of x (N, ...), dropout off, and its loss against y (N,)."""
    parts = [model(x[i : i + PREDICT_BATCH], training=False) for i in range(0, len(x), PREDICT_BATCH)]
    probabilities = np.concatenate([keras.ops.convert_to_numpy(p) for p in parts])
    return Predictions(
        probabilities.argmax(axis=1).astype(np.int16),
        probabilities.astype(np.float16),
        losses(y, probabilities).astype(np.float32),
    )
