"""Timing probes for `plan`: a few real steps of a head and a few real batches of a backbone, on random numbers."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ablation.engine.cost import Speed, peak_memory
from ablation.experiments.keras_head.training import features, head, input_layers
from ablation.experiments.keras_head.training.cost import Extraction, Shape
from ablation.experiments.keras_head.training.jobs import Features
from ablation.statistics import evaluation
from ablation.store.files import atomic
from ablation.store.result import Predictions

BATCHES = 4  # at most, in one round
ROUNDS, SPENT, ENOUGH = 3, 0.5, 4.0  # least rounds, least seconds, and seconds after which no further round starts
IMAGES = 2 * head.PREDICT_BATCH  # predicted, at most: further images take the same time each


def _seconds(round_: Callable[[], object]) -> float:
    """Return the mean seconds of a round, after one unmeasured warm-up round."""
    round_()
    began, rounds = time.perf_counter(), 0
    while True:
        round_()
        rounds += 1
        elapsed = time.perf_counter() - began
        if elapsed > ENOUGH or (rounds >= ROUNDS and elapsed > SPENT):
            return elapsed / rounds


def speed(shape: Shape) -> Speed:
    """Return the speed of trainings of `shape`, measured in this process.

    The probe builds the head, trains some steps, predicts, and writes predictions to a temporary folder.
    """
    batch = min(shape.condition.batch_size, shape.train)
    full, remainder = divmod(shape.train, batch)
    n_batches = min(full, BATCHES)
    x, y = _images(shape, max(n_batches * batch + remainder, min(IMAGES, max(shape.train, shape.val, shape.test))))
    began = time.perf_counter()
    before = input_layers.build(shape.condition, "") if input_layers.is_needed(shape.condition) else []
    model = head.build(shape.inputs, shape.classes, shape.condition, 0, before)

    def epoch(n: int) -> Callable[[], object]:
        trainer = head.Trainer(model, x[:n], y[:n], shape.condition, 0)
        return lambda: trainer.epoch(1)

    epoch(n_batches * batch + remainder)()
    first = time.perf_counter() - began
    steps = _seconds(epoch(n_batches * batch))
    last = _seconds(epoch(remainder)) if remainder else 0.0
    timings = _Predicting(model, x, y)
    unseen = (shape.train + shape.val + shape.test - len(x)) * x[0].nbytes
    return Speed(
        start=max(0.0, first - steps - last),
        epoch=steps * full / n_batches + last + timings.seconds(shape.val, scored=True),
        milestone=timings.seconds(shape.train, scored=True) + timings.seconds(shape.test) + timings.writing(shape),
        memory=peak_memory() + max(0, unseen),
    )


def _images(shape: Shape, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    pixels = shape.inputs[2:] == (3,)  # pixels are stored as uint8; no backbone's output has three channels
    size = (n, *shape.inputs)
    x = rng.integers(256, size=size, dtype=np.uint8) if pixels else rng.random(size, np.float32)
    return x, rng.integers(shape.classes, size=n)


class _Predicting:
    """Timer of a model's predictions on random images x (n, ...), y (n,)."""

    def __init__(self, model: object, x: np.ndarray, y: np.ndarray) -> None:
        self._model, self._x, self._y = model, x, y

    def _predict(self, n: int) -> Predictions:
        return head.predict(self._model, self._x[:n], self._y[:n])

    def seconds(self, n: int, scored: bool = False) -> float:
        n_timed = min(n, len(self._x), IMAGES)

        def once() -> None:
            predictions = self._predict(n_timed)
            if scored:
                evaluation.scores(self._y[:n_timed], predictions.classes, predictions.losses)

        return _seconds(once) * n / n_timed if n else 0.0

    def writing(self, shape: Shape) -> float:
        n_timed = min(shape.val + shape.test, len(self._x), IMAGES)
        predictions = self._predict(n_timed)
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            for name in ("val", "test"):
                predictions.write(Path(folder) / f"{name}.npz")
            with atomic(Path(folder) / "head.weights.h5") as path:
                head.save(self._model, path)
            return time.perf_counter() - began


def extraction(wanted: Features) -> Extraction:
    """Return the cost of features, measured in this process: the backbone is built and runs over some batches."""
    began = time.perf_counter()
    model, preprocess = input_layers.backbone(wanted.backbone, wanted.weights.source, wanted.image_size)
    model = input_layers.lower(wanted.backbone, model) if wanted.cut else model
    batch_size = features.batch(wanted.image_size)
    size = (batch_size, wanted.image_size, wanted.image_size, 3)
    pixels = np.random.default_rng(0).integers(256, size=size).astype(np.float32)
    model.predict_on_batch(preprocess(pixels.copy()))
    build = time.perf_counter() - began
    image = _seconds(lambda: model.predict_on_batch(preprocess(pixels.copy()))) / batch_size
    return Extraction(tuple(model.output_shape[1:]), build, image, peak_memory())
