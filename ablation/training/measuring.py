"""How quick this process is: a few real steps of a head, a few real batches of a backbone, on random numbers."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ablation.planning.cost import Speed, peak_memory
from ablation.results.result import Predictions
from ablation.statistics import evaluation
from ablation.training import features, front, head
from ablation.training.cost import Extraction, Shape
from ablation.training.jobs import Features
from ablation.workspace import atomic

BATCHES = 4  # of a round, at most
ROUNDS, SPENT, ENOUGH = 3, 0.5, 4.0  # at least so many rounds and seconds, and no further one after so many seconds
IMAGES = 2 * head.PREDICT_BATCH  # predicted, at most: the rest takes as long an image


def _seconds(round_: Callable[[], object]) -> float:
    """The mean time of a round; one goes before, unmeasured."""
    round_()
    began, rounds = time.perf_counter(), 0
    while True:
        round_()
        rounds += 1
        spent = time.perf_counter() - began
        if spent > ENOUGH or (rounds >= ROUNDS and spent > SPENT):
            return spent / rounds


def speed(shape: Shape) -> Speed:
    """Build the head, train some steps, predict, and write predictions to a folder that goes away again."""
    batch = min(shape.condition.batch_size, shape.train)
    full, rest = divmod(shape.train, batch)
    some = min(full, BATCHES)
    x, y = _images(shape, max(some * batch + rest, min(IMAGES, max(shape.train, shape.val, shape.test))))
    began = time.perf_counter()
    before = front.build(shape.condition, "") if front.is_needed(shape.condition) else []
    model = head.build(shape.inputs, shape.classes, shape.condition, 0, before)

    def epoch(n: int) -> Callable[[], object]:
        trainer = head.Trainer(model, x[:n], y[:n], shape.condition, 0)
        return lambda: trainer.epoch(1)

    epoch(some * batch + rest)()
    first = time.perf_counter() - began
    steps = _seconds(epoch(some * batch))
    last = _seconds(epoch(rest)) if rest else 0.0
    found = _Predicting(model, x, y)
    unseen = (shape.train + shape.val + shape.test - len(x)) * x[0].nbytes
    return Speed(
        start=max(0.0, first - steps - last),
        epoch=steps * full / some + last + found.seconds(shape.val, scored=True),
        milestone=found.seconds(shape.train, scored=True) + found.seconds(shape.test) + found.writing(shape),
        memory=peak_memory() + max(0, unseen),
    )


def _images(shape: Shape, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    pixels = shape.inputs[2:] == (3,)  # as they are stored; no backbone's output has three channels
    size = (n, *shape.inputs)
    x = rng.integers(256, size=size, dtype=np.uint8) if pixels else rng.random(size, np.float32)
    return x, rng.integers(shape.classes, size=n)


class _Predicting:
    """What predictions of random images take."""

    def __init__(self, model: object, x: np.ndarray, y: np.ndarray) -> None:
        self._model, self._x, self._y = model, x, y

    def _predict(self, n: int) -> Predictions:
        return head.predict(self._model, self._x[:n], self._y[:n])

    def seconds(self, n: int, scored: bool = False) -> float:
        some = min(n, len(self._x), IMAGES)

        def once() -> None:
            found = self._predict(some)
            if scored:
                evaluation.scores(self._y[:some], found.classes, found.losses)

        return _seconds(once) * n / some if n else 0.0

    def writing(self, shape: Shape) -> float:
        some = min(shape.val + shape.test, len(self._x), IMAGES)
        found = self._predict(some)
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            for name in ("val", "test"):
                found.write(Path(folder) / f"{name}.npz")
            with atomic(Path(folder) / "head.weights.h5") as path:
                head.save(self._model, path)
            return time.perf_counter() - began


def extraction(wanted: Features) -> Extraction:
    """Build the backbone and run it over some batches."""
    began = time.perf_counter()
    model, preprocess = front.backbone(wanted.backbone, wanted.weights.source, wanted.image_size)
    model = front.lower(wanted.backbone, model) if wanted.cut else model
    many = features.batch(wanted.image_size)
    size = (many, wanted.image_size, wanted.image_size, 3)
    pixels = np.random.default_rng(0).integers(256, size=size).astype(np.float32)
    model.predict_on_batch(preprocess(pixels.copy()))
    build = time.perf_counter() - began
    image = _seconds(lambda: model.predict_on_batch(preprocess(pixels.copy()))) / many
    return Extraction(tuple(model.output_shape[1:]), build, image, peak_memory())
