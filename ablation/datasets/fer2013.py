"""Kaggle's fer2013.csv: a line for each face, its pixels written out as text."""

import csv
from collections.abc import Iterator
from math import isqrt
from pathlib import Path

import numpy as np

from ablation.datasets.images import Images, image_files, visible_folders
from ablation.errors import AblateError

FILE = "fer2013.csv"
CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
COLUMNS = ("emotion", "pixels", "Usage")
LABELS = {str(i): i for i in range(len(CLASSES))}
USAGES = {name.casefold(): name for name in ("Training", "PublicTest", "PrivateTest")}
LONGEST = 2**31 - 1  # characters in a field; csv's own limit of 131,072 is a face of about 180x180


def matches(data: str) -> bool:
    """A .csv file, or a folder with fer2013.csv unless an Aff-Wild2 tree or folders of images lie there too."""
    path = Path(data)
    if not (path / FILE).is_file():
        return path.is_file() and path.suffix.lower() == ".csv"
    return not (path / "annotations").is_dir() and not any(map(image_files, visible_folders(path)))


def read_rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Where each row stands, for messages, and its COLUMNS; they stand in any order, other columns are ignored."""
    csv.field_size_limit(LONGEST)
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        lines = csv.reader(file)
        header = [name.strip().casefold() for name in next(lines, [])]  # one of Kaggle's files has " Usage"
        missing = [name for name in COLUMNS if name.casefold() not in header]
        if missing:
            raise AblateError(f"{path}: no column {', '.join(missing)}; needed: {', '.join(COLUMNS)}")
        for row in filter(None, lines):
            cells = dict(zip(header, row, strict=False))
            yield f"{path} line {lines.line_num}", [cells.get(name.casefold(), "").strip() for name in COLUMNS]


def parse_label(text: str, where: str) -> int:
    if text not in LABELS:
        raise AblateError(f"{where}: emotion {text[:20]!r}; allowed: 0 to {len(CLASSES) - 1}")
    return LABELS[text]


def parse_pixels(text: str, where: str) -> np.ndarray:
    """The face as a uint8 array (side, side)."""
    try:  # loadtxt refuses what is no integer of 0 to 255, and is five times as fast as bytes(map(int, ...))
        flat = np.loadtxt([text], np.uint8, comments=None, ndmin=1) if text else np.zeros(0, np.uint8)
    except ValueError:
        raise AblateError(f"{where}: a pixel out of range or no number; allowed: whole numbers of 0 to 255") from None
    side = isqrt(flat.size)
    if not side or side * side != flat.size:
        raise AblateError(f"{where}: {flat.size} pixels; allowed: a square number of them, such as 2304 for 48x48")
    return flat.reshape(side, side)


def parse_usage(text: str, where: str) -> str:
    if text.casefold() not in USAGES:
        raise AblateError(f"{where}: unknown Usage {text[:20]!r}; allowed: {', '.join(USAGES.values())}")
    return USAGES[text.casefold()]


def load(data: str) -> Images:
    """The faces, with FER-2013's class names; a name without a face is left out.

    PublicTest is the test set, unless there is a PrivateTest: then it is validation.
    """
    path = Path(data) / FILE if Path(data).is_dir() else Path(data)
    names, labels, faces, usages = [], [], [], []
    for where, (emotion, pixels, usage) in read_rows(path):
        names.append(where)
        labels.append(parse_label(emotion, where))
        faces.append(parse_pixels(pixels, where))
        usages.append(parse_usage(usage, where))
    if not faces:
        raise AblateError(f"{path}: no faces; add a line of {', '.join(COLUMNS)} for each")
    public = "val" if "PrivateTest" in usages else "test"
    split = {"Training": "train", "PublicTest": public, "PrivateTest": "test"}
    present, labels_of_present = np.unique(labels, return_inverse=True)
    return Images(
        faces,
        names,
        labels_of_present,
        tuple(CLASSES[i] for i in present),
        np.array([split[usage] for usage in usages], str),
        np.full(len(faces), "", str),
    )
