"""How far chance alone moves the numbers: seeds, and the images of a split."""

from statistics import variance

from ablation.caveats.caveat import Caveat, percent, plural, points, sentence, which
from ablation.caveats.known import Known
from ablation.statistics.comparison import ALPHA

SURE = 0.9  # share of bootstrap samples of validation that a selection should win (report.md, 3.3)
CLAIM = 0.5  # of a claimed difference: a larger standard deviation over seeds makes it doubtful (report.md, 3.3)


def single_seed(known: Known) -> Caveat | None:
    rows = [row for row, some in known.finished.items() if len(some) == 1]
    if not rows:
        return None
    noise = known.findings.analysis.noise
    replicates = (
        f" The reference, trained with {plural(len(noise.accuracies), 'more seed')}, has test accuracies "
        f"from {percent(min(noise.accuracies))} to {percent(max(noise.accuracies))}."
        if noise
        else ""
    )
    return Caveat(
        "SINGLE_SEED",
        f"{sentence(which(rows, 'was', 'were'))} trained with one seed.{replicates}",
        "Intervals and tests are over images: they speak of these trained networks, not of their settings, which "
        "another seed can move further.",
        "Run with --seeds 5, or at least repeat the reference (--replicate-reference 5), before a setting is called "
        "better.",
        tuple(rows),
    )


def _deviation(known: Known) -> float | None:
    """The standard deviation of test accuracy between seeds: pooled over all rows that have more than one."""
    several = [a.accuracy.tolist() for a in known.findings.test.values() if len(a.seeds) > 1]
    if known.findings.replicates and len(known.findings.replicates.seeds) > 1:
        several.append(known.findings.replicates.accuracy.tolist())
    freedom = sum(len(some) - 1 for some in several)
    return (sum((len(some) - 1) * variance(some) for some in several) / freedom) ** 0.5 if freedom else None


def _claims(known: Known) -> dict[tuple[int, int], float]:
    """The differences that a table calls significant, against the reference or between rows that differ in one factor:
    pair of rows -> size."""
    analysis, reference = known.findings.analysis, known.grid.reference
    found = [((row, reference), facts.delta) for row, facts in analysis.rows.items() if facts.delta]
    found += [((c.pair.first, c.pair.second), c.difference) for c in analysis.contrasts]
    return {(min(rows), max(rows)): abs(d.accuracy.value) for rows, d in found if d.p_holm < ALPHA}


def seed_noise(known: Known) -> Caveat | None:
    deviation, claims = _deviation(known), _claims(known)
    doubtful = {rows: size for rows, size in claims.items() if deviation and deviation > CLAIM * size}
    if not deviation or not doubtful:
        return None
    (one, other), smallest = min(doubtful.items(), key=lambda item: item[1])
    all_of = plural(len(claims), "significant difference")
    return Caveat(
        "SEED_NOISE",
        f"Between seeds, test accuracy has a standard deviation of {points(deviation, 2)}; {len(doubtful)} of "
        f"{all_of} {'is' if len(doubtful) == 1 else 'are'} below twice that, the smallest "
        f"{points(smallest, 2)} (rows {one} and {other}).",
        "A difference of this size between two trainings can come from their seeds alone.",
        "Run more seeds of these rows, or leave these differences unclaimed.",
        tuple(sorted({row for rows in doubtful for row in rows})),
    )


def within_noise(known: Known) -> Caveat | None:
    """Validation does not tell the selected row from others, or does so only with luck."""
    sealed, stability = known.findings.sealed, known.findings.analysis.stability
    if not sealed or not stability:
        return None
    others, share = [row for row in stability.alike if row != sealed.row], stability.shares[sealed.row]
    if not others and share >= SURE:
        return None
    alike = f"; validation does not tell it from {which(others)}" if others else ""
    cheapest = "the selected row" if stability.cheapest == sealed.row else f"row {stability.cheapest}"
    return Caveat(
        "WITHIN_NOISE",
        f"Row {sealed.row} was selected, and would be in {percent(share)} of bootstrap samples of the validation "
        f"images{alike}.",
        f"The choice is in part luck: the validation accuracy of {percent(stability.value)} is "
        f"{percent(stability.corrected)} when corrected for it.",
        f"Call these rows equal; {cheapest} is the cheapest of them."
        if others
        else "More validation images or more seeds would make the choice surer.",
        tuple(sorted(stability.alike)),
    )
