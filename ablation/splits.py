"""Which images are train, val and test: as given, or at random within each class."""

import hashlib

import numpy as np
from sklearn.model_selection import train_test_split

from ablation.datasets.images import SPLITS, Index
from ablation.errors import AblateError
from ablation.workspace import ImagesFolder, atomic

VAL_SHARE, TEST_SHARE = 0.10, 0.15  # of train, and of all

Split = dict[str, np.ndarray]  # "train", "val", "test" -> positions in the index, ascending


def _draw(index: Index, rows: np.ndarray, share: float, seed: int, what: str) -> tuple[np.ndarray, np.ndarray]:
    """`rows` without a part, and the part: a seeded `share` of every class."""
    try:
        rest, part = train_test_split(rows, test_size=share, random_state=seed, stratify=index.labels[rows])
    except ValueError:
        counts = np.bincount(index.labels[rows], minlength=len(index.classes))
        small = int(counts.argmin())
        raise AblateError(
            f"too few images to draw a {what} split within each class ({index.classes[small]}: {counts[small]} of "
            f"{len(rows)}); add images, raise --limit, or give the splits as train/ val/ test/"
        ) from None
    return np.sort(rest), np.sort(part)


def make(index: Index, kind: str, seed: int) -> Split:
    """The rows of each split.

    `given`: as the data say; a missing test split is 15 % of all, a missing validation split 10 % of train, both
    drawn within classes. `class`: drawn so whatever the data say. Raises AblateError where a class has too few images.
    """
    given = index.splits if kind == "given" else np.full(len(index), "")
    rows = {name: np.flatnonzero(given == name) for name in SPLITS}
    rows["train"] = np.sort(np.concatenate([rows["train"], np.flatnonzero(given == "")]))
    if not len(rows["train"]):
        raise AblateError("the data have no train split; name one folder train/, or give no splits at all")
    if not len(rows["test"]):
        share = TEST_SHARE * len(index) / len(rows["train"])
        if share >= 1:
            raise AblateError("the data have too few train images to draw a test split from; add a test split")
        rows["train"], rows["test"] = _draw(index, rows["train"], share, seed, "test")
    if not len(rows["val"]):
        rows["train"], rows["val"] = _draw(index, rows["train"], VAL_SHARE, seed, "validation")
    missing = set(range(len(index.classes))) - set(index.labels[rows["train"]].tolist())
    if missing:
        names = ", ".join(index.classes[k] for k in sorted(missing))
        raise AblateError(f"no train images of class {names}; add some, or leave it out with --classes")
    return rows


def digest(split: Split) -> str:
    """One name for these rows."""
    found = hashlib.sha256()
    for name in SPLITS:
        found.update(split[name].astype("<i8").tobytes() + b"|")
    return found.hexdigest()[:16]


def write(folder: ImagesFolder, split: Split) -> str:
    """Store the rows under their digest, and return it."""
    key = digest(split)
    with atomic(folder.split(key)) as temporary, open(temporary, "wb") as file:
        np.savez(file, train=split["train"], val=split["val"], test=split["test"])
    return key


def read(folder: ImagesFolder, key: str) -> tuple[Split, dict[str, np.ndarray]]:
    """The rows of each split, and the labels of its images; both in index order."""
    labels = Index.from_json(folder.index.read_text(encoding="utf-8")).labels
    with np.load(folder.split(key), allow_pickle=False) as found:
        rows = {name: found[name] for name in SPLITS}
    return rows, {name: labels[r] for name, r in rows.items()}
