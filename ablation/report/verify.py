"""Verification of tables: each cell of a drawn file is compared with the value that the study's files give now."""

import csv
import io
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ablation.errors import AblateError
from ablation.model.table import WORDING
from ablation.report import read_tables
from ablation.report.build import REPORT, Importances, RenderOptions, Report, rebuild
from ablation.report.read_tables import READERS, Content
from ablation.report.tables import origin, stars, workbook
from ablation.report.tables.cells import MARKS
from ablation.report.tables.origin import Origin
from ablation.store import aliases
from ablation.store.upgrade import opened
from ablation.store.workspace import Workspace

MOST = 20  # mismatches that are listed individually
FULL = 15  # characters from which a number is one of full precision, as files of CSV have them
TINY = 1e-15  # absolute value that may be 0 with other versions
ROUNDING = 1e-12  # relative difference of such numbers that is none: the last bits depend on the versions of libraries


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
    """Return `fresh` with the columns of `stored` alone, in their order; a column missing in it has no cells."""
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


def _cited(stored: Content, fresh: Content) -> Content:
    """Return the numbers that a file of macros has: an earlier version had fewer, and a paper may keep some alone."""
    names = {name for name, _ in stored.lines}
    return replace(fresh, lines=tuple(line for line in fresh.lines if line[0] in names))


def _agree(a: str, b: str) -> bool:
    """Return whether two cells are equal, numbers of full precision up to their last bits."""
    if a == b or max(len(a), len(b)) < FULL:
        return a == b
    try:
        x, y = float(a), float(b)
        return math.isclose(x, y, rel_tol=ROUNDING) or (0 in (x, y) and math.isclose(x, y, abs_tol=TINY))
    except ValueError:  # texts
        return False


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
            if not _agree(a, b):
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
    """Yield the content that is missing in the file, or that it has in the words of an earlier version."""
    if missing := list(dict.fromkeys(c for c in fresh.columns if c not in stored.columns)):
        yield f"the file does not have {', '.join(missing)}"
    if stored.texts and not wording:
        yield "its caption and notes have the wording of another version and are not compared"


def _first_difference(a: str, b: str) -> str:
    """Return where two texts begin to differ, with up to 50 characters of each."""
    first = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    start = max(0, first - 20)
    return f"{a[start : first + 30]!r} in the file, {b[start : first + 30]!r} expected"


@dataclass(frozen=True)
class _Stored:
    """File to verify. `text`: of a text file; `book`: of a workbook."""

    path: Path
    origin: Origin
    text: str = ""
    book: Any = None

    @property
    def name(self) -> str:
        """Name of the file in the folder of its study."""
        if self.path.suffix == ".csv":
            return self.origin.table
        if self.origin.table == origin.REPORT:
            return REPORT
        stem = {"ablation": "table", "macros": "macros"}.get(self.origin.table, f"tables/{self.origin.table}")
        return f"{stem}{self.path.suffix}"

    def read(self, new_ids: Mapping[str, str]) -> Content:
        """Return the content of the file. `new_ids`: old id of a training -> current id."""
        if self.book is not None:
            return read_tables.read_workbook(self.book)
        return self._reader(_with_new_ids(new_ids, self.text))

    def fresh(self, drawing: Report) -> Content:
        """Return the content that the file would have now. Raises AblateError where the study has no such file."""
        if self.book is not None:
            return read_tables.read_workbook(workbook.book(drawing.tables.values(), drawing.study.record.grid.table))
        if self.name not in drawing.files:
            raise AblateError(
                f"{self.path}: study {self.origin.study} does not have {self.name} now; redraw its tables: "
                "`ablate table`"
            )
        return self._reader(drawing.files[self.name])

    @property
    def _reader(self) -> Callable[[str], Content]:
        return read_tables.read_macros if self.name == "macros.tex" else READERS[self.path.suffix]


def _stored(path: Path) -> _Stored:
    """Return a file to verify. Raises AblateError where ablate did not draw it."""
    if path.suffix not in (*READERS, ".xlsx") or not path.is_file():
        raise AblateError(f"{path}: not a table that ablate has drawn; verify takes {', '.join((*READERS, '.xlsx'))}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AblateError(f"{path}: cannot be read: {error.strerror}") from None
    if path.suffix == ".xlsx":
        book = workbook.opened(content)
        if book is None:
            raise AblateError(f"{path}: not an Excel workbook")
        stored = _Stored(path, origin.read(book.properties.description or ""), book=book)
    else:
        try:
            text = content.decode().replace("\r\n", "\n")
        except UnicodeDecodeError:
            raise AblateError(f"{path}: not UTF-8 text") from None
        stored = _Stored(path, _origin_of_csv(path, text) if path.suffix == ".csv" else _with_marks(text), text)
    if not stored.origin.study:
        raise AblateError(f"{path}: does not name its study; verify takes tables that ablate has drawn")
    return stored


def _with_marks(text: str) -> Origin:
    """Return the origin of a text, with the marks that a version which did not state them drew."""
    read = origin.read(text)
    return (
        read
        if "marks" in read.drawn_with
        else read._replace(drawn_with={**read.drawn_with, "marks": stars.marks_of(text)})
    )


def _origin_of_csv(path: Path, text: str) -> Origin:
    """Return the origin of a CSV file, by its columns; its `table` is the name of the file. Raises AblateError for a
    file of examples, which is no table."""
    columns, *rows = list(csv.reader(io.StringIO(text))) or [[]]
    if "replicate" in columns and "trial" not in columns:
        raise AblateError(f"{path}: has a line for each example; verify takes tables, and `--examples` writes it again")
    own = {  # columns of one file only, the first that a file has
        "family": "comparisons.csv", "from_row": "contrasts.csv", "pareto": "costs.csv", "trial": "trials.csv",
    }  # fmt: skip
    kind = next((name for column, name in own.items() if column in columns), "table.csv")
    lines = (dict(zip(columns, row, strict=False)) for row in rows)
    return Origin(next((line["study"] for line in lines if "study" in line), ""), kind, {})


def _workspace_of(workspace: Workspace, path: Path, study: str) -> Workspace:
    """Return the workspace of a file's study. Raises AblateError where it has no such study."""
    workspace = opened((_enclosing_workspace(path, study) or workspace).root)
    if study not in workspace.studies():
        studies = ", ".join(workspace.studies()) or "no study"
        raise AblateError(
            f"{path}: the table belongs to study {study}, which is not in this workspace ({workspace.root} has "
            f"{studies}); pass --workspace with the workspace of that study"
        )
    return workspace


def _enclosing_workspace(path: Path, study: str) -> Workspace | None:
    """Return the workspace that contains a table file and the table's study; None if there is no such workspace."""
    places = (Path(os.path.abspath(path)), path.resolve())  # the study folder or the table file may be a symbolic link
    folders = (folder for place in places for folder in place.parents if folder.name == study)
    return next((Workspace(f.parent) for f in folders if study in Workspace(f.parent).studies()), None)


def _with_new_ids(new_ids: Mapping[str, str], text: str) -> str:
    """Return the text of a table with the current ids of its trials."""
    return re.sub(r"\b[0-9a-f]{16}(?=-\d)", lambda match: new_ids.get(match[0], match[0]), text) if new_ids else text


def _with_new_marks(content: Content) -> Content:
    """Return a table of an earlier wording with today's mark of rows without a significant difference, which was =."""

    def marked(cell: str) -> str:
        in_latex = re.sub(r"(\$\^\{[^}]*)=", r"\1\\sim", cell)
        return re.sub(r"=(?=[†‡]*\**$)", MARKS["alike"], in_latex)

    lines = tuple((name, tuple(marked(c) if k == 0 else c for k, c in enumerate(cs))) for name, cs in content.lines)
    return replace(content, lines=lines)


def check(workspace: Workspace, path: Path, importances: Importances | None = None) -> Verified:
    """Compare a drawn file with the one that the study's files give now, and return the mismatches.

    Args:
        workspace: workspace of the study, used if the file is not inside a workspace that has the study.
        path: drawn file: .csv, .tex, .md, .html or .xlsx.
        importances: function that computes the importances of the factors; None leaves their table out.

    Raises:
        AblateError: if ablate did not draw the file, or its study is missing.
    """
    stored = _stored(path)
    workspace = _workspace_of(workspace, path, stored.origin.study)
    look = RenderOptions(table=stored.origin.drawn_with, importances=importances)
    drawing = rebuild(workspace, stored.origin.study, look)
    fresh = stored.fresh(drawing)
    given = stored.read(aliases.read(workspace))
    foreign = list(_foreign_trials(given, drawing))
    same_wording = stored.origin.wording == WORDING
    if not same_wording and stored.name.startswith("table."):
        given = _with_new_marks(given)
    if not same_wording and given.texts and len(given.columns) == len(fresh.columns):
        given = replace(given, columns=fresh.columns)  # headings have other words, in the same places
    if stored.name == "macros.tex":
        fresh = _cited(given, fresh)
    mismatches = foreign or list(_compare(given, fresh, same_wording))
    if mismatches and not foreign and not drawing.study.analysis.bootstrapped and "intervals" not in look.table:
        all_intervals = replace(look, table={**look.table, "intervals": "all"})  # versions that did not state it
        with_intervals = stored.fresh(rebuild(workspace, stored.origin.study, all_intervals))
        mismatches = min(mismatches, list(_compare(given, with_intervals, same_wording)), key=len)
    cells = sum(len(line) for _, line in given.lines)
    uncompared = tuple(_uncompared(given, fresh, same_wording))
    return Verified(path, stored.origin.study, workspace, cells, tuple(dict.fromkeys(mismatches)), uncompared)
