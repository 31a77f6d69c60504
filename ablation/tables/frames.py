"""The tidy frames behind the CSV files: a line a trial, a line a row, a line a contrast. Raw floats."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from ablation.grids.grid import PUBLISHED, Trial
from ablation.grids.levels import short
from ablation.grids.record import Record
from ablation.measures.measure import BINARY, SPLITS, Measure
from ablation.outcomes import Status
from ablation.results.result import Result
from ablation.results.selection import Selection
from ablation.statistics.comparison import LEVEL, Interval
from ablation.statistics.facts import Contrast, Difference, RowFacts, Score

NOT_RUN = "not run"
Scores = dict[str, dict[str, float]]  # train, val, test -> measure -> value


def measured(record: Record) -> list[str]:
    """The columns of what is measured: train_accuracy, train_macro_f1, ..."""
    return [f"{split}_{m.name}" for split in SPLITS for m in record.measures.values() if split in m.splits]


def _scores(found: Result | None, test: dict[str, float] | None) -> Scores:
    if found is None or not found.done:
        return {}
    return found.scores | ({"test": test} if test else {})


def _levels(record: Record, row: int) -> dict[str, Any]:
    levels = record.shown(record.grid.rows[row - 1])
    return {f: short(f, v) if isinstance(v, tuple) else v for f, v in levels.items()}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds else ""


def trials(
    record: Record, results: Mapping[Trial, Result | None], tests: Mapping[Trial, dict[str, float]]
) -> pd.DataFrame:
    """A line a trial, with when, where and how long. Losses are nats, times seconds, memory bytes."""
    return pd.DataFrame([_trial_line(record, t, found, tests.get(t)) for t, found in results.items()])


def _trial_line(record: Record, trial: Trial, found: Result | None, test: dict[str, float] | None) -> dict[str, Any]:
    scores = _scores(found, test)
    values = {name: scores.get(split, {}).get(m) for name in measured(record) for split, _, m in [name.partition("_")]}
    ran = {
        "parameters": found.parameters if found else None,
        "started": _time(found.started) if found else "",
        "seconds": round(found.seconds, 3) if found else None,
        "attempts": found.attempts if found else None,
        "memory": found.memory if found else None,
        "reason": found.reason if found else "",
        **(found.environment if found else {}),
    }
    return {
        "study": record.name,
        "trial": record.trial_key(trial),
        "row": trial.row,
        "seed": trial.seed,
        "replicate": record.grid.is_replicate(trial),
        **_levels(record, trial.row),
        "outcome": found.outcome if found else NOT_RUN,
        **values,
        **_best(record.primary, found),
        **ran,
    }


def _best(measure: Measure, found: Result | None) -> dict[str, float | None]:
    """The epoch whose validation was best by the primary measure, the first of them."""
    key = f"val_{measure.name}"
    known = [epoch for epoch in found.history if key in epoch] if found and found.done else []
    best = (min if measure.lowest else max)(known, key=lambda epoch: epoch[key], default={})
    return {"best_epoch": best.get("epoch"), f"best_{key}": best.get(key)}


def rows(
    record: Record, trials: pd.DataFrame, selected: Selection | None, facts: Mapping[int, RowFacts] | None = None
) -> pd.DataFrame:
    """A line a row; it holds nothing of when, where or in how many attempts it was made. Means are over seeds;
    differences are against the reference row. `trials`: as `trials` gives them; `facts`: of the rows with results."""
    trials = trials[~trials.replicate]
    outcomes = trials.groupby("row").outcome.agg(list).to_dict()
    keys = trials.groupby("row").trial.agg(" ".join).to_dict()
    columns = measured(record)
    done = trials[trials.outcome == Status.DONE].astype(dict.fromkeys(columns, float)).groupby("row")[columns]
    means = done.mean()
    if len(record.grid.seeds) > 1:
        means = means.join(done.std().add_suffix("_sd"))
    numbers = range(1, len(record.grid.rows) + 1)
    scores: list[dict[str, float]] = means.reindex(list(numbers)).to_dict("records")  # type: ignore[assignment]
    known = facts or {}
    return pd.DataFrame(
        [_row_line(record, n, outcomes[n], keys[n], scores[n - 1], selected, known.get(n)) for n in numbers]
    )


def _row_line(
    record: Record, row: int, outcomes: list[str], keys: str, scores: dict[str, float], selected: Selection | None,
    facts: RowFacts | None,
) -> dict[str, Any]:  # fmt: skip
    failed = [o for o in outcomes if o != Status.DONE]
    examples = record.examples(record.grid.rows[row - 1])
    published = record.grid.published[row - 1]
    return {
        "study": record.name,
        "row": row,
        "label": record.grid.labels[row - 1],
        **_levels(record, row),
        "outcome": failed[0] if failed else Status.DONE,
        "reference": row == record.grid.reference,
        "selected": selected is not None and row == selected.row,
        "n_seeds": len(outcomes) - len(failed),
        **scores,
        **_facts(record, facts),
        **{f"n_{s}": examples.get(s) for s in SPLITS},
        **{f"published_{k}": float(published[k]) if k in published else None for k in _stated(record)},
        "trials": keys,
    }


def _stated(record: Record) -> Sequence[str]:
    """The published numbers that have a column: of classes all, else those that are stated."""
    return (
        PUBLISHED if record.inputs.classes else list(dict.fromkeys(key for row in record.grid.published for key in row))
    )


def _bounds(name: str, interval: Interval | None) -> dict[str, float | None]:
    return {f"{name}_low": interval.low if interval else None, f"{name}_high": interval.high if interval else None}


def _facts(record: Record, facts: RowFacts | None) -> dict[str, Any]:
    known = {m.name: score_of(record, facts, m) for m in record.detailed}
    bounds: dict[str, float | None] = {}
    for name, score in known.items():
        bounds |= _bounds(f"test_{name}", score.over_examples if score else None)
    for name, score in known.items():
        bounds |= _bounds(f"test_{name}_seeds", score.over_seeds if score else None)
    return {
        **bounds,
        **_difference(record, facts.delta if facts else None),
        "alike": facts.alike if facts else None,
        "within_replicates": facts.within_replicates if facts else None,
        "ci_level": LEVEL,
    }


def score_of(record: Record, facts: RowFacts | None, measure: Measure) -> Score | None:
    """What a row scored on test by a measure that has intervals."""
    if facts is None:
        return None
    return facts.primary if measure.name == record.primary.name else facts.others.get(measure.name)


def _change(measure: Measure, interval: Interval | None) -> dict[str, float | None]:
    """A difference; of percentages, in percentage points."""
    found = interval.scaled(measure.scale) if interval else None
    name = f"delta_test_{measure.name}{'_pp' if measure.is_share else ''}"
    return {name: found.value if found else None, **_bounds(name, found)}


def _difference(record: Record, found: Difference | None) -> dict[str, Any]:
    changes: dict[str, float | None] = {}
    for m in record.detailed:
        primary = m.name == record.primary.name
        changes |= _change(m, (found.value if primary else found.others.get(m.name)) if found else None)
    against = found.against if found else None
    only = {
        "only_first_right": against.only_a if against else None,
        "only_second_right": against.only_b if against else None,
    }
    return {
        **changes,
        "ci_over": (found and over(record, found.over)) or None,
        **(only if record.primary.kind == BINARY else {}),
        "p": found.p if found else None,
        "p_holm": found.p_holm if found else None,
        "p_exact": found.p_exact if found else None,
        "equivalent": found.equivalent if found else None,
    }


def over(record: Record, over: str) -> str:
    """What intervals are over, in the study's words: images, examples, seeds."""
    return f"{record.noun}s" if over == "examples" else over


def _published_change(record: Record, first: int, second: int) -> dict[str, float | None]:
    """What two published rows differ by, where the primary measure is a share."""
    if not record.primary.is_share:
        return {}
    one, other = (record.grid.published[r - 1].get(f"test_{record.primary.name}") for r in (first, second))
    return {"published_pp": float(100 * (other - one)) if one is not None and other is not None else None}


def _contrast_line(record: Record, contrast: Contrast) -> dict[str, Any]:
    pair = contrast.pair
    return {
        "study": record.name,
        "factor": pair.factor,
        "from_level": short(pair.factor, pair.levels[0]),
        "to_level": short(pair.factor, pair.levels[1]),
        "from_row": pair.first,
        "to_row": pair.second,
        **_difference(record, contrast.difference),
        **_published_change(record, pair.first, pair.second),
        "ci_level": LEVEL,
    }


def contrasts(record: Record, found: Sequence[Contrast]) -> pd.DataFrame:
    """A line for each two rows that differ in one factor: second minus first; of percentages, in percentage points."""
    pair = ("study", "factor", "from_level", "to_level", "from_row", "to_row")
    columns = [*pair, *_difference(record, None), *_published_change(record, 1, 1), "ci_level"]
    return pd.DataFrame([_contrast_line(record, c) for c in found], columns=columns)
