"""A softmax regression in numpy with the functions of Keras, of `head` and of `front` that a training calls: the
project's own code for features, checkpoints and results runs around it, and no backend is loaded."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from ablation.experiments.keras_head.training import batches, worker
from ablation.statistics.evaluation import losses
from ablation.store import checkpoint
from ablation.store.result import Predictions
from ablation.study.levels import Condition

CHANNELS = 8  # of the features
MOMENTUM = 0.9
TRAINED: Path | None = None  # where each epoch is noted: dropout, epoch


@dataclass
class Variable:
    """A Keras variable, as far as a witness looks at it."""

    value: np.ndarray
    trainable: bool = True


class Model:
    """`arrays`: the weights and the optimizer's moments, each (features + 1, classes)."""

    def __init__(self, features: int, classes: int, condition: Condition, seed: int) -> None:
        first = np.random.default_rng([seed, batches.WEIGHTS]).normal(0, 0.1, (features + 1, classes))
        self.arrays = [first.astype(np.float32), np.zeros((features + 1, classes), np.float32)]
        self.condition = condition
        self.optimizer = SimpleNamespace(get_config=lambda: {"learning_rate": condition.learning_rate})

    @property
    def weights(self) -> list[Variable]:
        return [Variable(self.arrays[0])]

    def get_config(self) -> dict[str, Any]:
        return {"dropout": self.condition.dropout, "shape": self.arrays[0].shape}

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        flat = x.reshape(len(x), -1).astype(np.float32)
        scores = np.hstack([flat, np.ones((len(x), 1), np.float32)]) @ self.arrays[0]
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))

    def step(self, x: np.ndarray, y: np.ndarray, keep: np.ndarray) -> None:
        x = x * keep
        error = self.probabilities(x)
        error[np.arange(len(y)), y] -= 1
        slope = np.hstack([x, np.ones((len(x), 1), np.float32)]).T @ error / len(x)
        self.arrays[1] = (MOMENTUM * self.arrays[1] + slope).astype(np.float32)
        self.arrays[0] = (self.arrays[0] - self.condition.learning_rate * self.arrays[1]).astype(np.float32)


def build(shape: tuple[int, ...], classes: int, condition: Condition, seed: int, front: Sequence[Any] = ()) -> Model:
    return Model(int(np.prod(shape)), classes, condition, seed)


def fit(
    model: Model, x: np.ndarray, y: np.ndarray, condition: Condition, seed: int, done: int = 0
) -> Iterator[tuple[int, dict[str, float]]]:
    flat = x.reshape(len(x), -1)
    for epoch in range(done + 1, condition.epochs + 1):
        if TRAINED:
            with open(TRAINED, "a") as file:
                file.write(f"{condition.dropout} {epoch}\n")
        masks = np.random.default_rng([seed, batches.DROPOUT, epoch])
        rows = batches.rows(y, condition.batch_size, seed, epoch)
        for batch in batches.cut(rows, condition.batch_size):
            keep = (masks.random((len(batch), flat.shape[1])) >= condition.dropout).astype(np.float32)
            model.step(flat[batch], y[batch], keep)
        predicted = predict(model, x, y)
        yield epoch, {"loss": float(predicted.losses.mean()), "accuracy": float((predicted.classes == y).mean())}


def predict(model: Model, x: np.ndarray, y: np.ndarray) -> Predictions:
    probabilities = model.probabilities(x)
    return Predictions(
        probabilities.argmax(axis=1).astype(np.int16),
        probabilities.astype(np.float16),
        losses(y, probabilities).astype(np.float32),
    )


def save(model: Model, path: Path) -> None:
    with open(path, "wb") as file:
        np.savez(file, weights=model.arrays[0])


def set_state(model: Model, arrays: Sequence[np.ndarray]) -> None:
    model.arrays = [np.array(array) for array in arrays]


class Backbone:
    """Mean brightness of bands of the image."""

    output_shape = (None, 1, 1, CHANNELS)

    def predict_on_batch(self, x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), CHANNELS, -1).mean(axis=2).reshape(-1, 1, 1, CHANNELS)


HEAD = {
    "build": build,
    "fit": fit,
    "predict": predict,
    "save": save,
    "set_state": set_state,
    "state": lambda model: model.arrays,
    "state_bytes": lambda model: sum(array.nbytes for array in model.arrays),
    "trainable": lambda model: model.arrays[0].size,
}
FRONT = {
    "is_needed": lambda condition: False,
    "backbone": lambda name, source, size: (Backbone(), lambda x: x / 255),
}
KERAS = {
    "__version__": "0",
    "Model": object,
    "backend": SimpleNamespace(backend=lambda: "tensorflow"),
    "ops": SimpleNamespace(convert_to_numpy=np.asarray),
    "utils": SimpleNamespace(clear_session=lambda: None),
}


def install() -> None:
    """Replace Keras for the rest of this process. A checkpoint is written after every epoch."""
    for name, content in {
        "keras": KERAS,
        "ablation.experiments.keras_head.training.head": HEAD,
        "ablation.experiments.keras_head.training.input_layers": FRONT,
    }.items():
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__spec__ = ModuleSpec(name, None)
        vars(sys.modules[name]).update(content)
    worker.set_up = lambda *_: None
    checkpoint.SECONDS, checkpoint.SHARE = -1.0, float("inf")
