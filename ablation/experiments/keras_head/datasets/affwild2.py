"""Aff-Wild2: for each video, a folder of frames and a text file of labels with one line a frame."""

from pathlib import Path

import numpy as np

from ablation.errors import AblateError
from ablation.experiments.keras_head.datasets import names as naming
from ablation.experiments.keras_head.datasets.images import Images, files_below, printable

FRAMES, LABELS = "cropped_aligned", "annotations"
SPLIT_WORDS = {
    "train": "train",
    "valid": "test",
}  # part of a folder's name -> split; the set's own test labels are not public
NO_LABEL = -1
SUFFIXES = {".jpg", ".png"}
EXPECTED = f"expected {FRAMES}/VIDEO/00001.jpg, and {LABELS}/ with Train_Set/VIDEO.txt, Validation_Set/VIDEO.txt"


def matches(data: str) -> bool:
    return (Path(data) / LABELS).is_dir()


def split_of(folders: tuple[str, ...]) -> str:
    """Return the split named by the innermost of `folders` that names one; "" where none does. Outermost come first."""
    splits = [split for folder in folders for word, split in SPLIT_WORDS.items() if word in folder.casefold()]
    return splits[-1] if splits else ""


def label_files(root: Path) -> list[tuple[str, Path]]:
    """Return the label files of expressions, sorted, each with its split."""
    above = root / LABELS
    files_of_split = [(split_of(f.relative_to(above).parts[:-1]), f) for f in files_below(above, {".txt"})]
    # The complete set also has labels of valence and action units: EXPR_..., VA_..., AU_...
    expressions = [(s, f) for s, f in files_of_split if "expr" in f.relative_to(above).parent.as_posix().casefold()]
    return [(s, f) for s, f in expressions or files_of_split if s]


def read_labels(file: Path) -> tuple[list[str], list[int]]:
    """Return the class names of the first line, and for each frame a position in these names or NO_LABEL."""
    header, *lines = (line.strip() for line in file.read_text("utf-8-sig", "replace").rstrip().split("\n"))
    names = [name.strip() for name in header.split(",")]
    if not all(names):
        raise AblateError(
            f"{file} line 1: a class without a name; expected names separated by commas, as in Anger,Fear"
        )
    values = {str(k): k for k in range(NO_LABEL, len(names))}
    for number, line in enumerate(lines, start=2):
        if line not in values:
            allowed = f"allowed: 0 to {len(names) - 1}, or {NO_LABEL} for no label"
            raise AblateError(f"{file} line {number}: label {line[:20]!r}; {allowed}")
    return names, [values[line] for line in lines]


def read_frames(folder: Path) -> dict[int, Path]:
    """Return frame number, from 1 -> file of a video's frame; {} where the folder is missing."""
    files = (f for f in folder.glob("*") if f.suffix.lower() in SUFFIXES and f.stem.isdecimal())
    return {int(f.stem): f for f in sorted(files)}


def labelled_frames(frames: dict[int, Path], names: list[str], labels: list[int]) -> list[tuple[Path, str]]:
    """Return the labelled frames, each with the name of its class. A frame without a detected face has no file."""
    numbered = enumerate(labels, start=1)
    return [(frames[n], names[label]) for n, label in numbered if label != NO_LABEL and n in frames]


def load(data: str) -> Images:
    """Return the labelled frames; a video is a subject.

    Class names are matched by `names.key` and have the order of the first file.
    """
    root = Path(data)
    stated: list[str] = []
    rows: list[tuple[Path, str, str, str]] = []
    for split, file in label_files(root):
        names, labels = read_labels(file)
        stated += names
        frames = read_frames(root / FRAMES / file.stem)
        rows += [(path, name, split, file.stem) for path, name in labelled_frames(frames, names, labels)]
    if not rows:
        raise AblateError(f"{root}: no labelled frame; {EXPECTED}")
    spellings, merged = naming.spellings("class", ((naming.key(name), name) for name in stated))
    positions = {key: k for k, key in enumerate(spellings)}
    return Images(
        [path for path, _, _, _ in rows],
        [printable(path.relative_to(root).as_posix()) for path, _, _, _ in rows],
        np.array([positions[naming.key(name)] for _, name, _, _ in rows], int),
        tuple(spellings.values()),
        np.array([split for _, _, split, _ in rows], str),
        np.array([video for _, _, _, video in rows], str),
        merged=merged,
    )
