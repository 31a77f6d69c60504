"""A loop in JAX that resumes, and whose epochs are shared: 5 epochs are read off the training of 20."""

import functools
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Interval
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

BATCH = 64


def start(width: int, seed: int) -> list[Any]:
    first, second = jax.random.split(jax.random.key(seed))
    scale = (2 / 64) ** 0.5, (2 / width) ** 0.5
    return [
        (scale[0] * jax.random.normal(first, (64, width)), jnp.zeros(width)),
        (scale[1] * jax.random.normal(second, (width, 10)), jnp.zeros(10)),
    ]


def logits(parameters: list[Any], x: jax.Array, activation: str) -> jax.Array:
    (w1, b1), (w2, b2) = parameters
    hidden = x @ w1 + b1
    return (jax.nn.relu(hidden) if activation == "relu" else jnp.tanh(hidden)) @ w2 + b2


def loss(parameters: list[Any], x: jax.Array, y: jax.Array, activation: str) -> jax.Array:
    return -jnp.mean(jax.nn.log_softmax(logits(parameters, x, activation))[jnp.arange(len(y)), y])


@functools.partial(jax.jit, static_argnames="activation")
def update(
    parameters: list[Any], x: jax.Array, y: jax.Array, rate: float, activation: str
) -> tuple[list[Any], jax.Array]:
    value, slopes = jax.value_and_grad(loss)(parameters, x, y, activation)
    return jax.tree.map(lambda p, g: p - rate * g, parameters, slopes), value


def train(
    run: Any, *, rate: Annotated[float, Interval(gt=0, le=10)] = 0.2, width: Annotated[int, Interval(ge=1)] = 32,
    activation: Literal["relu", "tanh"] = "relu", epochs: int = 20,
) -> None:  # fmt: skip
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.3, random_state=run.seed, stratify=y)
    state = {"parameters": start(width, run.seed)}

    def save(path: str) -> None:
        with open(path, "wb") as file:
            np.savez(file, *jax.tree.leaves(state["parameters"]))

    def load(path: str) -> None:
        with np.load(path) as arrays:
            tree = jax.tree.structure(state["parameters"])
            state["parameters"] = jax.tree.unflatten(tree, [jnp.asarray(arrays[name]) for name in arrays.files])

    run.state(save, load)
    for _ in run.steps(epochs):
        losses = []
        order = np.random.permutation(len(x))  # seeded from (seed, step): the same after an interruption
        for batch in np.split(order, range(BATCH, len(x), BATCH)):
            state["parameters"], value = update(state["parameters"], x[batch], y[batch], rate, activation)
            losses.append(float(value))
        predicted = {"val": logits(state["parameters"], x_val, activation)}
        accuracy = float((predicted["val"].argmax(1) == y_val).mean())
        run.report(loss=np.mean(losses), val_accuracy=accuracy)
        if run.milestone:
            predicted["test"] = logits(state["parameters"], x_test, activation)
            run.result(
                val={"label": y_val, "predicted": predicted["val"].argmax(1)},
                test={"label": y_test, "predicted": predicted["test"].argmax(1)},
            )
