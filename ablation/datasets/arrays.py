"""An .npz file of uint8 arrays: x_train, y_train and, if there, the other splits, class names, subjects and eyes."""

from pathlib import Path
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np
from numpy.lib.npyio import NpzFile

from ablation.datasets import names
from ablation.datasets.images import SPLITS, Images
from ablation.datasets.names import Merged
from ablation.errors import AblateError

UNREADABLE = (OSError, ValueError, EOFError, BadZipFile, ZlibError)  # what np.load raises on what is no npz
MOST_CLASSES = 2**15  # predictions are stored as int16
SHAPES = "allowed: uint8 of shape (N, H, W) or (N, H, W, 3)"


def matches(data: str) -> bool:
    return Path(data).is_file() and Path(data).suffix.lower() == ".npz"


def open_file(data: str) -> NpzFile:
    try:
        found = np.load(data, allow_pickle=False)
    except UNREADABLE:
        found = None
    if not isinstance(found, NpzFile):  # np.load reads a renamed .npy file too, as one array
        raise AblateError(f"{data}: no .npz file; write one with np.savez, keys x_train, y_train, x_test, y_test, ...")
    return found


def check_keys(found: NpzFile, data: str) -> None:
    """Raises AblateError where train, or any other split that has one of its keys, lacks its images or labels."""
    here = {"train", *(key.partition("_")[2] for key in found.files)}
    needed = [f"{kind}_{split}" for split in SPLITS if split in here for kind in "xy"]
    missing = [key for key in needed if key not in found.files]
    if missing:
        raise AblateError(f"{data}: no {', '.join(missing)}; found: {', '.join(found.files) or 'nothing'}")


def read(found: NpzFile, key: str, data: str) -> np.ndarray:
    try:
        return np.asarray(found[key])
    except UNREADABLE:  # objects are pickled, and a pickle may run code
        raise AblateError(f"{data}: {key} cannot be read; allowed: plain arrays, no objects") from None


def read_texts(found: NpzFile, key: str, data: str) -> np.ndarray:
    values = read(found, key, data)
    texts = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values.ravel().tolist()]
    return np.array(texts, str).reshape(values.shape)


def read_classes(found: NpzFile, data: str) -> tuple[str, ...] | None:
    """The names in class_names; None where the file has none."""
    if "class_names" not in found.files:
        return None
    classes = read_texts(found, "class_names", data)
    if classes.ndim != 1 or len(set(map(names.key, classes.tolist()))) < len(classes):
        raise AblateError(
            f"{data}: class_names: allowed: a plain list of names, each once (compared without case and outer blanks)"
        )
    return tuple(classes.tolist())


def read_pixels(found: NpzFile, key: str, data: str) -> np.ndarray:
    """The images as (N, H, W) or (N, H, W, 3)."""
    x = read(found, key, data)
    if x.dtype != np.uint8:
        raise AblateError(f"{data}: {key} is {x.dtype}; {SHAPES}")
    if x.ndim not in (3, 4) or x.shape[3:] not in ((), (1,), (3,)):
        raise AblateError(f"{data}: {key} has shape {x.shape}; {SHAPES}")
    return x[..., 0] if x.shape[3:] == (1,) else x


def read_labels(found: NpzFile, key: str, classes: tuple[str, ...] | None, data: str) -> np.ndarray:
    y = read(found, key, data)
    most = MOST_CLASSES - 1 if classes is None else len(classes) - 1
    positions = "" if classes is None else ", positions in class_names"
    allowed = f"allowed: whole numbers from 0 to {most}{positions}"
    if not np.issubdtype(y.dtype, np.integer):
        raise AblateError(f"{data}: {key} is {y.dtype}; {allowed}")
    wrong = y[(y < 0) | (y > most)]
    if wrong.size:
        raise AblateError(f"{data}: {key} holds {wrong[0]}; {allowed}")
    return y.astype(int)


def read_split(
    found: NpzFile, split: str, classes: tuple[str, ...] | None, data: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The images, labels and subjects ("" where there are none) of a split. Raises AblateError where lengths differ."""
    x = read_pixels(found, f"x_{split}", data)
    y = read_labels(found, f"y_{split}", classes, data)
    named = f"subject_{split}" in found.files
    subjects = read_texts(found, f"subject_{split}", data) if named else np.full(len(x), "", str)
    for key, values in (("y", y), ("subject", subjects)):
        if values.shape != (len(x),):
            raise AblateError(f"{data}: {key}_{split} has shape {values.shape}; allowed: ({len(x)},), as x_{split}")
    return x, y, subjects


def read_eyes(found: NpzFile, split: str, n: int, data: str) -> np.ndarray | None:
    """(n, 2, 2): x and y of the left and right eye in pixels, NaN where unknown; None where the file has none."""
    key = f"eyes_{split}"
    if key not in found.files:
        return None
    eyes = read(found, key, data)
    if eyes.shape != (n, 2, 2) or eyes.dtype.kind not in "fiu":
        raise AblateError(
            f"{data}: {key} is {eyes.dtype} of shape {eyes.shape}; allowed: ({n}, 2, 2) numbers, x and y of the left "
            "and the right eye in pixels, NaN where unknown"
        )
    return eyes.astype(float)


def load(data: str) -> Images:
    """The images of each split; without class_names, the classes are called 0, 1, ... up to the largest label."""
    with open_file(data) as found:
        check_keys(found, data)
        named = read_classes(found, data)
        parts = {split: read_split(found, split, named, data) for split in SPLITS if f"x_{split}" in found.files}
        eyes = {split: read_eyes(found, split, len(parts[split][1]), data) for split in parts}
    labels = np.concatenate([y for _, y, _ in parts.values()])
    subjects, merged = one_spelling(np.concatenate([subjects for _, _, subjects in parts.values()]))
    return Images(
        [image for x, _, _ in parts.values() for image in x],
        [f"x_{split}[{i}]" for split, (x, _, _) in parts.items() for i in range(len(x))],
        labels,
        tuple(map(str, range(labels.max(initial=-1) + 1))) if named is None else named,
        np.concatenate([np.full(len(y), split) for split, (_, y, _) in parts.items()]),
        subjects,
        _together({split: (eyes[split], len(y)) for split, (_, y, _) in parts.items()}),
        merged,
        "" if named else gap({f"y_{split}": y for split, (_, y, _) in parts.items()}),
    )


def one_spelling(subjects: np.ndarray) -> tuple[np.ndarray, tuple[Merged, ...]]:
    """Return the subjects, each in its first spelling, and what was merged. Case counts: ids may differ by it alone."""
    first, merged = names.spellings("subject", ((names.composed(s), s) for s in subjects.tolist()))
    return np.array([first[names.composed(s)] for s in subjects.tolist()], str), merged


def gap(labels: dict[str, np.ndarray]) -> str:
    """Return what is wrong with labels that leave classes without an image, or "". `labels`: the arrays by key."""
    key = max(labels, key=lambda key: labels[key].max(initial=-1))
    largest = int(labels[key].max(initial=-1))
    empty = largest + 1 - len(np.unique(np.concatenate(list(labels.values()))))
    if not empty:
        return ""
    return (
        f"{key} holds {largest}, which makes {largest + 1:,} classes, {empty:,} of them without an image; "
        "allowed: labels from 0 without gaps; change the labels, or choose classes with --classes"
    )


def _together(eyes: dict[str, tuple[np.ndarray | None, int]]) -> np.ndarray | None:
    """Of all splits; those without have unknown ones, and None is for a file without any."""
    if all(found is None for found, _ in eyes.values()):
        return None
    return np.concatenate([np.full((n, 2, 2), np.nan) if found is None else found for found, n in eyes.values()])
