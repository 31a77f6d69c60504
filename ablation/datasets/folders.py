"""A folder for each class, with or without train/, val/ and test/ above them."""

from pathlib import Path

import numpy as np

from ablation.datasets.images import SPLITS, Images, image_files, printable, visible_folders
from ablation.errors import AblateError

SPLIT_NAMES = {  # as people write them -> one of SPLITS; compared without case
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
EXPECTED = "expected CLASS/*.png, or train/CLASS/*.png and, if there, val/ and test/"


def matches(data: str) -> bool:
    return Path(data).is_dir()


def split_folders(root: Path) -> list[tuple[str, Path]]:
    """The folders that hold the class folders, each with its split; `root` itself, with "", where there are none."""
    found = visible_folders(root)
    splits = [(SPLIT_NAMES[f.name.casefold()], f) for f in found if f.name.casefold() in SPLIT_NAMES]
    others = [f for f in found if f.name.casefold() not in SPLIT_NAMES]
    if not splits:
        for folder in found:
            if any(f.name.casefold() in SPLIT_NAMES for f in visible_folders(folder)):
                raise AblateError(f"{root}: no class folders, but {folder.name}/ holds a data set; pass {folder}")
        return [("", root)]
    for folder in filter(image_files, others):  # else its images would be left out without a word
        raise AblateError(f"{folder}: a folder of images beside {splits[0][1].name}/; {EXPECTED}")
    return sorted(splits, key=lambda pair: SPLITS.index(pair[0]))


def class_folders(folder: Path) -> list[Path]:
    found = visible_folders(folder)
    if not found:
        raise AblateError(f"{folder}: no class folders; {EXPECTED}")
    return found


def class_images(folder: Path) -> list[Path]:
    found = image_files(folder)
    if not found:
        raise AblateError(f"{folder}: empty class folder; add images or remove it")
    return found


def load(data: str) -> Images:
    """The images of every class folder; classes in the order of their names, which are matched without case."""
    root = Path(data)
    rows = [
        (path, folder.name, split)
        for split, above in split_folders(root)
        for folder in class_folders(above)
        for path in class_images(folder)
    ]
    spellings: dict[str, str] = {}
    for _, name, _ in rows:
        spellings.setdefault(name.casefold(), name)
    keys = sorted(spellings)
    return Images(
        [path for path, _, _ in rows],
        [printable(path.relative_to(root).as_posix()) for path, _, _ in rows],
        np.array([keys.index(name.casefold()) for _, name, _ in rows], int),
        tuple(spellings[key] for key in keys),
        np.array([split for _, _, split in rows], str),
        np.full(len(rows), "", str),
    )
