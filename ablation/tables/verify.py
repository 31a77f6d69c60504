"""Whether every number of a table still follows from the files of its study: a table is read back, cell by cell."""

import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ablation.errors import AblateError
from ablation.planning.upgrade import opened
from ablation.results import aliases
from ablation.tables.outcome import Drawing, Importances, Look, drawn_again
from ablation.workspace import Workspace

MOST = 20  # mismatches that are named one by one
KEYS = ("row", "trial")  # columns of CSV files whose value names a line


@dataclass(frozen=True)
class Content:
    """A table, read: the names of its columns, its lines (name, cells), its other texts, the trials of each line."""

    columns: tuple[str, ...]
    lines: tuple[tuple[str, tuple[str, ...]], ...]
    texts: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verified:
    """What came of it. `mismatches`: in words, each naming its cell."""

    file: Path
    study: str
    cells: int
    mismatches: tuple[str, ...]

    def say(self) -> str:
        if not self.mismatches:
            return f"{self.file}: all {self.cells:,} cells follow from the files of study {self.study}"
        more = [f"and {len(self.mismatches) - MOST:,} more"] if len(self.mismatches) > MOST else []
        return "\n".join(f"{self.file}: {line}" for line in [*self.mismatches[:MOST], *more])


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
    """Cells; what spans several stands in each of them, so that positions are columns."""
    found: list[str] = []
    for cell in re.split(r"(?<!\\)&", line):
        span = re.fullmatch(r"\s*\\multicolumn\{(\d+)\}\{\w*\}\{(.*)\}\s*", cell, re.S)
        found += [_flat(span[2] if span else cell)] * (int(span[1]) if span else 1)
    return tuple(found)


def _read_tex(text: str) -> Content:
    """What stands between the rules, the caption and the notes; labels, sizes and the float's place do not count."""
    head, _, rest = text.partition(r"\midrule")
    body, _, after = rest.partition(r"\bottomrule")
    body = body.replace(r"\endhead", "").replace(r"\addlinespace", "")
    titles = _tex_cells(head.rpartition(r"\cmidrule")[2].rpartition("}\n")[2] if r"\cmidrule" in head else
                        head.partition(r"\toprule")[2])  # fmt: skip
    rows = re.findall(r"(.*?)\\\\[^\S\n]*(?:%\s*([^\n]*))?(?:\n|\Z)", body, re.S)
    lines = [_tex_cells(cells) for cells, _ in rows]
    caption = re.search(r"\\caption\{(.*?)\}\s*(?:\\label|\n|\\\\)", head, re.S)
    notes = re.search(r"\\begin\{minipage\}.*?\\footnotesize(.*?)\\end\{minipage\}", after, re.S)
    texts = [_flat(m[1]) for m in (caption, notes) if m]
    return Content(
        tuple(t.removesuffix(r"\\").strip() for t in titles),
        tuple((f"row {re.sub(r'[^0-9].*', '', cells[0]) or cells[0]}", cells) for cells in lines),
        tuple(texts),
        tuple(ids.strip() for _, ids in rows),
    )


def _read_macros(text: str) -> Content:
    """Every number of macros.tex, under its key."""
    numbers = re.findall(r"\\csname ablate@(\d+)\.(\w+)\\endcsname\{(.*)\}", text)
    return Content(("macro",), tuple((f"row {row}, {key}", (value,)) for row, key, value in numbers))


def _read_md(text: str) -> Content:
    lines = [line.strip() for line in text.splitlines()]
    table = [tuple(_flat(c) for c in re.split(r"(?<!\\)\|", line)[1:-1]) for line in lines if line.startswith("|")]
    comment = next((line for line in lines if line.startswith("<!-- ablate:")), "")
    texts = [_flat(line) for line in lines if line and not line.startswith(("|", "<!--"))]
    ids = re.findall(r"row \d+: ([^;]*?)(?=;| -->)", comment)
    columns, _, *rows = table or [(), ()]
    return Content(
        columns,
        tuple((f"row {re.sub(r'[^0-9].*', '', r[0].strip('*')) or r[0]}", r) for r in rows),
        tuple(texts),
        tuple(ids),
    )


READERS = {".csv": _read_csv, ".tex": _read_tex, ".md": _read_md}


def _origin(path: Path, text: str) -> tuple[str, str, dict[str, Any]]:
    """The study that a table says it is of, which of its files it is, and how its LaTeX was drawn."""
    if path.suffix == ".csv":
        columns, *rows = list(csv.reader(io.StringIO(text))) or [[]]
        kind = "contrasts.csv" if "from_row" in columns else "trials.csv" if "trial" in columns else "table.csv"
        lines = (dict(zip(columns, row, strict=False)) for row in rows)
        return next((line["study"] for line in lines if "study" in line), ""), kind, {}
    said = re.search(r"ablate: study (\S+?), table (\w+)(?:, drawn with style=(\w+) form=(\w+) float=(\S+))?", text)
    if not said:
        return "", "", {}
    latex = dict(zip(("style", "form", "float"), said.groups()[2:], strict=True)) if said[3] else {}
    stem = {"ablation": "table", "macros": "macros"}.get(said[2], f"tables/{said[2]}")
    return said[1], f"{stem}{path.suffix}", latex


def _other_data(found: Content, drawing: Drawing) -> Iterator[str]:
    """Lines whose trials are none of the study's."""
    record = drawing.findings.record
    known = {record.trial_key(t) for t in record.grid.trials()}
    for (name, _), ids in zip(found.lines, found.ids, strict=False):
        strange = [i for i in ids.split() if i not in known]
        if strange:
            yield f"{name} comes from other data: its trial {strange[0]} is none of study {record.name}'s"


def _column(content: Content, k: int) -> str:
    return content.columns[k] if k < len(content.columns) else f"column {k + 1}"


def _compare(there: Content, fresh: Content) -> Iterator[str]:
    yield from _compare_columns(there.columns, fresh.columns)
    rows = dict(fresh.lines) if len(dict(fresh.lines)) == len(fresh.lines) else {}
    for n, (name, cells) in enumerate(there.lines):
        follows = rows.get(name) if rows else (fresh.lines[n][1] if n < len(fresh.lines) else None)
        if follows is None:
            yield f"{name}: no such line follows from the files"
            continue
        for k in range(max(len(cells), len(follows))):
            a, b = (each[k] if k < len(each) else "nothing" for each in (cells, follows))
            if a != b:
                yield f"{name}, {_column(fresh, k)}: {a or 'nothing'} stands there, {b or 'nothing'} follows"
    named = dict(there.lines)
    lacking = [name for name in rows if name not in named] if rows else [n for n, _ in fresh.lines[len(there.lines) :]]
    yield from (f"{name}: is missing" for name in lacking)
    for a, b in zip(there.texts, fresh.texts, strict=False):
        if a != b:
            yield f"caption or notes: {_apart(a, b)}"
    if len(there.texts) != len(fresh.texts):
        yield f"caption or notes: {len(there.texts)} stand there, {len(fresh.texts)} follow"


def _compare_columns(there: Sequence[str], fresh: Sequence[str]) -> Iterator[str]:
    if there != fresh:
        extra = [f"{c} is not one" for c in there if c not in fresh]
        lacking = [f"{c} is missing" for c in fresh if c not in there]
        yield f"columns: {', '.join([*extra, *lacking]) or 'in another order'}"


def _apart(a: str, b: str) -> str:
    """Where two texts part, in a few words of each."""
    first = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    start = max(0, first - 20)
    return f"{a[start : first + 30]!r} stands there, {b[start : first + 30]!r} follows"


def _holding(path: Path, study: str) -> Workspace | None:
    """Return the workspace in which a table lies, where it holds the study that the table is of."""
    places = (Path(os.path.abspath(path)), path.resolve())  # a study's folder may be a link, and so may a table
    folders = (folder for place in places for folder in place.parents if folder.name == study)
    return next((Workspace(f.parent) for f in folders if study in Workspace(f.parent).studies()), None)


def _renamed(workspace: Workspace, text: str) -> str:
    """Return a printed table with the ids that its trials have now."""
    known = aliases.read(workspace)
    return re.sub(r"\b[0-9a-f]{16}(?=-\d)", lambda found: known.get(found[0], found[0]), text) if known else text


def check(workspace: Workspace, path: Path, importances: Importances | None = None) -> Verified:
    """Read a table and derive it again: from the workspace in which the table lies, otherwise from `workspace`.

    Raises AblateError where it is none of ablate's, or of no study here.
    """
    if path.suffix not in READERS:
        raise AblateError(f"{path}: no table of ablate's; verify takes {', '.join(READERS)}")
    try:
        text = path.read_bytes().decode().replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise AblateError(f"{path}: no text in UTF-8") from None
    study, name, latex = _origin(path, text)
    if not study:
        raise AblateError(f"{path}: does not say which study it is of; verify takes tables that ablate has drawn")
    workspace = opened((_holding(path, study) or workspace).root)
    if study not in workspace.studies():
        known = ", ".join(workspace.studies()) or "no study"
        raise AblateError(
            f"{path}: the table belongs to study {study}, which is not in this workspace "
            f"({workspace.root} has {known}); "
            "pass --workspace with the one that holds it"
        )
    look = Look(latex=latex, importances=importances)
    drawing = drawn_again(workspace, study, look)
    if name not in drawing.files:
        raise AblateError(f"{path}: study {study} has no {name} (any more)")
    read = _read_macros if name == "macros.tex" else READERS[path.suffix]
    there = read(_renamed(workspace, text))
    strange = list(_other_data(there, drawing))
    wrong = strange or list(_compare(there, read(drawing.files[name])))
    if wrong and not strange and not drawing.findings.analysis.bootstrapped:  # perhaps it was drawn with all intervals
        more = drawn_again(workspace, study, replace(look, all_intervals=True))
        wrong = min(wrong, list(_compare(there, read(more.files[name]))), key=len)
    cells = sum(len(line) for _, line in there.lines)
    return Verified(path, study, cells, tuple(dict.fromkeys(wrong)))
