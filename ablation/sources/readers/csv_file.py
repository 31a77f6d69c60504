"""Reader of CSV files: encodings, separators, decimal commas, percentages, and columns of numbers or texts."""

import csv
import hashlib
import re
from pathlib import Path

import numpy as np
import pandas as pd

from ablation.errors import AblateError
from ablation.sources.cells import typed
from ablation.sources.runs import Runs

SEPARATORS = (",", ";", "\t", "|")
START = 64 * 1024  # bytes that decide on encoding and separator
LARGEST = 4 * 2**30  # bytes of a file that is read
UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # byte order marks
MISSING = ("", "nan", "NaN", "NAN", "null", "None", "NA", "N/A", "n/a", "-")


def read(address: str) -> Runs:
    """Return the lines of a CSV file, each as a run. Raises AblateError where the file cannot be read."""
    path = Path(address)
    start = _start(path)
    encoding, notes = encoding_of(start)
    names, separator = _header(path, encoding, start)
    frame = _parsed(path, encoding, separator, ",." if separator == ";" and _has_commas(start, encoding) else ".")
    frame.columns = pd.Index(names)
    if len(names) > 1 and is_index(frame.iloc[:, 0], names[0]):
        frame = frame.iloc[:, 1:]
    if not len(frame):
        raise AblateError(f"{path}: has a header and no line; there is nothing to import")
    converted = {}
    for name in frame.columns:
        converted[name], note = typed(frame[name])
        notes += [f"{name}: {note}"] if note else []
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Runs(address, "csv", pd.DataFrame(converted), notes=tuple(notes), files={path.name: digest})


def _start(path: Path) -> bytes:
    """Return the first bytes of a file. Raises AblateError where it cannot be read, or is empty or too large."""
    try:
        with open(path, "rb") as file:
            start, size = file.read(START), path.stat().st_size
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
    """Return the names of the columns and the separator. Raises AblateError for a name that occurs twice."""
    line = start.decode(encoding, "replace").lstrip("\n\r").splitlines()[0]
    separator = max(SEPARATORS, key=lambda s: (len(next(csv.reader([line], delimiter=s))), -SEPARATORS.index(s)))
    names = [name.strip() for name in next(csv.reader([line], delimiter=separator))]
    names = [name or f"column {n}" for n, name in enumerate(names, start=1)]
    if twice := next((name for n, name in enumerate(names) if name in names[:n]), None):
        raise AblateError(f"{path}: line 1: two columns are named {twice!r}; rename one")
    return names, separator


def _has_commas(start: bytes, encoding: str) -> bool:
    """Return whether numbers are written with a decimal comma."""
    lines = start.decode(encoding, "replace").splitlines()[1:50]
    cells = [cell for line in lines for cell in line.split(";")]
    return any(re.fullmatch(r"\s*[-+]?\d+,\d+\s*", cell) for cell in cells)


def _parsed(path: Path, encoding: str, separator: str, decimal: str) -> pd.DataFrame:
    """Return the lines below the header. Columns are numbers where all cells are, otherwise texts."""
    try:
        return pd.read_csv(
            path, sep=separator, encoding=encoding, decimal="," if decimal == ",." else ".", header=0,
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
