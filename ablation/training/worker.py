"""What a worker does for the Keras experiment beside training: fetch weights, predict, measure. What a job raises,
its pool makes an outcome.

Imports of the backend stand inside functions: the slot's environment must be set before it is loaded, and the
orchestrator imports this file without loading it.
"""

import functools
import logging
import socket
import sys
from pathlib import Path

import numpy as np

from ablation.outcomes import JobOutcome, Status
from ablation.planning.cost import Speed
from ablation.training import devices, features, installed
from ablation.training.cost import Extraction, Shape
from ablation.training.jobs import Features, HeadTraining
from ablation.workers import slots
from ablation.workers.pool import Link


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
    if megabytes and devices.backend() == "tensorflow":
        import tensorflow as tf

        limit = tf.config.LogicalDeviceConfiguration(memory_limit=megabytes)
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.set_logical_device_configuration(gpu, [limit])


def _compute_in(precision: str) -> None:
    """Whether products of float32 may be computed with TensorFloat-32 on devices that have it, by the backend's own
    switch."""
    if devices.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(precision == "tensorfloat32")
    if devices.backend() == "jax":
        import jax

        kind = "tensorfloat32" if precision == "tensorfloat32" else "float32"  # of 32-bit inputs: others have one kind
        jax.config.update("jax_default_matmul_precision", kind)


def fetch_imagenet(backbone: str) -> str:
    """The digest of the ImageNet weights that Keras keeps or downloads. Raises what Keras raises."""
    set_up()
    from ablation.training import front

    return features.digest_of(front.backbone(backbone, "imagenet", 32)[0])


def answer(training: HeadTraining, head: Path, images: Path, link: Link) -> JobOutcome[np.ndarray]:
    """What a trained network says of images: probabilities (N, K) float32. `head`: the file of its weights; `images`:
    of the pixels."""
    set_up()
    from ablation.training import whole

    model = whole.build(training, head)
    pixels = np.load(images, mmap_mode="r", allow_pickle=False)
    parts, many = [], features.batch(training.condition.image_size)
    for start in range(0, len(pixels), many):
        parts.append(np.asarray(model.predict_on_batch(np.asarray(pixels[start : start + many]))))
        link.report({"images": min(start + many, len(pixels)), "of": len(pixels)})
        if link.stopping():
            return JobOutcome(Status.INTERRUPTED)
    return JobOutcome(Status.DONE, np.concatenate(parts).astype(np.float32))


def measure_features(wanted: Features, link: Link) -> JobOutcome[Extraction]:
    """What features cost here."""
    set_up()
    from ablation.training import measuring

    return JobOutcome(Status.DONE, measuring.extraction(wanted))


def measure(shape: Shape, link: Link) -> JobOutcome[Speed]:
    """How quick trainings of this shape are here."""
    set_up(shape.condition.precision)
    import keras

    from ablation.training import measuring

    keras.utils.clear_session()
    return JobOutcome(Status.DONE, measuring.speed(shape))


if __name__ == "__main__":  # the orchestrator's child: `python -m ablation.training.worker BACKBONE` prints a digest
    socket.setdefaulttimeout(30)  # a network that swallows packets is no network
    print(fetch_imagenet(sys.argv[1]))
