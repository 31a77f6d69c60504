"""Tidy data frames behind the CSV files: one line per trial, per row or per contrast, with unrounded floats."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from ablation.analysis import costs as row_costs
from ablation.analysis.costs import StudyCosts
from ablation.analysis.differences import WINS
from ablation.analysis.facts import Contrast, Difference, Family, RowFacts, Score, Stability
from ablation.analysis.selection import Selection
from ablation.measures.measure import BINARY, SPLITS, Measure
from ablation.outcomes import STOPPED, Status
from ablation.statistics.intervals import LEVEL, Interval
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.study.comparisons import Pair
from ablation.study.grid import PUBLISHED, Trial
from ablation.study.levels import short
from ablation.study.table_keys import BOTH

NOT_RUN = "not run"
Scores = dict[str, dict[str, float]]  # train, val, test -> measure -> value


def measured(record: Record) -> list[str]:
    """Return the names of the columns of measures: train_accuracy, train_macro_f1, ..."""
    return [f"{split}_{m.name}" for split in SPLITS for m in record.measures.values() if split in m.splits]


def _scores(result: Result | None, test: dict[str, float] | None) -> Scores:
    if result is None or not result.done:
        return {}
    return result.scores | ({"test": test} if test else {})


def _levels(record: Record, row: int) -> dict[str, Any]:
    levels = record.shown(record.grid.rows[row - 1])
    return {f: short(f, v) if isinstance(v, tuple) else v for f, v in levels.items()}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds else ""


def trials(
    record: Record, results: Mapping[Trial, Result | None], tests: Mapping[Trial, dict[str, float]]
) -> pd.DataFrame:
    """Return one line per trial, with start time, environment and duration.

    Args:
        record: record of the study.
        results: result of each trial; None for a trial that was not run.
        tests: test scores of each trial, measure -> value; {} before a selection is sealed.

    Returns:
        A frame of len(results) lines. Losses are in nats, times in seconds, memory in bytes.
    """
    return pd.DataFrame([_trial_line(record, t, result, tests.get(t)) for t, result in results.items()])


def _trial_line(record: Record, trial: Trial, result: Result | None, test: dict[str, float] | None) -> dict[str, Any]:
    scores = _scores(result, test)
    values = {name: scores.get(split, {}).get(m) for name in measured(record) for split, _, m in [name.partition("_")]}
    ran = {
        "parameters": (result.parameters or None) if result else None,
        "started": _time(result.started) if result else "",
        "seconds": round(result.seconds, 3) if result else None,
        "attempts": result.attempts if result else None,
        "memory": result.memory if result else None,
        **_reported(record, result),
        "reason": result.reason if result else "",
        **(result.environment if result else {}),
    }
    return {
        "study": record.name,
        "trial": record.trial_key(trial),
        "row": trial.row,
        "seed": trial.seed,
        "replicate": record.grid.is_replicate(trial),
        **_levels(record, trial.row),
        "outcome": result.outcome if result else NOT_RUN,
        **values,
        **_best(record.primary, result),
        **ran,
    }


def _reported(record: Record, result: Result | None) -> dict[str, float | None]:
    """Return the columns of the costs that a trial reports by itself."""
    values = row_costs.of_result(record, result) if result and result.done else {}
    own = row_costs.measures(record).keys() - row_costs.OF_EVERY_RESULT.keys()
    return {name: values.get(name) for name in row_costs.reported(record) if name in own}


def _best(measure: Measure, result: Result | None) -> dict[str, float | None]:
    """Return the first epoch with the best validation value of a measure, and this value; None without a history."""
    key = f"val_{measure.name}"
    epochs = [epoch for epoch in result.history if key in epoch] if result and result.done else []
    best = (min if measure.lowest else max)(epochs, key=lambda epoch: epoch[key], default={})
    return {"best_epoch": best.get("epoch"), f"best_{key}": best.get(key)}


def rows(
    record: Record, trials: pd.DataFrame, selected: Selection | None, facts: Mapping[int, RowFacts] | None = None
) -> pd.DataFrame:
    """Return one line per row of the table. Means are over seeds; differences are against the reference row.

    The frame has no times, environments or numbers of attempts, so equal results give equal frames.

    Args:
        record: record of the study.
        trials: frame that `trials` returns.
        selected: sealed selection; None before a selection.
        facts: row -> statistics on test, for the rows with results; None before a selection.
    """
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
    facts_of_rows = facts or {}
    return pd.DataFrame(
        [
            {
                **_state(record, n, outcomes[n], selected),
                **scores[n - 1],
                **_facts(record, facts_of_rows.get(n)),
                **_given(record, n),
                "trials": keys[n],
            }
            for n in numbers
        ]
    )


def with_failures(rows: pd.DataFrame, trials: pd.DataFrame, imported: bool) -> pd.DataFrame:
    """Return the rows with the column `n_ended`, trials that ended by themselves, and `n_failed`, those without result.

    Runs of a source that were stopped from outside, or pruned by a search, did not end by themselves.

    Args:
        rows: frame with a column `row`.
        trials: frame that `trials` returns.
        imported: whether the trials are runs of a source.
    """
    apart = (NOT_RUN, *(STOPPED if imported else ()))
    ended = trials[~trials.replicate & ~trials.outcome.isin(apart)]
    failed = ended[ended.outcome != Status.DONE]
    counts = {"n_ended": ended.row.value_counts(), "n_failed": failed.row.value_counts()}
    return rows.assign(**{name: rows.row.map(n).fillna(0).astype(int) for name, n in counts.items()})


def with_costs(rows: pd.DataFrame, costs: StudyCosts | None, names: Sequence[str]) -> pd.DataFrame:
    """Return the rows with columns of costs.

    Args:
        rows: frame with a column `row`.
        costs: costs of the rows; None where no row has finished.
        names: names of columns; those that are no cost of a row are ignored.
    """
    values = costs.rows if costs else {}
    columns = {name: [values.get(row, {}).get(name) for row in rows.row] for name in names}
    return rows.join(pd.DataFrame(columns, rows.index, dtype=float).dropna(axis="columns", how="all"))


def costs(rows: pd.DataFrame, study_costs: StudyCosts | None, primary: Measure) -> pd.DataFrame:
    """Return one line per row: the mean of each cost, the primary measure, and the costs whose front the row is on.

    Args:
        rows: frame that `rows` returns.
        study_costs: costs of the rows; None where no row has finished.
        primary: primary measure of the study.
    """
    names = list(study_costs.measures) if study_costs else list(row_costs.OF_EVERY_RESULT)
    state = rows[["study", "row", "label", "reference", "selected", "n_seeds"]]
    key = f"{study_costs.split if study_costs else 'val'}_{primary.name}"
    fronts = [" ".join(study_costs.fronts_of(n)) if study_costs else "" for n in rows.row]
    scores = [study_costs.scores.get(n) if study_costs else None for n in rows.row]
    frame = with_costs(state, study_costs, names)
    whole = [name for name in (row_costs.PARAMETERS, row_costs.MEMORY) if name in frame and not (frame[name] % 1).any()]
    frame = frame.astype(dict.fromkeys(whole, "Int64"))
    frame[key], frame["pareto"], frame["trials"] = scores, fronts, rows.trials
    return frame


def _state(record: Record, row: int, outcomes: list[str], selected: Selection | None) -> dict[str, Any]:
    """Return the columns that identify a row, and those of its state. `outcomes`: outcome of each of its trials."""
    failed = [o for o in outcomes if o != Status.DONE]
    return {
        "study": record.name,
        "row": row,
        "label": record.grid.labels[row - 1],
        **_levels(record, row),
        "outcome": min(failed, key=lambda o: o == Status.PRUNED) if failed else Status.DONE,
        "reference": row == record.grid.reference,
        "selected": selected is not None and row == selected.row,
        "n_seeds": len(outcomes) - len(failed),
    }


def _stated(record: Record) -> Sequence[str]:
    """Return the keys of published numbers with a column: all for studies with classes, otherwise those stated."""
    return (
        PUBLISHED if record.inputs.classes else list(dict.fromkeys(key for row in record.grid.published for key in row))
    )


def _given(record: Record, row: int) -> dict[str, Any]:
    """Return the columns of the numbers that a row was given: examples of each split, and published scores."""
    examples = record.examples(record.grid.rows[row - 1])
    published = record.grid.published[row - 1]
    return {
        **{f"n_{s}": examples.get(s) for s in SPLITS},
        **{f"published_{k}": float(published[k]) if k in published else None for k in _stated(record)},
    }


def _bounds(name: str, interval: Interval | None) -> dict[str, float | None]:
    return {f"{name}_low": interval.low if interval else None, f"{name}_high": interval.high if interval else None}


def _facts(record: Record, facts: RowFacts | None) -> dict[str, Any]:
    scores = {m.name: score_of(record, facts, m) for m in record.detailed}
    bounds: dict[str, float | None] = {}
    for name, score in scores.items():
        bounds |= _bounds(f"test_{name}", score.over_examples if score else None)
    for name, score in scores.items():
        bounds |= _bounds(f"test_{name}_seeds", score.over_seeds if score else None)
    if record.uncertainty == BOTH:
        for name, score in scores.items():
            bounds |= _bounds(f"test_{name}_both", score.over_both if score else None)
    return {
        **bounds,
        **_difference(record, facts.delta if facts else None),
        "alike": facts.not_different if facts else None,
        "within_replicates": facts.within_replicates if facts else None,
        "ci_level": LEVEL,
    }


def score_of(record: Record, facts: RowFacts | None, measure: Measure) -> Score | None:
    """Return the test score of a row by a measure that has intervals; None if there is none."""
    if facts is None:
        return None
    return facts.primary if measure.name == record.primary.name else facts.others.get(measure.name)


def _change(measure: Measure, interval: Interval | None) -> dict[str, float | None]:
    """Return the columns of a difference and its bounds, in percentage points if the measure is a share."""
    scaled = interval.scaled(measure.scale) if interval else None
    name = f"delta_test_{measure.name}{'_pp' if measure.is_share else ''}"
    return {name: scaled.value if scaled else None, **_bounds(name, scaled)}


def _difference(record: Record, difference: Difference | None) -> dict[str, Any]:
    changes: dict[str, float | None] = {}
    primary, *others = record.detailed
    for m in (primary, *others):
        value = (difference.value if m is primary else difference.others.get(m.name)) if difference else None
        changes |= _change(m, value)
    against = difference.against if difference else None
    discordant = {
        "only_first_right": against.only_a if against else None,
        "only_second_right": against.only_b if against else None,
    }
    wins = difference.wins if difference else None
    has_wins = len(record.grid.seeds) >= WINS
    return {
        **changes,
        "ci_over": (difference and over(record, difference.over)) or None,
        **(discordant if primary.kind == BINARY else {}),
        "p": difference.p if difference else None,
        "p_holm": difference.p_holm if difference else None,
        "p_exact": difference.p_exact if difference else None,
        "equivalent": difference.equivalent if difference else None,
        **({"wins": wins[0] if wins else None, "wins_of": wins[1] if wins else None} if has_wins else {}),
    }


def over(record: Record, over: str) -> str:
    """Return the units that intervals are over, in the study's words: "images", "seeds", "seeds and images"."""
    words = over.replace("seeds", record.grid.replication).replace("examples", f"{record.noun}s")
    return words.replace("groups", f"groups of {record.noun}s")


def validation_units(record: Record, stability: Stability) -> str:
    """Return what is sampled on validation, in words: "validation images", "groups of validation images"."""
    return over(record, stability.units).replace(f"{record.noun}s", f"validation {record.noun}s")


def _published_change(record: Record, first: int, second: int) -> dict[str, float | None]:
    """Return the published difference of two rows in percentage points; {} if the primary measure is no share."""
    primary = record.primary
    if not primary.is_share:
        return {}
    one, other = (record.grid.published[r - 1].get(f"test_{primary.name}") for r in (first, second))
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


def contrasts(record: Record, one_factor_contrasts: Sequence[Contrast]) -> pd.DataFrame:
    """Return one line per pair of rows that differ in one factor.

    Differences are second row minus first, in percentage points for measures that are shares.
    """
    pair = ("study", "factor", "from_level", "to_level", "from_row", "to_row")
    columns = [*pair, *_difference(record, None), *_published_change(record, 1, 1), "ci_level"]
    return pd.DataFrame([_contrast_line(record, c) for c in one_factor_contrasts], columns=columns)


def levels_between(record: Record, pair: Pair) -> list[tuple[str, str, str]]:
    """Return the factors in which two rows differ, each with the level of the first and of the second row."""
    one, other = (record.shown(record.grid.rows[row - 1]) for row in pair)
    return [
        (f, short(f, one[f]), short(f, other[f])) for f in record.grid.varying if f in one and one[f] != other.get(f)
    ]


def _comparison_line(record: Record, number: int, pair: Pair, difference: Difference) -> dict[str, Any]:
    differing = levels_between(record, pair)
    factors, from_levels, to_levels = zip(*differing, strict=True) if differing else ((), (), ())
    return {
        "study": record.name,
        "family": number,
        "from_row": pair[0],
        "to_row": pair[1],
        "from_label": record.grid.labels[pair[0] - 1],
        "to_label": record.grid.labels[pair[1] - 1],
        "factors": ", ".join(factors),
        "from_levels": ", ".join(from_levels),
        "to_levels": ", ".join(to_levels),
        **_difference(record, difference),
        "ci_level": LEVEL,
    }


def comparisons(record: Record, families: Sequence[Family]) -> pd.DataFrame:
    """Return one line per compared pair of all families. `family`: number of its [[compare]] in the study file.

    Differences are second row minus first, in percentage points for measures that are shares.
    """
    rows = ("study", "family", "from_row", "to_row", "from_label", "to_label", "factors", "from_levels", "to_levels")
    lines = [
        _comparison_line(record, number, pair, difference)
        for number, family in enumerate(families, start=1)
        for pair, difference in family.pairs.items()
    ]
    return pd.DataFrame(lines, columns=[*rows, *_difference(record, None), "ci_level"])
