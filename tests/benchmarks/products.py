"""The least that an epoch can cost: its matrix products alone, on this machine, with TensorFlow's kernels.

    python products.py FC_UNITS BATCH IMAGES VALIDATION PRECISION

Prints the seconds of an epoch of a head 512 -> u -> u -> 6: forward, and both gradients of each layer, for IMAGES in
batches, and forward for VALIDATION images.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import tensorflow as tf

units, batch, images, validation = map(int, sys.argv[1:5])
precision = tf.as_dtype(sys.argv[5])
SHAPES = [(512, units), (units, units), (units, 6)]
x = [tf.cast(tf.random.normal((batch, a)), precision) for a, _ in SHAPES]
unseen = [tf.cast(tf.random.normal((validation, a)), precision) for a, _ in SHAPES]
w = [tf.cast(tf.random.normal(shape), precision) for shape in SHAPES]
up = [tf.cast(tf.random.normal((batch, b)), precision) for _, b in SHAPES]


def below(kernel: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    """Return the gradient for the layer below, in the layout that is fastest: the trainer's own."""
    if precision == tf.float32:
        return tf.transpose(tf.matmul(kernel, gradient, transpose_b=True))
    return tf.matmul(gradient, kernel, transpose_b=True)


@tf.function
def step() -> list:
    products = []
    for i in range(len(SHAPES)):
        products += [x[i] @ w[i], tf.matmul(x[i], up[i], transpose_a=True)]
        if i:  # nothing is handed back below the first layer
            products.append(below(w[i], up[i]))
    return [tf.reduce_sum(f[:1, :1]) for f in products]


@tf.function
def forward() -> list:
    return [tf.reduce_sum((inputs @ kernel)[:1, :1]) for inputs, kernel in zip(unseen, w, strict=True)]


def median(run: Callable[[], object], times: int = 15) -> float:
    run()
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        spent.append(time.perf_counter() - began)
    return statistics.median(spent)


print(median(step) * images / batch + median(forward))
