"""Head: building and fitting. No other module trains. Equal seeds give equal bits, whatever `epochs` is."""

import math
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ablation.engine import slots
from ablation.experiments.keras_head.training import batches, features
from ablation.experiments.keras_head.training.batches import DROPOUT, WEIGHTS, stream
from ablation.experiments.keras_head.training.cost import units
from ablation.experiments.keras_head.training.input_layers import seed_augmentation
from ablation.statistics.evaluation import losses
from ablation.store.result import Predictions
from ablation.study.levels import Condition

PREDICT_BATCH = 1024  # features in a batch
POLICIES = {
    "float32": "float32",
    "tensorfloat32": "float32",  # a switch of the matrix products: see training/worker.py
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}
FUSED = {
    "tensorflow": "ablation.experiments.keras_head.training.fused_adam"
}  # Keras backend -> module of its faster optimizers
RESIDENT = {  # Keras backend -> module of its training loop over images that stay on the GPU
    "tensorflow": "ablation.experiments.keras_head.training.device_loop_tensorflow",
    "jax": "ablation.experiments.keras_head.training.device_loop_jax",
}
RESIDENT_BYTES = 2**31  # most bytes of images that stay on a GPU; another limit: a quarter of the process' GPU share


def build(
    shape: tuple[int, ...], classes: int, condition: Condition, seed: int, front: Sequence[keras.Layer] = ()
) -> keras.Model:
    """Return a compiled model: front -> flatten -> fc_layers x (dense fc_units ReLU, dropout) -> softmax.

    Args:
        shape: Shape of one image's features, or of one input of `front`.
        classes: Number of classes.
        condition: Levels of the trial. `precision` applies to the head alone.
        seed: Seed of the initial weights.
        front: Layers before the head, used as they were built: in float32, even where they are trained.
    """
    keras.config.set_dtype_policy(POLICIES[condition.precision])
    layers: list[keras.Layer] = [keras.Input(shape), *front, keras.layers.Flatten()]
    for i, width in enumerate(units(condition)):
        layers.append(_dense(width, "relu", seed, i))
        if condition.dropout:
            layers.append(keras.layers.Dropout(condition.dropout, seed=0))  # `_seed_dropout` sets it at each epoch
    layers.append(_dense(classes, "softmax", seed, len(units(condition)), dtype="float32"))
    model = keras.Sequential(layers)
    model.autocast = False  # each layer casts its own input: the front must get its input unchanged
    model.compile(
        optimizer=_optimizer(condition),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        # "auto": XLA where Keras supports it. On a CPU, TensorFlow's own products are faster than those of XLA.
        jit_compile=False if (keras.backend.backend(), slots.device()) == ("tensorflow", "cpu") else "auto",
    )
    return model


@keras.ops.custom_gradient
def _product(x: Any, kernel: Any) -> tuple[Any, Any]:
    """Return x (batch, in) @ kernel (in, out). In float32, x's gradient is (kernel @ upstream.T).T.

    The mathematics is equal. CPU libraries split the long side over threads and read a transposed kernel slowly. In
    lower precision, CPU libraries rearrange the kernel first and lose no time.
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
    """Dense layer that uses `_product` in training."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if not training:
            return super().call(inputs)
        x = _product(inputs, keras.ops.convert_to_tensor(self.kernel))
        return self.activation(keras.ops.add(x, self.bias))


def _dense(units: int, activation: str, seed: int, layer: int, **more: Any) -> keras.layers.Dense:
    initializer = keras.initializers.GlorotUniform(seed=stream(seed, WEIGHTS, layer))
    return _Dense(units, activation, kernel_initializer=initializer, **more)


def _optimizer(condition: Condition) -> keras.optimizers.Optimizer:
    """Return the backend's faster optimizer with the same formula, if there is one, otherwise Keras' optimizer."""
    module = FUSED.get(keras.backend.backend())
    fused = import_module(module).OPTIMIZERS if module else {}
    build_optimizer = fused.get(condition.optimizer)
    if build_optimizer:
        return build_optimizer(learning_rate=condition.learning_rate)
    config = {"class_name": condition.optimizer, "config": {"learning_rate": condition.learning_rate}}
    return keras.optimizers.get(config)


def _seed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    """Set the state of each dropout generator to a function of (seed, layer, epoch): saved weights lack this state."""
    for i, layer in enumerate(model.layers):
        if isinstance(layer, keras.layers.Dropout):
            layer.seed_generator.state.assign([stream(seed, DROPOUT, i, epoch), 0])


class Trainer:
    """Trainer of a model on x (n, ...), y (n,), one epoch at a time."""

    def __init__(self, model: keras.Model, x: np.ndarray, y: np.ndarray, condition: Condition, seed: int) -> None:
        self._model, self._x, self._y, self._condition, self._seed = model, x, y, condition, seed
        self._weights = batches.image_weights(y) if condition.balance == "class_weight" else None
        _make_moments(model)  # no variable may be created when a step is retraced
        path = RESIDENT.get(keras.backend.backend()) if _may_stay(x) else None
        self._steps = import_module(path).Steps(model, x, y, self._weights) if path else self._step_by_step

    def epoch(self, number: int) -> dict[str, float]:
        """Train epoch `number` (from 1). Return the mean loss and accuracy of the epoch, with dropout on."""
        condition, seed = self._condition, self._seed
        _seed_dropout(self._model, seed, number)
        seed_augmentation(self._model.layers, seed, number)
        self._model.reset_metrics()
        rows = batches.rows(self._y, condition.batch_size, seed, number, even=condition.balance == "batch")
        return self._steps(rows, condition.batch_size)

    def _step_by_step(self, rows: np.ndarray, size: int) -> dict[str, float]:
        total = {"loss": 0.0, "accuracy": 0.0}
        for batch in batches.cut(rows, size):
            weights = None if self._weights is None else self._weights[batch]
            # Keras resets its metrics before each batch, so these are the metrics of this batch alone
            logs = self._model.train_on_batch(self._x[batch], self._y[batch], sample_weight=weights, return_dict=True)
            total = {name: value + len(batch) * float(logs[name]) for name, value in total.items()}
        return {name: value / len(rows) for name, value in total.items()}


def _may_stay(x: np.ndarray) -> bool:
    """Return whether images x may stay on this process' GPU during the training of a head."""
    share = slots.memory_limit()
    limit = RESIDENT_BYTES if share is None else min(RESIDENT_BYTES, share * 2**20 // 4)
    return slots.device() != "cpu" and x.nbytes <= limit


def fit(
    model: keras.Model, x: np.ndarray, y: np.ndarray, condition: Condition, seed: int, done: int = 0
) -> Iterator[tuple[int, dict[str, float]]]:
    """Train up to epoch `condition.epochs`. Yield (epoch, {"loss", "accuracy"}) after each epoch.

    Args:
        model: Model of `build`.
        x: Inputs, shape (n, ...).
        y: Labels, shape (n,).
        condition: Levels of the trial.
        seed: Seed of batches, dropout and augmentation.
        done: Number of epochs that are already trained.
    """
    trainer = Trainer(model, x, y, condition, seed)
    for epoch in range(done + 1, condition.epochs + 1):
        yield epoch, trainer.epoch(epoch)


def _make_moments(model: keras.Model) -> None:
    """Create the optimizer's variables once: otherwise Keras' loss scaler would create and initialize new ones."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def _state(model: keras.Model) -> list[Any]:
    _make_moments(model)
    return [*model.weights, *model.optimizer.variables]


def trainable(model: keras.Model) -> int:
    """Return the number of trainable parameters."""
    return sum(math.prod(v.shape) for v in model.trainable_variables)


def state(model: keras.Model) -> list[np.ndarray]:
    """Return the arrays that training changes: weights and the optimizer's variables."""
    return [keras.ops.convert_to_numpy(v) for v in _state(model)]


def state_bytes(model: keras.Model) -> int:
    """Return the size of `state` in bytes."""
    return sum(math.prod(v.shape) * np.dtype(str(v.dtype)).itemsize for v in _state(model))


def set_state(model: keras.Model, arrays: Sequence[np.ndarray]) -> None:
    """Restore the arrays of `state`. Raises ValueError where the arrays belong to a different head."""
    for variable, array in zip(_state(model), arrays, strict=True):
        variable.assign(array)


def save(model: keras.Model, path: Path) -> None:
    """Write the weights, without the optimizer, in Keras' `.weights.h5` format."""
    keras.Model(model.inputs, model.outputs).save_weights(path)


def predict(model: keras.Model, x: np.ndarray, y: np.ndarray) -> Predictions:
    """Return the model's predictions of x (N, ...), with dropout off, and the losses against labels y (N,)."""
    batch_size = features.batch(x.shape[1]) if x.shape[3:] == (3,) else PREDICT_BATCH  # pixels go through a backbone
    parts = [model(x[i : i + batch_size], training=False) for i in range(0, len(x), batch_size)]
    probabilities = np.concatenate([keras.ops.convert_to_numpy(p) for p in parts])
    return Predictions(
        probabilities.argmax(axis=1).astype(np.int16),
        probabilities.astype(np.float16),
        losses(y, probabilities).astype(np.float32),
    )
