"""Reader of CSV files: encodings, separators, decimal commas, percentages, and columns of numbers or texts."""

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from glob import has_magic
from pathlib import Path

import numpy as np
import pandas as pd

from ablation.errors import AblateError
from ablation.sources.cells import typed
from ablation.sources.readers.compressed import OPENERS, plain
from ablation.sources.readers.tree import opened
from ablation.sources.runs import Runs

SEPARATORS = (",", ";", "\t", "|")
NUMBER = r"\d+(\.\d+)?([eE][-+]?\d+)?"
BLANKS = r"\s+"
ADVICE = "write a CSV with a line a run: a column for each setting, the seed and each result"
FILE = "file"
SUFFIXES = tuple(f"{plain}{packed}" for plain in (".csv", ".tsv") for packed in ("", *OPENERS))
START = 64 * 1024  # bytes that decide on encoding and separator
LARGEST = 4 * 2**30  # bytes of a file that is read
UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # byte order marks
MISSING = ("", "nan", "NaN", "NAN", "null", "None", "NA", "N/A", "n/a", "-")


def read(address: str) -> Runs:
    """Return the lines of a CSV file, or of all CSV files of a folder or a pattern, each as a run.

    The lines of several files have the name of their file in a column, `file`.

    Raises AblateError where a file cannot be read.
    """
    if Path(address).is_dir() or (has_magic(address) and not Path(address).exists()):
        return _of_files(address)
    path = Path(address)
    frame, notes, digest = _frame(path)
    converted, remarks = _converted(frame)
    return Runs(address, "csv", converted, notes=(*notes, *remarks), files={path.name: digest}, root=path.parent)


def _of_files(address: str) -> Runs:
    """Return the lines of several files, with the name of the file in each."""
    tree, paths = opened(address, SUFFIXES)
    if (size := sum(path.stat().st_size for path in paths)) > LARGEST:
        raise AblateError(
            f"{address}: has {size / 2**30:.1f} GiB; allowed: {LARGEST // 2**30} GiB; import a part of it"
        )
    frames, notes, digests = [], [*tree.notes], {}
    for path in paths:
        frame, remarks, digests[tree.name(path)] = _frame(path)
        own = frame.rename(columns={FILE: f"source.{FILE}"})
        frames.append(own.assign(**{FILE: tree.name(path)}))
        notes += [f"{tree.name(path)}: {remark}" for remark in remarks]
    converted, remarks = _converted(pd.concat(frames, ignore_index=True))
    return Runs(address, "csv", converted, notes=(*notes, *remarks), files=digests, root=tree.root)


def _frame(path: Path) -> tuple[pd.DataFrame, list[str], str]:
    """Return the lines of one file, notes on how it was read, and the sha256 of its content."""
    with plain(path, LARGEST) as content:
        start = _start(content, path)
        encoding, notes = encoding_of(start)
        names, separator = _header(path, encoding, start)
        decimal = "," if separator == ";" and _has_commas(start, encoding) else "."
        frame = _parsed(content, path, encoding, (separator, decimal))
        with open(content, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    if len(frame.columns) != len(names):
        raise AblateError(f"{path}: its first line has {len(names)} columns, and others {len(frame.columns)}; {ADVICE}")
    frame.columns = pd.Index(names)
    if len(names) > 1 and is_index(frame.iloc[:, 0], names[0]):
        frame = frame.iloc[:, 1:]
    if not len(frame):
        raise AblateError(f"{path}: has a header and no line; there is nothing to import")
    return frame, notes, digest


def _converted(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the lines with cells of one type a column, and notes on what was converted."""
    columns = {name: typed(frame[name]) for name in frame.columns}
    remarks = [f"{name}: {note}" for name, (_, note) in columns.items() if note]
    return pd.DataFrame({name: column for name, (column, _) in columns.items()}), remarks


def _start(content: Path, path: Path) -> bytes:
    """Return the first bytes of a file. Raises AblateError where it cannot be read, or is empty or too large."""
    try:
        with open(content, "rb") as file:
            start, size = file.read(START), content.stat().st_size
    except OSError as error:
        raise AblateError(f"{path}: cannot be read: {error.strerror}") from None
    if size > LARGEST:
        raise AblateError(f"{path}: has {size / 2**30:.1f} GiB; allowed: {LARGEST // 2**30} GiB; import a part of it")
    if b"\x00" in start and not start.startswith(UTF_16):
        raise AblateError(f"{path}: is no text file: it has NUL bytes")
    if not start.strip():
        raise AblateError(f"{path}: is empty; there is nothing to import")
    return start


def encoding_of(start: bytes) -> tuple[str, list[str]]:
    """Return the encoding of a text from its first bytes, and a note where it was guessed."""
    if start.startswith(UTF_16):
        return "utf-16", []
    try:
        start.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(start) - 4:  # otherwise, the last character is cut
            return "cp1252", ["the file is not UTF-8 and was read as Windows-1252"]
    return "utf-8-sig", []


def _header(path: Path, encoding: str, start: bytes) -> tuple[list[str], str]:
    """Return the names of the columns and the separator, which may be blanks.

    Raises AblateError for a name that occurs twice, and for a file without columns.
    """
    lines = start.decode(encoding, "replace").lstrip("\n\r").splitlines()
    line = lines[0] if lines else ""
    if re.match(r"\s*(\\|\|.*\|\s*$)", line):  # LaTeX and Markdown have their own rules of cells
        raise AblateError(f"{path}: is a table of a document, no CSV; {ADVICE}")
    if len(lines) > 1 and re.search(r"\d", line) and re.sub(NUMBER, "0", line) == re.sub(NUMBER, "0", lines[1]):
        raise AblateError(f"{path}: its first line names no columns ({line.strip()[:60]!r}); {ADVICE}")
    separator = max(SEPARATORS, key=lambda s: (len(next(csv.reader([line], delimiter=s))), -SEPARATORS.index(s)))
    cells = next(csv.reader([line], delimiter=separator))
    if len(cells) == 1:
        widths = {len(line.split()) for line in lines[: max(2, len(lines) - 1)] if line.strip()}  # the last may be cut
        if len(widths) > 1 or widths == {1}:
            raise AblateError(f"{path}: is no table: its first line has one column ({line.strip()[:60]!r}); {ADVICE}")
        separator, cells = BLANKS, line.split()
    return named_columns(cells, f"{path}: line 1"), separator


def named_columns(cells: Sequence[str], where: str) -> list[str]:
    """Return the names of columns; one without a name is numbered. Raises AblateError for a name that occurs twice."""
    names = [name.strip() for name in cells]
    names = [name or f"column {n}" for n, name in enumerate(names, start=1)]
    if twice := next((name for name, n in Counter(names).items() if n > 1), None):
        raise AblateError(f"{where}: two columns are named {twice!r}; rename one")
    return names


def _has_commas(start: bytes, encoding: str) -> bool:
    """Return whether numbers are written with a decimal comma."""
    lines = start.decode(encoding, "replace").splitlines()[1:50]
    cells = [cell for line in lines for cell in line.split(";")]
    return any(re.fullmatch(r"\s*[-+]?\d+,\d+\s*", cell) for cell in cells)


def _parsed(content: Path, path: Path, encoding: str, form: tuple[str, str]) -> pd.DataFrame:
    """Return the lines below the header. Columns are numbers where all cells are, otherwise texts.

    Args:
        content: the plain file.
        path: file that error messages name.
        encoding: of the text.
        form: separator of cells, and decimal mark.
    """
    try:
        return pd.read_csv(
            content, sep=form[0], encoding=encoding, decimal=form[1], header=0,
            keep_default_na=False, na_values=list(MISSING), skipinitialspace=True, low_memory=False, index_col=False,
            encoding_errors="strict", on_bad_lines="error",
        )  # fmt: skip
    except UnicodeDecodeError as error:
        raise AblateError(f"{path}: not {encoding} text (byte {error.start})") from None
    except (pd.errors.ParserError, ValueError, OverflowError) as error:
        reason = re.sub(r"^.*C error: ", "", str(error).strip().splitlines()[-1])
        raise AblateError(f"{path}: not valid CSV: {reason}") from None


def is_index(column: pd.Series, name: str) -> bool:
    """Return whether a column without a name counts the lines, as pandas writes it."""
    counts = np.arange(len(column))
    return name in ("column 1", "Unnamed: 0") and column.dtype.kind == "i" and bool((column == counts).all())
