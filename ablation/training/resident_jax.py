"""An epoch in one or two calls on JAX: the images stay on the device, and the steps are one compiled loop."""

from itertools import chain
from typing import Any

import jax
import numpy as np

from ablation.training.batches import stacks


class Steps:
    """Trains a compiled Keras model on x (n, ...), y (n,) and, where images weigh unequally, `weights` (n,)."""

    def __init__(self, model: Any, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> None:
        self._model = model
        self._data = tuple(jax.device_put(array) for array in (x, y, weights) if array is not None)
        self._run = jax.jit(self._loop, donate_argnums=0)
        model.test_on_batch(x[:1], y[:1])  # Keras makes the variables of its metrics when they are first needed

    def __call__(self, rows: np.ndarray, size: int) -> dict[str, float]:
        """One step for each `size` of the positions `rows` (n,), the last perhaps with fewer; the metrics after it."""
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
        """`batches`: (steps, size). What Keras' `train_step` says of the last one is the mean since the reset."""

        def step(state: Any, batch: Any) -> Any:
            logs, state = self._model.train_step(state, tuple(array[batch] for array in data))
            return state, logs

        state, logs = jax.lax.scan(step, state, batches)
        return state, {name: values[-1] for name, values in logs.items()}
