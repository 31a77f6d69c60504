"""What a worker does: fetch weights, extract features, train, predict. Nothing is raised across processes.

Imports of the backend stand inside functions: the slot's environment must be set before it is loaded, and the
orchestrator imports this file without loading it.
"""

import functools
import logging
import socket
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ablation.planning import attempts
from ablation.planning.cost import Extraction, Shape, Speed
from ablation.planning.plan import Features, Training
from ablation.results import result
from ablation.results.result import Result
from ablation.training import features, installed
from ablation.workers import slots
from ablation.workers.pool import Link
from ablation.workspace import Workspace

LOG = logging.getLogger(__name__)


def set_up(precision: str = "float32") -> None:
    """Before each job; products of float32 are exact unless `precision` is tensorfloat32."""
    _pin()
    _compute_in(precision)


@functools.cache
def _pin() -> None:
    """Once a process: what keras.json could change is pinned, and the backend is quiet."""
    installed.check()
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


def _compute_in(precision: str) -> None:
    """Whether products of float32 may be computed with TensorFloat-32 on devices that have it, by the backend's own
    switch."""
    if slots.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(precision == "tensorfloat32")
    if slots.backend() == "jax":
        import jax

        kind = "tensorfloat32" if precision == "tensorfloat32" else "float32"  # of 32-bit inputs: others have one kind
        jax.config.update("jax_default_matmul_precision", kind)


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
        LOG.exception("%s", wanted.key)
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
        parts, many = [], features.batch(training.condition.image_size)
        for start in range(0, len(pixels), many):
            parts.append(np.asarray(model.predict_on_batch(np.asarray(pixels[start : start + many]))))
            link.report({"images": min(start + many, len(pixels)), "of": len(pixels)})
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
        set_up(shape.condition.precision)
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
            set_up(training.condition.precision)
            from ablation.training import fit

            return fit.run(fit.Fit(Workspace(root), training, orders.keep), link)
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


if __name__ == "__main__":  # the orchestrator's child: `python -m ablation.training.worker BACKBONE` prints a digest
    socket.setdefaulttimeout(30)  # a network that swallows packets is no network
    print(fetch_imagenet(sys.argv[1]))
