"""Comparison of measured with published numbers: a verdict for each row, and the agreement of ranks and signs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ablation.analysis.facts import Contrast
from ablation.experiments import is_demo
from ablation.measures.measure import BINARY
from ablation.model.phrases import p_value, plural
from ablation.statistics import intervals
from ablation.statistics.intervals import Interval
from ablation.statistics.rank_agreement import kendall
from ablation.store.record import Record

SAME, OTHER, UNKNOWN = "≈", "≠", "?"
RANKED = 4  # rows from which ranks are compared: the ranks of 3 rows agree by chance in one of 6 orders


@dataclass(frozen=True)
class Reproduced:
    """Test accuracy of one row and its published accuracy, as fractions.

    Attributes:
        verdict: SAME where the interval of the difference contains 0, OTHER where it does not, UNKNOWN where the two
            cannot be compared.
    """

    row: int
    published: Decimal
    measured: float | None
    difference: Interval | None
    verdict: str


@dataclass(frozen=True)
class Agreement:
    """Agreement of measured and published accuracy over all rows that have both.

    Attributes:
        rows: number of these rows.
        tau: Kendall's tau-b of test accuracy; None where it is not defined, and with fewer than RANKED rows.
        p: p value of no association of the ranks; None without `tau`.
        same_signs: number of one-factor contrasts that were measured with their published sign.
        signs: number of one-factor contrasts with a published sign.
        contrasts: number of one-factor contrasts with a published difference.
        within_noise: number of these contrasts whose interval holds 0, for two test sets of `n` examples.
        n: size of a test set for `within_noise`: the source's, or this study's where the source states none.
        is_stated: whether the source states `n`.
    """

    rows: int
    tau: float | None
    p: float | None
    same_signs: int
    signs: int
    contrasts: int
    within_noise: int
    n: int
    is_stated: bool

    @property
    def ranks(self) -> str:
        """Agreement of the ranks in words, with its p value and number of rows; "" where ranks are not compared."""
        if self.tau is None or self.p is None:
            return ""
        return f"Kendall's tau-b {self.tau:.2f} over {plural(self.rows, 'row')} ({p_value(self.p)})"


@dataclass(frozen=True)
class Reproduction:
    """Comparison of a study with published numbers.

    Attributes:
        other: why measured minus published is meaningless here; "" where it is not.
    """

    rows: tuple[Reproduced, ...]
    agreement: Agreement
    other: str


def _other(record: Record, images: int) -> str:
    """Return the reason why the published numbers belong to other data; "" where there is none."""
    if is_demo(record.data):
        return "drawn faces replace the published data"
    stated = record.grid.published_test_images
    if stated and images and stated != images:
        return f"{images:,} test images, {stated:,} in the source"
    return "random weights replace ImageNet's" if record.inputs.replaced else ""


def _verdict(difference: Interval | None) -> str:
    """Return the verdict on measured minus published; UNKNOWN without a difference."""
    if difference is None:
        return UNKNOWN
    return SAME if difference.holds() else OTHER


def _agreement(
    published: Mapping[int, Decimal], measured: Mapping[int, float], contrasts: Sequence[Contrast], n: int,
    is_stated: bool,
) -> Agreement:  # fmt: skip
    """Return the agreement over all rows with both numbers.

    Args:
        published: row -> published accuracy.
        measured: row -> measured accuracy.
        contrasts: pairs of rows that differ in one factor.
        n: size of the published test set, or of this study's.
        is_stated: whether the source states `n`.
    """
    both = [r for r in published if r in measured]
    pairs = [c.pair for c in contrasts if c.pair.first in both and c.pair.second in both]
    published_changes = [published[p.second] - published[p.first] for p in pairs]
    measured_changes = [measured[p.second] - measured[p.first] for p in pairs]
    signs = [(a, b) for a, b in zip(published_changes, measured_changes, strict=True) if a]
    within_noise = [
        intervals.newcombe(float(published[p.second]), float(published[p.first]), n, n).holds() for p in pairs
    ]
    ranked = [float(published[r]) for r in both], [measured[r] for r in both]
    tau, p = (kendall(*ranked) if len(both) >= RANKED else None) or (None, None)
    same_signs = sum((a > 0) == (b > 0) and b != 0 for a, b in signs)
    return Agreement(len(both), tau, p, same_signs, len(signs), len(pairs), sum(within_noise), n, is_stated)


def reproduce(record: Record, measured: Mapping[int, float], contrasts: Sequence[Contrast]) -> Reproduction | None:
    """Return the comparison with published numbers; None where no share of examples was published.

    Args:
        record: the study.
        measured: row -> primary measure on test.
        contrasts: pairs of rows that differ in one factor.
    """
    key = f"test_{record.primary.name}"
    published = {r: p[key] for r, p in enumerate(record.grid.published, start=1) if key in p}
    if not published or record.primary.kind != BINARY:
        return None
    n = {r: record.examples(record.grid.rows[r - 1]).get("test", 0) for r in published}
    first = next(iter(published))
    other = _other(record, n[first])
    published_n = record.grid.published_test_images
    differences = {
        r: intervals.newcombe(measured[r], float(p), n[r], published_n or n[r])
        for r, p in published.items()
        if r in measured and not other
    }
    rows = [
        Reproduced(r, p, measured.get(r), differences.get(r), _verdict(differences.get(r)))
        for r, p in published.items()
    ]
    agreement = _agreement(published, measured, contrasts, published_n or n[first], bool(published_n))
    return Reproduction(tuple(rows), agreement, other)
