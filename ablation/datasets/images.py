"""Image sets: files or pixel arrays with labels, as a layout finds them; and their index, once they are decoded."""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ablation.datasets import DECODING, LAYOUTS, names
from ablation.datasets.names import Merged
from ablation.errors import AblateError
from ablation.workspace import understood

SPLITS = ("train", "val", "test")
SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
JUNK = {  # folders of macOS, Linux, Windows, Synology and QNAP, and of Python; compared without case
    "__macosx", "lost+found", "$recycle.bin", "system volume information", "@eadir", "#recycle", "__pycache__",
}  # fmt: skip
SMALL = 32  # pixels a side: enough to tell near duplicates


@dataclass(frozen=True)
class Images:
    """A labelled image set as a layout found it; nothing is decoded yet.

    `sources`: N file paths or uint8 arrays (H, W) or (H, W, 3). `names`: N texts that say which image, for messages.
    `labels`: (N,) int, positions in `classes`. `splits`: (N,) str, one of SPLITS, or "" where the data give none.
    `subjects`: (N,) str, "" where unknown. `eyes`: (N, 2, 2), x and y of the left and the right eye as the picture
    shows them, in its pixels, NaN where unknown; None where the data do not say. `merged`: names with several
    spellings. `gap`: why classes have no image, where the layout knows that better than `check`.
    """

    sources: Sequence[Path | np.ndarray]
    names: Sequence[str]
    labels: np.ndarray
    classes: tuple[str, ...]
    splits: np.ndarray
    subjects: np.ndarray
    eyes: np.ndarray | None = None
    merged: tuple[Merged, ...] = ()
    gap: str = ""

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the data that a reader of the results must know, in sentences."""
        return names.notes(self.merged)

    def take(self, rows: np.ndarray) -> "Images":
        """The images at positions `rows`, in that order."""
        return replace(
            self,
            sources=[self.sources[i] for i in rows],
            names=[self.names[i] for i in rows],
            labels=self.labels[rows],
            splits=self.splits[rows],
            subjects=self.subjects[rows],
            eyes=None if self.eyes is None else self.eyes[rows],
        )


@dataclass(frozen=True)
class Index:
    """What a study knows of its N images, in the order in which all its arrays stand: sorted, not as found on disk.

    `ids`: (N,) str, sha256 of the decoded RGB uint8 pixels before alignment and resizing. Real sets hold the same
    image twice, so an id is no key: whatever pairs images pairs them by position and names the digest. `names`: which
    image each is, for people, where they were read just now; no part of the digest.
    """

    ids: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    splits: np.ndarray
    subjects: np.ndarray
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def digest(self) -> str:
        """One name for these images, labels, subjects and given splits, whatever the layout they came in."""
        columns = [c.tolist() for c in (self.ids, self.labels, self.splits, self.subjects)]
        return hashlib.sha256(json.dumps([self.classes, *columns]).encode()).hexdigest()[:32]

    def to_json(self) -> str:
        columns = {k: getattr(self, k).tolist() for k in ("ids", "labels", "splits", "subjects")}
        return json.dumps({"classes": list(self.classes), **columns})

    @classmethod
    def from_json(cls, text: str) -> "Index":
        found = json.loads(text)
        return cls(
            np.array(found["ids"], str),
            np.array(found["labels"], int),
            tuple(found["classes"]),
            np.array(found["splits"], str),
            np.array(found["subjects"], str),
        )

    @classmethod
    def read(cls, path: Path) -> "Index":
        """The index in a file. Raises AblateError where it is broken."""
        with understood(path):
            return cls.from_json(path.read_text(encoding="utf-8"))


def load(data: str) -> Images:
    """The image set at `data`, in whichever layout it lies there. Raises AblateError where it is none."""
    for path in LAYOUTS.values():
        layout = import_module(path)
        if layout.matches(data):
            images: Images = layout.load(data)
            return images
    if not Path(data).exists():
        raise AblateError(f"{data}: no such file or folder; --data takes a path, or 'demo'")
    raise AblateError(
        f"{data}: no image set; --data takes a folder of class folders, fer2013.csv, an Aff-Wild2 folder, "
        "an .npz file, or 'demo'"
    )


def unlabelled(data: str, classes: Sequence[str]) -> Images:
    """Images whose labels are not known: the files of a folder and below, or one file; labels are all 0. Raises
    AblateError where there are none."""
    path = Path(data)
    files = image_files(path) if path.is_dir() else [path] if path.is_file() else []
    if not files:
        there = f"no image ({', '.join(sorted(SUFFIXES))})" if path.is_dir() else "no such file or folder"
        raise AblateError(f"{data}: {there}; predict takes an image file, or a folder of them")
    names = [printable(str(file.relative_to(path))) for file in files] if path.is_dir() else [printable(data)]
    none = np.full(len(files), "", str)
    return Images(files, names, np.zeros(len(files), int), tuple(classes), none, none)


def is_junk(name: str) -> bool:
    """Return whether a file or folder is hidden, or is one that operating systems leave beside the user's own."""
    return name.startswith(".") or name.casefold() in JUNK


def _unreadable(error: OSError) -> AblateError:
    return AblateError(f"{error.filename}: cannot be read: {error.strerror}; make it readable, or remove it")


def visible_folders(folder: Path) -> list[Path]:
    """Return the folders in `folder`, sorted, without junk. Raises AblateError where it cannot be read."""
    try:
        return sorted(f for f in folder.iterdir() if f.is_dir() and not is_junk(f.name))
    except OSError as error:
        raise _unreadable(error) from None


def files_below(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Return the files in `folder` and below that end in one of `suffixes`, sorted, without junk.

    Raises AblateError where a folder cannot be read: its files would be left out without a word.
    """

    def refuse(error: OSError) -> None:
        raise _unreadable(error) from None

    found: list[Path] = []
    for place, below, files in os.walk(folder, onerror=refuse):
        below[:] = [name for name in below if not is_junk(name)]
        found += [Path(place, name) for name in files if not is_junk(name)]
    return sorted(f for f in found if f.suffix.lower() in suffixes and f.is_file())


def image_files(folder: Path) -> list[Path]:
    """Return the image files in `folder` and below, as `files_below` does."""
    return files_below(folder, SUFFIXES)


def choose_classes(images: Images, wanted: Sequence[str] | None) -> Images:
    """Only the classes `wanted`, in that order; names are compared by `names.key`. None keeps all."""
    if not wanted:
        return images
    known = {names.key(name): i for i, name in enumerate(images.classes)}
    keys = [names.key(name) for name in wanted]
    for name, key in zip(wanted, keys, strict=True):
        if key not in known:
            raise AblateError(f"--classes: no class {name!r} in the data; known: {names.listed(images.classes, 50)}")
    if len(set(keys)) < len(keys):
        raise AblateError("--classes: a class is named twice; name each once")
    new = np.full(len(images.classes), -1)
    new[[known[key] for key in keys]] = np.arange(len(keys))
    rows = np.flatnonzero(new[images.labels] >= 0)
    kept = images.take(rows)
    classes = tuple(images.classes[known[key]] for key in keys)
    merged = tuple(each for each in images.merged if each.kind != "class" or each.name in classes)
    return replace(kept, labels=new[kept.labels], classes=classes, merged=merged, gap="")


def matched(images: Images, classes: Sequence[str]) -> tuple[Images, dict[str, int]]:
    """The images of these classes, with the labels' places in `classes`; names are compared by `names.key`. Then the
    other classes of the data, with their numbers of images."""
    places = {names.key(name): k for k, name in reversed(list(enumerate(classes)))}
    new = np.array([places.get(names.key(name), -1) for name in images.classes], int)
    counts = np.bincount(images.labels, minlength=len(images.classes)).tolist()
    others = {name: n for name, n, place in zip(images.classes, counts, new, strict=True) if place < 0}
    kept = images.take(np.flatnonzero(new[images.labels] >= 0))
    return replace(kept, labels=new[kept.labels], classes=tuple(classes)), others


def of_split(images: Images, split: str) -> Images:
    """The images that the data give to train, val or test. Raises AblateError where there are none."""
    found = images.take(np.flatnonzero(images.splits == split))
    if not len(found):
        there = [s for s in SPLITS if (images.splits == s).any()]
        raise AblateError(f"--split {split}: the data have none; they have {', '.join(there) or 'no splits'}")
    return found


def limit(images: Images, most: int | None, seed: int = 0) -> Images:
    """A seeded part of each split, at most `most` images of each. None keeps all."""
    if most is None:
        return images
    rng = np.random.default_rng(seed)
    parts = [rng.permutation(np.flatnonzero(images.splits == s))[:most] for s in sorted(set(images.splits))]
    return images.take(np.sort(np.concatenate(parts)))


def printable(name: str) -> str:
    """With ? for the bytes of a file's name that are no UTF-8."""
    return name.encode("utf-8", "replace").decode()


def check_names(images: Images, data: str) -> None:
    """Raises AblateError where the name of a class, or of the data, is none that a file could hold."""
    for name in (data, *images.classes):
        if name != printable(name):
            raise AblateError(
                f"{printable(name)}: a name that is no UTF-8; rename it (convmv does so for whole folders)"
            )
    if not all(map(names.key, images.classes)):
        raise AblateError(f"{data}: a class without a name; give each class a name of more than blanks")


def check(images: Images, data: str) -> None:
    """Raises AblateError where `images` cannot be trained on: fewer than two classes, a class without images, or names
    that no file could hold."""
    check_names(images, data)
    if len(images.classes) < 2:
        raise AblateError(f"{data}: one class only ({', '.join(images.classes)}); two or more are needed")
    counts = np.bincount(images.labels, minlength=len(images.classes))
    empty = [name for name, n in zip(images.classes, counts, strict=True) if n == 0]
    if empty:
        why = images.gap or f"no images of class {names.listed(empty)}; add some, or leave it out with --classes"
        raise AblateError(f"{data}: {why}")


class Aligned(NamedTuple):
    """Faces with level eyes. `pixels`: size -> (N, size, size, 3) uint8. `digest` names how they were made; `unknown`
    is how many stay as they are, for no eyes were found."""

    pixels: dict[int, np.ndarray]
    digest: str
    unknown: int


@dataclass(frozen=True)
class Decoded:
    """An image set as arrays. `pixels`: size -> (N, size, size, 3) uint8, in index order; `bad`: names of images that
    cannot be decoded; `aligned`: None where it was not asked for; `notes`: those of the Images."""

    index: Index
    pixels: dict[int, np.ndarray]
    bad: list[str]
    aligned: Aligned | None = None
    notes: tuple[str, ...] = ()


def decode(
    images: Images,
    sizes: Collection[int],
    skip_bad: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
    aligned: Collection[int] = (),
) -> Decoded:
    """Read every image once, at each of `sizes`, and with level eyes at each of `aligned`.

    Raises AblateError, naming them, where images cannot be decoded and `skip_bad` is false, and where eyes are wanted,
    the data do not say where they are, and no detector is installed.
    """
    found: Decoded = import_module(DECODING).decode(images, sizes, skip_bad, report, aligned)
    return found


def summary(images: Images) -> str:
    """Images by class and split, as a text table."""
    splits = [s for s in (*SPLITS, "") if (images.splits == s).any()]
    counts = np.array(
        [[((images.labels == k) & (images.splits == s)).sum() for s in splits] for k in range(len(images.classes))]
    )
    counts = np.column_stack([counts, counts.sum(axis=1)])
    counts = np.vstack([counts, counts.sum(axis=0)])
    classes = [names.shown(name) for name in images.classes]
    wide = max(len(name) for name in ("class", *classes))
    lines = [f"{'class':<{wide}}" + "".join(f"{name or 'no split':>10}" for name in (*splits, "all"))]
    for name, line in zip((*classes, "all"), counts, strict=True):
        lines.append(f"{name:<{wide}}" + "".join(f"{n:>10,}" for n in line))
    subjects = len(set(images.subjects.tolist()) - {""})
    lines += [f"subjects: {subjects or 'not given'}", *(f"note: {note}" for note in images.notes)]
    return "\n".join(lines)
