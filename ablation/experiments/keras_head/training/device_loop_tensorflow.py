"""Training loop on the device for TensorFlow: an epoch in one or two calls of a graph, with images on the device."""

from typing import Any

import numpy as np
import tensorflow as tf

from ablation.experiments.keras_head.training.batches import stacks


class Steps:
    """Training steps of a compiled Keras model on x (n, ...), y (n,) and, for weighted images, `weights` (n,)."""

    def __init__(self, model: Any, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> None:
        self._data = tuple(tf.convert_to_tensor(array) for array in (x, y, weights) if array is not None)
        self._step = tf.function(model.train_step, jit_compile=model.jit_compile, autograph=False)
        self._run = tf.function(self._loop)

    def __call__(self, rows: np.ndarray, size: int) -> dict[str, float]:
        """Train one step for each batch of `size` of the positions `rows` (n,). Return the metrics after the last step.

        The last batch may be smaller.
        """
        logs: dict[str, Any] = {}
        for stack in stacks(rows, size):
            logs = self._run(tf.constant(stack, tf.int32))
        return {name: float(value) for name, value in logs.items()}

    def _loop(self, batches: Any) -> Any:
        """Train one step for each of `batches` (steps, size). Return the logs of the last step.

        The metrics of Keras' `train_step` are means since the last reset.
        """
        for batch in batches[:-1]:
            self._step(tuple(tf.gather(array, batch) for array in self._data))
        return self._step(tuple(tf.gather(array, batches[-1]) for array in self._data))
