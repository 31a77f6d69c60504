"""Verification of tables: each cell of a printed table is compared with the value that the study's files give now."""

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from ablation.errors import AblateError
from ablation.model.table import WORDING
from ablation.report.build import Importances, RenderOptions, Report, rebuild
from ablation.report.tables import stars
from ablation.report.tables.cells import MARKS
from ablation.store import aliases
from ablation.store.upgrade import opened
from ablation.store.workspace import Workspace

MOST = 20  # mismatches that are listed individually
KEYS = ("row", "trial")  # columns of CSV files whose value identifies a line


@dataclass(frozen=True)
class Content:
    """Content of a table file: names of the columns, lines (name, cells), caption and notes, trial ids of each line."""

    columns: tuple[str, ...]
    lines: tuple[tuple[str, tuple[str, ...]], ...]
    texts: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verified:
    """Result of a verification.

    Attributes:
        workspace: workspace of the study.
        cells: number of cells in the file.
        mismatches: one sentence each, naming the cell.
        uncompared: what an earlier version drew in another way, in words.
    """

    file: Path
    study: str
    workspace: Workspace
    cells: int
    mismatches: tuple[str, ...]
    uncompared: tuple[str, ...] = ()

    def say(self) -> str:
        """Return the result as text for users, with at most `MOST` mismatches."""
        if not self.mismatches:
            notes = "".join(f" ({note})" for note in self.uncompared)
            return f"{self.file}: all {self.cells:,} cells agree with the results of study {self.study}{notes}"
        overflow = [f"and {len(self.mismatches) - MOST:,} more"] if len(self.mismatches) > MOST else []
        return "\n".join(f"{self.file}: {line}" for line in [*self.mismatches[:MOST], *overflow])


def _flat(text: str) -> str:
    return " ".join(text.split())


def _read_csv(text: str) -> Content:
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


def _read_tex(text: str) -> Content:
    """Return the rows between the rules, the caption and the notes. Labels, sizes and the float's place are ignored."""
    head, _, below_rule = text.partition(r"\midrule")
    body, _, footer = below_rule.partition(r"\bottomrule")
    body = body.replace(r"\endhead", "").replace(r"\addlinespace", "")
    titles = _tex_cells(head.rpartition(r"\cmidrule")[2].rpartition("}\n")[2] if r"\cmidrule" in head else
                        head.partition(r"\toprule")[2])  # fmt: skip
    rows = re.findall(r"(.*?)\\\\[^\S\n]*(?:%\s*([^\n]*))?(?:\n|\Z)", body, re.S)
    lines = [_tex_cells(cells) for cells, _ in rows]
    caption = re.search(r"\\caption\{(.*?)\}\s*(?:\\label|\n|\\\\)", head, re.S)
    notes = re.search(r"\\begin\{minipage\}.*?\\footnotesize(.*?)\\end\{minipage\}", footer, re.S)
    texts = [_flat(m[1]) for m in (caption, notes) if m]
    return Content(
        tuple(t.removesuffix(r"\\").strip() for t in titles),
        tuple((f"row {re.sub(r'[^0-9].*', '', cells[0]) or cells[0]}", cells) for cells in lines),
        tuple(texts),
        tuple(ids.strip() for _, ids in rows),
    )


def _read_macros(text: str) -> Content:
    """Return every number of macros.tex with its row and key."""
    numbers = re.findall(r"\\csname ablate@(\d+)\.(\w+)\\endcsname\{(.*)\}", text)
    return Content(("macro",), tuple((f"row {row}, {key}", (value,)) for row, key, value in numbers))


def _read_md(text: str) -> Content:
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


READERS = {".csv": _read_csv, ".tex": _read_tex, ".md": _read_md}


class _Origin(NamedTuple):
    """Origin that a table file states.

    `study`: study of the table, "" for none. `name`: file name of the table. `latex`: LaTeX options. `wording`: version
    of its headings, caption and notes; 1 where the file states none.
    """

    study: str
    name: str
    latex: dict[str, Any]
    wording: int = 1


def _origin(path: Path, text: str) -> _Origin:
    """Return the origin that a table file states."""
    if path.suffix == ".csv":
        columns, *rows = list(csv.reader(io.StringIO(text))) or [[]]
        marks = {  # columns of one file only, the first that a file has
            "family": "comparisons.csv", "from_row": "contrasts.csv", "pareto": "costs.csv", "trial": "trials.csv",
        }  # fmt: skip
        kind = next((name for column, name in marks.items() if column in columns), "table.csv")
        lines = (dict(zip(columns, row, strict=False)) for row in rows)
        return _Origin(next((line["study"] for line in lines if "study" in line), ""), kind, {})
    comment = re.search(
        r"ablate: study (\S+?), table (\w+)(?:, wording (\d+))?(?:, drawn with style=(\w+) form=(\w+) float=(\S+))?",
        text,
    )
    if not comment:
        return _Origin("", "", {})
    latex = dict(zip(("style", "form", "float"), comment.groups()[3:], strict=True)) if comment[4] else {}
    stem = {"ablation": "table", "macros": "macros"}.get(comment[2], f"tables/{comment[2]}")
    return _Origin(comment[1], f"{stem}{path.suffix}", latex, int(comment[3] or 1))


def _foreign_trials(content: Content, drawing: Report) -> Iterator[str]:
    """Yield the lines whose trials do not belong to the study."""
    record = drawing.study.record
    trial_keys = {record.trial_key(t) for t in record.grid.trials()}
    for (name, _), ids in zip(content.lines, content.ids, strict=False):
        foreign = [i for i in ids.split() if i not in trial_keys]
        if foreign:
            yield f"{name} comes from other data: its trial {foreign[0]} does not belong to study {record.name}"


def _numbered(columns: Sequence[str]) -> list[tuple[str, int]]:
    """Return each heading with its occurrence: LaTeX has the heading of a number above its bracket too."""
    return [(title, columns[:k].count(title)) for k, title in enumerate(columns)]


def _aligned(stored: Content, fresh: Content) -> Content:
    """Return `fresh` with the columns of `stored` alone, in their order; a column that it lacks has no cells."""
    if stored.columns == fresh.columns:
        return fresh
    positions = {column: k for k, column in enumerate(_numbered(fresh.columns))}
    order = [positions.get(column) for column in _numbered(stored.columns)]
    lines = [
        (name, tuple("" if k is None else cells[k] if k < len(cells) else "" for k in order))
        for name, cells in fresh.lines
    ]
    return replace(fresh, columns=stored.columns, lines=tuple(lines))


def _compare(stored: Content, fresh: Content, wording: bool) -> Iterator[str]:
    """Yield the mismatches. `wording`: whether both have headings, caption and notes of one version."""
    yield from _unknown_columns(stored.columns, fresh.columns)
    yield from _compare_lines(stored, _aligned(stored, fresh))
    if not wording:
        return
    for a, b in zip(stored.texts, fresh.texts, strict=False):
        if a != b:
            yield f"caption or notes: {_first_difference(a, b)}"
    if len(stored.texts) != len(fresh.texts):
        yield f"caption or notes: {len(stored.texts)} in the file, {len(fresh.texts)} expected"


def _compare_lines(stored: Content, fresh: Content) -> Iterator[str]:
    """Yield the lines and cells that differ; both contents have the same columns."""
    rows = dict(fresh.lines) if len(dict(fresh.lines)) == len(fresh.lines) else {}
    for n, (name, cells) in enumerate(stored.lines):
        expected = rows.get(name) if rows else (fresh.lines[n][1] if n < len(fresh.lines) else None)
        if expected is None:
            yield f"{name}: the results contain no such line"
            continue
        for k in range(max(len(cells), len(expected))):
            a, b = (line[k] if k < len(line) else "nothing" for line in (cells, expected))
            if a != b:
                heading = fresh.columns[k] if k < len(fresh.columns) else f"column {k + 1}"
                yield f"{name}, {heading}: {a or 'nothing'} in the file, {b or 'nothing'} expected"
    times = Counter(name for name, _ in stored.lines)
    yield from (f"{name}: given {n} times" for name, n in times.items() if rows and n > 1)
    stored_rows = dict(stored.lines)
    missing = (
        [name for name in rows if name not in stored_rows] if rows else [n for n, _ in fresh.lines[len(stored.lines) :]]
    )
    yield from (f"{name}: missing" for name in missing)


def _unknown_columns(stored: Sequence[str], fresh: Sequence[str]) -> Iterator[str]:
    if unknown := [f"unknown column {c}" for c in stored if c not in fresh]:
        yield f"columns: {', '.join(unknown)}"


def _uncompared(stored: Content, fresh: Content, wording: bool) -> Iterator[str]:
    """Yield what the file lacks, or has in the words of an earlier version."""
    if missing := list(dict.fromkeys(c for c in fresh.columns if c not in stored.columns)):
        yield f"the file does not have {', '.join(missing)}"
    if stored.texts and not wording:
        yield "its caption and notes have the wording of another version and are not compared"


def _first_difference(a: str, b: str) -> str:
    """Return where two texts begin to differ, with up to 50 characters of each."""
    first = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    start = max(0, first - 20)
    return f"{a[start : first + 30]!r} in the file, {b[start : first + 30]!r} expected"


def _enclosing_workspace(path: Path, study: str) -> Workspace | None:
    """Return the workspace that contains a table file and the table's study; None if there is no such workspace."""
    places = (Path(os.path.abspath(path)), path.resolve())  # the study folder or the table file may be a symbolic link
    folders = (folder for place in places for folder in place.parents if folder.name == study)
    return next((Workspace(f.parent) for f in folders if study in Workspace(f.parent).studies()), None)


def _with_new_ids(workspace: Workspace, text: str) -> str:
    """Return the text of a table with the current ids of its trials."""
    new_ids = aliases.read(workspace)
    return re.sub(r"\b[0-9a-f]{16}(?=-\d)", lambda match: new_ids.get(match[0], match[0]), text) if new_ids else text


def _with_new_marks(content: Content) -> Content:
    """Return a table of an earlier wording with today's mark of rows without a significant difference, which was =."""

    def marked(cell: str) -> str:
        in_latex = re.sub(r"(\$\^\{[^}]*)=", r"\1\\sim", cell)
        return re.sub(r"=(?=[†‡]*\**$)", MARKS["alike"], in_latex)

    lines = tuple((name, tuple(marked(c) if k == 0 else c for k, c in enumerate(cs))) for name, cs in content.lines)
    return replace(content, lines=lines)


def check(workspace: Workspace, path: Path, importances: Importances | None = None) -> Verified:
    """Compare a table file with the table that the study's files give now, and return the mismatches.

    Args:
        workspace: workspace of the study, used if the table is not inside a workspace that has the study.
        path: table file: .csv, .tex or .md.
        importances: function that computes the importances of the factors; None leaves their table out.

    Raises:
        AblateError: if the file is not a table of ablate, or its study is missing.
    """
    if path.suffix not in READERS:
        raise AblateError(f"{path}: not a table that ablate has drawn; verify takes {', '.join(READERS)}")
    try:
        text = path.read_bytes().decode().replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise AblateError(f"{path}: not UTF-8 text") from None
    study, name, latex, wording = _origin(path, text)
    if not study:
        raise AblateError(f"{path}: does not name its study; verify takes tables that ablate has drawn")
    workspace = opened((_enclosing_workspace(path, study) or workspace).root)
    if study not in workspace.studies():
        studies = ", ".join(workspace.studies()) or "no study"
        raise AblateError(
            f"{path}: the table belongs to study {study}, which is not in this workspace "
            f"({workspace.root} has {studies}); "
            "pass --workspace with the workspace of that study"
        )
    look = RenderOptions(latex=latex, importances=importances, marks=stars.marks_of(text))
    drawing = rebuild(workspace, study, look)
    if name not in drawing.files:
        raise AblateError(f"{path}: study {study} does not have {name} now; redraw its tables: `ablate table`")
    read = _read_macros if name == "macros.tex" else READERS[path.suffix]
    stored = read(_with_new_ids(workspace, text))
    foreign = list(_foreign_trials(stored, drawing))
    fresh, same_wording = read(drawing.files[name]), wording == WORDING
    if not same_wording and stored.texts and len(stored.columns) == len(fresh.columns):
        stored = replace(stored, columns=fresh.columns)  # headings have other words, in the same places
    if not same_wording and name.startswith("table."):
        stored = _with_new_marks(stored)
    mismatches = foreign or list(_compare(stored, fresh, same_wording))
    # The table may have been rendered with all intervals.
    if mismatches and not foreign and not drawing.study.analysis.bootstrapped:
        with_intervals = rebuild(workspace, study, replace(look, all_intervals=True))
        mismatches = min(mismatches, list(_compare(stored, read(with_intervals.files[name]), same_wording)), key=len)
    cells = sum(len(line) for _, line in stored.lines)
    uncompared = tuple(_uncompared(stored, fresh, same_wording))
    return Verified(path, study, workspace, cells, tuple(dict.fromkeys(mismatches)), uncompared)
