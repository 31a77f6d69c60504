"""Kaggle's fer2013.csv: one line for each face, with its pixels as text. train.csv is the same without Usage."""

import codecs
import csv
import re
from collections.abc import Iterator
from math import isqrt
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ablation.errors import AblateError
from ablation.experiments.keras_head.datasets.images import Images, image_files, visible_folders

FILE = "fer2013.csv"
CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
COLUMNS = ("emotion", "pixels", "Usage")
NEEDED = COLUMNS[:2]
LABELS = {str(i): i for i in range(len(CLASSES))}
USAGES = {name.casefold(): name for name in ("Training", "PublicTest", "PrivateTest")}
LONGEST = 8 << 20  # characters of a line, and of a cell: a face of 1,000 by 1,000 pixels has 4 million
PIXELS = re.compile(r"[0-9\s]*")
HEADER = 10_000  # characters of the first line that are read
SEPARATORS = ",;\t"  # spreadsheets write any of them


def matches(data: str) -> bool:
    """Return whether `data` is a table of faces, or a folder with fer2013.csv and no other layout.

    The other layouts are an Aff-Wild2 tree and folders of images.
    """
    path = Path(data)
    if not (path / FILE).is_file():
        return path.is_file() and (path.suffix.lower() == ".csv" or is_table(path))
    return not (path / "annotations").is_dir() and not any(map(image_files, visible_folders(path)))


def is_table(path: Path) -> bool:
    """Return whether a file, whatever its name, has a first line with the columns of faces."""
    try:
        return path.is_file() and all(name in read_header(path)[1] for name in NEEDED)
    except OSError:
        return False


def read_encoding(path: Path) -> str:
    """Return UTF-16 where the file begins with its mark, otherwise UTF-8 with or without one."""
    with path.open("rb") as file:
        start = file.read(2)
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def read_header(path: Path) -> tuple[str, list[str]]:
    """Return the separator of the first line, and the names of its columns without case and blanks around them."""
    with path.open(newline="", encoding=read_encoding(path), errors="replace") as file:
        line = file.readline(HEADER)
    separator = max(SEPARATORS, key=line.count)
    return separator, [name.strip().casefold() for name in next(csv.reader([line], delimiter=separator), [])]


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the place of each row, for messages, and its cells by column; columns may have any order.

    Raises AblateError where the table has no emotion or no pixels.
    """
    csv.field_size_limit(LONGEST)
    separator, header = read_header(path)  # one of Kaggle's files has " Usage"
    missing = [name for name in NEEDED if name not in header]
    if missing:
        needed = f"{', '.join(NEEDED)}; {COLUMNS[-1]}, if present, gives the splits"
        raise AblateError(f"{path}: no column {', '.join(missing)}; needed: {needed}")
    with path.open(newline="", encoding=read_encoding(path), errors="replace") as file:
        lines = csv.reader(_bounded(file, path), delimiter=separator)
        next(lines)
        first = lines.line_num + 1
        while (row := _next(lines, path, first)) is not None:
            if row:
                yield _where(path, first, lines.line_num), dict(zip(header, map(str.strip, row), strict=False))
            first = lines.line_num + 1


def _bounded(file: TextIO, path: Path) -> Iterator[str]:
    """Yield the lines of a file. Raises AblateError for a line that would fill the memory."""
    number = 0
    while line := file.readline(LONGEST):
        number += 1
        if len(line) == LONGEST and not line.endswith("\n"):
            raise AblateError(f"{path} line {number}: has more than {LONGEST >> 20} million characters; mend the line")
        yield line


def _next(lines: Any, path: Path, first: int) -> list[str] | None:
    """Return the cells of the next row; None at the end. Raises AblateError for a cell that would fill the memory."""
    try:
        return next(lines, None)
    except csv.Error:
        where = _where(path, first, lines.line_num)
        raise AblateError(f"{where}: a cell has more than {LONGEST >> 20} million characters; mend the line") from None


def _where(path: Path, first: int, last: int) -> str:
    """Return the place of a row. An unclosed quote makes one row of many lines."""
    return f"{path} line {first}" + (f" (a quote opens there and runs to line {last})" if last > first else "")


def parse_label(text: str, where: str) -> int:
    if text not in LABELS:
        raise AblateError(f"{where}: emotion {text[:20]!r}; allowed: 0 to {len(CLASSES) - 1}")
    return LABELS[text]


def parse_pixels(text: str, where: str) -> np.ndarray:
    """Return the face as a uint8 array (side, side)."""
    wrong = AblateError(f"{where}: a pixel is out of range or not a number; allowed: whole numbers from 0 to 255")
    if not PIXELS.fullmatch(text):
        raise wrong
    try:  # five times as fast as bytes(map(int, ...)); NumPy before 2.3 reads 256 as uint8 without an error
        flat = np.loadtxt([text], np.int64, comments=None, ndmin=1) if text else np.zeros(0, np.int64)
    except ValueError:  # more digits than any integer has
        raise wrong from None
    if np.any((flat < 0) | (flat > 255)):
        raise wrong
    side = isqrt(flat.size)
    if not side or side * side != flat.size:
        raise AblateError(f"{where}: {flat.size} pixels; allowed: a square number of them, such as 2304 for 48x48")
    return flat.astype(np.uint8).reshape(side, side)


def parse_usage(text: str, where: str) -> str:
    if text.casefold() not in USAGES:
        raise AblateError(f"{where}: unknown Usage {text[:20]!r}; allowed: {', '.join(USAGES.values())}")
    return USAGES[text.casefold()]


def load(data: str) -> Images:
    """Return the faces, with FER-2013's class names. Classes without a face are left out.

    PublicTest is the test split, or the validation split where the table has a PrivateTest. A table without the column
    Usage gives no splits.
    """
    path = Path(data) / FILE if Path(data).is_dir() else Path(data)
    names, labels, faces, usages = [], [], [], []
    has_usage = COLUMNS[-1].casefold() in read_header(path)[1]
    for where, cells in read_rows(path):
        emotion, pixels, usage = (cells.get(name.casefold(), "") for name in COLUMNS)
        names.append(where)
        labels.append(parse_label(emotion, where))
        faces.append(parse_pixels(pixels, where))
        usages.append(parse_usage(usage, where) if has_usage else "")
    if not faces:
        raise AblateError(f"{path}: no faces; add a line of {', '.join(COLUMNS)} for each")
    public = "val" if "PrivateTest" in usages else "test"
    split = {"": "", "Training": "train", "PublicTest": public, "PrivateTest": "test"}
    present, labels_of_present = np.unique(labels, return_inverse=True)
    return Images(
        faces,
        names,
        labels_of_present,
        tuple(CLASSES[i] for i in present),
        np.array([split[usage] for usage in usages], str),
        np.full(len(faces), "", str),
    )
