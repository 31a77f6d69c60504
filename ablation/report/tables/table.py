"""The ablation table for readers: one model of typed cells, from which every format is rendered."""
# ruff: noqa: RUF001 (the tables contain these signs)

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pandas as pd

from ablation.analysis.facts import GAP, SEEDS, Analysis, RowFacts
from ablation.analysis.selection import Selection, before
from ablation.measures.measure import AGGREGATE, BINARY, SCALAR, Measure
from ablation.model.phrases import listed, which
from ablation.model.table import Cell, Column, Table
from ablation.outcomes import Status
from ablation.report.tables import stars
from ablation.report.tables.dataframes import score_of
from ablation.statistics.bootstrap import RESAMPLES
from ablation.statistics.intervals import LEVEL, Interval
from ablation.store.record import Record
from ablation.study import design
from ablation.study.levels import short

MANY_IMAGES = 20_000  # from this test set size on, percentages get a second decimal: it is meaningful
WORDS = {"train": "train", "val": "validation", "test": "test"}
OVER = "over the classes that have images"  # classes that enter averages over classes, as in `evaluation.scores`


def measured(key: str, title: str, kind: str, group: str, measure: Measure) -> Column:
    """Return a column of a measure's numbers, or of differences between the numbers.

    Args:
        key: name of the column in the rows' data frame.
        title: heading of the column.
        kind: kind of the cells, one of those that `Column` lists; "change" takes the measure's unit of changes.
        group: heading above several columns; the unit is appended in parentheses.
        measure: measure that gives unit, scale and, if it is not a share, decimals.
    """
    unit = measure.change_unit if kind == "change" else measure.unit
    decimals = None if measure.is_share else measure.decimals
    return Column(key, title, kind, f"{group} ({unit})" if unit else group, measure.scale, decimals)


def capital(text: str) -> str:
    """Return a text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def lower(text: str) -> str:
    """Return a heading as it is written within a sentence: "acc.", but "MAE"."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def _columns(record: Record, analysis: Analysis | None) -> Iterator[Column]:
    yield Column("row", "#", "row")
    if any(record.grid.labels):
        yield Column("label", "Row", "text")
    if not all(record.grid.labels):
        for factor in record.grid.varying or ("backbone",):
            yield Column(factor, record.grid.titles[factor], "factor", "Factors")
    yield from _measured(record)
    if analysis:
        delta = measured("delta", "Δ", "change", f"Test {lower(record.primary.short)} − °", record.primary)
        yield delta
        yield stars.starred(record, Column("p_holm", "p (Holm)", "p", delta.group, delta.scale))


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
    """Return a row's number on test with its interval, over seeds if there is one; without bounds (nan) otherwise."""
    score = score_of(record, facts, record.measures[key.removeprefix("test_")])
    interval = score and (score.over_seeds or score.over_examples)
    return interval or Interval(line[key], float("nan"), float("nan"))


def _test_value(record: Record, key: str, facts: RowFacts | None, line: Mapping[str, Any]) -> Any:
    """Return the value of a cell in a test column; None for a difference that was not computed."""
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
        return Cell(_test_value(record, key, facts, line))
    spread = line.get(f"{key}_sd")
    value = line[key] if spread is None or pd.isna(spread) else (line[key], spread)
    return Cell(value, selected and key == record.grid.select_on)


def _marks(line: Mapping[str, Any], facts: RowFacts | None, second_best: int | None) -> Iterator[str]:
    yield from (m for m in ("reference", "selected") if line[m])
    if line["row"] == second_best:
        yield "second"
    if facts and facts.not_different:
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
    analysis: Analysis | None = None,
) -> Table:
    """Return the ablation table.

    Args:
        record: record of the study.
        rows: data frame of table.csv, from `dataframes.rows`.
        majority: share of the test set's largest class, in [0, 1]; None if rows differ in it or there are no classes.
        selected: sealed selection; None before a selection.
        analysis: statistics on test; None, or without rows, if nothing was tested.

    Returns:
        The table, with two decimals of percentages from `MANY_IMAGES` test examples on, otherwise one.
    """
    analysis = analysis if analysis and analysis.rows else None
    facts = analysis.rows if analysis else {}
    columns = tuple(_columns(record, analysis))
    lines = [{str(k): v for k, v in line.items()} for line in rows.to_dict("records")]
    by_current_rule = analysis and selected and selected.metric == record.grid.select_on
    second_best = analysis.second_best if analysis and by_current_rule else None
    marks = [frozenset(_marks(line, facts.get(n), second_best)) for n, line in enumerate(lines, start=1)]
    return Table(
        name=record.name,
        caption=_caption(record, rows, majority, analysis),
        columns=columns,
        rows=tuple(tuple(_cell(record, c, line, facts.get(int(line["row"]))) for c in columns) for line in lines),
        marks=tuple(marks),
        notes=tuple(_notes(record, rows, selected, analysis, frozenset[str]().union(*marks))),
        decimals=2 if rows.n_test.fillna(0).max() >= MANY_IMAGES else 1,
        ids=tuple(line["trials"] for line in lines),
    )


def _caption(record: Record, rows: pd.DataFrame, majority: float | None, analysis: Analysis | None) -> str:
    seeds = record.grid.seeds
    trainings = (
        f"Mean ± standard deviation over seeds {listed(seeds)}"
        if len(seeds) > 1
        else f"One training per row (seed {seeds[0]})"
    )
    notes = "".join(f" {note}" for note in record.notes)
    subject = f"{record.grid.title}{_test_set(record, rows, majority)}"
    return f"{subject}. {trainings}.{_brackets(record, analysis)}{notes}"


def _test_set(record: Record, rows: pd.DataFrame, majority: float | None) -> str:
    """Return the phrase with the test set's size, classes and majority class; "" if the size is not known."""
    sizes = sorted(set(rows.n_test.dropna()))
    if not sizes:
        return ""
    test = f"{sizes[0]:,.0f}" if len(sizes) == 1 else f"{sizes[0]:,.0f} to {sizes[-1]:,.0f}"
    share = f", majority class {100 * majority:.1f}%" if majority else ""
    classes = f" of {len(record.inputs.classes)} classes{share}" if record.inputs.classes else ""
    return f": {test} test {record.noun}s{classes}"


def _brackets(record: Record, analysis: Analysis | None) -> str:
    if not analysis:
        return ""
    if len(record.grid.seeds) < SEEDS and not any(f.primary.over_examples for f in analysis.rows.values()):
        return f" No intervals: each trial states its number alone, and intervals over seeds begin at {SEEDS} seeds."
    over = "seeds" if len(record.grid.seeds) >= SEEDS else f"test {record.noun}s"
    return f" Brackets: {100 * LEVEL:.0f}% intervals over {over}."


def _test_columns(selected: Selection) -> str:
    if selected.on_test:
        return "SELECTED ON TEST: the test numbers of the selected row are too good, the best of several by luck too."
    return "The test columns played no part in the choice."


def _notes(
    record: Record, rows: pd.DataFrame, selected: Selection | None, analysis: Analysis | None, marks: frozenset[str]
) -> Iterator[str]:
    """Yield the notes below the table. A note that explains a symbol begins with the symbol's name in braces."""
    grid = record.grid
    neighbours = [n for n in range(1, len(grid.rows) + 1) if len(grid.difference(n)) == 1]
    yield f"{{reference}} reference row{_neighbours(neighbours)}."
    if selected:
        yield from _selection(record, selected)
    if "second" in marks and record.selected_by:
        yield f"{{second}} second best validation {record.selected_by.title}; not a claim that it differs."
    if analysis:
        yield from _statistics(record, analysis, marks)
    if analysis and lacks_a_class(record):
        yield f"Macro-F1 is {OVER}."
    sizes = rows[["n_train", "n_val", "n_test"]].drop_duplicates()
    if len(sizes) == 1 and (n_examples := sizes.iloc[0].dropna().to_dict()):
        parts = [f"{n_examples[f'n_{s}']:,.0f} {word}" for s, word in WORDS.items() if f"n_{s}" in n_examples]
        yield f"{capital(record.noun)}s: {', '.join(parts)}."
    if any(grid.labels):
        yield from _components(record)
    incomplete = [_incomplete_row(line, len(grid.seeds)) for line in rows[rows.outcome != Status.DONE].itertuples()]
    if incomplete:
        yield f"Incomplete: {', '.join(incomplete)}."
    shared_levels = [
        f"{f.replace('_', ' ')} {short(f, v)}" for f, v in record.shown(grid.rows[0]).items() if f not in grid.varying
    ]
    if shared_levels:
        yield f"The same in all rows: {', '.join(shared_levels)}."


def _selection(record: Record, selected: Selection) -> Iterator[str]:
    if selected.row is None:
        yield f"{capital(selected.rule)}."
    else:
        yield f"{{selected}} selected (bold): {selected.rule}. {_test_columns(selected)}"
    if selected.earlier:
        yield f"{'Opened again' if selected.row is None else 'Selected anew'}: {before(record, selected)}."


def lacks_a_class(record: Record) -> bool:
    """Return whether a class has no image in the test images of a row."""
    return bool(record.inputs.classes) and not all(
        all(record.inputs.counts[row.split]["test"]) for row in record.grid.rows
    )


def _neighbours(rows: Sequence[int]) -> str:
    return f" (differs from {which(rows)} in one factor)" if rows else ""


def _statistics(record: Record, analysis: Analysis, marks: frozenset[str]) -> Iterator[str]:
    """Yield what the symbols, brackets and tests mean, and what the intervals and tests do not cover."""
    seeds = len(record.grid.seeds)
    compared = sum(facts.not_different is not None for facts in analysis.rows.values())
    if "alike" in marks:
        test = _test(record, seeds)
        yield f"{{alike}} not told from {{selected}} on test ({test}, Holm over {compared} comparisons, p ≥ 0.05)."
    if "gap" in marks:
        yield f"{{gap}} train − validation gap above {100 * GAP:.0f} pp."
    if "noise" in marks and analysis.noise:
        primary, bounds = record.primary, analysis.noise.range
        yield (
            f"{{noise}} within what another seed does to the reference: {primary.number(bounds.low, 1)} to "
            f"{primary.shown(bounds.high, 1)} (from {len(analysis.noise.values)} replicates, 95 % for one more)."
        )
    if analysis.stability and analysis.stability.cheapest not in (0, *_selected(analysis)):
        yield f"Cheapest row that validation does not tell from {{selected}}: row {analysis.stability.cheapest}."
    yield _method(record, analysis)
    yield from stars.note(record)
    yield from _few_seeds(record, analysis)
    yield from _missing_cells(record, analysis)


def _few_seeds(record: Record, analysis: Analysis) -> Iterator[str]:
    """Yield which rows have too few seeds for the intervals of the other rows, and what single-seed tests leave out."""
    seeds, n = len(record.grid.seeds), len(analysis.rows)
    few = [r for r, f in analysis.rows.items() if not f.primary.over_seeds or (f.delta and f.delta.over != "seeds")]
    has_example_intervals = any(f.primary.over_examples for f in analysis.rows.values())
    if few and seeds >= SEEDS and has_example_intervals:
        single = " (of one, exact McNemar)" if record.primary.kind == BINARY else ""
        yield (
            f"Too few common seeds in {which(few)}: brackets, Δ or p there are over test {record.noun}s, of the seeds "
            f"that both have{single}."
        )
    elif few and seeds >= SEEDS:
        yield f"Too few common seeds in {which(few)}: no brackets or no p there."
    if seeds == 1 and has_example_intervals:
        networks = "networks" if record.inputs.classes else "models"
        yield f"Intervals and tests are about these {n} trained {networks}; they hold no run-to-run (seed) variance."


def _selected(analysis: Analysis) -> list[int]:
    """Return the rows without a comparison with the selected row: the selected row itself."""
    return [row for row, facts in analysis.rows.items() if facts.not_different is None]


def _test(record: Record, seeds: int) -> str:
    """Return the name of the test that compares two rows."""
    kind = record.primary.kind
    if seeds >= SEEDS:
        return "paired t test over seeds"
    if seeds == 1 and kind == BINARY:
        return "exact McNemar"
    return f"paired {'bootstrap' if kind == AGGREGATE else 't'} test over {record.noun}s"


def _interval(measure: Measure, record: Record, analysis: Analysis) -> str:
    """Return which interval the brackets of a measure are if they are not over seeds."""
    examples, several_seeds = f"{record.noun}s", len(record.grid.seeds) > 1
    if measure.kind == SCALAR or not _has_interval(measure, record, analysis):
        return (
            "no interval (--intervals all)"
            if measure.kind == AGGREGATE and not analysis.bootstrapped
            else "no interval"
        )
    if measure.kind == AGGREGATE:
        return f"percentile bootstrap over {examples}, {RESAMPLES:,} resamples"
    if measure.kind == BINARY and not several_seeds:
        return "Wilson interval"
    return f"t interval over {examples}{' of the mean over seeds' if several_seeds else ''}"


def _has_interval(measure: Measure, record: Record, analysis: Analysis) -> bool:
    return any(s and s.over_examples for s in (score_of(record, f, measure) for f in analysis.rows.values()))


def _method(record: Record, analysis: Analysis) -> str:
    seeds, primary = len(record.grid.seeds), record.primary
    compared = sum(facts.delta is not None for facts in analysis.rows.values())
    if seeds >= SEEDS:
        test = f"paired t test, Holm over {compared} rows"
        return f"Brackets: Student's t over seeds. Δ: paired by seed, unadjusted; p: {test}."
    brackets = " ".join(f"{capital(m.title)}: {_interval(m, record, analysis)}." for m in record.detailed)
    if not _has_interval(primary, record, analysis):
        return f"{brackets} Δ: of the numbers alone, untested."
    return (
        f"{brackets} Δ: paired 95 % interval over {record.noun}s, unadjusted; "
        f"p: {_test(record, seeds)} against {{reference}}, Holm over {compared} rows."
    )


def _missing_cells(record: Record, analysis: Analysis) -> Iterator[str]:
    grid = record.grid
    not_estimable = [
        " × ".join(grid.titles[f] for f in i.factors) for i in analysis.interactions if i.reason.startswith("not")
    ]
    if not any(grid.labels) and len(grid.rows) < design.cells(grid):
        exception = (
            f"; cannot be estimated: the interaction{'s' if not_estimable[1:] else ''} {listed(not_estimable)}"
            if not_estimable
            else ""
        )
        yield f"{len(analysis.rows)} of {design.cells(grid):,} cells of the grid were run{exception}."


def _components(record: Record) -> Iterator[str]:
    """Yield what each label means: "without depth: fc layers 1 (2 in the reference row)"."""
    reference = record.shown(record.grid.rows[record.grid.reference - 1])
    for row, label in enumerate(record.grid.labels, start=1):
        levels = record.shown(record.grid.rows[row - 1])
        differences = [
            f"{f.replace('_', ' ')} {short(f, levels[f])} ({short(f, reference[f])} in the reference row)"
            for f in record.grid.difference(row)
        ]
        if label and differences:
            yield f"Row {row}, {label}: {', '.join(differences)}."


def _incomplete_row(line: Any, seeds: int) -> str:
    numbers = f"; numbers from {line.n_seeds} of {seeds} seeds" if line.n_seeds else ""
    return f"row {line.row} ({line.outcome}{numbers})"


def as_percent(value: Decimal) -> str:
    """Return a published fraction in percent, with the digits that the source printed: 0.941 is 94.1, 0.94 is 94."""
    return f"{value.scaleb(2):f}"
