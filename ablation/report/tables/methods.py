"""Sentences that name the intervals and tests of a study, and what they do not cover."""

from collections.abc import Iterator

import numpy as np

from ablation.analysis.facts import OF_TRAININGS, SEEDS, Analysis, Difference, RowFacts
from ablation.analysis.unpaired import OTHER_SEEDS, OVER_EXAMPLES, OVER_SEEDS, OVER_SETTINGS, SETTINGS
from ablation.measures.measure import AGGREGATE, BINARY, SHARES, Measure
from ablation.model.phrases import listed, plural, sentence, which
from ablation.report.tables.dataframes import over, score_of
from ablation.statistics import tests
from ablation.statistics.bootstrap import RESAMPLES
from ablation.statistics.groups import FEWEST
from ablation.statistics.intervals import LEVEL
from ablation.store.record import Record
from ablation.study.table_keys import EXAMPLES

SEEDS_ALONE, FOLDS = "seeds", "folds"
PSEUDO = ", of the jackknife's pseudo-values"
UNPAIRED = {OVER_SEEDS, OVER_SETTINGS, ""}  # units of differences of rows without common seeds


def brackets(record: Record, analysis: Analysis | None) -> str:
    """Return the sentence of a caption on the units of the intervals; "" before test is opened."""
    if not analysis:
        return ""
    if FOLDS in _units(analysis):
        return " Means over folds have no interval; differences have one."
    if record.inputs.clusters:
        return f" Brackets: {100 * LEVEL:.0f}% intervals over settings, of rows with {FEWEST} or more different ones."
    if not analysis.over and analysis.inference.by_group and record.examples(record.grid.rows[0]).get("test"):
        return f" No intervals: the {record.held_out_noun}s are of fewer than {FEWEST} groups."
    units = sorted({over(record, facts.primary.over) for facts in analysis.rows.values() if facts.primary.over})
    if not analysis.over and units:
        return f" Brackets: 95% intervals over {listed(units)}, of the rows that have enough of them."
    if not analysis.over:
        return f" No intervals: each trial states its number alone, and intervals over seeds begin at {SEEDS} seeds."
    return f" Brackets: {100 * LEVEL:.0f}% intervals over {test_units(record, analysis.over)}."


def test_units(record: Record, units: str) -> str:
    """Return units in words that name the test set: "seeds", "test images", "seeds and groups of test images"."""
    return over(record, units).replace(f"{record.noun}s", f"{record.held_out_noun}s")


def test_name(record: Record, difference: Difference) -> str:
    """Return the name of the test that gave the p of a difference; "" if no test was possible."""
    if difference.against:
        return "exact McNemar"
    units, aggregate = over(record, difference.over), record.primary.kind == AGGREGATE
    if difference.over in (OVER_SEEDS, OVER_EXAMPLES, OVER_SETTINGS):
        agresti_caffo = difference.over == OVER_EXAMPLES and record.primary.kind == BINARY
        return f"{'Agresti-Caffo' if agresti_caffo else 'Welch t'} test over {units}"
    if difference.over.endswith("wider"):
        return f"the larger p of a paired t test over seeds and a paired bootstrap over {_units_alone(units)}"
    of_values = PSEUDO if aggregate and not difference.drawn and difference.over != SEEDS_ALONE else ""
    if " and " in difference.over:
        return f"{'two-way bootstrap' if difference.drawn else 'crossed random effects'} over {units}{of_values}"
    if difference.over == FOLDS:
        return "corrected resampled t test over folds (approximate)"
    return f"paired {'bootstrap' if difference.drawn else 't'} test over {units}{of_values}" if units else ""


def pairing(difference: Difference) -> str:
    """Return whether a difference is of paired or of unpaired results, in words."""
    return "unpaired" if difference.over in {*UNPAIRED, OVER_EXAMPLES} else "paired"


def _units(analysis: Analysis) -> set[str]:
    """Return the units of the differences from the reference."""
    return {facts.delta.over for facts in analysis.rows.values() if facts.delta}


def _units_alone(units: str) -> str:
    """Return the units other than seeds: "images" of "seeds or images, the wider"."""
    return units.removesuffix(", the wider").partition(" or ")[2]


def method(record: Record, analysis: Analysis) -> Iterator[str]:
    """Yield the sentences that name the intervals, the test of the differences from the reference, and its family."""
    compared = [facts.delta for facts in analysis.rows.values() if facts.delta]
    if _units(analysis) <= UNPAIRED and analysis.over in OF_TRAININGS and compared:
        yield _unpaired(record, analysis, sum(d.p == d.p for d in compared))
        return
    if analysis.over == SEEDS_ALONE:
        yield (
            f"Brackets: Student's t over seeds; {_held_fixed(record)}. Δ: paired by seed, unadjusted; "
            f"p: paired t test, Holm over {plural(len(compared), 'row')}; {_floor(compared)}."
        )
        return
    named = " ".join(f"{sentence(m.title)}: {_interval(m, record, analysis)}." for m in record.detailed)
    if (not analysis.over and FOLDS not in _units(analysis)) or not compared:
        yield f"{named} Δ: of the numbers alone, untested." if not analysis.over else named
        return
    typical = next((d for d in compared if d.over == analysis.over), compared[0])
    if not typical.over:
        few = f", over fewer than {FEWEST} groups" if analysis.inference.by_group else ""
        yield f"{named} Δ: untested{few}."
        return
    test = f"{test_name(record, typical)} against {{reference}}, Holm over {plural(len(compared), 'row')}"
    interval = interval_name(record, typical.over, typical.drawn)
    yield f"{named} Δ: 95 % intervals by {interval}, unadjusted; p: {test}{_disagreement(typical)}."


def _unpaired(record: Record, analysis: Analysis, n_compared: int) -> str:
    """Return the sentence on intervals and tests of rows whose trainings are not paired."""
    units = over(record, analysis.over)
    clustered = " (runs with equal settings are repeats, and not independent)" if analysis.over == SETTINGS else ""
    brackets = f"Brackets: Student's t over {units}{clustered}; {_held_fixed(record)}"
    if not n_compared:
        return f"{brackets}. Δ: of the numbers alone, untested."
    return (
        f"{brackets}. Δ: unpaired, Welch, unadjusted; p: Welch's t test over {units}, Holm over "
        f"{plural(n_compared, 'row')}; no exact test."
    )


def _held_fixed(record: Record) -> str:
    return f"the {record.held_out_noun}s are held fixed"


def _floor(differences: list[Difference]) -> str:
    """Return the smallest p that an exact sign-flip test of these differences can reach, in words."""
    exact = [d.p_exact for d in differences if d.p_exact is not None and d.common_seeds]
    seeds = max((d.common_seeds for d in differences), default=0)
    floor = tests.smallest_attainable_p(seeds)
    return f"exact sign flips of {seeds} seeds cannot go below {floor:.2g}" if exact else "no exact test"


def interval_name(record: Record, units: str, drawn: bool) -> str:
    """Return the name of the interval of a difference in the primary measure; "" if there is none.

    `units`, `drawn`: units of the interval, and whether it is that of bootstrap samples, as in `Difference`.
    """
    words, kind = over(record, units), record.primary.kind
    if units == FOLDS:
        return "the corrected resampled t, paired by fold (Nadeau and Bengio; approximate)"
    if units in (OVER_SEEDS, OVER_EXAMPLES):
        return f"{'Agresti-Caffo' if units == OVER_EXAMPLES and kind == BINARY else 'Welch'}, {words}"
    if units.endswith("wider"):
        return f"the wider of Student's t over seeds and the bootstrap over {_units_alone(words)}, both paired"
    if drawn:
        return f"paired percentile bootstrap over {words}, {RESAMPLES:,} resamples" if words else ""
    of_values = PSEUDO if kind == AGGREGATE and units != SEEDS_ALONE else ""
    if " and " in units:
        return f"crossed random effects of {words}{of_values}, paired"
    if units == "examples" and kind == BINARY:
        return f"Bonett-Price, paired over {words}"
    return f"Student's t, paired over {words}{of_values}" if words else ""


def _disagreement(difference: Difference) -> str:
    return "; interval and test may disagree near 5 %" if difference.against else ""


def _interval(measure: Measure, record: Record, analysis: Analysis) -> str:
    """Return which interval the brackets of a measure are, where they are not over seeds alone."""
    scores = [s for facts in analysis.rows.values() if (s := score_of(record, facts, measure)) and s.over]
    if not scores:
        is_omitted = measure.kind == AGGREGATE and not analysis.bootstrapped
        return "no interval (--intervals all)" if is_omitted else "no interval"
    common = analysis.over if any(s.over == analysis.over for s in scores) else scores[0].over
    units, several_seeds = over(record, common), len(record.grid.seeds) > 1
    if common == SETTINGS:
        return "Student's t over settings: runs with equal settings are repeats, and not independent"
    if common == SEEDS_ALONE:
        return f"Student's t over {units}; {_held_fixed(record)}"
    if common.endswith("wider"):
        return f"the wider of Student's t over seeds and the bootstrap over {_units_alone(units)}"
    if all(s.drawn for s in scores if s.over == common):
        return f"percentile bootstrap over {units}, {RESAMPLES:,} resamples"
    is_beside = (
        record.legacy and common == "examples" and record.uncertainty == SEEDS_ALONE
    )  # as scores.score computes it
    scale = ", on the log odds" if measure.kind in SHARES and not is_beside else ""
    scale = _scale(measure) if measure.kind == AGGREGATE else scale
    if " and " in common:
        return f"crossed random effects of {units} (Howe){scale}"
    if common == "examples" and all(s.counted for s in scores):
        return "Wilson interval"
    return f"t interval over {units}{' of the mean over seeds' if several_seeds else ''}{scale}"


def _scale(measure: Measure) -> str:
    """Return what a jackknife's interval of an aggregate is of, and on which scale."""
    low, high = map(np.isfinite, measure.bounds)
    scale = ", on the log odds of its range" if low and high else ", on the log scale" if low or high else ""
    return f"{PSEUDO}{scale}"


def limits(record: Record, analysis: Analysis) -> Iterator[str]:
    """Yield which rows have other units than the rest, and what the intervals and tests do not cover."""
    paired = record.grid.replication == SEEDS_ALONE
    own_seeds = [r for r, f in analysis.rows.items() if f.delta and f.delta.over.endswith((OVER_SEEDS, OTHER_SEEDS))]
    apart = [
        r for r, f in analysis.rows.items() if f.primary.over != analysis.over
        or (r not in own_seeds and f.delta and f.delta.over not in ("", analysis.over))
    ]  # fmt: skip
    broader = [r for r in apart if _is_broader(analysis, analysis.rows[r])]
    apart = [r for r in apart if r not in broader]
    if own_seeds and paired:
        yield f"Of other seeds than {{reference}}, and not paired by seed: {which(own_seeds)}."
    has_seeds, has_examples = "seeds" in analysis.over, any(f.primary.over_examples for f in analysis.rows.values())
    if apart and has_seeds and has_examples:
        single = " (of one, exact McNemar)" if record.primary.kind == BINARY else ""
        of_both = f"brackets there are over {record.held_out_noun}s alone, and Δ has no p"
        otherwise = f"brackets, Δ or p there are over {record.held_out_noun}s, of the seeds that both have{single}"
        falls_back = record.uncertainty == EXAMPLES or (record.uncertainty == SEEDS_ALONE and record.legacy)
        yield f"Too few common seeds in {which(apart)}: {otherwise if falls_back else of_both}."
    elif apart and has_seeds and paired:
        yield f"Too few common seeds in {which(apart)}: no brackets or no p there."
    if broader:
        yield f"Brackets of {which(broader)} cover {record.held_out_noun}s too; the other rows state numbers alone."
    if has_seeds and any(_without_width(f.primary.interval.low) and f.n_seeds >= SEEDS for f in analysis.rows.values()):
        yield "No brackets where all values are equal: an interval without width would claim certainty."
    if not has_seeds and has_examples:
        n_trained = sum(len(record.grid.seeds_of(row)) for row in analysis.rows)
        yield (
            f"Intervals and tests are about these {n_trained} {record.trained}; they hold no run-to-run (seed) "
            "variance."
        )


def _is_broader(analysis: Analysis, facts: RowFacts) -> bool:
    """Return whether a row's interval covers seeds and examples, where those of the study cover seeds alone."""
    has_same_delta = not facts.delta or facts.delta.over in ("", analysis.over)
    return analysis.over == SEEDS_ALONE and " and " in facts.primary.over and has_same_delta


def _without_width(low: float) -> bool:
    return low != low
