"""An .npz file of uint8 arrays: x_train, y_train and optionally the other splits, class names, subjects and eyes."""

from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from ablation.errors import AblateError
from ablation.experiments.keras_head.datasets import names
from ablation.experiments.keras_head.datasets.images import SPLITS, Images
from ablation.experiments.keras_head.datasets.names import Merged
from ablation.store import npz

MOST_CLASSES = 2**15  # predictions are stored as int16
SHAPES = "allowed: uint8 of shape (N, H, W) or (N, H, W, 3)"


def matches(data: str) -> bool:
    return Path(data).is_file() and Path(data).suffix.lower() == ".npz"


def open_file(data: str) -> NpzFile:
    try:
        npz.refuse_bomb(data)
        archive = np.load(data, allow_pickle=False)
    except npz.UNREADABLE:
        archive = None
    if not isinstance(archive, NpzFile):  # np.load also reads a renamed .npy file, as one array
        raise AblateError(
            f"{data}: not an .npz file; write one with np.savez, keys x_train, y_train, x_test, y_test, ..."
        )
    return archive


def check_keys(archive: NpzFile, data: str) -> None:
    """Raise AblateError where images or labels are missing, for train or any other split that has one of its keys."""
    present = {"train", *(key.partition("_")[2] for key in archive.files)}
    needed = [f"{kind}_{split}" for split in SPLITS if split in present for kind in "xy"]
    missing = [key for key in needed if key not in archive.files]
    if missing:
        raise AblateError(f"{data}: no {', '.join(missing)}; found: {', '.join(archive.files) or 'nothing'}")


def read(archive: NpzFile, key: str, data: str) -> np.ndarray:
    try:
        return np.asarray(archive[key])
    except npz.UNREADABLE:  # objects are pickled, and a pickle may run code
        raise AblateError(f"{data}: {key} cannot be read; allowed: plain arrays, no objects") from None


def read_texts(archive: NpzFile, key: str, data: str) -> np.ndarray:
    values = read(archive, key, data)
    texts = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values.ravel().tolist()]
    return np.array(texts, str).reshape(values.shape)


def read_classes(archive: NpzFile, data: str) -> tuple[str, ...] | None:
    """Return the names in class_names; None where the file has none."""
    if "class_names" not in archive.files:
        return None
    classes = read_texts(archive, "class_names", data)
    if classes.ndim != 1 or len(set(map(names.key, classes.tolist()))) < len(classes):
        raise AblateError(
            f"{data}: class_names: allowed: a plain list of names, each once (case and outer spaces are ignored)"
        )
    return tuple(classes.tolist())


def read_pixels(archive: NpzFile, key: str, data: str) -> np.ndarray:
    """Return the images as a uint8 array (N, H, W) or (N, H, W, 3)."""
    x = read(archive, key, data)
    if x.dtype != np.uint8:
        raise AblateError(f"{data}: {key} is {x.dtype}; {SHAPES}")
    if x.ndim not in (3, 4) or x.shape[3:] not in ((), (1,), (3,)):
        raise AblateError(f"{data}: {key} has shape {x.shape}; {SHAPES}")
    return x[..., 0] if x.shape[3:] == (1,) else x


def read_labels(archive: NpzFile, key: str, classes: tuple[str, ...] | None, data: str) -> np.ndarray:
    y = read(archive, key, data)
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
    archive: NpzFile, split: str, classes: tuple[str, ...] | None, data: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the images, labels and subjects of one split.

    Args:
        archive: the open .npz file.
        split: one of SPLITS.
        classes: the class names; None where the file has none.
        data: the path, for messages.

    Returns:
        Images (N, H, W) or (N, H, W, 3) uint8, labels (N,) int, and subjects (N,) str, "" where the file has none.

    Raises:
        AblateError: where the lengths differ, or an array is not allowed.
    """
    x = read_pixels(archive, f"x_{split}", data)
    y = read_labels(archive, f"y_{split}", classes, data)
    named = f"subject_{split}" in archive.files
    subjects = read_texts(archive, f"subject_{split}", data) if named else np.full(len(x), "", str)
    for key, values in (("y", y), ("subject", subjects)):
        if values.shape != (len(x),):
            raise AblateError(f"{data}: {key}_{split} has shape {values.shape}; allowed: ({len(x)},), as x_{split}")
    return x, y, subjects


def read_eyes(archive: NpzFile, split: str, n: int, data: str) -> np.ndarray | None:
    """Return the eye positions of one split; None where the file has none.

    Args:
        archive: the open .npz file.
        split: one of SPLITS.
        n: the number of images of the split.
        data: the path, for messages.

    Returns:
        (n, 2, 2) float: x and y of the left and the right eye in pixels, NaN where unknown.

    Raises:
        AblateError: where the array has another shape or holds no numbers.
    """
    key = f"eyes_{split}"
    if key not in archive.files:
        return None
    eyes = read(archive, key, data)
    if eyes.shape != (n, 2, 2) or eyes.dtype.kind not in "fiu":
        raise AblateError(
            f"{data}: {key} is {eyes.dtype} of shape {eyes.shape}; allowed: ({n}, 2, 2) numbers, x and y of the left "
            "and the right eye in pixels, NaN where unknown"
        )
    return eyes.astype(float)


def load(data: str) -> Images:
    """Return the images of all splits. Without class_names, the classes are named 0, 1, ... up to the largest label."""
    with open_file(data) as archive:
        check_keys(archive, data)
        classes = read_classes(archive, data)
        parts = {split: read_split(archive, split, classes, data) for split in SPLITS if f"x_{split}" in archive.files}
        eyes = {split: read_eyes(archive, split, len(parts[split][1]), data) for split in parts}
    labels = np.concatenate([y for _, y, _ in parts.values()])
    subjects, merged = one_spelling(np.concatenate([subjects for _, _, subjects in parts.values()]))
    return Images(
        [image for x, _, _ in parts.values() for image in x],
        [f"x_{split}[{i}]" for split, (x, _, _) in parts.items() for i in range(len(x))],
        labels,
        tuple(map(str, range(labels.max(initial=-1) + 1))) if classes is None else classes,
        np.concatenate([np.full(len(y), split) for split, (_, y, _) in parts.items()]),
        subjects,
        _together({split: (eyes[split], len(y)) for split, (_, y, _) in parts.items()}),
        merged,
        "" if classes else gap({f"y_{split}": y for split, (_, y, _) in parts.items()}),
    )


def one_spelling(subjects: np.ndarray) -> tuple[np.ndarray, tuple[Merged, ...]]:
    """Return the subjects, each in its first spelling, and the merged spellings. Case distinguishes ids."""
    first, merged = names.spellings("subject", ((names.composed(s), s) for s in subjects.tolist()))
    return np.array([first[names.composed(s)] for s in subjects.tolist()], str), merged


def gap(labels: dict[str, np.ndarray]) -> str:
    """Return the message for labels that leave classes without an image, or "". `labels`: key -> label array (N,)."""
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
    """Return the eye positions of all splits; NaN in splits without any; None where no split has any."""
    if all(positions is None for positions, _ in eyes.values()):
        return None
    return np.concatenate(
        [np.full((n, 2, 2), np.nan) if positions is None else positions for positions, n in eyes.values()]
    )
