"""Image sets: labelled files or pixel arrays, as a layout reads them, and the index of the decoded images."""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ablation.errors import AblateError, BrokenFile
from ablation.experiments.keras_head.datasets import DECODING, LAYOUTS, names
from ablation.experiments.keras_head.datasets.names import Merged
from ablation.nearest import nearest
from ablation.store import header
from ablation.store.files import understood

SPLITS = ("train", "val", "test")
SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
JUNK = {  # folders of macOS, Linux, Windows, Synology and QNAP, and of Python; compared without case
    "__macosx", "lost+found", "$recycle.bin", "system volume information", "@eadir", "#recycle", "__pycache__",
}  # fmt: skip
SMALL = 32  # pixels a side: enough to recognise near duplicates


@dataclass(frozen=True)
class Images:
    """Labelled image set as read by a layout; nothing is decoded yet.

    `sources`: N file paths or uint8 arrays (H, W) or (H, W, 3). `names`: N texts that identify the images in messages.
    `labels`: (N,) int, positions in `classes`. `splits`: (N,) str, one of SPLITS, or "" where the data define none.
    `subjects`: (N,) str, "" where unknown. `eyes`: (N, 2, 2), x and y of the left and the right eye as shown in the
    picture, in its pixels, NaN where unknown; None where the data have no eye positions. `merged`: names with several
    spellings. `gap`: why classes have no image, where the layout has a better explanation than `check`.
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
        """Sentences on changes to the data, for readers of the results."""
        return names.notes(self.merged)

    def take(self, rows: np.ndarray) -> "Images":
        """Return the images at positions `rows`, in that order."""
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
    """Index of the N images of a study. All arrays have its order, which is sorted and not the order on disk.

    `ids`: (N,) str, sha256 of the decoded RGB uint8 pixels before alignment and resizing. Real sets hold the same
    image twice, so an id is no key: code that pairs images uses their position, and names the digest. `labels`,
    `classes`, `splits`, `subjects`: as in `Images`. `names`: texts that identify the images for people, only where the
    images were read just now; no part of the digest.
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
        """Digest of the images, labels, classes, subjects and given splits; independent of the layout."""
        columns = [c.tolist() for c in (self.ids, self.labels, self.splits, self.subjects)]
        return hashlib.sha256(json.dumps([self.classes, *columns]).encode()).hexdigest()[:32]

    def to_json(self) -> str:
        columns = {k: getattr(self, k).tolist() for k in ("ids", "labels", "splits", "subjects")}
        return json.dumps({"schema": header.FORM, "classes": list(self.classes), **columns})

    @classmethod
    def from_json(cls, text: str) -> "Index":
        return cls._of(json.loads(text))

    @classmethod
    def _of(cls, columns: Mapping[str, Any]) -> "Index":
        return cls(
            np.array(columns["ids"], str),
            np.array(columns["labels"], int),
            tuple(columns["classes"]),
            np.array(columns["splits"], str),
            np.array(columns["subjects"], str),
        )

    @classmethod
    def read(cls, path: Path) -> "Index":
        """Return the index in a file. Raises BrokenFile where the digest is not the name of the file's folder."""
        with understood(path):
            columns = json.loads(path.read_text(encoding="utf-8"))
            header.refuse_newer(path, columns)
            index = cls._of(columns)
        if index.digest != path.parent.name:
            raise BrokenFile(path, "changed since it was written")
        return index


def load(data: str) -> Images:
    """Return the image set at `data`, in any known layout. Raises AblateError where no layout matches."""
    for path in LAYOUTS.values():
        layout = import_module(path)
        if layout.matches(data):
            images: Images = layout.load(data)
            return images
    if not Path(data).exists():
        raise AblateError(f"{data}: no such file or folder; --data takes a path, or 'demo'")
    raise AblateError(
        f"{data}: not a set of images; --data takes a folder of class folders, fer2013.csv, an Aff-Wild2 folder, "
        "an .npz file, or 'demo'"
    )


def unlabelled(data: str, classes: Sequence[str]) -> Images:
    """Return images without known labels: the files of a folder and below, or one file. All labels are 0.

    Raises AblateError where there are no images.
    """
    path = Path(data)
    files = image_files(path) if path.is_dir() else [path] if path.is_file() else []
    if not files:
        problem = f"no image ({', '.join(sorted(SUFFIXES))})" if path.is_dir() else "no such file or folder"
        raise AblateError(f"{data}: {problem}; predict takes an image file, or a folder of image files")
    names = [printable(str(file.relative_to(path))) for file in files] if path.is_dir() else [printable(data)]
    blank = np.full(len(files), "", str)
    return Images(files, names, np.zeros(len(files), int), tuple(classes), blank, blank)


def is_junk(name: str) -> bool:
    """Return whether a file or folder is hidden, or is one that operating systems create."""
    return name.startswith(".") or name.casefold() in JUNK


def _unreadable(error: OSError) -> AblateError:
    return AblateError(f"{error.filename}: cannot be read: {error.strerror}; make it readable, or remove it")


def visible_folders(folder: Path) -> list[Path]:
    """Return the folders in `folder`, sorted, without junk. Raises AblateError where `folder` cannot be read."""
    try:
        return sorted(f for f in folder.iterdir() if f.is_dir() and not is_junk(f.name))
    except OSError as error:
        raise _unreadable(error) from None


def files_below(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Return the files in `folder` and below that end in one of `suffixes`, sorted, without junk.

    Raises AblateError where a folder cannot be read: its files would be left out without a message.
    """

    def refuse(error: OSError) -> None:
        raise _unreadable(error) from None

    paths: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not is_junk(name)]
        paths += [Path(place, name) for name in files if not is_junk(name)]
    return sorted(f for f in paths if f.suffix.lower() in suffixes and f.is_file())


def image_files(folder: Path) -> list[Path]:
    """Return the image files in `folder` and below, as `files_below` does."""
    return files_below(folder, SUFFIXES)


def choose_classes(images: Images, wanted: Sequence[str] | None) -> Images:
    """Return the images of the classes `wanted`, in that order; names are compared by `names.key`. None keeps all."""
    if not wanted:
        return images
    positions = {names.key(name): i for i, name in enumerate(images.classes)}
    keys = [names.key(name) for name in wanted]
    for name, key in zip(wanted, keys, strict=True):
        if key not in positions:
            listed = names.listed(images.classes, 50)
            raise AblateError(
                f"--classes: no class {name!r} in the data; known: {listed}{nearest(name, images.classes)}"
            )
    if len(set(keys)) < len(keys):
        raise AblateError("--classes: a class is named twice; name each once")
    new_labels = np.full(len(images.classes), -1)
    new_labels[[positions[key] for key in keys]] = np.arange(len(keys))
    rows = np.flatnonzero(new_labels[images.labels] >= 0)
    kept = images.take(rows)
    classes = tuple(images.classes[positions[key]] for key in keys)
    merged = tuple(m for m in images.merged if m.kind != "class" or m.name in classes)
    return replace(kept, labels=new_labels[kept.labels], classes=classes, merged=merged, gap="")


def matched(images: Images, classes: Sequence[str]) -> tuple[Images, dict[str, int]]:
    """Return the images of the given classes, and the other classes of the data with their numbers of images.

    The new labels are positions in `classes`. Names are compared by `names.key`.
    """
    places = {names.key(name): k for k, name in reversed(list(enumerate(classes)))}
    new_labels = np.array([places.get(names.key(name), -1) for name in images.classes], int)
    counts = np.bincount(images.labels, minlength=len(images.classes)).tolist()
    others = {name: n for name, n, place in zip(images.classes, counts, new_labels, strict=True) if place < 0}
    kept = images.take(np.flatnonzero(new_labels[images.labels] >= 0))
    return replace(kept, labels=new_labels[kept.labels], classes=tuple(classes)), others


def of_split(images: Images, split: str) -> Images:
    """Return the images that the data assign to `split`: train, val or test. Raises AblateError where none are."""
    part = images.take(np.flatnonzero(images.splits == split))
    if not len(part):
        available = [s for s in SPLITS if (images.splits == s).any()]
        raise AblateError(f"--split {split}: the data have no such split; found: {', '.join(available) or 'no splits'}")
    return part


def limit(images: Images, most: int | None, seed: int = 0) -> Images:
    """Return a seeded random part of each split, with at most `most` images a split. None keeps all images."""
    if most is None:
        return images
    rng = np.random.default_rng(seed)
    parts = [rng.permutation(np.flatnonzero(images.splits == s))[:most] for s in sorted(set(images.splits))]
    return images.take(np.sort(np.concatenate(parts)))


def printable(name: str) -> str:
    """Return a file name with ? in place of the bytes that are not valid UTF-8."""
    return name.encode("utf-8", "replace").decode()


def check_names(images: Images, data: str) -> None:
    """Raise AblateError where the name of a class, or of the data, is blank or cannot be written to a file."""
    for name in (data, *images.classes):
        if name != printable(name):
            raise AblateError(
                f"{printable(name)}: a name that is not UTF-8; rename it (convmv does so for whole folders)"
            )
    if not all(map(names.key, images.classes)):
        raise AblateError(f"{data}: the name of a class is empty; give each class a name")


def check(images: Images, data: str) -> None:
    """Raise AblateError where `images` cannot be used for training.

    The reasons are fewer than two classes, a class without images, or names that cannot be written to a file.
    """
    check_names(images, data)
    if len(images.classes) < 2:
        raise AblateError(f"{data}: one class only ({', '.join(images.classes)}); two or more are needed")
    counts = np.bincount(images.labels, minlength=len(images.classes))
    empty = [name for name, n in zip(images.classes, counts, strict=True) if n == 0]
    if empty:
        problem = (
            images.gap
            or f"no images of class {names.listed(empty)}; add some, raise --limit, or leave it out with --classes"
        )
        raise AblateError(f"{data}: {problem}")


class Aligned(NamedTuple):
    """Faces with level eyes.

    `pixels`: size -> (N, size, size, 3) uint8. `digest`: of the alignment. `unknown`: number of images that stay
    unaligned, because no eyes were found.
    """

    pixels: dict[int, np.ndarray]
    digest: str
    unknown: int


@dataclass(frozen=True)
class Decoded:
    """Image set as arrays.

    `pixels`: size -> (N, size, size, 3) uint8, in index order. `bad`: names of images that cannot be decoded.
    `aligned`: None where alignment was not requested. `notes`: the notes of the Images.
    """

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
    """Return all images as arrays, at each of `sizes`, and with level eyes at each of `aligned`. Each is read once.

    Args:
        images: the image set.
        sizes: sides of the square outputs, in pixels.
        skip_bad: leave out images that cannot be decoded.
        report: called with the number of images done and in total.
        aligned: sides of the square outputs with level eyes, in pixels.

    Raises:
        AblateError: where images cannot be decoded and `skip_bad` is false; the message lists these images. Also where
            alignment is requested, the data have no eye positions, and no detector is installed.
    """
    decoded: Decoded = import_module(DECODING).decode(images, sizes, skip_bad, report, aligned)
    return decoded


def summary(images: Images) -> str:
    """Return a text table of the numbers of images by class and split."""
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
