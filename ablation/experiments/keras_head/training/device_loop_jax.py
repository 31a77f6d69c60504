"""Training loop on the device for JAX: an epoch in one or two calls of a compiled loop, with images on the device."""

from itertools import chain
from typing import Any

import jax
import numpy as np

from ablation.experiments.keras_head.training.batches import stacks


class Steps:
    """Training steps of a compiled Keras model on x (n, ...), y (n,) and, for weighted images, `weights` (n,)."""

    def __init__(self, model: Any, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> None:
        self._model = model
        self._data = tuple(jax.device_put(array) for array in (x, y, weights) if array is not None)
        self._run = jax.jit(self._loop, donate_argnums=0)
        model.test_on_batch(x[:1], y[:1])  # Keras creates the variables of its metrics at the first use

    def __call__(self, rows: np.ndarray, size: int) -> dict[str, float]:
        """Train one step for each batch of `size` of the positions `rows` (n,). Return the metrics after the last step.

        The last batch may be smaller.
        """
        logs: dict[str, Any] = {}
        for stack in stacks(rows, size):
            logs = self._call(stack.astype(np.int32))
        return {name: float(value) for name, value in logs.items()}

    def _call(self, batches: np.ndarray) -> dict[str, Any]:
        model = self._model
        kinds = (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
        state, logs = self._run(tuple([v.value for v in kind] for kind in kinds), self._data, batches)
        for variable, value in zip(chain(*kinds), chain(*state), strict=True):
            variable.assign(value)
        return dict(logs)

    def _loop(self, state: Any, data: Any, batches: Any) -> Any:
        """Train one step for each of `batches` (steps, size). Return the new state and the logs of the last step.

        The metrics of Keras' `train_step` are means since the last reset.
        """

        def step(state: Any, batch: Any) -> Any:
            logs, state = self._model.train_step(state, tuple(array[batch] for array in data))
            return state, logs

        state, logs = jax.lax.scan(step, state, batches)
        return state, {name: values[-1] for name, values in logs.items()}
