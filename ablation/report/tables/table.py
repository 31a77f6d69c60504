"""The ablation table for readers: one model of typed cells, from which every format is rendered."""
# ruff: noqa: RUF001 (the tables contain these signs)

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pandas as pd

from ablation.analysis import costs
from ablation.analysis.eligibility import not_eligible
from ablation.analysis.facts import GAP, Analysis, RowFacts
from ablation.analysis.selection import Selection, before
from ablation.measures.measure import SPLITS, Measure
from ablation.model.phrases import listed, plural, which
from ablation.model.table import Cell, Column, Table
from ablation.outcomes import Status
from ablation.report.tables import cost_columns, methods, stars
from ablation.report.tables.dataframes import NOT_RUN, score_of
from ablation.statistics.intervals import Interval, clopper_pearson
from ablation.store.record import Record
from ablation.study import design
from ablation.study.grid import NOTHING
from ablation.study.levels import short

MOST_SEEDS = 20  # that a caption lists
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


def _columns(record: Record, rows: pd.DataFrame, analysis: Analysis | None) -> Iterator[Column]:
    yield Column("row", "#", "row")
    if any(record.grid.labels):
        yield Column("label", "Row", "text")
    if not all(record.grid.labels):
        for factor in record.grid.varying or record.grid.factors.names[:1]:
            yield Column(factor, record.grid.titles[factor], "factor", "Factors")
    if len({len(record.grid.seeds_of(row)) for row in rows.row}) > 1:
        yield Column("n_seeds", "n", "count")
    yield from _measured(record, rows)
    if analysis:
        delta = measured(
            "delta",
            "Δ",
            "change",
            capital(f"{record.held_out} {lower(record.primary.short)} − °".strip()),
            record.primary,
        )
        yield delta
        yield stars.starred(record, Column("p_holm", "p (Holm)", "p", delta.group, delta.scale))


def _default(record: Record, rows: pd.DataFrame) -> list[str]:
    """Return the names of the measured columns where the study file states none."""
    primary, selecting = record.primary, record.selected_by
    names = [f"{split}_{primary.name}" for split in ("train", "val") if split in primary.splits]
    if selecting and rows.get(f"val_{primary.name}", rows.row[:0]).notna().sum() == 0:  # selected by another measure
        names = [*(name for name in names if not name.startswith("val_")), f"val_{selecting.name}"]
    if record.grid.is_imported or record.grid.select_on == NOTHING:  # columns without a number are left out
        names = [name for name in names if rows[name].notna().any()]
    return [*names, *(f"test_{m.name}" for m in record.detailed if "test" in m.splits)]


def _measured(record: Record, rows: pd.DataFrame) -> Iterator[Column]:
    """Yield the columns of measures and costs: those that the study file states, in its order, or the default ones.

    Costs are read from `rows`; a cost that no row has is left out.
    """
    stated = record.grid.table.columns
    names, of_costs = _default(record, rows) if stated is None else stated, costs.measures(record)
    parts = {name: (split, record.measures.get(m)) for name in names for split, _, m in [name.partition("_")]}
    one_unit = len({m.unit for split, m in parts.values() if m and split == "test"}) == 1
    for name, (split, m) in parts.items():
        if m and split in SPLITS:
            yield _of_measure(record, name, split, m, one_unit)
        elif name in of_costs and name in rows:
            yield cost_columns.column(name, of_costs[name], list(rows[name].dropna()))


def _of_measure(record: Record, name: str, split: str, m: Measure, one_unit: bool) -> Column:
    """Return the column of a measure on one split. `one_unit`: all measures on test have the same unit."""
    if split != "test":
        return measured(name, capital(split), "percent", capital(m.title), m)
    group = capital(record.held_out)
    one_unit = one_unit and bool(group)
    title = capital(m.short if one_unit or not m.unit else f"{m.short} ({m.unit})")
    column = measured(name, title, "estimate", group, m)
    return column if one_unit else replace(column, group=group)


def _estimate(record: Record, key: str, facts: RowFacts | None, line: Mapping[str, Any]) -> Interval:
    """Return a row's number on test with its interval; without bounds (nan) where there is none."""
    score = score_of(record, facts, record.measures[key.removeprefix("test_")])
    return score.interval if score else Interval(line[key], float("nan"), float("nan"))


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
    if column.kind == "count":
        return Cell(cost_columns.value(column, line[key]))
    spread = line.get(f"{key}_sd")
    value = line[key] if spread is None or pd.isna(spread) else (line[key], spread)
    return Cell(value, selected and key == record.grid.select_on)


def _marks(line: Mapping[str, Any], facts: RowFacts | None, second_best: int | None) -> Iterator[str]:
    yield from (m for m in ("reference", "selected") if line[m])
    if line["row"] == second_best:
        yield "second"
    if facts and facts.not_different:
        yield "alike"
    if facts and facts.delta and facts.delta.equivalent:
        yield "equivalent"
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
        rows: data frame of table.csv, from `dataframes.rows`, with the costs that the study file shows.
        majority: share of the test set's largest class, in [0, 1]; None if rows differ in it or there are no classes.
        selected: sealed selection; None before a selection.
        analysis: statistics on test; None, or without rows, if nothing was tested.

    Returns:
        The table, with two decimals of percentages from `MANY_IMAGES` test examples on, otherwise one.
    """
    analysis = analysis if analysis and analysis.rows else None
    facts = analysis.rows if analysis else {}
    columns = tuple(_columns(record, rows, analysis))
    lines = _ordered(record, [{str(k): v for k, v in line.items()} for line in rows.to_dict("records")])
    by_current_rule = analysis and selected and selected.metric == record.grid.select_on
    second_best = analysis.second_best if analysis and by_current_rule else None
    marks = [frozenset(_marks(line, facts.get(int(line["row"])), second_best)) for line in lines]
    return Table(
        name=record.name,
        caption=_caption(record, rows, columns, majority, analysis),
        columns=columns,
        rows=tuple(tuple(_cell(record, c, line, facts.get(int(line["row"]))) for c in columns) for line in lines),
        marks=tuple(marks),
        notes=tuple(_notes(record, rows, selected, analysis, frozenset[str]().union(*marks))),
        decimals=2 if pd.to_numeric(rows.n_test).max() >= MANY_IMAGES else 1,
        ids=tuple(line["trials"] for line in lines),
    )


def _ordered(record: Record, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines in the order that [table] states: of the study, or by the primary measure on test."""
    key, sign = f"test_{record.primary.name}", 1 if record.primary.lowest else -1
    if record.grid.table.order == "study" or key not in (lines[0] if lines else {}):
        return lines
    return sorted(lines, key=lambda line: (pd.isna(line[key]), 0 if pd.isna(line[key]) else sign * line[key]))


def _caption(
    record: Record, rows: pd.DataFrame, columns: Sequence[Column], majority: float | None, analysis: Analysis | None
) -> str:
    notes = "".join(f" {note}" for note in record.all_notes)
    subject = f"{record.grid.title}{_test_set(record, rows, majority)}"
    return f"{subject}. {_replication(record, columns)}.{methods.brackets(record, analysis)}{notes}"


def _replication(record: Record, columns: Sequence[Column]) -> str:
    """Return the phrase on the trainings of a row."""
    grid = record.grid
    mean = "Mean ± standard deviation" if any(column.kind == "percent" for column in columns) else "Mean"
    sizes = sorted({len(grid.seeds_of(row)) for row in range(1, len(grid.rows) + 1)})
    if sizes == [1]:
        return "One run per row" if grid.is_imported else f"One {record.run_noun} per row (seed {grid.seeds[0]})"
    if grid.replication == "seeds" and sizes == [len(grid.seeds)] and len(grid.seeds) <= MOST_SEEDS:
        return f"{mean} over seeds {listed(grid.seeds)}"
    number = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    unknown = ", not paired: the source states no seeds" if grid.replication == "runs" else ""
    return f"{mean} over {number} {grid.replication} per row{unknown}"


def _test_set(record: Record, rows: pd.DataFrame, majority: float | None) -> str:
    """Return the phrase with the test set's size, classes and majority class; "" if the size is not known."""
    sizes = sorted(set(rows.n_test.dropna()))
    if not sizes:
        return ""
    test = f"{sizes[0]:,.0f}" if len(sizes) == 1 else f"{sizes[0]:,.0f} to {sizes[-1]:,.0f}"
    share = f", majority class {100 * majority:.1f}%" if majority else ""
    classes = f" of {len(record.inputs.classes)} classes{share}" if record.inputs.classes else ""
    return f": {test} test {record.noun}s{classes}"


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
    yield from _incomplete(record, rows, selected)
    shared_levels = [
        f"{grid.word(f)} {short(f, v)}" for f, v in record.shown(grid.rows[0]).items() if f not in grid.varying
    ]
    if shared_levels:
        yield f"The same in all rows: {', '.join(shared_levels)}."


def _selection(record: Record, selected: Selection) -> Iterator[str]:
    if selected.row is None:
        yield f"{capital(selected.rule)}."
    else:
        yield f"{{selected}} selected (bold): {selected.rule}. {_test_columns(selected)}"
    if selected.earlier and not record.grid.is_imported:  # its test numbers were known all along
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
    compared = sum(facts.not_different is not None for facts in analysis.rows.values())
    if "alike" in marks:
        deltas = [facts.delta for facts in analysis.rows.values() if facts.delta]
        typical = next((d for d in deltas if d.over == analysis.over), next(iter(deltas), None))
        name = methods.test_name(record, typical) if typical else ""
        test = f"{name}, Holm over {plural(compared, 'comparison')}, p ≥ 0.05"
        yield f"{{alike}} does not differ significantly from {{selected}}{record.on_held_out} ({test})."
    if "equivalent" in marks:
        yield f"{{equivalent}} equivalent to {{reference}}: {within_margin(record)}, each at 5 %, unadjusted."
    if "gap" in marks:
        yield f"{{gap}} train − validation gap above {100 * GAP:.0f} pp."
    if "noise" in marks and analysis.noise:
        primary, bounds = record.primary, analysis.noise.range
        yield (
            f"{{noise}} within the reference's range over seeds: {primary.number(bounds.low, 1)} to "
            f"{primary.shown(bounds.high, 1)} (from {len(analysis.noise.values)} replicates, 95 % for all "
            f"{analysis.noise.rows} compared rows together)."
        )
    if analysis.stability and analysis.stability.cheapest not in (0, *_selected(analysis)):
        cheapest = analysis.stability.cheapest
        yield f"Cheapest row without a significant difference from {{selected}} on validation: row {cheapest}."
    yield from methods.method(record, analysis)
    yield from stars.note(record)
    yield from methods.limits(record, analysis)
    yield from _missing_cells(record, analysis)


def within_margin(record: Record) -> str:
    """Return the margin of the study and the test of equivalence, in words."""
    size = f"{record.primary.scale * (record.grid.margin or 0):g} {record.primary.change_unit}".rstrip()
    return f"within ±{size} by two one-sided paired tests"


def _selected(analysis: Analysis) -> list[int]:
    """Return the rows without a comparison with the selected row: the selected row itself."""
    return [row for row, facts in analysis.rows.items() if facts.not_different is None]


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
            f"{record.grid.word(f)} {short(f, levels[f])} ({short(f, reference[f])} in the reference row)"
            for f in record.grid.difference(row)
        ]
        if label and differences:
            yield f"Row {row}, {label}: {', '.join(differences)}."


def _incomplete(record: Record, rows: pd.DataFrame, selected: Selection | None) -> Iterator[str]:
    """Yield which rows lack trainings, and which of them selection does not compare."""
    lines = rows[rows.outcome != Status.DONE]
    empty = lines[lines.n_seeds == 0].groupby("outcome", sort=False).row.agg(list)
    incomplete = {min(numbers): f"{which(numbers)} ({outcome})" for outcome, numbers in empty.items()}
    incomplete |= {int(line.row): _incomplete_row(line, record) for line in lines[lines.n_seeds > 0].itertuples()}  # type: ignore[arg-type]
    if incomplete:
        yield f"Incomplete: {', '.join(incomplete[row] for row in sorted(incomplete))}."
    finished = {int(line.row): int(line.n_seeds) for line in rows.itertuples() if line.n_seeds}  # type: ignore[arg-type]
    excluded = not_eligible(record, finished) if selected and selected.row else {}
    if excluded:
        reasons = ", ".join(f"row {row} ({reason})" for row, reason in excluded.items())
        yield f"Not eligible for selection: {reasons}."


def _incomplete_row(line: Any, record: Record) -> str:
    """Return the row with its outcome; where trials failed, with their share of those that ended, and its interval."""
    grid, failed = record.grid, ""
    seeds = len(grid.seeds_of(line.row))
    if line.outcome != NOT_RUN and line.n_failed:
        share = clopper_pearson(line.n_failed, line.n_ended).scaled(100)
        trials = "runs that ended" if grid.is_imported else f"{record.run_noun}s"
        failed = f"; {share.value:.0f} % [{share.low:.0f}, {share.high:.0f}] of its {trials} failed"
    return f"row {line.row} ({line.outcome}; numbers from {line.n_seeds} of {seeds} {grid.replication}{failed})"


def as_percent(value: Decimal) -> str:
    """Return a published fraction in percent, with the digits that the source printed: 0.941 is 94.1, 0.94 is 94."""
    return f"{value.scaleb(2):f}"
