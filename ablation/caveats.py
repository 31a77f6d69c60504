"""The warnings: each a fact with numbers, what follows from it, and what to do about it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Caveat:
    """`code`: fixed for ever, SINGLE_SEED; each of the others is one sentence. `rows`: those that it is about."""

    code: str
    fact: str
    consequence: str
    remedy: str
    rows: tuple[int, ...] = ()
