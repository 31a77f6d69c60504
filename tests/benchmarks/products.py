"""The least that a training can cost: its matrix products alone, on this machine, with TensorFlow's kernels.

python products.py FC_UNITS BATCH STEPS PRECISION

Prints the seconds of STEPS steps of a head 512 -> u -> u -> 6: forward, and both gradients of each layer.
"""

import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import tensorflow as tf

units, batch, steps = map(int, sys.argv[1:4])
precision = tf.as_dtype(sys.argv[4])
SHAPES = [(512, units), (units, units), (units, 6)]
x = [tf.cast(tf.random.normal((batch, a)), precision) for a, _ in SHAPES]
w = [tf.cast(tf.random.normal(shape), precision) for shape in SHAPES]
up = [tf.cast(tf.random.normal((batch, b)), precision) for _, b in SHAPES]


@tf.function
def step() -> list:
    """In the order of the layout that is fastest here, as the trainer's own products."""
    found = []
    for i in range(len(SHAPES)):
        found += [x[i] @ w[i], tf.matmul(x[i], up[i], transpose_a=True)]
        if i:  # nothing is handed back below the first layer
            found.append(tf.transpose(tf.matmul(w[i], up[i], transpose_b=True)))
    return [tf.reduce_sum(f[:1, :1]) for f in found]


step()
times = []
for _ in range(max(5, min(steps, 20))):
    began = time.perf_counter()
    step()
    times.append(time.perf_counter() - began)
print(sorted(times)[len(times) // 2] * steps)
