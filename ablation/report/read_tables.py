"""Readers of drawn tables: the cells, captions and notes of CSV, LaTeX, Markdown, HTML and Excel files."""

import csv
import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from ablation.report.tables import workbook

KEYS = ("row", "trial")  # columns of CSV files whose value identifies a line
LONGEST = 400  # characters of a text that is compared as it is; of a longer one, its digest


@dataclass(frozen=True)
class Content:
    """Content of a table file: names of the columns, lines (name, cells), caption and notes, trial ids of each line."""

    columns: tuple[str, ...]
    lines: tuple[tuple[str, tuple[str, ...]], ...]
    texts: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


def _flat(text: str) -> str:
    return " ".join(text.split())


def read_csv(text: str) -> Content:
    """Return the lines of a CSV file, named by their row or trial."""
    lines = list(csv.reader(io.StringIO(text)))
    if not lines:
        return Content((), ())
    columns, *rows = lines
    key = next((k for name in KEYS for k, column in enumerate(columns) if column == name), None)
    ids = [k for k, column in enumerate(columns) if column in ("trial", "trials")]
    named = [
        (f"row {r[key]}" if key is not None and key < len(r) else f"line {n}") for n, r in enumerate(rows, start=2)
    ]
    return Content(
        tuple(columns),
        tuple(zip(named, map(tuple, rows), strict=True)),
        ids=tuple(" ".join(r[k] for k in ids if k < len(r)) for r in rows),
    )


def _tex_cells(line: str) -> tuple[str, ...]:
    """Return the cells of a LaTeX row. A cell that spans columns is repeated in each, so that positions are columns."""
    cells: list[str] = []
    for cell in re.split(r"(?<!\\)&", line):
        span = re.fullmatch(r"\s*\\multicolumn\{(\d+)\}\{\w*\}\{(.*)\}\s*", cell, re.S)
        cells += [_flat(span[2] if span else cell)] * (int(span[1]) if span else 1)
    return tuple(cells)


def read_tex(text: str) -> Content:
    """Return the rows between the rules, the caption and the notes. Labels, sizes and the float's place are ignored."""
    top, _, below_rule = text.partition(r"\midrule")
    body, _, footer = below_rule.partition(r"\bottomrule")
    body = body.replace(r"\endhead", "").replace(r"\addlinespace", "")
    titles = _tex_cells(top.rpartition(r"\cmidrule")[2].rpartition("}\n")[2] if r"\cmidrule" in top else
                        top.partition(r"\toprule")[2])  # fmt: skip
    rows = re.findall(r"(.*?)\\\\[^\S\n]*(?:%\s*([^\n]*))?(?:\n|\Z)", body, re.S)
    lines = [_tex_cells(cells) for cells, _ in rows]
    caption = re.search(r"\\caption\{(.*?)\}\s*(?:\\label|\n|\\\\)", top, re.S)
    notes = re.search(r"\\begin\{minipage\}.*?\\footnotesize(.*?)\\end\{minipage\}", footer, re.S)
    texts = [_flat(m[1]) for m in (caption, notes) if m]
    return Content(
        tuple(t.removesuffix(r"\\").strip() for t in titles),
        tuple((f"row {re.sub(r'[^0-9].*', '', cells[0]) or cells[0]}", cells) for cells in lines),
        tuple(texts),
        tuple(ids.strip() for _, ids in rows),
    )


def read_macros(text: str) -> Content:
    """Return every number of macros.tex with its row and key."""
    numbers = re.findall(r"\\csname ablate@(\d+)\.(\w+)\\endcsname\{(.*)\}", text)
    return Content(("macro",), tuple((f"row {row}, {key}", (value,)) for row, key, value in numbers))


def read_md(text: str) -> Content:
    """Return the rows of a Markdown table, its caption and notes, and the trials in its comment."""
    lines = [line.strip() for line in text.splitlines()]
    table = [tuple(_flat(c) for c in re.split(r"(?<!\\)\|", line)[1:-1]) for line in lines if line.startswith("|")]
    comment = next((line for line in lines if line.startswith("<!-- ablate:")), "")
    texts = [_flat(line) for line in lines if line and not line.startswith(("|", "<!--"))]
    ids = re.findall(r"row \d+: ([^;]*?)(?=;| -->)", comment)
    columns, rows = next(iter(table), ()), [cells for cells in table[2:] if cells]  # a file may have been cut
    return Content(
        columns,
        tuple((f"row {re.sub(r'[^0-9].*', '', r[0].strip('*')) or r[0]}", r) for r in rows),
        tuple(texts),
        tuple(ids),
    )


class _Page(HTMLParser):
    """Reader of a report: the cells of its tables, and all other texts, figures' data and scripts included."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[tuple[str, tuple[str, ...]]] = []
        self.texts: list[str] = []
        self._cells: list[str] | None = None  # of the row that is read now
        self._title = ""
        self._tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tags.append(tag)
        values = dict(attrs)
        if tag == "tr":
            self._cells = []
        elif tag in ("td", "th") and self._cells is not None:
            self._cells.append("")
            if values.get("data-value"):
                self.texts.append(f"value {values['data-value']}")

    def handle_endtag(self, tag: str) -> None:
        while self._tags and self._tags.pop() != tag:
            continue
        if tag == "tr" and self._cells is not None:
            cells = tuple(map(_flat, self._cells))
            self.lines.append((f"{self._title}, line {len(self.lines) + 1}", cells))
            self._cells = None

    def handle_data(self, data: str) -> None:
        text = _flat(data)
        if not text or "style" in self._tags:
            return
        if self._cells:
            self._cells[-1] += f" {text}"
            return
        if self._tags and self._tags[-1] == "h2":
            self._title = text
        self.texts.append(text if len(text) <= LONGEST else f"text with sha256 {_digest(text)}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_html(text: str) -> Content:
    """Return the cells of all tables of a report, and its other texts."""
    page = _Page()
    page.feed(text)
    page.close()
    return Content((), tuple(page.lines), tuple(page.texts))


def read_workbook(book: Any) -> Content:
    """Return the cells of all sheets of a workbook, captions and notes included."""
    return Content((), tuple(workbook.lines(book)))


READERS: dict[str, Callable[[str], Content]] = {
    ".csv": read_csv, ".tex": read_tex, ".md": read_md, ".html": read_html,
}  # fmt: skip
