"""Tables in Markdown and CSV, and the HTML page of a confusion matrix."""
# ruff: noqa: RUF001 (the tables contain these signs)

import re
from collections.abc import Sequence

import pandas as pd

from ablation.model.table import Cell, Column, Table
from ablation.report.tables import cells, origin
from ablation.report.tables.cells import MARKS
from ablation.report.tables.escape import cut, markdown, safe_csv
from ablation.report.templates import HTML, TEXT
from ablation.study.table_keys import TableKeys

DEFAULT = TableKeys()


def csv(frame: pd.DataFrame) -> str:
    """Return a tidy frame as CSV: floats at full precision, snake_case names, and texts as `safe_csv` returns them."""
    texts = frame.select_dtypes(exclude="number").columns
    safe = frame.assign(**{name: frame[name].map(safe_csv) for name in texts})
    return safe.to_csv(index=False, header=[str(safe_csv(name)) for name in safe.columns], lineterminator="\n")


def _cell(table: Table, row: int, column: Column, cell: Cell) -> str:
    if column.kind == "row":
        rendered = markdown(cell.value) + "".join(MARKS[m] for m in MARKS if m in table.marks[row])
    elif cells.is_empty(column, cell):
        rendered = "–"
    elif cells.is_reason(column, cell):
        rendered = markdown(cut(str(cell.value), cells.LONGEST))
    else:
        rendered = " ".join(_text(column, part) for part in cells.parts(column, cell, table.decimals) if part)
    return f"**{rendered}**" if cell.bold and rendered else rendered


def _text(column: Column, part: str) -> str:
    return re.sub(r"([<*])", r"\\\1", part) if column.kind in cells.NUMBERS else markdown(part)


def _title(column: Column) -> str:
    if column.kind == "row":
        return column.title
    group, _, unit = column.group.rstrip(")").partition(" (")
    if column.kind not in cells.NUMBERS or not (unit or (group and column.scale == 1)):
        return markdown(column.title)
    if column.kind == "p":
        return markdown(f"{column.title} ({group})")
    first = group[:1].lower() if group[1:2].islower() else group[:1]
    return markdown(f"{column.title} ({', '.join(filter(None, (f'{first}{group[1:]}', unit)))})")


def _padded(line: Sequence[str], widths: Sequence[int], left: Sequence[bool]) -> str:
    padded = [text.ljust(w) if is_left else text.rjust(w) for text, w, is_left in zip(line, widths, left, strict=True)]
    return f"| {' | '.join(padded)} |"


def markdown_table(table: Table, keys: TableKeys = DEFAULT, ids: bool = True) -> str:
    """Return a Markdown pipe table, padded so that the source is aligned too.

    Args:
        table: table to render.
        keys: keys of [table] with which the table is drawn, for its comment.
        ids: add the hidden comment with the study and the trials of each row, which `verify` reads.
    """
    titles = [_title(c) for c in table.columns]
    body = [
        [_cell(table, i, c, cell) for c, cell in zip(table.columns, row, strict=True)]
        for i, row in enumerate(table.rows)
    ]
    widths = [max(3, *(len(line[k]) for line in [titles, *body])) for k in range(len(titles))]
    left = [cells.is_left(table, k) for k in range(len(titles))]
    rule = [":" + "-" * (w - 1) if is_left else "-" * (w - 1) + ":" for w, is_left in zip(widths, left, strict=True)]
    return TEXT.get_template("table.md").render(
        caption=markdown(table.caption),
        lines=[_padded(line, widths, left) for line in [titles, rule, *body]],
        notes=[cells.noted(note, MARKS, markdown) for note in table.notes],
        origin=origin.of_table(table, keys),
        ids=table.ids if ids else None,
    )


def confusion_page(title: str, classes: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Return the HTML page of a confusion matrix, without scripts or network.

    Args:
        title: title of the page.
        classes: K names of classes.
        counts: (K, K) counts, true classes down, predicted classes across; shaded by the share of the true class.
    """
    rows = [(name, [(n, n / max(1, sum(line))) for n in line]) for name, line in zip(classes, counts, strict=True)]
    return HTML.get_template("confusion.html").render(title=title, classes=classes, rows=rows)
