"""Results to the table: tidy frames for CSV, and one model of typed cells that every other format is drawn from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from ablation import result
from ablation.datasets.images import SPLITS
from ablation.grid import METRICS, PUBLISHED, TITLES, Trial, short
from ablation.record import Record
from ablation.result import Result
from ablation.selection import Selection
from ablation.workspace import Workspace

MANY_IMAGES = 20_000  # from here on a second decimal of a percentage means something
NOT_RUN = "not run"

MEASURED = [f"{split}_{metric}" for split in SPLITS for metric in METRICS]
Scores = dict[str, dict[str, float]]  # train, val, test -> metric -> value


@dataclass(frozen=True)
class Column:
    """`key` names its values in the rows' frame. `group`: the heading above, "" for none. `kind` says what its cells
    hold and how they are drawn:

    row: the number of a row, or a text, with its marks; factor: a level; text: words; count: a whole number;
    percent: a fraction, or a pair of mean and standard deviation; estimate: an Interval of fractions, in percent;
    change: an Interval of fractions, in percentage points with a sign; p: a p value; number: a float, 3 digits;
    published: a Decimal with the digits of its source.
    """

    key: str
    title: str
    kind: str
    group: str = ""


@dataclass(frozen=True)
class Cell:
    """A value of its column's kind, and whether it is set in bold. None: there is none; a str says why."""

    value: Any
    bold: bool = False


@dataclass(frozen=True)
class Table:
    """A table before it takes a format. `name`: of the study; `key`: which of its tables; `marks[i]` says what row i
    is: reference, selected, alike (not told from the selected row), gap (overfits), noise (within the replicates).
    `ids[i]`: the trials that row i comes from."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    marks: tuple[frozenset[str], ...]
    notes: tuple[str, ...]
    decimals: int
    key: str = "ablation"
    ids: tuple[str, ...] = ()


def collect(workspace: Workspace, record: Record) -> dict[Trial, Result | None]:
    """What the files say of every trial: its result, its training's failure, or None where it was not run."""
    return {
        t: result.read(workspace.training(record.training_key(t)), t.condition.epochs) for t in record.grid.trials()
    }


def _scores(found: Result | None, test: dict[str, float] | None) -> Scores:
    if found is None or not found.done:
        return {}
    return found.scores | ({"test": test} if test else {})


def _levels(record: Record, row: int) -> dict[str, Any]:
    levels = record.shown(record.grid.rows[row - 1])
    return {f: short(f, v) if isinstance(v, tuple) else v for f, v in levels.items()}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds else ""


def trials_frame(
    record: Record, results: Mapping[Trial, Result | None], tests: Mapping[Trial, dict[str, float]]
) -> pd.DataFrame:
    """A line a trial, with when, where and how long. Accuracies and F1 are fractions, losses nats, times seconds."""
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
        "trial": record.trial_key(trial),
        "row": trial.row,
        "seed": trial.seed,
        **_levels(record, trial.row),
        "outcome": found.outcome if found else NOT_RUN,
        **measured,
        "best_epoch": best.get("epoch"),
        "best_val_accuracy": best.get("val_accuracy"),
        **ran,
    }


def rows_frame(record: Record, trials: pd.DataFrame, selected: Selection | None) -> pd.DataFrame:
    """A line a row; it holds nothing of when, where or in how many attempts it was made. Means are over seeds."""
    outcomes = trials.groupby("row").outcome.agg(list).to_dict()
    keys = trials.groupby("row").trial.agg(" ".join).to_dict()
    done = trials[trials.outcome == result.DONE].astype(dict.fromkeys(MEASURED, float)).groupby("row")[MEASURED]
    measured = done.mean()
    if len(record.grid.seeds) > 1:
        measured = measured.join(done.std().add_suffix("_sd"))
    numbers = range(1, len(record.grid.rows) + 1)
    scores: list[dict[str, float]] = measured.reindex(list(numbers)).to_dict("records")  # type: ignore[assignment]
    return pd.DataFrame([_row_line(record, n, outcomes[n], keys[n], scores[n - 1], selected) for n in numbers])


def _row_line(
    record: Record, row: int, outcomes: list[str], keys: str, scores: dict[str, float], selected: Selection | None
) -> dict[str, Any]:
    failed = [o for o in outcomes if o != result.DONE]
    counts = record.counts[record.grid.rows[row - 1].split]
    published = record.grid.published[row - 1]
    return {
        "row": row,
        "label": record.grid.labels[row - 1],
        **_levels(record, row),
        "outcome": failed[0] if failed else result.DONE,
        "reference": row == record.grid.reference,
        "selected": selected is not None and row == selected.row,
        "n_seeds": len(outcomes) - len(failed),
        **scores,
        **{f"n_{s}": sum(counts[s]) for s in SPLITS},
        **{f"published_{k}": float(published[k]) if k in published else None for k in PUBLISHED},
        "trials": keys,
    }


def _columns(record: Record) -> Iterator[Column]:
    yield Column("row", "#", "row")
    if any(record.grid.labels):
        yield Column("label", "Row", "text")
    if not all(record.grid.labels):
        for factor in record.grid.varying or ("backbone",):
            yield Column(factor, TITLES[factor], "factor", "Factors")
    yield Column("train_accuracy", "Train", "percent", "Accuracy (%)")
    yield Column("val_accuracy", "Val", "percent", "Accuracy (%)")
    yield Column("test_accuracy", "Acc.", "percent", "Test (%)")
    yield Column("test_macro_f1", "Macro-F1", "percent", "Test (%)")
    titles = {"train_accuracy": "Train", "val_accuracy": "Val", "test_accuracy": "Test", "f1": "F1"}
    for key, title in titles.items():
        if any(key in published for published in record.grid.published):
            yield Column(key, title, "published", "Published (%)")


def _cell(record: Record, column: Column, line: Mapping[str, Any]) -> Cell:
    selected, key, row = bool(line["selected"]), column.key, int(line["row"]) - 1
    if column.kind in ("row", "text"):
        return Cell(line[key], selected)
    if column.kind == "factor":
        return Cell(record.shown(record.grid.rows[row])[key], selected)
    if column.kind == "published":
        return Cell(record.grid.published[row].get(key))
    if pd.isna(line[key]):
        return Cell(None if line["outcome"] == result.DONE else line["outcome"])
    spread = line.get(f"{key}_sd")
    value = line[key] if spread is None or pd.isna(spread) else (line[key], spread)
    return Cell(value, selected and key == record.grid.select_on)


def build(record: Record, rows: pd.DataFrame, majority: float | None, selected: Selection | None) -> Table:
    """The ablation table as people read it. `majority`: share of the test set's largest class."""
    columns = tuple(_columns(record))
    lines = [{str(k): v for k, v in line.items()} for line in rows.to_dict("records")]
    marks = [frozenset(m for m in ("reference", "selected") if line[m]) for line in lines]
    return Table(
        name=record.name,
        caption=_caption(record, rows, majority),
        columns=columns,
        rows=tuple(tuple(_cell(record, c, line) for c in columns) for line in lines),
        marks=tuple(marks),
        notes=tuple(_notes(record, rows, selected)),
        decimals=2 if rows.n_test.max() >= MANY_IMAGES else 1,
    )


def _listed(words: Sequence[object]) -> str:
    """1, 3 and 5."""
    *most, last = map(str, words)
    return f"{', '.join(most)} and {last}" if most else last


def _caption(record: Record, rows: pd.DataFrame, majority: float | None) -> str:
    sizes = sorted(set(rows.n_test))
    test = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    share = f", majority class {100 * majority:.1f}%" if majority else ""
    seeds = record.grid.seeds
    many = (
        f"Mean ± standard deviation over seeds {_listed(seeds)}"
        if len(seeds) > 1
        else f"One training per row (seed {seeds[0]})"
    )
    notes = "".join(f" {note}" for note in record.notes)
    return f"{record.grid.title}: {test} test images of {len(record.classes)} classes{share}. {many}.{notes}"


def _notes(record: Record, rows: pd.DataFrame, selected: Selection | None) -> Iterator[str]:
    """One opens with the symbol that it explains, in braces."""
    grid = record.grid
    near = [n for n in range(1, len(grid.rows) + 1) if len(grid.difference(n)) == 1]
    neighbours = f" (differs from row{'s' if near[1:] else ''} {_listed(near)} in one factor)" if near else ""
    yield f"{{reference}} reference row{neighbours}."
    if selected:
        yield f"{{selected}} selected (bold): {selected.rule}. The test columns played no part in the choice."
        if selected.earlier:
            before = _listed(list(dict.fromkeys(e["row"] for e in selected.earlier)))
            yield f"Selected anew after the study had grown; test results were seen with row {before} selected."
    sizes = rows[["n_train", "n_val", "n_test"]].drop_duplicates()
    if len(sizes) == 1:
        train, val, test = sizes.iloc[0]
        yield f"Images: {train:,} train, {val:,} validation, {test:,} test."
    if any(grid.labels):
        yield from _components(record)
    lacking = [_lack(line, len(grid.seeds)) for line in rows[rows.outcome != result.DONE].itertuples()]
    if lacking:
        yield f"Incomplete: {', '.join(lacking)}."
    if any(grid.published):
        other = ", whose F1 may be an average other than macro-F1" if any("f1" in p for p in grid.published) else ""
        yield f"Published: as printed in the source{other}."
    same = [
        f"{f.replace('_', ' ')} {short(f, v)}" for f, v in record.shown(grid.rows[0]).items() if f not in grid.varying
    ]
    yield f"The same in all rows: {', '.join(same)}."


def _components(record: Record) -> Iterator[str]:
    """What the labels stand for: "without depth: fc layers 1 (2 in the reference row)"."""
    reference = record.shown(record.grid.rows[record.grid.reference - 1])
    for row, label in enumerate(record.grid.labels, start=1):
        levels = record.shown(record.grid.rows[row - 1])
        differences = [
            f"{f.replace('_', ' ')} {short(f, levels[f])} ({short(f, reference[f])} in the reference row)"
            for f in record.grid.difference(row)
        ]
        if label and differences:
            yield f"Row {row}, {label}: {', '.join(differences)}."


def _lack(line: Any, seeds: int) -> str:
    some = f"; numbers from {line.n_seeds} of {seeds} seeds" if line.n_seeds else ""
    return f"row {line.row} ({line.outcome}{some})"


def as_percent(value: Decimal) -> str:
    """A published fraction in percent, with the digits that the source printed: 0.941 is 94.1, 0.94 is 94."""
    return f"{value.scaleb(2):f}"
