"""Class folders: one folder for each class, optionally inside train/, val/ and test/."""

from pathlib import Path

import numpy as np

from ablation.errors import AblateError
from ablation.experiments.keras_head.datasets import fer2013, names
from ablation.experiments.keras_head.datasets.images import SPLITS, Images, image_files, printable, visible_folders

SPLIT_NAMES = {  # as people write them -> one of SPLITS; compared by `names.key`
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
EXPECTED = "expected CLASS/*.png, or train/CLASS/*.png and optionally val/ and test/"


def matches(data: str) -> bool:
    return Path(data).is_dir()


def split_folders(root: Path) -> list[tuple[str, Path]]:
    """Return the parents of the class folders, each with its split. Without split folders, this is `root` with ""."""
    folders = visible_folders(root)
    splits = [(split, f) for f in folders if (split := SPLIT_NAMES.get(names.key(f.name)))]
    others = [f for f in folders if names.key(f.name) not in SPLIT_NAMES]
    if not splits:
        for folder in folders:
            if any(names.key(f.name) in SPLIT_NAMES for f in visible_folders(folder)):
                raise AblateError(f"{root}: no class folders, but {folder.name}/ holds a data set; pass {folder}")
        return [("", root)]
    for folder in filter(image_files, others):  # otherwise its images would be left out without a message
        raise AblateError(f"{folder}: a folder of images next to the split folder {splits[0][1].name}/; {EXPECTED}")
    return sorted(splits, key=lambda pair: SPLITS.index(pair[0]))


def class_folders(folder: Path) -> list[Path]:
    folders = visible_folders(folder)
    if not folders:
        for file in filter(fer2013.is_table, sorted(folder.iterdir())):
            raise AblateError(f"{folder}: no class folders, but {file.name} holds faces; pass {file}")
        raise AblateError(f"{folder}: no class folders; {EXPECTED}")
    return folders


def class_images(folder: Path) -> list[Path]:
    files = image_files(folder)
    if not files:
        raise AblateError(f"{folder}: empty class folder; add images or remove it")
    return files


def load(data: str) -> Images:
    """Return the images of all class folders. Classes are sorted by name, and names are matched by `names.key`."""
    root = Path(data)
    splits = split_folders(root)
    rows = [
        (path, folder.name, split)
        for split, parent in splits
        for folder in class_folders(parent)
        for path in class_images(folder)
    ]
    spellings, merged = names.spellings("class", ((names.key(name), name) for _, name, _ in rows))
    keys = sorted(spellings, key=lambda key: spellings[key].casefold())
    positions = {key: k for k, key in enumerate(keys)}
    return Images(
        [path for path, _, _ in rows],
        [printable(path.relative_to(root).as_posix()) for path, _, _ in rows],
        np.array([positions[names.key(name)] for _, name, _ in rows], int),
        tuple(spellings[key] for key in keys),
        np.array([split for _, _, split in rows], str),
        np.full(len(rows), "", str),
        merged=(*names.spellings("split", ((split, folder.name) for split, folder in splits))[1], *merged),
    )
