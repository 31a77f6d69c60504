"""Jobs of a worker other than training: fetch weights, predict, measure. The pool turns exceptions into outcomes.

Functions import the backend themselves: the slot's environment must be set before the backend is loaded. The
orchestrator imports this file without loading a backend.
"""

import functools
import logging
import socket
import sys
from pathlib import Path

import numpy as np

from ablation.engine import slots
from ablation.engine.cost import Speed
from ablation.engine.pool import Channel
from ablation.experiments.keras_head.training import devices, features, installed
from ablation.experiments.keras_head.training.cost import Extraction, Shape
from ablation.experiments.keras_head.training.jobs import Features, HeadTraining
from ablation.outcomes import JobOutcome, Status


def set_up(precision: str = "float32") -> None:
    """Configure the backend before a job. Products of float32 are exact unless `precision` is tensorfloat32."""
    _pin()
    _compute_in(precision)


@functools.cache
def _pin() -> None:
    """Pin the settings that keras.json could change, and silence the backend's log. Runs once per process."""
    installed.check()
    import keras

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    _limit_memory(slots.memory_limit())


def _limit_memory(megabytes: int | None) -> None:
    """Limit this process to a fixed share of its GPU, with TensorFlow's own call. JAX reads a variable instead."""
    if megabytes and devices.backend() == "tensorflow":
        import tensorflow as tf

        limit = tf.config.LogicalDeviceConfiguration(memory_limit=megabytes)
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.set_logical_device_configuration(gpu, [limit])


def _compute_in(precision: str) -> None:
    """Switch TensorFloat-32 on or off for products of float32, with the backend's own switch.

    The switch has an effect on devices that have TensorFloat-32.
    """
    if devices.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(precision == "tensorfloat32")
    if devices.backend() == "jax":
        import jax

        kind = "tensorfloat32" if precision == "tensorfloat32" else "float32"  # applies to 32-bit inputs alone
        jax.config.update("jax_default_matmul_precision", kind)


def fetch_imagenet(backbone: str) -> str:
    """Return the digest of the ImageNet weights, which Keras caches or downloads. Keras' exceptions pass through."""
    set_up()
    from ablation.experiments.keras_head.training import input_layers

    return features.digest_of(input_layers.backbone(backbone, "imagenet", 32)[0])


def predict(training: HeadTraining, weights: Path, examples: Path, channel: Channel) -> JobOutcome[np.ndarray]:
    """Return the probabilities (N, K) float32 of stored images.

    Args:
        training: Training that the model comes from.
        weights: File of the head's weights.
        examples: File of the images' pixels, (N, size, size, 3) uint8.
        channel: Channel to the orchestrator, for progress and for requests to stop.
    """
    set_up()
    from ablation.experiments.keras_head.training import full_model

    model = full_model.build(training, weights)
    pixels = np.load(examples, mmap_mode="r", allow_pickle=False)
    parts, batch_size = [], features.batch(training.condition.image_size)
    for start in range(0, len(pixels), batch_size):
        parts.append(np.asarray(model.predict_on_batch(np.asarray(pixels[start : start + batch_size]))))
        channel.report({"done": min(start + batch_size, len(pixels)), "of": len(pixels)})
        if channel.stopping():
            return JobOutcome(Status.INTERRUPTED)
    return JobOutcome(Status.DONE, np.concatenate(parts).astype(np.float32))


def measure_features(wanted: Features, link: Channel) -> JobOutcome[Extraction]:
    """Return the cost of features, measured in this process."""
    set_up()
    from ablation.experiments.keras_head.training import profiling

    return JobOutcome(Status.DONE, profiling.extraction(wanted))


def measure(shape: Shape, link: Channel) -> JobOutcome[Speed]:
    """Return the speed of trainings of this shape, measured in this process."""
    set_up(shape.condition.precision)
    import keras

    from ablation.experiments.keras_head.training import profiling

    keras.utils.clear_session()
    return JobOutcome(Status.DONE, profiling.speed(shape))


if (
    __name__ == "__main__"
):  # the orchestrator's child: `python -m ablation.experiments.keras_head.training.worker BACKBONE` prints a digest
    socket.setdefaulttimeout(30)  # seconds; a network that drops packets counts as missing
    print(fetch_imagenet(sys.argv[1]))
