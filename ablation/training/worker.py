"""What a worker does: fetch weights, extract features, train, predict. Nothing is raised across processes.

Imports of the backend stand inside functions: the slot's environment must be set before it is loaded, and the
orchestrator imports this file without loading it.
"""

import functools
import logging
import os
import platform
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ablation.datasets import splits
from ablation.planning import attempts
from ablation.planning.cost import Extraction, Shape, Speed, peak_memory
from ablation.planning.plan import Features, Training
from ablation.results import checkpoint, result
from ablation.results.result import Predictions, Result
from ablation.statistics import evaluation
from ablation.training import features
from ablation.training.witness import witness
from ablation.workers import slots
from ablation.workers.pool import Link
from ablation.workspace import Workspace, atomic, write_json

LOG = logging.getLogger(__name__)
REPORT_SECONDS = 0.5  # at least so long between two reports that are no milestone's


@functools.cache
def set_up() -> None:
    """Once a process: what keras.json could change is pinned, and the backend is quiet."""
    import keras

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    _limit_memory(slots.memory_limit())


def _limit_memory(megabytes: int | None) -> None:
    """Give this process a fixed share of its GPU, by the backend's own call; JAX reads a variable instead."""
    if megabytes and slots.backend() == "tensorflow":
        import tensorflow as tf

        limit = tf.config.LogicalDeviceConfiguration(memory_limit=megabytes)
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.set_logical_device_configuration(gpu, [limit])


@functools.cache
def environment() -> dict[str, Any]:
    """What bit-equality depends on beside the training's id: recorded, not hashed."""
    import keras

    backend = keras.backend.backend()
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        backend: version(backend),
        "numpy": np.__version__,
        "processor": processor(),
        "threads": int(os.environ.get("TF_NUM_INTRAOP_THREADS") or os.cpu_count() or 1),
        "device": slots.device(),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", ""),
        "host": socket.gethostname(),
    }


def processor() -> str:
    """The model of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def fetch_imagenet(backbone: str) -> str:
    """The digest of the ImageNet weights that Keras keeps or downloads. Raises what Keras raises."""
    set_up()
    from ablation.training import front

    return features.digest_of(front.backbone(backbone, "imagenet", 32)[0])


class _Stopped(Exception):
    """The orchestrator asked for it."""


def extract(root: Path, wanted: Features, link: Link) -> str:
    """Compute and store features; "" or what went wrong, with its traceback."""

    def report(message: dict[str, Any]) -> None:
        link.report(message)
        if link.stopping():
            raise _Stopped

    try:
        set_up()
        if not features.is_ready(Workspace(root), wanted):
            features.extract(Workspace(root), wanted, report)
    except _Stopped:
        return result.INTERRUPTED
    except Exception:
        return traceback.format_exc()
    return ""


def answer(training: Training, head: Path, images: Path, link: Link) -> np.ndarray | str:
    """What a trained network says of images: probabilities (N, K) float32; or what went wrong, with its traceback.
    `head`: the file of its weights; `images`: of the pixels."""
    try:
        set_up()
        from ablation.training import whole

        model = whole.build(training, head)
        pixels = np.load(images, mmap_mode="r", allow_pickle=False)
        parts = []
        for start in range(0, len(pixels), features.BATCH):
            parts.append(np.asarray(model.predict_on_batch(np.asarray(pixels[start : start + features.BATCH]))))
            link.report({"images": min(start + features.BATCH, len(pixels)), "of": len(pixels)})
            if link.stopping():
                return result.INTERRUPTED
        return np.concatenate(parts).astype(np.float32)
    except Exception:
        return traceback.format_exc()


def begin(link: Link) -> float:
    """Load what every job of a process needs; the seconds that it took."""
    began = time.perf_counter()
    set_up()
    from ablation.training import head  # noqa: F401 (its libraries are loaded)

    return time.perf_counter() - began


def measure_features(wanted: Features, link: Link) -> Extraction | str:
    """What features cost here; or what went wrong, with its traceback."""
    try:
        set_up()
        from ablation.training import measuring

        return measuring.extraction(wanted)
    except Exception:
        return traceback.format_exc()


def measure(shape: Shape, link: Link) -> Speed | str:
    """How quick trainings of this shape are here; or what went wrong, with its traceback."""
    try:
        set_up()
        import keras

        from ablation.training import measuring

        keras.utils.clear_session()
        return measuring.speed(shape)
    except Exception:
        return traceback.format_exc()


@dataclass(frozen=True)
class Orders:
    """What a command wants of its jobs beside numbers. `run`: its own name. `keep`: all, selected or none of the heads.

    With `all`, the last checkpoint stays too, so that more epochs can follow.
    """

    run: str
    keep: str


def train(root: Path, training: Training, orders: Orders, link: Link) -> str:
    """Fit one head, writing a result at each milestone; the outcome. A failure is written as the training's.

    At most one process does so at a time, whoever started it, and what another has done is not done again.
    """
    folder, started = Workspace(root).training(training.key), time.time()
    with folder.lock(give_up=link.stopping) as held:
        if not held:
            return result.INTERRUPTED
        if all(result.is_done(folder, epochs) for epochs in training.milestones):
            return result.DONE
        if attempts.used_up(folder, orders.run, training.milestones):
            return result.KILLED
        attempts.add(folder, orders.run, training.milestones)  # before anything that could kill this process
        link.begin()
        try:
            set_up()
            return _train(_Fit(Workspace(root), training, orders), link)
        except Exception as error:
            failure = Result(
                result.outcome_of(error),
                training.condition.epochs,
                error=traceback.format_exc(),
                attempts=len(attempts.read(folder)),
                started=started,
                finished=time.time(),
            )
            result.write(folder, failure)
            return failure.outcome


def _train(fit: "_Fit", link: Link) -> str:
    unsaid = _Unsaid(link)
    for epoch in fit.epochs():
        LOG.info("%s epoch %s of %s", fit.training.key, epoch, fit.training.condition.epochs)
        if not fit.sound:
            return result.DIVERGED
        unsaid.add(fit.history[-1], now=epoch in fit.training.milestones)
        if link.stopping():
            fit.save()
            return result.INTERRUPTED
    return fit.end()


class _Unsaid:
    """Epochs that the orchestrator was not told of yet: quick ones are told together."""

    def __init__(self, link: Link) -> None:
        self._link, self._last = link, 0.0
        self._epochs: list[dict[str, float]] = []

    def add(self, epoch: dict[str, float], now: bool) -> None:
        self._epochs.append(epoch)
        if now or time.monotonic() - self._last > REPORT_SECONDS:
            self._link.report({"epochs": self._epochs})
            self._epochs, self._last = [], time.monotonic()


def _inputs(workspace: Workspace, training: Training, split: str, rows: np.ndarray) -> np.ndarray:
    """What the network is given of a split: stored features, or uint8 pixels."""
    computed = training.features_of().get(split)
    if computed:
        return np.asarray(features.load(workspace, computed)[rows])
    path = workspace.images(training.images).pixels(training.condition.image_size, training.aligned(split))
    pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    return np.asarray(pixels[rows])


def _tensorfloat(on: bool) -> None:
    """Whether products of float32 may be computed with TensorFloat-32 on devices that have it."""
    if slots.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(on)


class _Fit:
    """A training under way: its images' features and labels, its model, its history, and the files it writes."""

    def __init__(self, workspace: Workspace, training: Training, orders: Orders) -> None:
        import keras

        from ablation.training import front, head

        keras.utils.clear_session()
        _tensorfloat(training.condition.precision == "tensorfloat32")
        self.training, self._orders = training, orders
        self._folder = workspace.training(training.key)
        self._todo = [m for m in training.milestones if not result.is_done(self._folder, m)]
        rows, self._y = splits.read(workspace.images(training.images), training.split)
        self._x = {split: _inputs(workspace, training, split, r) for split, r in rows.items()}
        condition = training.condition
        before = front.build(condition, training.weights.source) if front.is_needed(condition) else []
        self._model = head.build(self._x["train"].shape[1:], training.classes, condition, training.seed, before)
        given = [np.asarray(keras.ops.convert_to_numpy(v)) for layer in before for v in layer.weights]
        write_json(self._folder.witness, witness(self._model, given, self._x, self._y, condition, training.seed))
        self.history: list[dict[str, float]] = []
        self._started = time.time()
        self._go_on()
        self._clock = checkpoint.Clock(head.state_bytes(self._model))
        write_json(self._folder.description, training.model_dump(mode="json"))

    def _go_on(self) -> None:
        """From a checkpoint that lies before the first result that is missing, if there is one."""
        from ablation.training import head

        found = checkpoint.latest(self._folder, self._todo[0], environment())
        if found:
            head.set_state(self._model, found.arrays)
            self.history = list(found.history)
            self._started -= found.seconds

    @property
    def sound(self) -> bool:
        """Whether the loss of the last epoch is a number."""
        return bool(np.isfinite([self.history[-1]["loss"], self.history[-1]["val_loss"]]).all())

    def epochs(self) -> Iterator[int]:
        """Train; yields each epoch once it is in the history, and its result, where it is a milestone, on disk."""
        from ablation.training import head

        condition, seed = self.training.condition, self.training.seed
        for epoch, logs in head.fit(
            self._model, self._x["train"], self._y["train"], condition, seed, len(self.history)
        ):
            validation = head.predict(self._model, self._x["val"], self._y["val"])
            after = {f"val_{name}": value for name, value in self._scores("val", validation).items()}
            self.history.append({"epoch": epoch, **logs, **after, "time": time.time()})
            if not self.sound:
                self._diverge(epoch)
            elif epoch in self._todo:
                self._reach(epoch, validation)
            if self._clock.due() and epoch < condition.epochs:
                self.save()
            yield epoch

    def _diverge(self, epoch: int) -> None:
        failure = self._result(result.DIVERGED, epoch, error=f"the loss is no number after epoch {epoch}")
        result.write(self._folder, failure)
        checkpoint.clear(self._folder)

    def _reach(self, epoch: int, validation: Predictions) -> None:
        """Write the result of a milestone. Test predictions are written, and not looked at."""
        from ablation.training import head

        train, test = (head.predict(self._model, self._x[s], self._y[s]) for s in ("train", "test"))
        if self._orders.keep != "none":
            with atomic(self._folder.head(epoch)) as temporary:
                head.save(self._model, temporary)
        scores = {"train": self._scores("train", train), "val": self._scores("val", validation)}
        predictions = {
            "val": validation.write(self._folder.predictions("val", epoch)),
            "test": test.write(self._folder.predictions("test", epoch)),
        }
        result.write(self._folder, self._result(result.DONE, epoch, scores=scores, predictions=predictions))

    def save(self) -> None:
        """Write a checkpoint."""
        from ablation.training import head

        found = checkpoint.Checkpoint(
            epoch=len(self.history),
            arrays=head.state(self._model),
            history=self.history,
            seconds=time.time() - self._started,
            environment=environment(),
        )
        self._clock.write(self._folder, found)

    def end(self) -> str:
        """All milestones are reached: what was kept for an interruption, and an earlier try's failure, go."""
        self._folder.failure.unlink(missing_ok=True)
        if self._orders.keep == "all":
            self.save()
        else:
            checkpoint.clear(self._folder)
        return result.DONE

    def _scores(self, split: str, found: Predictions) -> dict[str, float]:
        return evaluation.scores(self._y[split], found.classes, found.losses)

    def _result(self, outcome: str, epochs: int, **more: Any) -> Result:
        from ablation.training import head

        return Result(
            outcome,
            epochs,
            history=list(self.history),
            parameters=head.trainable(self._model),
            attempts=len(attempts.read(self._folder)),
            memory=peak_memory(),
            started=self._started,
            finished=time.time(),
            environment=environment(),
            **more,
        )


if __name__ == "__main__":  # the orchestrator's child: `python -m ablation.worker BACKBONE` prints a digest
    socket.setdefaulttimeout(30)  # a network that swallows packets is no network
    print(fetch_imagenet(sys.argv[1]))
