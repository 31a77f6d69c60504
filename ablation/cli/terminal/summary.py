"""Final output of a command on the terminal: its table, the supported claims, and the most severe warnings."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from ablation.cli.terminal import table_layout
from ablation.cli.terminal.consoles import console
from ablation.cli.terminal.readable import readable
from ablation.cli.terminal.table_layout import GAP, TableLayout
from ablation.cli.terminal.table_texts import TableTexts
from ablation.model.phrases import plural
from ablation.model.table import Table
from ablation.report.tables import cells, markdown_csv
from ablation.report.tables.cells import MARKS
from ablation.report.tables.escape import cut, one_line
from ablation.report.warnings import GRADES, INVALIDATES, NOTE, WEAKENS, Diagnostic

CLAIMS = 3  # number of claims shown; the report has all
LONGEST = 300  # characters of a warning's fact; the report has all of it
HEAVIEST = 3  # number of warnings shown with a sentence; the report has all
COLOURS = {INVALIDATES: "bold red", WEAKENS: "bold magenta", NOTE: "bold"}  # readable on dark and light terminals


def print_table(table: Table, complete: str) -> None:
    """Print a table: fitted to the width of a terminal, otherwise as Markdown without the comment of its file.

    `complete`: where the hidden columns and rows are, as in "all in runs/paper/table.md".
    """
    if not sys.stdout.isatty():
        print(markdown_csv.markdown_table(table, ids=False))
        return
    screen = console()
    texts = TableTexts(table, screen.encoding)
    chosen = table_layout.layout(texts, screen.width)
    _print(one_line(table.caption), "bold")
    screen.print(Padding(Group(*_lines(texts, chosen)), (1, 0)))
    if left_out := _left_out(table, chosen, screen.width):
        _print(f"{left_out}; {complete}")
    for note in table.notes:
        _print(cells.noted(note, MARKS, one_line), "dim")


def _lines(texts: TableTexts, chosen: TableLayout) -> Iterator[RenderableType]:
    """Yield the table, in one piece; where levels are below the numbers, a piece for each row, and its levels."""
    grid, before = _grid(texts, chosen), -1
    for i in (*chosen.rows, len(texts.table.rows)):
        if i > before + 1:
            grid.add_row(texts.readable("⋮"), style="dim")
        if i == len(texts.table.rows):
            break
        grid.add_row(*(_cell(texts, chosen, i, k) for k in chosen.columns))
        before = i
        if chosen.levels_below:
            yield grid
            yield Padding(
                Text(table_layout.levels(texts, i), style="bold" if "selected" in texts.table.marks[i] else ""),
                (0, 0, 0, chosen.widths[0] + GAP),
            )
            grid = _grid(texts, chosen, header=False)
    yield grid


def _grid(texts: TableTexts, chosen: TableLayout, header: bool = True) -> Grid:
    grid = Grid(
        box=SIMPLE, padding=(0, GAP - 1, 0, 0), header_style="bold", show_edge=False, pad_edge=False,
        show_header=header,
    )  # fmt: skip
    for k, width in zip(chosen.columns, chosen.widths, strict=True):
        heading, is_left = table_layout.column_heading(texts, chosen, k, width), cells.is_left(texts.table, k)
        grid.add_column(Text(heading), width=width, justify="left" if is_left else "right", overflow="fold")
    return grid


def _cell(texts: TableTexts, chosen: TableLayout, row: int, k: int) -> Text:
    """Return a cell. An interval below its value is dim, so that the values are easily read down the column."""
    is_bold = texts.table.rows[row][k].bold or "selected" in texts.table.marks[row]
    value, line_break, bracket = table_layout.column_text(texts, chosen, row, k).partition("\n")
    return Text.assemble((value, "bold" if is_bold else ""), line_break, (bracket, "bold" if is_bold else "dim"))


def _left_out(table: Table, chosen: TableLayout, width: int) -> str:
    """Return a phrase on the hidden columns and rows; "" where none is hidden."""
    titles, rows = table_layout.hidden(table, chosen)
    phrases = [f"{rows:,} of {len(table.rows):,} rows hidden"] if rows else []
    if titles:
        phrases.append(f"{plural(len(titles), 'column')} hidden at {width} characters: {', '.join(titles)}")
    return "; ".join(phrases)


def print_claims(claims: Sequence[str]) -> None:
    """Print the first of the supported claims, a line per sentence. The report has them all."""
    if claims:
        count = f" ({CLAIMS} of {len(claims)}, all in the report)" if len(claims) > CLAIMS else ""
        _print(f"\nWhat may be claimed{count}:", "bold")
    for claim in claims[:CLAIMS]:
        _print(f"- {claim}")


def print_warnings(warnings: Sequence[Diagnostic], report: Path) -> None:
    """Print the most severe warnings, each with its remedy, and the number of warnings of each grade."""
    if not warnings:
        return
    grades = Counter(warning.grade for warning in warnings)
    words = {
        INVALIDATES: ("invalidates claims", "invalidate claims"),
        WEAKENS: ("weakens claims", "weaken claims"),
        NOTE: ("note", "notes"),
    }
    counts = [plural(grades[grade], *words[grade]) for grade in GRADES if grades[grade]]
    _print(f"\nWarnings ({', '.join(counts)}):", next((COLOURS[grade] for grade in GRADES if grades[grade]), "bold"))
    for warning in warnings[:HEAVIEST]:
        _print(f"- {warning.code}: {cut(warning.fact, LONGEST)} {warning.remedy}")
    if len(warnings) > HEAVIEST:
        _print(f"{len(warnings) - HEAVIEST} more: {report}; about a warning: ablate explain CODE")


def _print(text: str, style: str = "") -> None:
    """Print a sentence: wrapped on a terminal, otherwise as one line."""
    if sys.stdout.isatty():
        screen = console()
        screen.print(Text(readable(text, screen.encoding), style=style), highlight=False)
    else:
        print(text)
