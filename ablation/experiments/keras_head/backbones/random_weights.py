"""Seeded random weights from which a head can learn, for any backbone: without a download or images of a study.

With Keras' default initialiser, the signal fades through many layers, and with ReLUs the features of all images have
nearly the same direction. Therefore the outputs of each layer are scaled to mean 0 and variance 1 a channel on smooth
noise (data-dependent initialisation, Kraehenbuehl et al. 2016, with noise as data). The features are scaled in the same
way.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

IMAGES = 64
FLOOR = 0.1  # share of the mean deviation: channels with a smaller deviation are not amplified further


def smooth_noise(rng: np.random.Generator, n: int, size: int) -> np.ndarray:
    """Return pixels (n, size, size, 3) in 0-255 with the 1/f spectrum of natural images, mostly grey like these."""
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(size)] * 2))
    frequency[0, 0] = 1 / size
    spectrum = rng.normal(size=(n, size, size, 4, 2)) @ (1, 1j) / frequency[None, :, :, None]
    waves = np.fft.ifft2(spectrum, axes=(1, 2)).real
    waves /= waves.std()
    pixels = 128 + 50 * (0.9 * waves[..., :1] + 0.4 * waves[..., 1:])
    return pixels.clip(0, 255).astype(np.float32)


def _statistics(outputs: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each channel, over images and positions."""
    values = keras.ops.convert_to_numpy(outputs).astype(np.float64)
    axes = tuple(range(values.ndim - 1))
    deviation = values.std(axes)
    return values.mean(axes), np.maximum(deviation, FLOOR * deviation.mean())


def randomise(model: Any, preprocess: Callable[[np.ndarray], np.ndarray], seed: int = 0) -> Any:
    """Return `model` with random weights in all layers with a kernel, and with scaled outputs.

    Where batch normalisation follows a layer, its moving averages are set, instead of scaling the kernel and bias.

    Args:
        model: the backbone; its weights are replaced in place.
        preprocess: the backbone's function from pixels in 0-255 to inputs.
        seed: the seed of the noise and the weights.
    """
    rng = np.random.default_rng(seed)
    outputs = {id(model.input): preprocess(smooth_noise(rng, IMAGES, model.input_shape[1]))}
    operations = model.operations[1:]  # the first is the input; not all are layers: x + 3 is none
    uses_left = Counter(id(x) for layer in operations for x in _inputs(layer))
    for layer in operations:
        inputs = [outputs[id(x)] for x in _inputs(layer)]
        x = inputs if inputs[1:] else inputs[0]
        if isinstance(layer, keras.layers.BatchNormalization):
            mean, deviation = _statistics(x)
            layer.moving_mean.assign(mean)
            layer.moving_variance.assign(deviation**2)
        elif getattr(layer, "kernel", None) is not None:
            kernel = _draw(layer, rng)
            if layer.use_bias:
                _calibrate(layer, kernel, x)
        outputs[id(layer.output)] = layer(x) if isinstance(layer, keras.Layer) else _applied(layer, inputs)
        uses_left.subtract(id(x) for x in _inputs(layer))
        outputs = {key: kept for key, kept in outputs.items() if uses_left[key] > 0 or key == id(model.output)}
    mean, deviation = _statistics(outputs[id(model.output)])
    scale = keras.layers.Rescaling((1 / deviation).tolist(), (-mean / deviation).tolist())
    return keras.Model(model.input, scale(model.output))


def _applied(operation: Any, inputs: list[Any]) -> Any:
    """Return the output of an operation that is no layer; its constants are stored in the graph alone."""
    return keras.Function(_inputs(operation), operation.output)(inputs)


def _inputs(layer: Any) -> list[Any]:
    return layer.input if isinstance(layer.input, list) else [layer.input]


def _draw(layer: Any, rng: np.random.Generator) -> np.ndarray:
    """Assign and return a kernel by He et al. (2015). Its scale is right up to a factor, removed later."""
    fan_in = int(np.prod(layer.kernel.shape[:-1]))
    kernel: np.ndarray = rng.normal(0, np.sqrt(2 / fan_in), layer.kernel.shape)
    layer.kernel.assign(kernel.astype(np.float32))
    return kernel


def _calibrate(layer: Any, kernel: np.ndarray, x: Any) -> None:
    """Scale each channel before the activation to mean 0 and variance 1 on the layer's inputs `x`."""
    layer.bias.assign(np.zeros(layer.bias.shape, np.float32))
    activation, layer.activation = layer.activation, None
    mean, deviation = _statistics(layer(x))
    layer.activation = activation
    layer.kernel.assign((kernel / deviation).astype(np.float32))
    layer.bias.assign((-mean / deviation).astype(np.float32))
