"""An epoch in one or two calls on TensorFlow: the images stay on the device, and the steps are one graph's loop."""

from typing import Any

import numpy as np
import tensorflow as tf

from ablation.training.batches import stacks


class Steps:
    """Trains a compiled Keras model on x (n, ...), y (n,) and, where images weigh unequally, `weights` (n,)."""

    def __init__(self, model: Any, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> None:
        self._data = tuple(tf.convert_to_tensor(array) for array in (x, y, weights) if array is not None)
        self._step = tf.function(model.train_step, jit_compile=model.jit_compile, autograph=False)
        self._run = tf.function(self._loop)

    def __call__(self, rows: np.ndarray, size: int) -> dict[str, float]:
        """One step for each `size` of the positions `rows` (n,), the last perhaps with fewer; the metrics after it."""
        logs: dict[str, Any] = {}
        for stack in stacks(rows, size):
            logs = self._run(tf.constant(stack, tf.int32))
        return {name: float(value) for name, value in logs.items()}

    def _loop(self, batches: Any) -> Any:
        """`batches`: (steps, size). What Keras' `train_step` says of the last one is the mean since the reset."""
        for batch in batches[:-1]:
            self._step(tuple(tf.gather(array, batch) for array in self._data))
        return self._step(tuple(tf.gather(array, batches[-1]) for array in self._data))
