"""Tables in LaTeX, with booktabs alone unless the siunitx style is chosen."""

import re
from collections.abc import Sequence
from itertools import groupby

import pandas as pd

from ablation.measures.measure import Measure
from ablation.model.table import Cell, Column, Table
from ablation.report.tables import cells, origin
from ablation.report.tables.cells import LONGEST, MINUS, NUMBERS, Parts
from ablation.report.tables.escape import UNPRINTED, cut, one_line, tex
from ablation.report.templates import LATEX
from ablation.study.table_keys import TableKeys

MARKS = {
    "reference": r"\circ",
    "selected": r"\star",
    "second": r"\diamond",
    "alike": r"\sim",
    "equivalent": "=",
    "gap": r"\dagger",
    "noise": r"\ddagger",
}
LONGEST_CAPTION = 1000  # LaTeX first sets a caption in one line, and a line may be at most 5.7 m long
LONG = 40  # tables with more rows break over pages
DEFAULT, MACROS = TableKeys(), "macros"
TEXT_WIDTH = 480  # points of a line between margins of one inch, and what an estimate by characters exceeds it by
SIZES = (  # command, points of a digit, points between columns (half), most columns
    ("footnotesize", 4.25, 4, 14), ("scriptsize", 3.9, 2.5, 17), ("tiny", 3.4, 2, 99),
)  # fmt: skip
COMMAND = re.compile(r"\\[A-Za-z]+ ?|[{}$_^\\]")  # what takes no room of its own


def _power(text: str) -> str:
    """Return a number in scientific notation, as 1e-4, as LaTeX mathematics."""
    mantissa, _, exponent = text.partition("e")
    return f"$10^{{{exponent}}}$" if mantissa == "1" else rf"${mantissa}\times10^{{{exponent}}}$"


def _signs(text: str) -> str:
    """Return a number, or two in brackets, with mathematical minus and less-than signs, and its stars raised."""
    signed = re.sub(rf"[{MINUS}+<][\d.]+", lambda m: f"${m[0].replace(MINUS, '-')}$", text)
    signed = re.sub(r"\*+$", lambda m: f"$^{{{m[0]}}}$", signed)
    return f"{{[}}{signed[1:-1]}{{]}}" if signed.startswith("[") else signed


def _number(parts: Parts, column: Column) -> Parts:
    value, bracket = parts
    if column.kind == "percent":
        return (rf"{value}$_{{\pm{bracket.removeprefix('± ')}}}$" if bracket else value), ""
    return _signs(value.replace(",", r"\,") if column.kind == "count" else value), _signs(bracket)


def _value(table: Table, column: Column, cell: Cell) -> Parts:
    value_parts = cells.parts(column, cell, table.decimals)
    if column.kind in NUMBERS and not isinstance(cell.value, str):
        return _number(value_parts, column)
    if isinstance(cell.value, float) and "e" in value_parts[0]:
        return _power(value_parts[0]), ""
    return tex(value_parts[0]), ""


def _marked_row(table: Table, row: int, cell: Cell) -> str:
    marks = "".join(MARKS[m] for m in MARKS if m in table.marks[row])
    number = tex(cell.value)
    return f"{number}$^{{{marks}}}$" if marks else number


def _cell(table: Table, row: int, k: int, width: int) -> list[str]:
    """Return the text of a cell in each LaTeX column that the cell takes: one, or two where the column has brackets."""
    column, cell = table.columns[k], table.rows[row][k]
    if column.kind == "row":
        return [_marked_row(table, row, cell)]
    empty_bracket = [""] if width > 1 else []
    if cells.is_empty(column, cell):
        return ["--", *empty_bracket]
    value, bracket = _value(table, column, cell)
    mathematics = r"\boldmath " if "$" in value else ""
    rendered = rf"\textbf{{{mathematics}{value}}}" if cell.bold else value
    return [rendered, bracket] if empty_bracket else [rendered]


def _row(table: Table, row: int, widths: Sequence[int]) -> str:
    """Return one line of the tabular. The reason for missing results is printed once, across the empty columns.

    `widths`: as `_widths` returns them.
    """

    def reason(k: int) -> object:
        return table.rows[row][k].value if cells.is_reason(table.columns[k], table.rows[row][k]) else None

    tex_cells: list[str] = []
    for why_empty, members in groupby(range(len(table.columns)), key=reason):
        columns = list(members)
        if why_empty is None:
            tex_cells += [part for k in columns for part in _cell(table, row, k, widths[k])]
        else:
            width = sum(widths[k] for k in columns)
            tex_cells.append(rf"\multicolumn{{{width}}}{{c}}{{{tex(cut(str(why_empty), LONGEST))}}}")
    ids = f" % {table.ids[row]}" if table.ids else ""
    return " & ".join(tex_cells) + r" \\" + ids


def _widths(table: Table) -> list[int]:
    """Return the number of LaTeX columns of each column."""
    return [2 if cells.is_double(table, k) else 1 for k in range(len(table.columns))]


def _align(table: Table, style: str, widths: Sequence[int]) -> str:
    def one(k: int) -> str:
        if widths[k] > 1:
            return "S[table-format=-2.1]l" if style == "siunitx" else "rl"
        return "l" if cells.is_left(table, k) else "r"

    return "".join(one(k) for k in range(len(table.columns)))


def _titles(table: Table, widths: Sequence[int]) -> str:
    titles = []
    for column, width in zip(table.columns, widths, strict=True):
        title = tex(column.title).replace("F1", "$F_1$")
        title = f"${title[0]}${title[1:]}" if column.kind == "p" else title
        titles.append(rf"\multicolumn{{{width}}}{{c}}{{{title}}}" if width > 1 else title)
    return " & ".join(titles)


def _groups(table: Table, widths: Sequence[int]) -> list[tuple[str, int, int]]:
    """Return (heading, first LaTeX column, last LaTeX column) of each group of columns, counted from 1."""
    headings, first = [], 1
    for group, members in cells.groups(table):
        last = first + sum(widths[k] for k in members) - 1
        headings.append((tex(group).replace("F1", "$F_1$"), first, last))
        first = last + 1
    return headings


def _size(table: Table, widths: Sequence[int]) -> tuple[str, str]:
    """Return font size command and \\tabcolsep with which the table fits a page with margins of one inch."""
    spreads = {k for row in table.rows for k, cell in enumerate(row) if isinstance(cell.value, tuple) and k}
    n_columns, width = sum(widths) + len(spreads), _longest(table, widths)
    for name, digit, gap, most in SIZES[:-1]:
        if n_columns <= most and sum(width) * digit + 2 * gap * (len(width) - 1) <= TEXT_WIDTH:
            return name, f"{gap:g}pt"
    name, _, gap, _ = SIZES[-1]
    return name, f"{gap:g}pt"


def _longest(table: Table, widths: Sequence[int]) -> list[int]:
    """Return the number of characters of the widest cell of each LaTeX column, commands left out, with its title."""
    longest: list[int] = []
    for k, n in enumerate(widths):
        title = len(table.columns[k].title) if n == 1 else 0
        parts = [_cell(table, row, k, n) for row in range(len(table.rows)) if not _is_reason(table, row, k)]
        longest += [max((len(COMMAND.sub("", part[i])) for part in parts), default=0) for i in range(n)]
        longest[-1] = max(longest[-1], title)
    return longest


def _is_reason(table: Table, row: int, k: int) -> bool:
    return cells.is_reason(table.columns[k], table.rows[row][k])


def _notes(table: Table, text: str) -> list[str]:
    """Return the notes; the last one explains the codes of characters in them and in `text`, caption and rows."""
    marks = {name: f"${mark}$" for name, mark in MARKS.items()}
    notes = [cells.noted(note, marks, tex) for note in table.notes]
    if notes and UNPRINTED.search("".join((text, *notes))):
        notes[-1] += " U+: codes of characters that pdfLaTeX cannot print; XeLaTeX and LuaLaTeX can, from the .md file."
    return notes


def latex(table: Table, keys: TableKeys = DEFAULT) -> str:
    """Return a table as LaTeX source.

    Args:
        table: table to render.
        keys: keys of [table]. `form`: "float" with caption and notes, "standalone" for a document that compiles by
            itself, or "fragment" for a bare tabular. `wide`: across both columns of a page.
    """
    template, widths = LATEX.get_template("table.tex"), _widths(table)
    rows, caption = [_row(table, i, widths) for i in range(len(table.rows))], tex(cut(table.caption, LONGEST_CAPTION))
    return template.render(
        origin=origin.of_table(table, keys),
        style=keys.style,
        form=keys.form,
        float="table*" if keys.wide else "table",
        long=len(table.rows) > LONG and keys.form != "fragment",
        label=re.sub(r"[^a-z0-9]+", "-", f"{table.name}-{table.key}".lower()).strip("-"),
        caption=caption,
        align=_align(table, keys.style, widths),
        groups=_groups(table, widths),
        titles=_titles(table, widths),
        size=_size(table, widths),
        rows=rows,
        notes=_notes(table, "".join((caption, *rows))),
    )


BOUNDS = ("_low", "_high")


def _macro_keys(measures: Sequence[Measure]) -> dict[str, Measure | None]:
    """Return the columns of table.csv that have a macro, with the measure of each; None for p and counts."""
    primary = measures[0]
    change = f"delta_test_{primary.name}{'_pp' if primary.is_share else ''}"
    keys: dict[str, Measure | None] = {f"{split}_{primary.name}": primary for split in ("train", "val")}
    keys |= {f"test_{m.name}": m for m in measures}
    keys |= {f"test_{m.name}{over}{bound}": m for over in ("", "_seeds", "_both") for m in measures for bound in BOUNDS}
    keys |= {f"{change}{bound}": primary for bound in ("", *BOUNDS)}
    return {**keys, "p_holm": None, "n_test": None, "n_seeds": None}


def _macro(key: str, value: object, places: int, measure: Measure | None = None) -> str:
    if not isinstance(value, int | float):
        return "n/a"
    if value != value:
        return "--"
    if key.startswith("n_"):
        return f"{value:.0f}"
    if key.startswith("p_"):
        return _signs(cells.p_value(value))
    if not key.startswith("delta_"):
        return f"{(measure.scale if measure else 100) * value:.{places}f}"
    signed = f"{value:+.{places}f}"
    return _signs(signed.replace("-", MINUS)) if float(signed) else signed.lstrip("+-")


def _places(table: Table, key: str, measure: Measure | None) -> int:
    """Return the decimals of a number in macros: those of its column in the table, where the table has it."""
    decimals = {column.key: column.decimals for column in table.columns}
    name = "delta" if key.startswith("delta_") else re.sub("(_seeds)?(_low|_high)$", "", key)
    own = measure.decimals if measure and not measure.is_share else table.decimals
    return own if (stated := decimals.get(name)) is None else stated


def macros(rows: pd.DataFrame, table: Table, measures: Sequence[Measure], keys: TableKeys = DEFAULT) -> str:
    r"""Return macros for numbers in prose: \ablate{5.test_accuracy} prints 96.6.

    Args:
        rows: data frame of table.csv.
        table: the ablation table, which states the decimals.
        measures: measures that have intervals, the primary one first.
        keys: keys of [table] with which the table is drawn.
    """
    named = _macro_keys(measures)
    lines = [
        (int(line["row"]), key, _macro(key, line[key], _places(table, key, measure), measure))
        for line in rows.to_dict("records")
        for key, measure in named.items()
        if key in line
    ]
    name, title, share = measures[0].name, one_line(measures[0].title), measures[0].is_share
    return LATEX.get_template("macros.tex").render(
        origin=origin.stated(rows["study"].iloc[0], MACROS, keys),
        keys=tuple(key for key in named if key in rows),
        lines=lines,
        name=name,
        title=title,
        share=share,
    )
