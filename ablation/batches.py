"""What a head sees in epoch e: a function of (seed, e) alone, so that epochs can be shared and resumed exactly."""

from collections.abc import Iterator

import numpy as np

ORDER, DROPOUT, WEIGHTS = range(3)  # streams of randomness that must not share a seed


def stream(seed: int, *path: int) -> int:
    """A 32-bit seed of its own for each (seed, *path)."""
    return int(np.random.SeedSequence([seed, *path]).generate_state(1)[0])


def order(n: int, seed: int, epoch: int) -> np.ndarray:
    """The order of n images in `epoch` (from 1), shape (n,)."""
    return np.random.default_rng([seed, ORDER, epoch]).permutation(n)


def batches(x: np.ndarray, y: np.ndarray, size: int, seed: int, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of `epoch`; the last one may be smaller. x: (n, ...), y: (n,)."""
    rows = order(len(y), seed, epoch)
    for start in range(0, len(rows), size):
        chosen = rows[start : start + size]
        yield x[chosen], y[chosen]
