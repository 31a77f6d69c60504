"""Tables in LaTeX: booktabs and nothing else, unless siunitx is asked for."""

import re
from collections.abc import Sequence
from itertools import groupby

import pandas as pd

from ablation.measures.measure import Measure
from ablation.tables import cells
from ablation.tables.cells import LONGEST, MINUS, NUMBERS, Parts
from ablation.tables.escape import cut, one_line, tex
from ablation.tables.table import Cell, Column, Table
from ablation.templates import LATEX

MARKS = {"reference": r"\circ", "selected": r"\star", "alike": "=", "gap": r"\dagger", "noise": r"\ddagger"}
LONGEST_CAPTION = 1000  # LaTeX sets a caption in one line first, and no line may be longer than 5.7 m
LONG = 40  # rows from which on a table breaks over pages
FORMS = ("float", "standalone", "fragment")
STYLES = ("plain", "siunitx")


def _power(text: str) -> str:
    """1e-4 in LaTeX's mathematics."""
    mantissa, _, exponent = text.partition("e")
    return f"$10^{{{exponent}}}$" if mantissa == "1" else rf"${mantissa}\times10^{{{exponent}}}$"


def _signs(text: str) -> str:
    """A number, or two in brackets, with mathematical minus and less-than signs."""
    drawn = re.sub(rf"[{MINUS}+<][\d.]+", lambda m: f"${m[0].replace(MINUS, '-')}$", text)
    return f"{{[}}{drawn[1:-1]}{{]}}" if drawn.startswith("[") else drawn


def _number(parts: Parts, column: Column) -> Parts:
    value, more = parts
    if column.kind == "percent":
        return (rf"{value}$_{{\pm{more.removeprefix('± ')}}}$" if more else value), ""
    return _signs(value.replace(",", r"\,") if column.kind == "count" else value), _signs(more)


def _value(table: Table, column: Column, cell: Cell) -> Parts:
    found = cells.parts(column, cell, table.decimals)
    if column.kind in NUMBERS and not isinstance(cell.value, str):
        return _number(found, column)
    if isinstance(cell.value, float) and "e" in found[0]:
        return _power(found[0]), ""
    return tex(found[0]), ""


def _marked_row(table: Table, row: int, cell: Cell) -> str:
    marks = "".join(MARKS[m] for m in MARKS if m in table.marks[row])
    number = tex(cell.value)
    return f"{number}$^{{{marks}}}$" if marks else number


def _cell(table: Table, row: int, k: int) -> list[str]:
    """The cell in each of the LaTeX columns that it takes."""
    column, cell = table.columns[k], table.rows[row][k]
    if column.kind == "row":
        return [_marked_row(table, row, cell)]
    more = [""] if cells.is_double(table, k) else []
    if cells.is_empty(column, cell):
        return ["--", *more]
    value, bracket = _value(table, column, cell)
    mathematics = r"\boldmath " if "$" in value else ""
    drawn = rf"\textbf{{{mathematics}{value}}}" if cell.bold else value
    return [drawn, bracket] if more else [drawn]


def _row(table: Table, row: int) -> str:
    """Why there are no results is said once, across the columns that lack them."""

    def reason(k: int) -> object:
        return table.rows[row][k].value if cells.is_reason(table.columns[k], table.rows[row][k]) else None

    drawn: list[str] = []
    for why, members in groupby(range(len(table.columns)), key=reason):
        some = list(members)
        if why is None:
            drawn += [part for k in some for part in _cell(table, row, k)]
        else:
            wide = sum(_width(table, k) for k in some)
            drawn.append(rf"\multicolumn{{{wide}}}{{c}}{{{tex(cut(str(why), LONGEST))}}}")
    ids = f" % {table.ids[row]}" if table.ids else ""
    return " & ".join(drawn) + r" \\" + ids


def _width(table: Table, k: int) -> int:
    return 2 if cells.is_double(table, k) else 1


def _align(table: Table, style: str) -> str:
    def one(k: int) -> str:
        if cells.is_double(table, k):
            return "S[table-format=-2.1]l" if style == "siunitx" else "rl"
        return "l" if cells.is_left(table, k) else "r"

    return "".join(one(k) for k in range(len(table.columns)))


def _titles(table: Table) -> str:
    drawn = []
    for k, column in enumerate(table.columns):
        title = tex(column.title).replace("F1", "$F_1$")
        title = f"${title[0]}${title[1:]}" if column.kind == "p" else title
        wide = _width(table, k)
        drawn.append(rf"\multicolumn{{{wide}}}{{c}}{{{title}}}" if wide > 1 else title)
    return " & ".join(drawn)


def _groups(table: Table) -> list[tuple[str, int, int]]:
    """(heading, its first LaTeX column from 1, its last one)."""
    found, first = [], 1
    for group, members in cells.groups(table):
        last = first + sum(_width(table, k) for k in members) - 1
        found.append((tex(group).replace("F1", "$F_1$"), first, last))
        first = last + 1
    return found


def _size(table: Table) -> tuple[str, str]:
    """Type and gaps with which the table fits a page with margins of an inch: (command, \\tabcolsep)."""
    spreads = {k for row in table.rows for k, cell in enumerate(row) if isinstance(cell.value, tuple) and k}
    wide = sum(_width(table, k) for k in range(len(table.columns))) + len(spreads)
    return ("footnotesize", "4pt") if wide <= 14 else ("scriptsize", "3pt") if wide <= 17 else ("tiny", "2pt")


def latex(table: Table, style: str = "plain", form: str = "float", float: str = "table") -> str:
    """A table as a float with caption and notes, as a document that compiles by itself, or as a bare tabular.

    `style`: plain or siunitx; `form`: float, standalone or fragment; `float`: table or table*.
    """
    marks = {name: f"${mark}$" for name, mark in MARKS.items()}
    template = LATEX.get_template("table.tex")
    return template.render(
        study=re.sub(r"[^\w.+-]", "", table.name),
        key=table.key,
        style=style,
        form=form,
        float=float,
        long=len(table.rows) > LONG and form != "fragment",
        label=re.sub(r"[^a-z0-9]+", "-", f"{table.name}-{table.key}".lower()).strip("-"),
        caption=tex(cut(table.caption, LONGEST_CAPTION)),
        align=_align(table, style),
        groups=_groups(table),
        titles=_titles(table),
        size=_size(table),
        rows=[_row(table, i) for i in range(len(table.rows))],
        notes=[cells.noted(note, marks, tex) for note in table.notes],
    )


BOUNDS = ("_low", "_high")


def _macro_keys(measures: Sequence[Measure]) -> dict[str, Measure | None]:
    """The columns of table.csv that have a macro, each with the measure whose numbers it holds."""
    primary = measures[0]
    change = f"delta_test_{primary.name}{'_pp' if primary.is_share else ''}"
    found: dict[str, Measure | None] = {f"{split}_{primary.name}": primary for split in ("train", "val")}
    found |= {f"test_{m.name}": m for m in measures}
    found |= {f"test_{m.name}{over}{bound}": m for over in ("", "_seeds") for m in measures for bound in BOUNDS}
    found |= {f"{change}{bound}": primary for bound in ("", *BOUNDS)}
    return {**found, "p_holm": None, "n_test": None, "n_seeds": None}


def _macro(key: str, value: object, decimals: int, measure: Measure | None = None) -> str:
    if not isinstance(value, int | float):
        return "n/a"
    if value != value:
        return "--"
    if key.startswith("n_"):
        return f"{value:.0f}"
    if key.startswith("p_"):
        return _signs(cells.p_value(value))
    places = measure.decimals if measure and not measure.is_share else decimals
    if not key.startswith("delta_"):
        return f"{(measure.scale if measure else 100) * value:.{places}f}"
    drawn = f"{value:+.{places}f}"
    return _signs(drawn.replace("-", MINUS)) if float(drawn) else drawn.lstrip("+-")


def macros(rows: pd.DataFrame, decimals: int, measures: Sequence[Measure]) -> str:
    r"""Numbers for prose: \ablate{5.test_accuracy} prints 96.6. `rows`: the frame of table.csv; `measures`: those that
    have intervals, the primary one first."""
    keys = _macro_keys(measures)
    lines = [
        (int(line["row"]), key, _macro(key, line[key], decimals, measure))
        for line in rows.to_dict("records")
        for key, measure in keys.items()
        if key in line
    ]
    name, title, share = measures[0].name, one_line(measures[0].title), measures[0].is_share
    return LATEX.get_template("macros.tex").render(
        study=rows["study"].iloc[0], keys=tuple(keys), lines=lines, name=name, title=title, share=share
    )
