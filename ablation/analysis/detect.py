"""Sizes that a study needs to detect a difference: seeds and test examples, from the validation results so far."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ablation.analysis import differences, evidence, selection
from ablation.analysis.evidence import Evidence
from ablation.analysis.facts import SEEDS, Sample
from ablation.analysis.study_analysis import collect, done
from ablation.errors import AblateError
from ablation.measures.measure import AGGREGATE, BINARY, Measure
from ablation.statistics import power
from ablation.statistics.intervals import ALPHA, rounding
from ablation.store import record as records
from ablation.store.record import Inputs, Record
from ablation.store.result import Result
from ablation.store.workspace import Workspace
from ablation.study.grid import Grid, Trial

PAIRS, REFERENCE = "paired differences", "trainings of the reference"  # sources of a deviation over seeds
DISCORDANCE, SCORES = "discordance", "differences of scores"  # sources of a spread over examples

NOTHING = "no validation results to learn from; run --replicate-reference 5, or a first seed of all rows"


@dataclass(frozen=True)
class Need:
    """Number of seeds, or of test examples, with which a test has power 0.8.

    Attributes:
        one: number for one test; None where it is above power.LARGEST.
        holm: number for the first Holm step, at 5 % over the number of comparisons; None as for `one`.
        available: number that the planned study has; None where it is unknown.
        source: data of the estimate, one of PAIRS, REFERENCE, DISCORDANCE and SCORES.
        spread: standard deviation of the differences in the measure's unit; for DISCORDANCE, the share of examples.
        n: number of seeds or of validation examples of the estimate.
        rows: number of rows of the estimate.
    """

    one: int | None
    holm: int | None
    available: int | None
    source: str
    spread: float
    n: int
    rows: int


@dataclass(frozen=True)
class Detection:
    """Sizes that the comparison of each row with the reference needs, to detect a difference with power 0.8.

    Attributes:
        difference: difference of two rows, in the measure's unit; a fraction for percentages.
        comparisons: number of rows that are compared with the reference.
        seeds: seeds needed for a paired t test over seeds, or the reason why the number is unknown.
        examples: test examples needed for a test over examples of single trainings, or the reason.
    """

    measure: Measure
    noun: str
    difference: float
    comparisons: int
    seeds: Need | str
    examples: Need | str


def primary(workspace: Workspace, name: str, grid: Grid) -> Measure:
    """Return the measure whose differences a study tests, before any input is read.

    Args:
        workspace: Workspace of the study.
        name: Name of the study.
        grid: Its rows, as the study file has them now.

    Raises:
        AblateError: The measures follow from the results of the study, and it has none.
    """
    old = records.read(workspace.study(name))
    record = Record(name=name, grid=grid, data="", inputs=old.inputs if old else Inputs())
    if not record.measures:
        raise AblateError(
            f"--detect: the measures of study {name!r} follow from its results, and it has none; run it first, or one "
            "row of it"
        )
    return record.primary


def parsed(text: str, measure: Measure) -> float:
    """Return the difference of `--detect` in the measure's unit, a fraction for percentages. Raises AblateError."""
    match = re.fullmatch(r"([0-9.]+(?:e[-+]?[0-9]+)?)\s*(pp)?", text.strip(), re.IGNORECASE)
    try:
        number = float(match[1]) if match else math.nan
    except ValueError:
        number = math.nan
    largest = min(measure.scale * (measure.bounds[1] - measure.bounds[0]), math.inf)
    is_allowed = match is not None and bool(match[2]) == measure.is_share and math.isfinite(number)
    if not is_allowed or not 0 < number <= largest:
        raise AblateError(f"--detect {text}: is not allowed; allowed: {_allowed(measure, largest)}")
    return number / measure.scale


def _allowed(measure: Measure, largest: float) -> str:
    """Return the allowed values of `--detect` for a measure."""
    if measure.is_share:
        return f"percentage points of {measure.title}, above 0 and at most {largest:g}, such as 0.5pp"
    unit = f", in {measure.unit}" if measure.unit else ""
    most = f" and at most {largest:g}" if math.isfinite(largest) else ""
    return f"a number above 0{most}, such as 0.2: a difference in {measure.title}{unit} (pp is for percentages)"


def sizes(workspace: Workspace, record: Record, difference: float) -> Detection:
    """Return the sizes needed to detect a difference from the reference, estimated from validation alone.

    Args:
        workspace: workspace with the finished trials.
        record: record of the planned study.
        difference: difference in the unit of the primary measure.
    """
    measure, grown = record.primary, _with_stored_seeds(workspace, record)
    others = [r for r in range(1, len(record.grid.rows) + 1) if r != record.grid.reference and _is_compared(record, r)]
    rows = _validated(workspace, grown, [record.grid.reference, *others])
    number, base = next(rows, (0, None))
    is_reference = number == record.grid.reference
    pairs = list(_pairs(base, rows, record)) if base and is_reference else []
    reference = base.sample(measure) if base and is_reference else None
    alphas = ALPHA, ALPHA / max(1, len(others))
    seeds: Need | str = NOTHING
    examples: Need | str = NOTHING
    if pairs or (reference and len(reference.seeds) >= SEEDS):
        seeds = _over_seeds(reference, pairs, difference, alphas, len(record.grid.seeds))
        examples = _over_examples(measure, pairs, difference, alphas, _n_test(record))
    return Detection(measure, record.noun, difference, len(others), seeds, examples)


def _with_stored_seeds(workspace: Workspace, record: Record) -> Record:
    """Return the study with all seeds and replicates of its last run, in addition to the planned ones."""
    stored = records.read(workspace.study(record.name))
    grids = [record.grid, *([stored.grid] if stored else [])]
    seeds = tuple(dict.fromkeys(seed for grid in grids for seed in grid.seeds))
    replicates = tuple(dict.fromkeys(s for grid in grids for s in grid.replicates if s not in seeds))
    return record.model_copy(update={"grid": record.grid.model_copy(update={"seeds": seeds, "replicates": replicates})})


def _is_compared(record: Record, row: int) -> bool:
    """Return whether a row has the reference's examples."""
    return record.split_of(record.grid.rows[row - 1]) == record.reference_split


def _n_test(record: Record) -> int | None:
    """Return the number of test examples of the reference; None where it is unknown."""
    return record.examples(record.grid.rows[record.grid.reference - 1]).get("test")


def _validated(workspace: Workspace, record: Record, rows: Sequence[int]) -> Iterator[tuple[int, Evidence]]:
    """Yield the validation evidence of each row with finished trials, replicates included, one row in memory."""
    by_row: dict[int, dict[Trial, Result]] = {}
    for trial, result in done(collect(workspace, record)).items():
        by_row.setdefault(trial.row, {})[trial] = result
    open_val = selection.validation(workspace, record)
    for row in rows:
        if trials := by_row.get(row):
            opened = [open_val(trial, result) for trial, result in trials.items()]
            split = record.split_of(record.grid.rows[row - 1])
            yield row, evidence.of_row(split, [trial.seed for trial in trials], opened, [record.primary])


@dataclass(frozen=True)
class _Pair:
    """Paired differences of one row from the reference on N validation examples, over their common seeds.

    Attributes:
        over_seeds: difference of each seed, (S,).
        n: number of examples with scores; 0 without any.
        discordant: share of the examples on which two trainings differ, the mean over seeds.
        deviation: standard deviation of the differences over examples, the root mean square over seeds.
    """

    over_seeds: np.ndarray
    n: int = 0
    discordant: float = 0.0
    deviation: float = 0.0


def _pairs(reference: Evidence, rows: Iterable[tuple[int, Evidence]], record: Record) -> Iterator[_Pair]:
    """Yield the paired differences of each row that has seeds and examples in common with the reference."""
    base, number = reference.sample(record.primary), record.grid.reference
    for row, other in rows:
        apart = evidence.told_apart({number: reference, row: other}, number)
        sample = other.sample(record.primary)
        if base and sample and apart[row].split == apart[number].split and set(base.seeds) & set(sample.seeds):
            yield _pair(*differences.common(base, sample))


def _pair(one: Sample, other: Sample) -> _Pair:
    """Return the paired differences of two samples with the same seeds."""
    over_seeds = other.values - one.values
    if one.scores is None or other.scores is None:
        return _Pair(over_seeds)
    over_examples = other.scores.astype(float) - one.scores
    deviation = float(np.sqrt(over_examples.var(axis=1, ddof=1).mean())) if one.n > 1 else 0.0
    return _Pair(over_seeds, one.n, float((over_examples != 0).mean()), deviation)


def _over_seeds(
    reference: Sample | None, pairs: Sequence[_Pair], difference: float, alphas: tuple[float, float], available: int
) -> Need | str:
    """Return the seeds needed, by the paired t test over seeds, or the reason why the number is unknown."""
    enough = [pair.over_seeds for pair in pairs if len(pair.over_seeds) >= SEEDS]
    if enough:
        weights = np.array([len(values) - 1 for values in enough])
        pooled = np.average([values.var(ddof=1) for values in enough], weights=weights)
        source, spread, n = PAIRS, float(np.sqrt(pooled)), min(map(len, enough))
    elif reference and len(reference.seeds) >= SEEDS:
        source, spread, n = REFERENCE, float(np.sqrt(2) * reference.values.std(ddof=1)), len(reference.seeds)
    else:
        return f"no row has {SEEDS} trainings with different seeds; run --replicate-reference 5"
    if not spread > rounding(reference.values if reference else np.zeros(1)):
        return f"{n} trainings with different seeds have equal validation results: seeds change nothing to detect"
    one, holm = (power.seeds_needed(difference, spread, alpha, SEEDS) for alpha in alphas)
    return Need(one, holm, available, source, spread, n, max(1, len(enough)))


def _over_examples(
    measure: Measure, pairs: Sequence[_Pair], difference: float, alphas: tuple[float, float], available: int | None
) -> Need | str:
    """Return the test examples needed by a test of two trainings, or the reason why the number is unknown."""
    if not pairs:
        return "no row has validation results of a seed that the reference has too; run a first seed of all rows"
    scored = [pair for pair in pairs if pair.n > 1]
    if not scored:
        reason = "is no mean over examples" if measure.kind == AGGREGATE else "has no scores of single examples"
        return f"{measure.title} {reason}"
    if measure.kind == BINARY:
        source, spread = DISCORDANCE, float(np.median([pair.discordant for pair in scored]))
        # Rows that differ by more than they disagree now will disagree at least as much.
        one, holm = (power.examples_needed(difference, max(spread, difference), alpha) for alpha in alphas)
    else:
        source, spread = SCORES, float(np.median([pair.deviation for pair in scored]))
        if not spread:
            return "rows have equal scores on all validation examples"
        one, holm = (power.seeds_needed(difference, spread, alpha) for alpha in alphas)
    return Need(one, holm, available, source, spread, scored[0].n, len(scored))
