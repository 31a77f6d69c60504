"""Stored splits: the rows of train, val and test, in a file named by their digest."""

import hashlib

import numpy as np

from ablation.errors import BrokenFile
from ablation.experiments.keras_head.datasets.images import SPLITS, Index
from ablation.store import npz
from ablation.store.files import atomic, understood
from ablation.store.workspace import ImagesFolder

Split = dict[str, np.ndarray]  # "train", "val", "test" -> positions in the index, ascending


def digest(split: Split) -> str:
    """Return a digest of the rows of each split."""
    sha256 = hashlib.sha256()
    for name in SPLITS:
        sha256.update(split[name].astype("<i8").tobytes() + b"|")
    return sha256.hexdigest()[:16]


def write(folder: ImagesFolder, split: Split) -> str:
    """Store the rows of each split under their digest, and return the digest."""
    key = digest(split)
    with atomic(folder.split(key)) as temporary, open(temporary, "wb") as file:
        np.savez(file, train=split["train"], val=split["val"], test=split["test"])
    return key


def read(folder: ImagesFolder, key: str) -> tuple[Split, dict[str, np.ndarray]]:
    """Return the rows of each split, and the labels of its images, both in index order.

    Raises BrokenFile where the digest of the rows is not the file's name.
    """
    labels, path = Index.read(folder.index).labels, folder.split(key)
    with understood(path):
        arrays = npz.read(path)
        rows = {name: arrays[name] for name in SPLITS}
        if digest(rows) != key:
            raise BrokenFile(path, "changed since it was written")
        return rows, {name: labels[r] for name, r in rows.items()}


def subjects(folder: ImagesFolder, key: str) -> dict[str, np.ndarray]:
    """Return the subjects of the images of each split, in index order; "" where a subject is unknown."""
    names = Index.read(folder.index).subjects
    return {split: names[rows] for split, rows in read(folder, key)[0].items()}
