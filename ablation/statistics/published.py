"""How the measured numbers stand beside the published ones: a verdict a row, and the agreement of ranks and signs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ablation.datasets import is_demo
from ablation.grids.record import Record
from ablation.measures.measure import BINARY
from ablation.statistics import comparison
from ablation.statistics.comparison import Interval
from ablation.statistics.facts import Contrast

SAME, OTHER, UNKNOWN = "≈", "≠", "?"


@dataclass(frozen=True)
class Reproduced:
    """One row's test accuracy beside the published one, as fractions. `verdict`: SAME where the interval of the
    difference holds 0, OTHER where it does not, UNKNOWN where the two cannot be compared."""

    row: int
    published: Decimal
    measured: float | None
    difference: Interval | None
    verdict: str


@dataclass(frozen=True)
class Agreement:
    """Measured beside published over all rows that have both. `tau`: Kendall's tau-b of test accuracy, None where it is
    not defined. `same_signs` of `signs`: one-factor contrasts whose published sign was measured. `within_noise`: those
    whose published difference is one that test sets of this size cannot show."""

    rows: int
    tau: float | None
    same_signs: int
    signs: int
    within_noise: int


@dataclass(frozen=True)
class Reproduction:
    """`other`: why measured minus published says nothing here ("" where it does)."""

    rows: tuple[Reproduced, ...]
    agreement: Agreement
    other: str


def _other(record: Record, images: int) -> str:
    """Why the published numbers are of other data than ours; "" where nothing says so."""
    if is_demo(record.data):
        return "drawn faces stand in for the published data"
    stated = record.grid.published_test_images
    if stated and images and stated != images:
        return f"{images:,} test images, {stated:,} in the source"
    return "random weights stand in for ImageNet's" if record.inputs.replaced else ""


def _reproduced(
    row: int, published: Decimal, measured: float | None, n: int, published_n: int, other: str
) -> Reproduced:
    if measured is None or other:
        return Reproduced(row, published, measured, None, UNKNOWN)
    found = comparison.independent(measured, float(published), n, published_n)
    return Reproduced(row, published, measured, found, SAME if found.holds() else OTHER)


def _agreement(
    published: Mapping[int, Decimal], measured: Mapping[int, float], contrasts: Sequence[Contrast], n: int
) -> Agreement:
    both = [r for r in published if r in measured]
    pairs = [c.pair for c in contrasts if c.pair.first in both and c.pair.second in both]
    theirs = [published[p.second] - published[p.first] for p in pairs]
    ours = [measured[p.second] - measured[p.first] for p in pairs]
    told = [(a, b) for a, b in zip(theirs, ours, strict=True) if a]
    noise = [comparison.independent(float(published[p.second]), float(published[p.first]), n, n).holds() for p in pairs]
    return Agreement(
        len(both),
        comparison.kendall([float(published[r]) for r in both], [measured[r] for r in both]) if len(both) > 1 else None,
        sum((a > 0) == (b > 0) and b != 0 for a, b in told),
        len(told),
        sum(noise),
    )


def reproduce(record: Record, measured: Mapping[int, float], contrasts: Sequence[Contrast]) -> Reproduction | None:
    """`measured`: row -> primary measure on test. None where nothing was published that is a share of examples."""
    key = f"test_{record.primary.name}"
    published = {r: p[key] for r, p in enumerate(record.grid.published, start=1) if key in p}
    if not published or record.primary.kind != BINARY:
        return None
    n = {r: record.examples(record.grid.rows[r - 1]).get("test", 0) for r in published}
    first = next(iter(published))
    other = _other(record, n[first])
    theirs = record.grid.published_test_images
    rows = [_reproduced(r, p, measured.get(r), n[r], theirs or n[r], other) for r, p in published.items()]
    return Reproduction(tuple(rows), _agreement(published, measured, contrasts, theirs or n[first]), other)
