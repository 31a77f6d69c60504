"""Groups of examples, such as people or clips: values whose mean has the variance of a sample of groups."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

FEWEST = 6  # with fewer groups, there is no interval
FEW = 12  # with fewer groups, a sign-flip test is added to the t test


@dataclass(frozen=True)
class GroupSizes:
    """Number of examples of each of G groups, (G,)."""

    sizes: np.ndarray

    @cached_property
    def scale(self) -> np.ndarray:
        """Factor of each group's deviation, (G,), that removes the bias of unequal sizes (CR2, Bell & McCaffrey 2002).

        With equal sizes, all factors are 1.
        """
        n_groups, shares = len(self.sizes), self.sizes / self.sizes.sum()
        factors: np.ndarray = np.sqrt((1 - 1 / n_groups) / (1 - shares))
        return factors

    @property
    def degrees(self) -> float:
        """Degrees of freedom: the effective number of groups (Carter, Schnepel & Steigerwald 2017) minus one."""
        return float(self.sizes.sum() ** 2 / (self.sizes**2).sum() - 1)

    def symmetric(self, values: np.ndarray) -> np.ndarray:
        """Return the share of each group in the mean, (P, G), whose signs are flipped in a test, from `group_values`.

        `values`: (P, G).
        """
        means = values.mean(axis=1, keepdims=True)
        shares: np.ndarray = values - means * (1 - self.sizes / self.sizes.mean())
        return shares


def group_values(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return one value per group, whose mean is the mean over examples: (..., G).

    The value of group g is m + (n_g / n)(m_g - m), with the mean m over all examples, the mean m_g and the size n_g of
    the group, and the mean size n: the linearized ratio of sums over groups (Cochran 1977, 6.4). With groups of equal
    size, it is the mean of the group.

    Args:
        values: scores of N examples, (..., N).
        groups: position of each example's group, (N,) int, from 0 to G - 1; each group has an example.
    """
    sizes = np.bincount(groups)
    order = np.argsort(groups, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    sums = np.add.reduceat(values[..., order].astype(float), starts, axis=-1)
    mean = sums.sum(axis=-1, keepdims=True) / sizes.sum()
    linearized: np.ndarray = mean + (sums - sizes * mean) / sizes.mean()
    return linearized


def example_counts(weights: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return how often each example occurs in samples of groups, (B, N), from how often each group occurs, (B, G)."""
    counts: np.ndarray = weights[:, groups]
    return counts
