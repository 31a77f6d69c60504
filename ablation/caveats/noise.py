"""How far chance alone moves the numbers: seeds, and the images of a split."""

from statistics import variance

from ablation.caveats.caveat import Caveat, compact, percent, plural, sentence, which
from ablation.caveats.known import Known
from ablation.statistics.comparison import ALPHA

SURE = 0.9  # share of bootstrap samples of validation that a selection should win (report.md, 3.3)
CLAIM = 0.5  # of a claimed difference: a larger standard deviation over seeds makes it doubtful (report.md, 3.3)


def single_seed(known: Known) -> Caveat | None:
    rows = [row for row, some in known.finished.items() if len(some) == 1]
    if not rows:
        return None
    return Caveat(
        "SINGLE_SEED",
        f"{sentence(which(rows, 'was', 'were'))} trained with one seed.{_replicated(known)}",
        _one_seed(known),
        "Run with --seeds 5, or at least repeat the reference (--replicate-reference 5), before a setting is called "
        "better.",
        tuple(rows),
    )


def _replicated(known: Known) -> str:
    """What further trainings of the reference say."""
    noise, primary = known.findings.analysis.noise, known.record.primary
    if not noise:
        return ""
    values = "accuracies" if primary.name == "accuracy" else f"values of {primary.title}"
    return (
        f" The reference, trained with {plural(len(noise.values), 'more seed')}, has test {values} "
        f"from {compact(primary, min(noise.values))} to {compact(primary, max(noise.values))}."
    )


def _one_seed(known: Known) -> str:
    rows = known.findings.analysis.rows.values()
    if rows and not any(facts.primary.over_examples for facts in rows):
        return "There are no intervals and no tests: another seed can move these numbers by more than they differ."
    networks = "networks" if known.record.inputs.classes else "models"
    return (
        f"Intervals and tests are over {known.record.noun}s: they speak of these trained {networks}, not of their "
        "settings, which another seed can move further."
    )


def _deviation(known: Known) -> float | None:
    """The standard deviation of the primary measure on test between seeds: pooled over all rows that have more than
    one."""
    found = [*known.findings.test.values(), *filter(None, [known.findings.replicates])]
    samples = [sample for evidence in found if (sample := evidence.sample(known.record.primary))]
    several = [sample.values.tolist() for sample in samples if len(sample.seeds) > 1]
    freedom = sum(len(some) - 1 for some in several)
    return (sum((len(some) - 1) * variance(some) for some in several) / freedom) ** 0.5 if freedom else None


def _claims(known: Known) -> dict[tuple[int, int], float]:
    """The differences that a table calls significant, against the reference or between rows that differ in one factor:
    pair of rows -> size."""
    analysis, reference = known.findings.analysis, known.grid.reference
    found = [((row, reference), facts.delta) for row, facts in analysis.rows.items() if facts.delta]
    found += [((c.pair.first, c.pair.second), c.difference) for c in analysis.contrasts]
    return {(min(rows), max(rows)): abs(d.value.value) for rows, d in found if d.p_holm < ALPHA}


def seed_noise(known: Known) -> Caveat | None:
    deviation, claims = _deviation(known), _claims(known)
    doubtful = {rows: size for rows, size in claims.items() if deviation and deviation > CLAIM * size}
    if not deviation or not doubtful:
        return None
    (one, other), smallest = min(doubtful.items(), key=lambda item: item[1])
    primary = known.record.primary
    all_of = plural(len(claims), "significant difference")
    return Caveat(
        "SEED_NOISE",
        f"Between seeds, test {primary.title} has a standard deviation of {primary.size(deviation, 2)}; "
        f"{len(doubtful)} of {all_of} {'is' if len(doubtful) == 1 else 'are'} below twice that, the smallest "
        f"{primary.size(smallest, 2)} (rows {one} and {other}).",
        "A difference of this size between two trainings can come from their seeds alone.",
        "Run more seeds of these rows, or leave these differences unclaimed.",
        tuple(sorted({row for rows in doubtful for row in rows})),
    )


def within_noise(known: Known) -> Caveat | None:
    """Validation does not tell the selected row from others, or does so only with luck."""
    sealed, stability = known.findings.sealed, known.findings.analysis.stability
    if not sealed or not sealed.row or not stability:
        return None
    noun, primary = known.record.noun, known.record.primary
    others, share = [row for row in stability.alike if row != sealed.row], stability.shares[sealed.row]
    if not others and share >= SURE:
        return None
    alike = f"; validation does not tell it from {which(others)}" if others else ""
    cheapest = "the selected row" if stability.cheapest == sealed.row else f"row {stability.cheapest}"
    return Caveat(
        "WITHIN_NOISE",
        f"Row {sealed.row} was selected, and would be in {percent(share)} of bootstrap samples of the validation "
        f"{noun}s{alike}.",
        f"The choice is in part luck: the validation {primary.title} of {compact(primary, stability.value)} is "
        f"{compact(primary, stability.corrected)} when corrected for it.",
        f"Call these rows equal; {cheapest} is the cheapest of them."
        if others
        else f"More validation {noun}s or more seeds would make the choice surer.",
        tuple(sorted(stability.alike)),
    )
