"""Reader of Excel workbooks (.xlsx): one sheet is a table with a header."""

import hashlib
import lzma
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd

from ablation.errors import AblateError
from ablation.sources.cells import typed
from ablation.sources.readers.csv_file import MISSING, named_columns
from ablation.sources.runs import Runs

LARGEST = 2**29  # bytes of a workbook, decompressed
MOST_LINES = 2**20  # Excel's own limit; a file may state any number for a line, and the lines before it are filled up
MOST_CELLS = 20_000_000  # with those that are filled up
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, KeyError, IndexError, AttributeError, ValueError,
           TypeError, RuntimeError, OverflowError, SyntaxError, AssertionError)  # fmt: skip
Sheet = list[tuple[Any, ...]]


def read(address: str) -> Runs:
    """Return the lines of a sheet, each as a run.

    Args:
        address: FILE.xlsx, or FILE.xlsx#SHEET where several sheets have content.

    Raises AblateError where the file cannot be read, or the sheet is not the only one.
    """
    place, _, wanted = address.partition("#")
    path = Path(place)
    name, lines = _chosen(_sheets(path), wanted, path)
    names = named_columns([_text(cell) for cell in lines[0]], f"{path}: sheet {name!r}")
    cells = [[_cell(cell) for cell in line] for line in lines[1:]]
    if not cells:
        raise AblateError(f"{path}: sheet {name!r} has a header and no line; there is nothing to import")
    frame = pd.DataFrame({column: pd.Series([line[n] for line in cells]) for n, column in enumerate(names)})
    converted = {column: typed(frame[column]) for column in frame.columns}
    notes = tuple(f"{column}: {note}" for column, (_, note) in converted.items() if note)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    columns = {column: cells_of for column, (cells_of, _) in converted.items()}
    return Runs(address, "excel", pd.DataFrame(columns), notes=notes, files={path.name: digest}, root=path.parent)


def _sheets(path: Path) -> dict[str, Sheet]:
    """Return name -> lines that are not blank of each sheet with content; formulas have their stored values."""
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(member.file_size for member in packed.infolist())
        if size > LARGEST:
            raise AblateError(f"{path}: has {size / 2**20:.0f} MiB; allowed: {LARGEST // 2**20}; save it as CSV")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on styles and extensions, which are not read
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            sheets = {sheet.title: _filled(list(_lines(sheet, path)), path) for sheet in book.worksheets}
            book.close()
    except OSError as error:
        raise AblateError(f"{path}: cannot be read: {error.strerror or error}") from None
    except DAMAGED as error:
        reason = " ".join(str(error).split())[:200]
        raise AblateError(f"{path}: not a workbook that can be read ({reason}); save the sheet as CSV") from None
    return {name: lines for name, lines in sheets.items() if lines}


def _lines(sheet: Any, path: Path) -> Iterator[tuple[Any, ...]]:
    """Yield the lines of a sheet that are not blank, up to their last cells. Raises AblateError for too many lines."""
    sheet.reset_dimensions()  # what a file states of its size may be wrong: too small, or millions of columns
    n_cells = 0
    for number, line in enumerate(sheet.iter_rows(values_only=True), start=1):
        if number > MOST_LINES:
            raise AblateError(f"{path}: sheet {sheet.title!r} has more than {MOST_LINES:,} lines; save it as CSV")
        length = next((n for n in range(len(line), 0, -1) if line[n - 1] is not None), 0)
        n_cells += length
        if n_cells > MOST_CELLS:
            raise AblateError(f"{path}: sheet {sheet.title!r} has more than {MOST_CELLS:,} cells; save it as CSV")
        if length:
            yield line[:length]


def _filled(lines: Sheet, path: Path) -> Sheet:
    """Return the lines with one length. Raises AblateError for too many cells."""
    width = max(map(len, lines), default=0)
    if width * len(lines) > MOST_CELLS:
        raise AblateError(
            f"{path}: {len(lines):,} lines of {width:,} cells; allowed: {MOST_CELLS:,} cells; save it as CSV"
        )
    return [(*line, *[None] * (width - len(line))) for line in lines]


def _chosen(sheets: dict[str, Sheet], wanted: str, path: Path) -> tuple[str, Sheet]:
    """Return the sheet that is wanted, otherwise the only one."""
    if not sheets:
        raise AblateError(f"{path}: has no content; there is nothing to import")
    if wanted in sheets or (not wanted and len(sheets) == 1):
        name = wanted or next(iter(sheets))
        return name, sheets[name]
    problem = f"no sheet {wanted!r}" if wanted else "several sheets have content"
    raise AblateError(f"{path}: {problem} ({', '.join(sheets)}); name one: {path}#{next(iter(sheets))}")


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell)


def _cell(cell: Any) -> Any:
    """Return a cell as a number, a truth value or a text; None where it is missing."""
    if isinstance(cell, str):
        return None if cell.strip() in MISSING else cell.strip()
    return cell.isoformat() if hasattr(cell, "isoformat") else cell
