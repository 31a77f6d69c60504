"""The ablation table as people read it: one model of typed cells, that every format is drawn from."""
# ruff: noqa: RUF001 (the signs are what this file is about)

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd

from ablation.caveats.caveat import listed, which
from ablation.grids import design
from ablation.grids.levels import short
from ablation.grids.record import Record
from ablation.outcomes import Status
from ablation.results.selection import Selection, before
from ablation.statistics.comparison import LEVEL, RESAMPLES, Interval
from ablation.statistics.facts import GAP, SEEDS, Analysis, RowFacts

MANY_IMAGES = 20_000  # from here on a second decimal of a percentage means something
OVER = "over the classes that have images"  # averages over classes are, as in `evaluation.scores`


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


def _columns(record: Record, found: Analysis | None) -> Iterator[Column]:
    yield Column("row", "#", "row")
    if any(record.grid.labels):
        yield Column("label", "Row", "text")
    if not all(record.grid.labels):
        for factor in record.grid.varying or ("backbone",):
            yield Column(factor, record.grid.titles[factor], "factor", "Factors")
    yield Column("train_accuracy", "Train", "percent", "Accuracy (%)")
    yield Column("val_accuracy", "Val", "percent", "Accuracy (%)")
    yield Column("test_accuracy", "Acc.", "estimate", "Test (%)")
    yield Column("test_macro_f1", "Macro-F1", "estimate", "Test (%)")
    if found:
        yield Column("delta", "Δ", "change", "Test acc. − ° (pp)")
        yield Column("p_holm", "p (Holm)", "p", "Test acc. − ° (pp)")


def _estimate(value: float, interval: Interval | None) -> Interval:
    nowhere = float("nan")
    return interval if interval else Interval(value, nowhere, nowhere)


def _tested(key: str, facts: RowFacts | None, line: Mapping[str, Any]) -> Any:
    """A cell's value that is known of rows with results only."""
    if key == "test_accuracy":
        return _estimate(line[key], (facts.over_seeds or facts.accuracy) if facts else None)
    if key == "test_macro_f1":
        return _estimate(line[key], (facts.f1_over_seeds or facts.macro_f1) if facts else None)
    if facts is None or facts.delta is None:
        return None
    return facts.delta.accuracy if key == "delta" else facts.delta.p_holm


def _cell(record: Record, column: Column, line: Mapping[str, Any], facts: RowFacts | None) -> Cell:
    selected, key, row = bool(line["selected"]), column.key, int(line["row"]) - 1
    if column.kind in ("row", "text"):
        return Cell(line[key], selected)
    if column.kind == "factor":
        return Cell(record.shown(record.grid.rows[row])[key], selected)
    if pd.isna(line["test_accuracy" if key in ("delta", "p_holm") else key]):
        return Cell(None if line["outcome"] == Status.DONE else line["outcome"])
    if column.kind in ("estimate", "change", "p"):
        return Cell(_tested(key, facts, line))
    spread = line.get(f"{key}_sd")
    value = line[key] if spread is None or pd.isna(spread) else (line[key], spread)
    return Cell(value, selected and key == record.grid.select_on)


def _marks(line: Mapping[str, Any], facts: RowFacts | None) -> Iterator[str]:
    yield from (m for m in ("reference", "selected") if line[m])
    if facts and facts.alike:
        yield "alike"
    if facts and facts.gap > GAP:
        yield "gap"
    if facts and facts.within_replicates and not line["reference"]:
        yield "noise"


def build(
    record: Record,
    rows: pd.DataFrame,
    majority: float | None,
    selected: Selection | None,
    found: Analysis | None = None,
) -> Table:
    """The ablation table. `rows`: from `frames.rows`; `majority`: share of the test set's largest class; `found`: None
    where nothing was tested."""
    found = found if found and found.rows else None
    facts = found.rows if found else {}
    columns = tuple(_columns(record, found))
    lines = [{str(k): v for k, v in line.items()} for line in rows.to_dict("records")]
    marks = [frozenset(_marks(line, facts.get(n))) for n, line in enumerate(lines, start=1)]
    return Table(
        name=record.name,
        caption=_caption(record, rows, majority, found),
        columns=columns,
        rows=tuple(tuple(_cell(record, c, line, facts.get(int(line["row"]))) for c in columns) for line in lines),
        marks=tuple(marks),
        notes=tuple(_notes(record, rows, selected, found, frozenset[str]().union(*marks))),
        decimals=2 if rows.n_test.max() >= MANY_IMAGES else 1,
        ids=tuple(line["trials"] for line in lines),
    )


def _caption(record: Record, rows: pd.DataFrame, majority: float | None, found: Analysis | None) -> str:
    sizes = sorted(set(rows.n_test))
    test = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    share = f", majority class {100 * majority:.1f}%" if majority else ""
    seeds = record.grid.seeds
    many = (
        f"Mean ± standard deviation over seeds {listed(seeds)}"
        if len(seeds) > 1
        else f"One training per row (seed {seeds[0]})"
    )
    notes = "".join(f" {note}" for note in record.notes)
    of = f"{record.grid.title}: {test} test images of {len(record.inputs.classes)} classes{share}"
    return f"{of}. {many}.{_brackets(seeds, found)}{notes}"


def _brackets(seeds: Sequence[int], found: Analysis | None) -> str:
    over = "seeds" if len(seeds) >= SEEDS else "test images"
    return f" Brackets: {100 * LEVEL:.0f}% intervals over {over}." if found else ""


def _test_in(selected: Selection) -> str:
    if selected.on_test:
        return "SELECTED ON TEST: the test numbers of the selected row are too good, the best of several by luck too."
    return "The test columns played no part in the choice."


def _notes(
    record: Record, rows: pd.DataFrame, selected: Selection | None, found: Analysis | None, marks: frozenset[str]
) -> Iterator[str]:
    """One opens with the symbol that it explains, in braces."""
    grid = record.grid
    near = [n for n in range(1, len(grid.rows) + 1) if len(grid.difference(n)) == 1]
    yield f"{{reference}} reference row{_neighbours(near)}."
    if selected:
        yield f"{{selected}} selected (bold): {selected.rule}. {_test_in(selected)}"
        if selected.earlier:
            yield f"Selected anew: {before(record, selected)}."
    if found:
        yield from _statistics(record, found, marks)
    if found and lacks_a_class(record):
        yield f"Macro-F1 is {OVER}."
    sizes = rows[["n_train", "n_val", "n_test"]].drop_duplicates()
    if len(sizes) == 1:
        train, val, test = sizes.iloc[0]
        yield f"Images: {train:,} train, {val:,} validation, {test:,} test."
    if any(grid.labels):
        yield from _components(record)
    lacking = [_lack(line, len(grid.seeds)) for line in rows[rows.outcome != Status.DONE].itertuples()]
    if lacking:
        yield f"Incomplete: {', '.join(lacking)}."
    same = [
        f"{f.replace('_', ' ')} {short(f, v)}" for f, v in record.shown(grid.rows[0]).items() if f not in grid.varying
    ]
    yield f"The same in all rows: {', '.join(same)}."


def lacks_a_class(record: Record) -> bool:
    """Return whether a class has no image in the test images of a row."""
    return not all(all(record.inputs.counts[row.split]["test"]) for row in record.grid.rows)


def _neighbours(rows: Sequence[int]) -> str:
    return f" (differs from {which(rows)} in one factor)" if rows else ""


def _statistics(record: Record, found: Analysis, marks: frozenset[str]) -> Iterator[str]:
    """What the symbols, brackets and tests mean, and what they do not hold."""
    seeds, n = len(record.grid.seeds), len(found.rows)
    test = _test(seeds)
    compared = sum(facts.alike is not None for facts in found.rows.values())
    if "alike" in marks:
        yield f"{{alike}} not told from {{selected}} on test ({test}, Holm over {compared} comparisons, p ≥ 0.05)."
    if "gap" in marks:
        yield f"{{gap}} train − validation gap above {100 * GAP:.0f} pp."
    if "noise" in marks and found.noise:
        low, high = (f"{100 * bound:.1f}" for bound in (found.noise.range.low, found.noise.range.high))
        yield (
            f"{{noise}} within what another seed does to the reference: {low} to {high} % "
            f"(from {len(found.noise.accuracies)} replicates, 95 % for one more)."
        )
    if found.stability and found.stability.cheapest not in (0, *_selected(found)):
        yield f"Cheapest row that validation does not tell from {{selected}}: row {found.stability.cheapest}."
    yield _method(seeds, sum(facts.delta is not None for facts in found.rows.values()), found.bootstrapped)
    few = [r for r, f in found.rows.items() if not f.over_seeds or (f.delta and f.delta.over == "images")]
    if few and seeds >= SEEDS:
        yield (
            f"Too few common seeds in {which(few)}: brackets, Δ or p there are over test images, of the seeds that "
            "both have (of one, exact McNemar)."
        )
    if seeds == 1:
        yield f"Intervals and tests are about these {n} trained networks; they hold no run-to-run (seed) variance."
    yield from _gaps(record, found)


def _selected(found: Analysis) -> list[int]:
    """The row that the others were compared with: it is not compared with itself."""
    return [row for row, facts in found.rows.items() if facts.alike is None]


def _test(seeds: int) -> str:
    """What tells two rows apart."""
    return "exact McNemar" if seeds == 1 else f"paired t test over {'seeds' if seeds >= SEEDS else 'images'}"


def _method(seeds: int, compared: int, bootstrapped: bool) -> str:
    f1 = (
        f"percentile bootstrap over images, {RESAMPLES:,} resamples"
        if bootstrapped
        else "no interval (--intervals all)"
    )
    if seeds >= SEEDS:
        test = f"paired t test, Holm over {compared} rows"
        return f"Brackets: Student's t over seeds. Δ: paired by seed, unadjusted; p: {test}."
    accuracy = "Wilson interval" if seeds == 1 else "t interval over images of the mean over seeds"
    return (
        f"Accuracy: {accuracy}. Macro-F1: {f1}. Δ: paired 95 % interval over images, unadjusted; "
        f"p: {_test(seeds)} against {{reference}}, Holm over {compared} rows."
    )


def _gaps(record: Record, found: Analysis) -> Iterator[str]:
    grid = record.grid
    lacking = [" × ".join(grid.titles[f] for f in i.factors) for i in found.interactions if i.reason.startswith("not")]
    if not any(grid.labels) and len(grid.rows) < design.cells(grid):
        cannot = (
            f"; cannot be estimated: the interaction{'s' if lacking[1:] else ''} {listed(lacking)}" if lacking else ""
        )
        yield f"{len(found.rows)} of {design.cells(grid):,} cells of the grid were run{cannot}."


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
