"""Aff-Wild2: a folder of frames for each video, and a text file of labels for each, one line a frame."""

from pathlib import Path

import numpy as np

from ablation.datasets import names as naming
from ablation.datasets.images import Images, files_below, printable
from ablation.errors import AblateError

FRAMES, LABELS = "cropped_aligned", "annotations"
SPLIT_WORDS = {"train": "train", "valid": "test"}  # in the names of folders; the set's own test labels are not public
NO_LABEL = -1
SUFFIXES = {".jpg", ".png"}
EXPECTED = f"expected {FRAMES}/VIDEO/00001.jpg, and {LABELS}/ with Train_Set/VIDEO.txt, Validation_Set/VIDEO.txt"


def matches(data: str) -> bool:
    return (Path(data) / LABELS).is_dir()


def split_of(folders: tuple[str, ...]) -> str:
    """The split that one of `folders`, outermost first, names; the innermost counts; "" where none does."""
    named = [split for folder in folders for word, split in SPLIT_WORDS.items() if word in folder.casefold()]
    return named[-1] if named else ""


def label_files(root: Path) -> list[tuple[str, Path]]:
    """The label files of expressions, sorted, each with its split."""
    above = root / LABELS
    found = [(split_of(f.relative_to(above).parts[:-1]), f) for f in files_below(above, {".txt"})]
    # The whole set holds valence and action units too, beside the expressions: EXPR_..., VA_..., AU_...
    expressions = [(s, f) for s, f in found if "expr" in f.relative_to(above).parent.as_posix().casefold()]
    return [(s, f) for s, f in expressions or found if s]


def read_labels(file: Path) -> tuple[list[str], list[int]]:
    """The class names of the first line; then, for each frame, a position among them or NO_LABEL."""
    header, *lines = (line.strip() for line in file.read_text("utf-8-sig", "replace").rstrip().split("\n"))
    names = [name.strip() for name in header.split(",")]
    if not all(names):
        raise AblateError(
            f"{file} line 1: a class without a name; expected names with commas between, as in Anger,Fear"
        )
    known = {str(k): k for k in range(NO_LABEL, len(names))}
    for number, line in enumerate(lines, start=2):
        if line not in known:
            allowed = f"allowed: 0 to {len(names) - 1}, or {NO_LABEL} for no label"
            raise AblateError(f"{file} line {number}: label {line[:20]!r}; {allowed}")
    return names, [known[line] for line in lines]


def read_frames(folder: Path) -> dict[int, Path]:
    """The frames of a video by their number, from 1; none where the folder is missing."""
    files = (f for f in folder.glob("*") if f.suffix.lower() in SUFFIXES and f.stem.isdecimal())
    return {int(f.stem): f for f in sorted(files)}


def labelled_frames(frames: dict[int, Path], names: list[str], labels: list[int]) -> list[tuple[Path, str]]:
    """Each frame with the name of its class, less those without a label or, as no face was found, without a file."""
    numbered = enumerate(labels, start=1)
    return [(frames[n], names[label]) for n, label in numbered if label != NO_LABEL and n in frames]


def load(data: str) -> Images:
    """The labelled frames; a video is a subject. Class names are matched by `names.key`, in the first file's order."""
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
    places = {key: k for k, key in enumerate(spellings)}
    return Images(
        [path for path, _, _, _ in rows],
        [printable(path.relative_to(root).as_posix()) for path, _, _, _ in rows],
        np.array([places[naming.key(name)] for _, name, _, _ in rows], int),
        tuple(spellings.values()),
        np.array([split for _, _, split, _ in rows], str),
        np.array([video for _, _, _, video in rows], str),
        merged=merged,
    )
