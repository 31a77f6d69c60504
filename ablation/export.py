"""The table in a format, by the suffix of its file: CSV, LaTeX, Markdown."""
# ruff: noqa: RUF001 (the signs are what this file is about)

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

import jinja2
import pandas as pd

from ablation.grid import short
from ablation.table import Cell, Column, Table, as_percent

TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "[": "{[}", "]": "{]}", "*": "{*}", "±": r"$\pm$", "µ": r"$\mu$", "×": r"$\times$",
    "−": "$-$", "→": r"$\rightarrow$", "°": r"$^{\circ}$", "–": "--", "—": "---",
    "\N{LEFT SINGLE QUOTATION MARK}": "`", "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": "``", "\N{RIGHT DOUBLE QUOTATION MARK}": "''",
}  # fmt: skip
TEX_MARKS = {"reference": r"\circ", "selected": r"\star"}
MARKS = {"reference": "°", "selected": "★"}
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _one_line(text: object) -> str:
    """Without control characters, the invisible ones of Unicode included; runs of blanks are one."""
    kept = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in str(text))
    return " ".join(kept.split())


def tex(text: object) -> str:
    """Text that any LaTeX engine prints as it stands. What pdfLaTeX has no glyph for becomes its base letter, or ?."""
    return "".join(TEX.get(c) or (c if c.isascii() else _tex_letter(c)) for c in _one_line(text))


def _tex_letter(character: str) -> str:
    base = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return "".join(TEX.get(c, c) for c in base) or "?"


def markdown(text: object) -> str:
    """Text that Markdown prints as it stands."""
    return re.sub(r"([\\`*_{}\[\]<>|#~&])", r"\\\1", _one_line(text))


def safe_csv(value: object) -> object:
    """A text that a spreadsheet would take for a formula gets an apostrophe; numbers stay."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def csv(frame: pd.DataFrame) -> str:
    """Tidy, raw floats at full precision, snake_case names."""
    texts = frame.select_dtypes(exclude="number").columns
    safe = frame.assign(**{name: frame[name].map(safe_csv) for name in texts})
    return safe.to_csv(index=False, lineterminator="\n")


def _number(cell: Cell, column: Column, decimals: int, spread: str) -> str:
    if column.kind == "published":
        return as_percent(cell.value)
    if isinstance(cell.value, tuple):
        return spread.join(f"{100 * v:.{decimals}f}" for v in cell.value)
    return f"{100 * cell.value:.{decimals}f}"


def _power(text: str) -> str:
    """1e-4 in LaTeX's mathematics."""
    mantissa, _, exponent = text.partition("e")
    return f"$10^{{{exponent}}}$" if mantissa == "1" else rf"${mantissa}\times10^{{{exponent}}}$"


def _tex_cell(table: Table, row: int, column: Column, cell: Cell) -> str:
    if column.kind == "row":
        marks = "".join(TEX_MARKS[m] for m in MARKS if m in table.marks[row])
        return f"{cell.value}$^{{{marks}}}$" if marks else str(cell.value)
    if cell.value is None:
        return "--"
    if column.kind in ("percent", "published") and not isinstance(cell.value, str):
        drawn = _number(cell, column, table.decimals, r"$\pm$")
    else:
        text = short(column.key, cell.value)
        drawn = _power(text) if isinstance(cell.value, float) and "e" in text else tex(text)
    return (
        rf"\textbf{{\boldmath {drawn}}}"
        if cell.bold and "$" in drawn
        else rf"\textbf{{{drawn}}}"
        if cell.bold
        else drawn
    )


def _markdown_cell(table: Table, row: int, column: Column, cell: Cell) -> str:
    if column.kind == "row":
        drawn = f"{cell.value}" + "".join(MARKS[m] for m in MARKS if m in table.marks[row])
    elif cell.value is None:
        drawn = "–"
    elif column.kind in ("percent", "published") and not isinstance(cell.value, str):
        drawn = _number(cell, column, table.decimals, " ± ")
    else:
        drawn = markdown(short(column.key, cell.value))
    return f"**{drawn}**" if cell.bold else drawn


def _groups(columns: tuple[Column, ...]) -> list[tuple[str, int, int]]:
    """Runs of columns under one heading: (heading, first column from 1, last column)."""
    numbered = groupby(enumerate(columns, start=1), key=lambda c: c[1].group)
    spans = [(group, [n for n, _ in members]) for group, members in numbered]
    return [(group, numbers[0], numbers[-1]) for group, numbers in spans]


def _templates(**options: Any) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("ablation"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )


def latex(table: Table) -> str:
    """A floating table that needs booktabs and nothing else."""
    templates = _templates(
        block_start_string="<%", block_end_string="%>", variable_start_string="<<", variable_end_string=">>",
        comment_start_string="<#", comment_end_string="#>",
    )  # fmt: skip
    marks = {name: rf"${mark}$" for name, mark in TEX_MARKS.items()}
    return templates.get_template("table.tex").render(
        label=re.sub(r"[^a-z0-9]+", "-", table.name.lower()).strip("-") or "ablation",
        caption=tex(table.caption),
        align="".join("l" if c.kind in ("row", "text") else "r" for c in table.columns),
        groups=[(tex(g), a, b) for g, a, b in _groups(table.columns)],
        titles=[tex(c.title) for c in table.columns],
        rows=[
            [_tex_cell(table, i, c, cell) for c, cell in zip(table.columns, row, strict=True)]
            for i, row in enumerate(table.rows)
        ],
        notes=[_marked(note, tex, marks) for note in table.notes],
    )


def _marked(note: str, escape: Callable[[object], str], marks: Mapping[str, str]) -> str:
    """A note with its symbols: "{reference} reference row"."""
    parts = re.split(r"\{(reference|selected)\}", note)
    return " ".join(marks[p] if p in marks else escape(p) for p in parts if p).strip()


def markdown_table(table: Table) -> str:
    """A pipe table, padded so that the raw text reads as a table too."""
    titles = [
        f"{c.title} ({c.group.replace(' (%)', '').lower()}, %)" if c.kind in ("percent", "published") else c.title
        for c in table.columns
    ]
    body = [
        [_markdown_cell(table, i, c, cell) for c, cell in zip(table.columns, row, strict=True)]
        for i, row in enumerate(table.rows)
    ]
    widths = [max(3, *(len(line[k]) for line in [titles, *body])) for k in range(len(titles))]
    left = [c.kind in ("row", "text") for c in table.columns]
    rule = [":" + "-" * (w - 1) if is_left else "-" * (w - 1) + ":" for w, is_left in zip(widths, left, strict=True)]
    lines = [
        "| "
        + " | ".join(t.ljust(w) if is_left else t.rjust(w) for t, w, is_left in zip(line, widths, left, strict=True))
        + " |"
        for line in [titles, rule, *body]
    ]
    return (
        _templates()
        .get_template("table.md")
        .render(caption=markdown(table.caption), lines=lines, notes=[_marked(n, markdown, MARKS) for n in table.notes])
    )


FORMATS: dict[str, Callable[[Table], str]] = {"tex": latex, "md": markdown_table}


def confusion_page(title: str, classes: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """A page that shows a confusion matrix: counts, shaded by the share of the true class. No script, no network."""
    rows = [(name, [(n, n / max(1, sum(line))) for n in line]) for name, line in zip(classes, counts, strict=True)]
    page = _templates(autoescape=True).get_template("confusion.html")
    return page.render(title=title, classes=classes, rows=rows)
