"""Build and fit a head; nothing else in the project trains. Equal seeds give equal bits, whatever `epochs` is."""

import math
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ablation.grids.levels import Condition
from ablation.results.result import Predictions
from ablation.statistics.evaluation import losses
from ablation.training import batches, features
from ablation.training.batches import DROPOUT, WEIGHTS, stream
from ablation.training.cost import units
from ablation.training.front import seed_augmentation
from ablation.workers import slots

PREDICT_BATCH = 1024  # of features
POLICIES = {
    "float32": "float32",
    "tensorfloat32": "float32",  # the products' own switch: see training/worker.py
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}
FUSED = {"tensorflow": "ablation.training.fused"}  # Keras backend -> where its faster optimizers live
RESIDENT = {  # Keras backend -> where its loop over images that stay on a GPU lives
    "tensorflow": "ablation.training.resident_tensorflow",
    "jax": "ablation.training.resident_jax",
}
RESIDENT_BYTES = 2**31  # of images that stay on a GPU, at most; and at most a quarter of a share of one


def build(
    shape: tuple[int, ...], classes: int, condition: Condition, seed: int, front: Sequence[keras.Layer] = ()
) -> keras.Model:
    """front -> flatten -> fc_layers x (dense fc_units ReLU, dropout) -> softmax, compiled.

    `shape`: of one image's features, or of what `front` takes. The front is as it was built, in float32, also
    where it is trained; `precision` is the head's.
    """
    keras.config.set_dtype_policy(POLICIES[condition.precision])
    layers: list[keras.Layer] = [keras.Input(shape), *front, keras.layers.Flatten()]
    for i, width in enumerate(units(condition)):
        layers.append(_dense(width, "relu", seed, i))
        if condition.dropout:
            layers.append(keras.layers.Dropout(condition.dropout, seed=0))  # its state is set at each epoch's start
    layers.append(_dense(classes, "softmax", seed, len(units(condition)), dtype="float32"))
    model = keras.Sequential(layers)
    model.autocast = False  # each layer casts for itself: a front takes its input as it is
    model.compile(
        optimizer=_optimizer(condition),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        # Where Keras sees that it can; but on a CPU TensorFlow's own products are faster than XLA's.
        jit_compile=False if (keras.backend.backend(), slots.device()) == ("tensorflow", "cpu") else "auto",
    )
    return model


@keras.ops.custom_gradient
def _product(x: Any, kernel: Any) -> tuple[Any, Any]:
    """x @ kernel, (batch, in) and (in, out); x's gradient as the transpose of a product of kernel's rows, if float32.

    Equal mathematics; CPU libraries split the long side over threads and read a transposed kernel slowly. In lower
    precision they rearrange it first, and lose nothing.
    """

    def gradients(*arguments: Any, upstream: Any = None) -> tuple[Any, Any]:
        upstream = arguments[0] if upstream is None else upstream
        if keras.backend.standardize_dtype(kernel.dtype) == "float32":
            by_x = keras.ops.transpose(keras.ops.matmul(kernel, keras.ops.transpose(upstream)))
        else:
            by_x = keras.ops.matmul(upstream, keras.ops.transpose(kernel))
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


class Trainer:
    """Trains a model on x (n, ...), y (n,), an epoch at a time."""

    def __init__(self, model: keras.Model, x: np.ndarray, y: np.ndarray, condition: Condition, seed: int) -> None:
        self._model, self._x, self._y, self._condition, self._seed = model, x, y, condition, seed
        self._weights = batches.image_weights(y) if condition.balance == "class_weight" else None
        _make_moments(model)  # no variable may be made while a step is traced again
        path = RESIDENT.get(keras.backend.backend()) if _may_stay(x) else None
        self._steps = import_module(path).Steps(model, x, y, self._weights) if path else self._step_by_step

    def epoch(self, number: int) -> dict[str, float]:
        """Train epoch `number` (from 1); its mean loss and accuracy, dropout on."""
        condition, seed = self._condition, self._seed
        _seed_dropout(self._model, seed, number)
        seed_augmentation(self._model.layers, seed, number)
        self._model.reset_metrics()
        rows = batches.rows(self._y, condition.batch_size, seed, number, even=condition.balance == "batch")
        return self._steps(rows, condition.batch_size)

    def _step_by_step(self, rows: np.ndarray, size: int) -> dict[str, float]:
        total = {"loss": 0.0, "accuracy": 0.0}
        for some in batches.cut(rows, size):
            weights = None if self._weights is None else self._weights[some]
            # Keras forgets its metrics before each batch, so these are the batch's own
            logs = self._model.train_on_batch(self._x[some], self._y[some], sample_weight=weights, return_dict=True)
            total = {name: value + len(some) * float(logs[name]) for name, value in total.items()}
        return {name: value / len(rows) for name, value in total.items()}


def _may_stay(x: np.ndarray) -> bool:
    """Whether images x stay on this process' GPU while a head is trained on them."""
    share = slots.memory_limit()
    most = RESIDENT_BYTES if share is None else min(RESIDENT_BYTES, share * 2**20 // 4)
    return slots.device() != "cpu" and x.nbytes <= most


def fit(
    model: keras.Model, x: np.ndarray, y: np.ndarray, condition: Condition, seed: int, done: int = 0
) -> Iterator[tuple[int, dict[str, float]]]:
    """Train up to epoch `condition.epochs`; `done` of them are behind. Yields (epoch, loss and accuracy) after each."""
    trainer = Trainer(model, x, y, condition, seed)
    for epoch in range(done + 1, condition.epochs + 1):
        yield epoch, trainer.epoch(epoch)


def _make_moments(model: keras.Model) -> None:
    """The optimizer's variables, once: Keras' loss scaler would make others, that begin anew."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def _state(model: keras.Model) -> list[Any]:
    _make_moments(model)
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
    many = features.batch(x.shape[1]) if x.shape[3:] == (3,) else PREDICT_BATCH  # pixels go through a backbone
    parts = [model(x[i : i + many], training=False) for i in range(0, len(x), many)]
    probabilities = np.concatenate([keras.ops.convert_to_numpy(p) for p in parts])
    return Predictions(
        probabilities.argmax(axis=1).astype(np.int16),
        probabilities.astype(np.float16),
        losses(y, probabilities).astype(np.float32),
    )
