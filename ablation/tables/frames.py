"""The tidy frames behind the CSV files: a line a trial, a line a row, a line a contrast. Raw floats."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from ablation.datasets.images import SPLITS
from ablation.grids.grid import METRICS, PUBLISHED, Trial
from ablation.grids.levels import short
from ablation.grids.record import Record
from ablation.outcomes import Status
from ablation.results.result import Result
from ablation.results.selection import Selection
from ablation.statistics.comparison import LEVEL, Interval
from ablation.statistics.facts import Contrast, Difference, RowFacts

NOT_RUN = "not run"
MEASURED = [f"{split}_{metric}" for split in SPLITS for metric in METRICS]
Scores = dict[str, dict[str, float]]  # train, val, test -> metric -> value


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
    measured = {f"{s}_{m}": scores.get(s, {}).get(m) for s in SPLITS for m in METRICS}
    best = found.best if found and found.done else {}
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
        "outcome": found.outcome.value if found else NOT_RUN,
        **measured,
        "best_epoch": best.get("epoch"),
        "best_val_accuracy": best.get("val_accuracy"),
        **ran,
    }


def rows(
    record: Record, trials: pd.DataFrame, selected: Selection | None, facts: Mapping[int, RowFacts] | None = None
) -> pd.DataFrame:
    """A line a row; it holds nothing of when, where or in how many attempts it was made. Means are over seeds;
    differences are against the reference row. `trials`: as `trials` gives them; `facts`: of the rows with results."""
    trials = trials[~trials.replicate]
    outcomes = trials.groupby("row").outcome.agg(list).to_dict()
    keys = trials.groupby("row").trial.agg(" ".join).to_dict()
    done = trials[trials.outcome == Status.DONE].astype(dict.fromkeys(MEASURED, float)).groupby("row")[MEASURED]
    measured = done.mean()
    if len(record.grid.seeds) > 1:
        measured = measured.join(done.std().add_suffix("_sd"))
    numbers = range(1, len(record.grid.rows) + 1)
    scores: list[dict[str, float]] = measured.reindex(list(numbers)).to_dict("records")  # type: ignore[assignment]
    known = facts or {}
    return pd.DataFrame(
        [_row_line(record, n, outcomes[n], keys[n], scores[n - 1], selected, known.get(n)) for n in numbers]
    )


def _row_line(
    record: Record, row: int, outcomes: list[str], keys: str, scores: dict[str, float], selected: Selection | None,
    facts: RowFacts | None,
) -> dict[str, Any]:  # fmt: skip
    failed = [o for o in outcomes if o != Status.DONE]
    counts = record.inputs.counts[record.grid.rows[row - 1].split]
    published = record.grid.published[row - 1]
    return {
        "study": record.name,
        "row": row,
        "label": record.grid.labels[row - 1],
        **_levels(record, row),
        "outcome": failed[0] if failed else Status.DONE.value,
        "reference": row == record.grid.reference,
        "selected": selected is not None and row == selected.row,
        "n_seeds": len(outcomes) - len(failed),
        **scores,
        **_facts(facts),
        **{f"n_{s}": sum(counts[s]) for s in SPLITS},
        **{f"published_{k}": float(published[k]) if k in published else None for k in PUBLISHED},
        "trials": keys,
    }


def _bounds(name: str, interval: Interval | None) -> dict[str, float | None]:
    return {f"{name}_low": interval.low if interval else None, f"{name}_high": interval.high if interval else None}


def _facts(facts: RowFacts | None) -> dict[str, Any]:
    over_seeds = facts.over_seeds if facts else None
    delta = facts.delta if facts else None
    return {
        **_bounds("test_accuracy", facts.accuracy if facts else None),
        **_bounds("test_macro_f1", facts.macro_f1 if facts else None),
        **_bounds("test_accuracy_seeds", over_seeds),
        **_bounds("test_macro_f1_seeds", facts.f1_over_seeds if facts else None),
        **_difference(delta),
        "alike": facts.alike if facts else None,
        "within_replicates": facts.within_replicates if facts else None,
        "ci_level": LEVEL,
    }


def _points(name: str, interval: Interval | None) -> dict[str, float | None]:
    found = interval.scaled(100) if interval else None
    return {f"{name}_pp": found.value if found else None, **_bounds(f"{name}_pp", found)}


def _difference(found: Difference | None) -> dict[str, Any]:
    """In percentage points."""
    against = found.against if found else None
    return {
        **_points("delta_test_accuracy", found.accuracy if found else None),
        **_points("delta_test_macro_f1", found.macro_f1 if found else None),
        "ci_over": found.over if found else None,
        "only_first_right": against.only_a if against else None,
        "only_second_right": against.only_b if against else None,
        "p": found.p if found else None,
        "p_holm": found.p_holm if found else None,
        "p_exact": found.p_exact if found else None,
        "equivalent": found.equivalent if found else None,
    }


CONTRASTS = [
    "study",
    "factor",
    "from_level",
    "to_level",
    "from_row",
    "to_row",
    *_difference(None),
    "published_pp",
    "ci_level",
]


def _contrast_line(record: Record, contrast: Contrast) -> Iterator[tuple[str, Any]]:
    pair = contrast.pair
    yield from {
        "study": record.name,
        "factor": pair.factor,
        "from_level": short(pair.factor, pair.levels[0]),
        "to_level": short(pair.factor, pair.levels[1]),
        "from_row": pair.first,
        "to_row": pair.second,
    }.items()
    yield from _difference(contrast.difference).items()
    first, second = (record.grid.published[r - 1].get("test_accuracy") for r in (pair.first, pair.second))
    yield "published_pp", float(100 * (second - first)) if first is not None and second is not None else None
    yield "ci_level", LEVEL


def contrasts(record: Record, found: Sequence[Contrast]) -> pd.DataFrame:
    """A line for each two rows that differ in one factor: second minus first, in percentage points."""
    return pd.DataFrame([dict(_contrast_line(record, c)) for c in found], columns=CONTRASTS)
