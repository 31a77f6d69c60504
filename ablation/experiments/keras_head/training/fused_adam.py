"""Fused Adam: one pass over memory with TensorFlow's own kernel, where Keras' update takes a dozen passes."""

from typing import Any

import tensorflow as tf
from keras import optimizers


class _Fused:
    """Keras' Adam with a fused update step. The formula is the same (Kingma and Ba 2015, epsilon outside)."""

    def update_step(self: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations.value + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


class Adam(_Fused, optimizers.Adam):
    """Adam with the fused update step."""


class AdamW(_Fused, optimizers.AdamW):
    """AdamW with the fused update step. Keras applies the weight decay before the step."""


OPTIMIZERS = {"adam": Adam, "adamw": AdamW}
