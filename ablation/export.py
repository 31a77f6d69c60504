"""The table in a format, by the suffix of its file: CSV, LaTeX, Markdown."""
# ruff: noqa: RUF001 (the signs are what this file is about)

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import groupby
from typing import Any

import jinja2
import pandas as pd

from ablation.grid import short
from ablation.table import Cell, Column, Table, as_percent

TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "[": "{[}", "]": "{]}", "*": "{*}", "`": "{`}", '"': r"\textquotedblright{}",
    "\N{LEFT SINGLE QUOTATION MARK}": "{`}", "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": r"\textquotedblleft{}",
    "\N{RIGHT DOUBLE QUOTATION MARK}": r"\textquotedblright{}",
    "–": r"\textendash{}", "—": r"\textemdash{}", "±": r"$\pm$", "µ": r"$\mu$", "×": r"$\times$", "−": "$-$",
    "→": r"$\rightarrow$", "°": r"$^{\circ}$", "≤": r"$\leq$", "≥": r"$\geq$", "≈": r"$\approx$", "≠": r"$\neq$",
    "∞": r"$\infty$", "·": r"$\cdot$", "⁄": "/", "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}",
    "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}",
    "α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$", "δ": r"$\delta$", "ε": r"$\varepsilon$", "ζ": r"$\zeta$",
    "η": r"$\eta$", "θ": r"$\theta$", "ι": r"$\iota$", "κ": r"$\kappa$", "λ": r"$\lambda$", "μ": r"$\mu$",
    "ν": r"$\nu$", "ξ": r"$\xi$", "ο": "o", "π": r"$\pi$", "ρ": r"$\rho$", "σ": r"$\sigma$", "ς": r"$\varsigma$",
    "τ": r"$\tau$", "υ": r"$\upsilon$", "φ": r"$\varphi$", "χ": r"$\chi$", "ψ": r"$\psi$", "ω": r"$\omega$",
    "Α": "A", "Β": "B", "Γ": r"$\Gamma$", "Δ": r"$\Delta$", "Ε": "E", "Ζ": "Z", "Η": "H", "Θ": r"$\Theta$", "Ι": "I",
    "Κ": "K", "Λ": r"$\Lambda$", "Μ": "M", "Ν": "N", "Ξ": r"$\Xi$", "Ο": "O", "Π": r"$\Pi$", "Ρ": "P",
    "Σ": r"$\Sigma$", "Τ": "T", "Υ": r"$\Upsilon$", "Φ": r"$\Phi$", "Χ": "X", "Ψ": r"$\Psi$", "Ω": r"$\Omega$",
}  # fmt: skip
ACCENTS = {
    "\N{COMBINING GRAVE ACCENT}": "`", "\N{COMBINING ACUTE ACCENT}": "'", "\N{COMBINING CIRCUMFLEX ACCENT}": "^",
    "\N{COMBINING TILDE}": "~", "\N{COMBINING MACRON}": "=", "\N{COMBINING BREVE}": "u",
    "\N{COMBINING DOT ABOVE}": ".", "\N{COMBINING DIAERESIS}": '"', "\N{COMBINING RING ABOVE}": "r",
    "\N{COMBINING DOUBLE ACUTE ACCENT}": "H", "\N{COMBINING CARON}": "v", "\N{COMBINING CEDILLA}": "c",
}  # fmt: skip
TEX_MARKS = {"reference": r"\circ", "selected": r"\star"}
MARKS = {"reference": "°", "selected": "★"}
FORMULA = tuple("=+-@＝＋－＠")
LONGEST = 60  # characters of a text in a cell
LONGEST_CAPTION = 1000  # LaTeX sets a caption in one line first, and no line may be longer than 5.7 m


def _printable(text: object) -> str:
    """Without line breaks and control characters, the invisible ones of Unicode included."""
    if str(text).isprintable():
        return str(text)
    unprinted = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
    return "".join(" " if unicodedata.category(c) in unprinted else c for c in str(text))


def _one_line(text: object) -> str:
    """As printable as that; runs of blanks are one."""
    return " ".join(_printable(text).split())


def tex(text: object) -> str:
    """Text that any LaTeX engine prints as it stands. What pdfLaTeX has no glyph for becomes its base letter, or ?."""
    composed = unicodedata.normalize("NFC", _one_line(text))
    drawn = "".join(TEX.get(c) or (c if c.isascii() else _tex_letter(c)) for c in composed)
    return re.sub(r"([-',])(?=\1)", r"\1{}", drawn)  # -- is no dash


def _tex_letter(character: str) -> str:
    parts = unicodedata.normalize("NFKD", character)
    if parts[0].isascii() and parts[0].isalpha() and parts[1:2] in ACCENTS:
        return rf"\{ACCENTS[parts[1]]}{{{parts[0]}}}"
    return "".join(TEX.get(c, c if c.isascii() else "") for c in parts) or "?"


def markdown(text: object) -> str:
    """Text that Markdown prints as it stands."""
    return re.sub(r"([\\`*_{}\[\]<>|#~&$])", r"\\\1", _one_line(text))


def safe_csv(value: object) -> object:
    """A text becomes one line; one that a spreadsheet would take for a formula gets an apostrophe. Numbers stay."""
    if not isinstance(value, str):
        return value
    text = _printable(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text


def csv(frame: pd.DataFrame) -> str:
    """Tidy, raw floats at full precision, snake_case names."""
    texts = frame.select_dtypes(exclude="number").columns
    safe = frame.assign(**{name: frame[name].map(safe_csv) for name in texts})
    return safe.to_csv(index=False, lineterminator="\n")


def _number(cell: Cell, column: Column, decimals: int) -> tuple[str, str]:
    """In percent: the value, and its standard deviation or ""."""
    if column.kind == "published":
        return as_percent(cell.value), ""
    value, spread = cell.value if isinstance(cell.value, tuple) else (cell.value, None)
    return f"{100 * value:.{decimals}f}", "" if spread is None else f"{100 * spread:.{decimals}f}"


def _is_number(column: Column, cell: Cell) -> bool:
    return column.kind in ("percent", "published") and not isinstance(cell.value, str)


def _has_spread(column: Column, cell: Cell) -> bool:
    return column.kind == "percent" and isinstance(cell.value, tuple)


def _is_reason(column: Column, cell: Cell) -> bool:
    """Whether the cell says why there is no number in it."""
    return column.kind in ("percent", "published") and isinstance(cell.value, str)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _text(column: Column, cell: Cell) -> str:
    return _cut(_one_line(short(column.key, cell.value)), LONGEST)


def _power(text: str) -> str:
    """1e-4 in LaTeX's mathematics."""
    mantissa, _, exponent = text.partition("e")
    return f"$10^{{{exponent}}}$" if mantissa == "1" else rf"${mantissa}\times10^{{{exponent}}}$"


def _tex_value(table: Table, column: Column, cell: Cell) -> str:
    if _is_number(column, cell):
        value, spread = _number(cell, column, table.decimals)
        return rf"{value}$_{{\pm{spread}}}$" if spread else value
    text = _text(column, cell)
    return _power(text) if isinstance(cell.value, float) and "e" in text else tex(text)


def _tex_cell(table: Table, row: int, column: Column, cell: Cell) -> str:
    if column.kind == "row":
        marks = "".join(TEX_MARKS[m] for m in MARKS if m in table.marks[row])
        return f"{cell.value}$^{{{marks}}}$" if marks else str(cell.value)
    if cell.value is None:
        return "--"
    drawn = _tex_value(table, column, cell)
    mathematics = r"\boldmath " if "$" in drawn else ""
    return rf"\textbf{{{mathematics}{drawn}}}" if cell.bold else drawn


def _tex_row(table: Table, row: int) -> str:
    """Why there are no results is said once, across the columns that lack them."""
    cells = zip(table.columns, table.rows[row], strict=True)
    drawn = []
    for reason, members in groupby(cells, lambda c: c[1].value if _is_reason(*c) else None):
        some = [_tex_cell(table, row, column, cell) for column, cell in members]
        drawn += [rf"\multicolumn{{{len(some)}}}{{c}}{{{some[0]}}}"] if reason is not None else some
    return " & ".join(drawn)


def _markdown_cell(table: Table, row: int, column: Column, cell: Cell) -> str:
    if column.kind == "row":
        drawn = f"{cell.value}" + "".join(MARKS[m] for m in MARKS if m in table.marks[row])
    elif cell.value is None:
        drawn = "–"
    elif _is_number(column, cell):
        drawn = " ± ".join(n for n in _number(cell, column, table.decimals) if n)
    else:
        drawn = markdown(_text(column, cell))
    return f"**{drawn}**" if cell.bold and drawn else drawn


def _is_left(table: Table, k: int) -> bool:
    """Whether column `k` holds words, which stand on the left; numbers stand on the right."""
    return table.columns[k].kind in ("row", "text") or (
        table.columns[k].kind == "factor" and all(isinstance(row[k].value, str) for row in table.rows)
    )


def _groups(columns: tuple[Column, ...]) -> list[tuple[str, int, int]]:
    """Runs of columns under one heading: (heading, first column from 1, last column)."""
    numbered = groupby(enumerate(columns, start=1), key=lambda c: c[1].group)
    spans = [(group, [n for n, _ in members]) for group, members in numbered]
    return [(group, numbers[0], numbers[-1]) for group, numbers in spans]


@cache
def _templates(**options: Any) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("ablation"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )


def _size(table: Table) -> tuple[str, str]:
    """Type and gaps with which the table fits an article's column: (command, \\tabcolsep)."""
    spreads = {k for row in table.rows for k, cell in enumerate(row) if _has_spread(table.columns[k], cell)}
    wide = len(table.columns) + len(spreads)
    return ("footnotesize", "4pt") if wide <= 10 else ("footnotesize", "3pt") if wide <= 13 else ("scriptsize", "2pt")


def latex(table: Table) -> str:
    """A floating table that needs booktabs and nothing else."""
    templates = _templates(
        block_start_string="<%", block_end_string="%>", variable_start_string="<<", variable_end_string=">>",
        comment_start_string="<#", comment_end_string="#>",
    )  # fmt: skip
    marks = {name: rf"${mark}$~" for name, mark in TEX_MARKS.items()}
    return templates.get_template("table.tex").render(
        label=re.sub(r"[^a-z0-9]+", "-", table.name.lower()).strip("-") or "ablation",
        caption=tex(_cut(table.caption, LONGEST_CAPTION)),
        align="".join("l" if _is_left(table, k) else "r" for k in range(len(table.columns))),
        groups=[(tex(g), a, b) for g, a, b in _groups(table.columns)],
        titles=[tex(c.title).replace("F1", "$F_1$") for c in table.columns],
        size=_size(table),
        rows=[_tex_row(table, i) for i in range(len(table.rows))],
        notes=[_marked(note, tex, marks) for note in table.notes],
    )


def _marked(note: str, escape: Callable[[object], str], marks: Mapping[str, str]) -> str:
    """A note with the symbol that it explains: "{reference} reference row"."""
    name, brace, text = note.removeprefix("{").partition("} ")
    return marks[name] + escape(text) if brace and name in marks else escape(note)


def _markdown_title(column: Column) -> str:
    if column.kind not in ("percent", "published"):
        return column.title if column.kind == "row" else markdown(column.title)
    return markdown(f"{column.title} ({column.group.replace(' (%)', '').lower()}, %)")


def _padded(line: Sequence[str], widths: Sequence[int], left: Sequence[bool]) -> str:
    cells = [text.ljust(w) if is_left else text.rjust(w) for text, w, is_left in zip(line, widths, left, strict=True)]
    return f"| {' | '.join(cells)} |"


def markdown_table(table: Table) -> str:
    """A pipe table, padded so that the raw text reads as a table too."""
    titles = [_markdown_title(c) for c in table.columns]
    body = [
        [_markdown_cell(table, i, c, cell) for c, cell in zip(table.columns, row, strict=True)]
        for i, row in enumerate(table.rows)
    ]
    widths = [max(3, *(len(line[k]) for line in [titles, *body])) for k in range(len(titles))]
    left = [_is_left(table, k) for k in range(len(titles))]
    rule = [":" + "-" * (w - 1) if is_left else "-" * (w - 1) + ":" for w, is_left in zip(widths, left, strict=True)]
    marks = {name: f"{mark} " for name, mark in MARKS.items()}
    return (
        _templates()
        .get_template("table.md")
        .render(
            caption=markdown(table.caption),
            lines=[_padded(line, widths, left) for line in [titles, rule, *body]],
            notes=[_marked(note, markdown, marks) for note in table.notes],
        )
    )


FORMATS: dict[str, Callable[[Table], str]] = {"tex": latex, "md": markdown_table}


def confusion_page(title: str, classes: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """A page that shows a confusion matrix: counts, shaded by the share of the true class. No script, no network."""
    rows = [(name, [(n, n / max(1, sum(line))) for n in line]) for name, line in zip(classes, counts, strict=True)]
    page = _templates(autoescape=True).get_template("confusion.html")
    return page.render(title=title, classes=classes, rows=rows)
