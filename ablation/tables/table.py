"""The ablation table as people read it: one model of typed cells, that every format is drawn from."""
# ruff: noqa: RUF001 (the signs are what this file is about)

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pandas as pd

from ablation.caveats.caveat import listed, which
from ablation.grids import design
from ablation.grids.levels import short
from ablation.grids.record import Record
from ablation.measures.measure import AGGREGATE, BINARY, SCALAR, Measure
from ablation.outcomes import Status
from ablation.results.selection import Selection, before
from ablation.statistics.comparison import LEVEL, RESAMPLES, Interval
from ablation.statistics.facts import GAP, SEEDS, Analysis, RowFacts
from ablation.tables.frames import score_of

MANY_IMAGES = 20_000  # from here on a second decimal of a percentage means something
WORDS = {"train": "train", "val": "validation", "test": "test"}
OVER = "over the classes that have images"  # averages over classes are, as in `evaluation.scores`


@dataclass(frozen=True)
class Column:
    """`key` names its values in the rows' frame. `group`: the heading above, "" for none. `kind` says what its cells
    hold and how they are drawn:

    row: the number of a row, or a text, with its marks; factor: a level; text: words; count: a whole number;
    percent: a value, or a pair of mean and standard deviation; estimate: an Interval; change: an Interval of
    differences, with a sign; p: a p value; number: a float, 3 digits; published: a Decimal with the digits of its
    source. The first three are shown `scale` times as large, fractions in percent, with `decimals`; None: the table's.
    """

    key: str
    title: str
    kind: str
    group: str = ""
    scale: float = 100.0
    decimals: int | None = None


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


def measured(key: str, title: str, kind: str, group: str, measure: Measure) -> Column:
    """Return a column of a measure's numbers, or of differences between them. The group has the unit."""
    unit = measure.change_unit if kind == "change" else measure.unit
    decimals = None if measure.is_share else measure.decimals
    return Column(key, title, kind, f"{group} ({unit})" if unit else group, measure.scale, decimals)


def capital(text: str) -> str:
    """Return a text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def lower(text: str) -> str:
    """Return a heading as it stands within a sentence: "acc.", but "MAE"."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def _columns(record: Record, found: Analysis | None) -> Iterator[Column]:
    yield Column("row", "#", "row")
    if any(record.grid.labels):
        yield Column("label", "Row", "text")
    if not all(record.grid.labels):
        for factor in record.grid.varying or ("backbone",):
            yield Column(factor, record.grid.titles[factor], "factor", "Factors")
    yield from _measured(record)
    if found:
        delta = measured("delta", "Δ", "change", f"Test {lower(record.primary.short)} − °", record.primary)
        yield delta
        yield Column("p_holm", "p (Holm)", "p", delta.group, delta.scale)


def _measured(record: Record) -> Iterator[Column]:
    primary = record.primary
    for split, title in (("train", "Train"), ("val", "Val")):
        if split in primary.splits:
            yield measured(f"{split}_{primary.name}", title, "percent", capital(primary.title), primary)
    detailed = [m for m in record.detailed if "test" in m.splits]
    one_unit = len({m.unit for m in detailed}) == 1
    for m in detailed:
        title = m.short if one_unit or not m.unit else f"{m.short} ({m.unit})"
        column = measured(f"test_{m.name}", title, "estimate", "Test", m)
        yield column if one_unit else replace(column, group="Test")


def _estimate(record: Record, key: str, facts: RowFacts | None, line: Mapping[str, Any]) -> Interval:
    """A row's number on test, with the interval that it has."""
    score = score_of(record, facts, record.measures[key.removeprefix("test_")])
    known = score and (score.over_seeds or score.over_examples)
    return known or Interval(line[key], float("nan"), float("nan"))


def _tested(record: Record, key: str, facts: RowFacts | None, line: Mapping[str, Any]) -> Any:
    """A cell's value that is known of rows with results only."""
    if key.startswith("test_"):
        return _estimate(record, key, facts, line)
    if facts is None or facts.delta is None:
        return None
    return facts.delta.value if key == "delta" else facts.delta.p_holm


def _cell(record: Record, column: Column, line: Mapping[str, Any], facts: RowFacts | None) -> Cell:
    selected, key, row = bool(line["selected"]), column.key, int(line["row"]) - 1
    if column.kind in ("row", "text"):
        return Cell(line[key], selected)
    if column.kind == "factor":
        return Cell(record.shown(record.grid.rows[row])[key], selected)
    if pd.isna(line[f"test_{record.primary.name}" if key in ("delta", "p_holm") else key]):
        return Cell(None if line["outcome"] == Status.DONE else line["outcome"])
    if column.kind in ("estimate", "change", "p"):
        return Cell(_tested(record, key, facts, line))
    spread = line.get(f"{key}_sd")
    value = line[key] if spread is None or pd.isna(spread) else (line[key], spread)
    return Cell(value, selected and key == record.grid.select_on)


def _marks(line: Mapping[str, Any], facts: RowFacts | None) -> Iterator[str]:
    yield from (m for m in ("reference", "selected") if line[m])
    if facts and facts.alike:
        yield "alike"
    if facts and facts.gap is not None and facts.gap > GAP:
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
        decimals=2 if rows.n_test.fillna(0).max() >= MANY_IMAGES else 1,
        ids=tuple(line["trials"] for line in lines),
    )


def _caption(record: Record, rows: pd.DataFrame, majority: float | None, found: Analysis | None) -> str:
    seeds = record.grid.seeds
    many = (
        f"Mean ± standard deviation over seeds {listed(seeds)}"
        if len(seeds) > 1
        else f"One training per row (seed {seeds[0]})"
    )
    notes = "".join(f" {note}" for note in record.notes)
    of = f"{record.grid.title}{_test_set(record, rows, majority)}"
    return f"{of}. {many}.{_brackets(record, found)}{notes}"


def _test_set(record: Record, rows: pd.DataFrame, majority: float | None) -> str:
    """How many examples test has, where that is known."""
    sizes = sorted(set(rows.n_test.dropna()))
    if not sizes:
        return ""
    test = f"{sizes[0]:,.0f}" if len(sizes) == 1 else f"{sizes[0]:,.0f} to {sizes[-1]:,.0f}"
    share = f", majority class {100 * majority:.1f}%" if majority else ""
    classes = f" of {len(record.inputs.classes)} classes{share}" if record.inputs.classes else ""
    return f": {test} test {record.noun}s{classes}"


def _brackets(record: Record, found: Analysis | None) -> str:
    if not found:
        return ""
    if len(record.grid.seeds) < SEEDS and not any(f.primary.over_examples for f in found.rows.values()):
        return f" No intervals: each trial states its number alone, and intervals over seeds begin at {SEEDS} seeds."
    over = "seeds" if len(record.grid.seeds) >= SEEDS else f"test {record.noun}s"
    return f" Brackets: {100 * LEVEL:.0f}% intervals over {over}."


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
        yield from _selection(record, selected)
    if found:
        yield from _statistics(record, found, marks)
    if found and lacks_a_class(record):
        yield f"Macro-F1 is {OVER}."
    sizes = rows[["n_train", "n_val", "n_test"]].drop_duplicates()
    if len(sizes) == 1 and (known := sizes.iloc[0].dropna().to_dict()):
        parts = [f"{known[f'n_{s}']:,.0f} {word}" for s, word in WORDS.items() if f"n_{s}" in known]
        yield f"{capital(record.noun)}s: {', '.join(parts)}."
    if any(grid.labels):
        yield from _components(record)
    lacking = [_lack(line, len(grid.seeds)) for line in rows[rows.outcome != Status.DONE].itertuples()]
    if lacking:
        yield f"Incomplete: {', '.join(lacking)}."
    same = [
        f"{f.replace('_', ' ')} {short(f, v)}" for f, v in record.shown(grid.rows[0]).items() if f not in grid.varying
    ]
    if same:
        yield f"The same in all rows: {', '.join(same)}."


def _selection(record: Record, selected: Selection) -> Iterator[str]:
    if selected.row is None:
        yield f"{capital(selected.rule)}."
    else:
        yield f"{{selected}} selected (bold): {selected.rule}. {_test_in(selected)}"
    if selected.earlier:
        yield f"{'Opened again' if selected.row is None else 'Selected anew'}: {before(record, selected)}."


def lacks_a_class(record: Record) -> bool:
    """Return whether a class has no image in the test images of a row."""
    return bool(record.inputs.classes) and not all(
        all(record.inputs.counts[row.split]["test"]) for row in record.grid.rows
    )


def _neighbours(rows: Sequence[int]) -> str:
    return f" (differs from {which(rows)} in one factor)" if rows else ""


def _statistics(record: Record, found: Analysis, marks: frozenset[str]) -> Iterator[str]:
    """What the symbols, brackets and tests mean, and what they do not hold."""
    seeds = len(record.grid.seeds)
    compared = sum(facts.alike is not None for facts in found.rows.values())
    if "alike" in marks:
        test = _test(record, seeds)
        yield f"{{alike}} not told from {{selected}} on test ({test}, Holm over {compared} comparisons, p ≥ 0.05)."
    if "gap" in marks:
        yield f"{{gap}} train − validation gap above {100 * GAP:.0f} pp."
    if "noise" in marks and found.noise:
        primary, bounds = record.primary, found.noise.range
        yield (
            f"{{noise}} within what another seed does to the reference: {primary.number(bounds.low, 1)} to "
            f"{primary.shown(bounds.high, 1)} (from {len(found.noise.values)} replicates, 95 % for one more)."
        )
    if found.stability and found.stability.cheapest not in (0, *_selected(found)):
        yield f"Cheapest row that validation does not tell from {{selected}}: row {found.stability.cheapest}."
    yield _method(record, found)
    yield from _few(record, found)
    yield from _gaps(record, found)


def _few(record: Record, found: Analysis) -> Iterator[str]:
    """Where seeds are too few for what the other rows have."""
    seeds, n = len(record.grid.seeds), len(found.rows)
    few = [r for r, f in found.rows.items() if not f.primary.over_seeds or (f.delta and f.delta.over != "seeds")]
    told = any(f.primary.over_examples for f in found.rows.values())
    if few and seeds >= SEEDS and told:
        single = " (of one, exact McNemar)" if record.primary.kind == BINARY else ""
        yield (
            f"Too few common seeds in {which(few)}: brackets, Δ or p there are over test {record.noun}s, of the seeds "
            f"that both have{single}."
        )
    elif few and seeds >= SEEDS:
        yield f"Too few common seeds in {which(few)}: no brackets or no p there."
    if seeds == 1 and told:
        networks = "networks" if record.inputs.classes else "models"
        yield f"Intervals and tests are about these {n} trained {networks}; they hold no run-to-run (seed) variance."


def _selected(found: Analysis) -> list[int]:
    """The row that the others were compared with: it is not compared with itself."""
    return [row for row, facts in found.rows.items() if facts.alike is None]


def _test(record: Record, seeds: int) -> str:
    """What tells two rows apart."""
    kind = record.primary.kind
    if seeds >= SEEDS:
        return "paired t test over seeds"
    if seeds == 1 and kind == BINARY:
        return "exact McNemar"
    return f"paired {'bootstrap' if kind == AGGREGATE else 't'} test over {record.noun}s"


def _interval(measure: Measure, record: Record, found: Analysis) -> str:
    """What the brackets of a measure are, where they are not over seeds."""
    over, many = f"{record.noun}s", len(record.grid.seeds) > 1
    if measure.kind == SCALAR or not _has_interval(measure, record, found):
        return (
            "no interval (--intervals all)" if measure.kind == AGGREGATE and not found.bootstrapped else "no interval"
        )
    if measure.kind == AGGREGATE:
        return f"percentile bootstrap over {over}, {RESAMPLES:,} resamples"
    if measure.kind == BINARY and not many:
        return "Wilson interval"
    return f"t interval over {over}{' of the mean over seeds' if many else ''}"


def _has_interval(measure: Measure, record: Record, found: Analysis) -> bool:
    return any(s and s.over_examples for s in (score_of(record, f, measure) for f in found.rows.values()))


def _method(record: Record, found: Analysis) -> str:
    seeds, primary = len(record.grid.seeds), record.primary
    compared = sum(facts.delta is not None for facts in found.rows.values())
    if seeds >= SEEDS:
        test = f"paired t test, Holm over {compared} rows"
        return f"Brackets: Student's t over seeds. Δ: paired by seed, unadjusted; p: {test}."
    brackets = " ".join(f"{capital(m.title)}: {_interval(m, record, found)}." for m in record.detailed)
    if not _has_interval(primary, record, found):
        return f"{brackets} Δ: of the numbers alone, untested."
    return (
        f"{brackets} Δ: paired 95 % interval over {record.noun}s, unadjusted; "
        f"p: {_test(record, seeds)} against {{reference}}, Holm over {compared} rows."
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
