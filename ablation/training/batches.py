"""What a head sees in epoch e: a function of (seed, e) alone, so that epochs can be shared and resumed exactly."""

from collections.abc import Iterator

import numpy as np

ORDER, DROPOUT, WEIGHTS, AUGMENT, CLASS = range(5)  # streams of randomness that must not share a seed


def stream(seed: int, *path: int) -> int:
    """A 32-bit seed of its own for each (seed, *path)."""
    return int(np.random.SeedSequence([seed, *path]).generate_state(1)[0])


def order(n: int, seed: int, epoch: int) -> np.ndarray:
    """The order of n images in `epoch` (from 1), shape (n,)."""
    return np.random.default_rng([seed, ORDER, epoch]).permutation(n)


def even_order(y: np.ndarray, size: int, seed: int, epoch: int) -> np.ndarray:
    """As `order`, but drawn so that in each batch of `size` the counts of the classes differ by one at most.

    Images of small classes come again and those of large ones may wait for another epoch; none comes twice before all
    of its class have come once.
    """
    classes = np.unique(y)
    supplies = [_supply(np.flatnonzero(y == k), seed, epoch, int(k)) for k in classes]
    turns = np.random.default_rng([seed, CLASS, epoch])
    rows: list[int] = []
    while len(rows) < len(y):
        many = min(size, len(y) - len(rows))
        extra = turns.permutation(len(classes))[: many % len(classes)]  # which classes get one more
        share = np.full(len(classes), many // len(classes))
        share[extra] += 1
        batch = [next(supply) for supply, n in zip(supplies, share, strict=True) for _ in range(n)]
        rows += [batch[i] for i in turns.permutation(many)]
    return np.array(rows)


def _supply(rows: np.ndarray, seed: int, epoch: int, label: int) -> Iterator[int]:
    rng = np.random.default_rng([seed, CLASS, epoch, label])
    while True:
        yield from rng.permutation(rows).tolist()


def class_weights(y: np.ndarray) -> dict[int, float]:
    """Of each class, so that all weigh the same in the loss and the mean weight of an image is 1."""
    labels, counts = np.unique(y, return_counts=True)
    return {int(k): len(y) / (len(labels) * n) for k, n in zip(labels.tolist(), counts.tolist(), strict=True)}


def image_weights(y: np.ndarray) -> np.ndarray:
    """The weight of each image's class, (n,) float32."""
    weights = class_weights(y)
    return np.array([weights[k] for k in y.tolist()], np.float32)


def rows(y: np.ndarray, size: int, seed: int, epoch: int, even: bool = False) -> np.ndarray:
    """The positions of labels y (n,) in the order of `epoch`, shape (n,). `even`: drawn evenly over classes, for
    batches of `size`."""
    return even_order(y, size, seed, epoch) if even else order(len(y), seed, epoch)


def cut(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """`rows` (n,) in batches of `size`; the last one may be smaller."""
    return (rows[start : start + size] for start in range(0, len(rows), size))


def stacks(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """The batches of `cut` as arrays (steps, batch): those of `size`, then the smaller one, where there are such."""
    whole = len(rows) - len(rows) % size
    return [stack for stack in (rows[:whole].reshape(-1, size), rows[whole:].reshape(1, -1)) if stack.size]


def batches(
    x: np.ndarray, y: np.ndarray, size: int, seed: int, epoch: int, even: bool = False
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of `epoch`; the last one may be smaller. x: (n, ...), y: (n,). `even`: drawn evenly over classes."""
    for chosen in cut(rows(y, size, seed, epoch, even), size):
        yield x[chosen], y[chosen]
