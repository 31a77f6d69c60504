"""Sizes that detect a difference, as text for people, and as one JSON object."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ablation.analysis.detect import DISCORDANCE, PAIRS, REFERENCE, Detection, Need
from ablation.measures.measure import BINARY
from ablation.model.phrases import percent, plural
from ablation.statistics import power


def as_json(detection: Detection) -> dict[str, Any]:
    """Return the sizes as a dict for JSON. Differences are in the measure's unit, fractions for percentages."""
    needs = {"seeds": detection.seeds, "examples": detection.examples}
    return {
        "measure": detection.measure.name,
        "difference": detection.difference,
        "power": power.POWER,
        "comparisons": detection.comparisons,
        **{name: asdict(need) if isinstance(need, Need) else {"unknown": need} for name, need in needs.items()},
    }


def draw(detection: Detection) -> str:
    """Return the sizes as lines; a single line where there is nothing to learn from."""
    measure = detection.measure
    size = f"{measure.scale * detection.difference:g} {measure.change_unit}".rstrip()
    title = f"to detect a difference of {size} in {measure.title} with power {power.POWER:g} (two-sided, 5 %)"
    if isinstance(detection.seeds, str) and detection.seeds == detection.examples:
        return f"{title}: {detection.seeds}"
    return "\n".join([f"{title}:", *_seeds(detection), *_examples(detection)])


def _seeds(detection: Detection) -> Iterator[str]:
    need = detection.seeds
    if isinstance(need, str):
        yield f"  over seeds: {need}"
        return
    yield f"  over seeds: {_numbers(detection, need, 'seeds')} (paired t test; the study has {need.available})"
    size, factor = _size(detection, need.spread), power.deviation_factor(need.n - 1)
    if need.source == PAIRS:
        origin = f"standard deviation of paired differences, {size} ({need.n} common seeds, {plural(need.rows, 'row')})"
    else:
        origin = f"standard deviation of {need.n} {REFERENCE}, times the root of 2: {size} (no paired seeds yet)"
    yield f"    from the {origin} on validation; it may be up to {factor:.1f} times as large (95 %)"


def _size(detection: Detection, spread: float) -> str:
    """Return a standard deviation with three significant digits and its unit."""
    return f"{detection.measure.scale * spread:.3g} {detection.measure.change_unit}".rstrip()


def _examples(detection: Detection) -> Iterator[str]:
    need, measure, noun = detection.examples, detection.measure, detection.noun
    if isinstance(need, str):
        yield f"  over test {noun}s: {need}"
        return
    test = "exact McNemar test" if measure.kind == BINARY else "paired t test"
    available = f"; test has {need.available:,}" if need.available else ""
    yield f"  over test {noun}s: {_numbers(detection, need, f'{noun}s')} ({test} of two trainings{available})"
    median = f"{need.n:,} validation {noun}s, median of {plural(need.rows, 'row')}"
    if need.source == DISCORDANCE:
        used = _size(detection, detection.difference).removesuffix(" pp")
        low = f"; {used}% was used: no less gives such a difference" if need.spread < detection.difference else ""
        yield f"    from the discordance with the reference, {percent(need.spread)} ({median}){low}"
    else:
        yield f"    from the standard deviation of differences of scores, {_size(detection, need.spread)} ({median})"


def _numbers(detection: Detection, need: Need, unit: str) -> str:
    """Return the numbers of seeds or examples for one test, and for the first Holm step."""
    one, holm = (f"more than {power.LARGEST:,}" if n is None else f"{n:,}" for n in (need.one, need.holm))
    step = f", {holm} in the first Holm step of {detection.comparisons} rows" if detection.comparisons > 1 else ""
    return f"{one} {unit} in one test{step}"
