"""Batches of an epoch: a function of (seed, epoch) alone, so that trainings can be shared and resumed exactly."""

from collections.abc import Iterator

import numpy as np

ORDER, DROPOUT, WEIGHTS, AUGMENT, CLASS = range(5)  # streams of random numbers, which must not share a seed


def stream(seed: int, *path: int) -> int:
    """Return a 32-bit seed that is derived from (seed, *path)."""
    return int(np.random.SeedSequence([seed, *path]).generate_state(1)[0])


def order(n: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of n images in `epoch` (from 1), shape (n,)."""
    return np.random.default_rng([seed, ORDER, epoch]).permutation(n)


def even_order(y: np.ndarray, size: int, seed: int, epoch: int) -> np.ndarray:
    """Return an order of images in which the class counts of each batch differ by one at most.

    Images of small classes are repeated. Images of large classes may be left for another epoch. No image is repeated
    before all images of its class were used once.

    Args:
        y: Labels, shape (n,).
        size: Images in a batch; the last batch may be smaller.
        seed: Seed of the training.
        epoch: Number of the epoch, from 1.

    Returns:
        Positions in y, shape (n,).
    """
    classes = np.unique(y)
    streams = [_supply(np.flatnonzero(y == k), seed, epoch, int(k)) for k in classes]
    rng = np.random.default_rng([seed, CLASS, epoch])
    rows: list[int] = []
    while len(rows) < len(y):
        n_images = min(size, len(y) - len(rows))
        larger = rng.permutation(len(classes))[: n_images % len(classes)]  # which classes get one more
        class_counts = np.full(len(classes), n_images // len(classes))
        class_counts[larger] += 1
        batch = [next(supply) for supply, n in zip(streams, class_counts, strict=True) for _ in range(n)]
        rows += [batch[i] for i in rng.permutation(n_images)]
    return np.array(rows)


def _supply(rows: np.ndarray, seed: int, epoch: int, label: int) -> Iterator[int]:
    rng = np.random.default_rng([seed, CLASS, epoch, label])
    while True:
        yield from rng.permutation(rows).tolist()


def class_weights(y: np.ndarray) -> dict[int, float]:
    """Return a weight for each class: all classes weigh the same in the loss, and the mean weight of an image is 1."""
    labels, counts = np.unique(y, return_counts=True)
    return {int(k): len(y) / (len(labels) * n) for k, n in zip(labels.tolist(), counts.tolist(), strict=True)}


def image_weights(y: np.ndarray) -> np.ndarray:
    """Return the class weight of each image, shape (n,) float32."""
    weights = class_weights(y)
    return np.array([weights[k] for k in y.tolist()], np.float32)


def rows(y: np.ndarray, size: int, seed: int, epoch: int, even: bool = False) -> np.ndarray:
    """Return the positions of labels y (n,) in the order of an epoch, shape (n,).

    Args:
        y: Labels, shape (n,).
        size: Images in a batch.
        seed: Seed of the training.
        epoch: Number of the epoch, from 1.
        even: Whether batches are balanced over classes, as in `even_order`.
    """
    return even_order(y, size, seed, epoch) if even else order(len(y), seed, epoch)


def cut(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Return an iterator over batches of `size` of the positions `rows` (n,). The last batch may be smaller."""
    return (rows[start : start + size] for start in range(0, len(rows), size))


def stacks(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """Return the batches of `cut` as arrays (steps, batch): the full batches, then the smaller one, if any."""
    whole = len(rows) - len(rows) % size
    return [stack for stack in (rows[:whole].reshape(-1, size), rows[whole:].reshape(1, -1)) if stack.size]


def batches(x: np.ndarray, y: np.ndarray, rows: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the batches of an epoch. The last batch may be smaller.

    Args:
        x: Images or features, shape (n, ...).
        y: Labels, shape (n,).
        rows: Positions in x and y, in the order of the epoch, shape (n,).
        size: Images in a batch.
    """
    for batch in cut(rows, size):
        yield x[batch], y[batch]
