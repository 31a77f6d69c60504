"""Assignment of images to train, val and test: as given, at random within each class, or by subject."""

from dataclasses import dataclass, replace

import numpy as np

from ablation.errors import AblateError
from ablation.experiments.keras_head.datasets.images import SPLITS, Index
from ablation.experiments.keras_head.datasets.stored_splits import Split
from ablation.late_imports import late_import

model_selection = late_import("sklearn.model_selection")

DRAWS = 200  # random draws of subjects, of which the best is used


@dataclass(frozen=True)
class _Part:
    """Part of the images that is drawn as a split.

    Attributes:
        name: name of the split in messages.
        share: share of the images to draw from, 0 to 1.
        keep: number of subjects of each class that stay outside the part, where splits are drawn by subject. A class
            with too few subjects keeps fewer, so that one subject is left for the part.
    """

    name: str
    share: float
    keep: int


TEST = _Part("test", 0.15, keep=2)  # of all images: train and val each need a subject
VAL = _Part("validation", 0.10, keep=1)  # of the train images


def _draw(index: Index, rows: np.ndarray, part: _Part, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split `rows` into the kept rows and the drawn ones: a seeded random share of every class."""
    try:
        kept, drawn = model_selection.train_test_split(
            rows, test_size=part.share, random_state=seed, stratify=index.labels[rows]
        )
    except ValueError:
        counts = np.bincount(index.labels[rows], minlength=len(index.classes))
        small = int(counts.argmin())
        raise AblateError(
            f"too few images to draw a {part.name} split within each class ({index.classes[small]}: {counts[small]} of "
            f"{len(rows)}); each class needs about 10 or more: add images, raise --limit, leave the class out with "
            "--classes, or give the splits as train/ val/ test/"
        ) from None
    return np.sort(kept), np.sort(drawn)


def _misfit(taken: np.ndarray, counts: np.ndarray, share: float) -> np.ndarray:
    """Return how badly each drawn part represents the whole set: (draws,), lower is better.

    The misfit is the number of classes missing in the part, plus the deviation from `share`, both within the classes
    and of all images. A part with more than half of all images
    counts as if all classes were missing too.

    Args:
        taken: (draws, classes), images in each part.
        counts: (classes,), images in the whole set.
        share: the wanted share, 0 to 1.
    """
    size_share, class_error = taken.sum(axis=1) / counts.sum(), np.abs(taken / counts - share).mean(axis=1)
    missing_classes = (taken == 0).sum(axis=1) + len(counts) * (size_share > 0.5)
    return np.asarray(missing_classes + class_error + np.abs(size_share - share))


def _choose(cells: np.ndarray, part: _Part, seed: int) -> np.ndarray:
    """Return the positions of subjects that together have about the part's share of each class.

    Each draw visits all subjects in a random order and takes a subject where this lowers the misfit of the part. The
    draw with the smallest misfit is used. The result is empty where no subject can be taken.

    Args:
        cells: (subjects, classes), the numbers of images.
        part: the part to draw.
        seed: the seed of the draws.
    """
    rng = np.random.default_rng(seed)
    order = np.stack([rng.permutation(len(cells)) for _ in range(DRAWS)])
    has_class, counts = cells > 0, cells.sum(axis=0)
    n_subjects = has_class.sum(axis=0)
    removable = n_subjects - np.minimum(part.keep, np.maximum(n_subjects - 1, 1))  # subjects, by class, to take at most
    chosen = np.zeros((DRAWS, len(cells)), bool)
    taken, removed = np.zeros((2, DRAWS, cells.shape[1]), int)
    misfit = np.full(DRAWS, np.inf)  # of an empty part: the first removable subject is taken
    for subject in order.T:
        new_misfit = _misfit(taken + cells[subject], counts, part.share)
        accepted = (new_misfit < misfit) & (removed + has_class[subject] <= removable).all(axis=1)
        chosen[np.flatnonzero(accepted), subject[accepted]] = True
        taken, removed = taken + accepted[:, None] * cells[subject], removed + accepted[:, None] * has_class[subject]
        misfit = np.where(accepted, new_misfit, misfit)
    return np.flatnonzero(chosen[misfit.argmin()])


def _draw_subjects(index: Index, rows: np.ndarray, part: _Part, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split `rows` into the kept rows and the drawn ones, which are all images of their subjects."""
    names, subjects = np.unique(index.subjects[rows], return_inverse=True)
    present, labels = np.unique(index.labels[rows], return_inverse=True)
    cells = np.zeros((len(names), len(present)), int)
    np.add.at(cells, (subjects, labels), 1)
    drawn = np.isin(subjects, _choose(cells, part, seed))
    if not drawn.any():
        few = int((cells > 0).sum(axis=0).argmin())
        raise AblateError(
            f"split = subject: too few subjects to draw a {part.name} split ({len(names)} in all, "
            f"{(cells[:, few] > 0).sum()} with {index.classes[present[few]]}), because train must keep one of each "
            "class; "
            "add subjects, raise --limit, or set split = class"
        )
    return rows[~drawn], rows[drawn]


def _by_subject(index: Index, seed: int) -> Split:
    """Return splits by subject. All images without a subject count as one subject: they may show the same person."""
    if not (index.subjects != "").any():
        raise AblateError(
            "split = subject: the data have no subjects; only demo data, an Aff-Wild2 folder or an .npz file with "
            "subject_train, ... can have them; for other data, set split = class"
        )
    remaining, test = _draw_subjects(index, np.arange(len(index)), TEST, seed)
    train, val = _draw_subjects(index, remaining, VAL, seed)
    return {"train": train, "val": val, "test": test}


def make(index: Index, kind: str, seed: int) -> Split:
    """Return the rows of each split.

    Args:
        index: the images.
        kind: `given` uses the splits of the data; a missing test split is 15 % of all images, a missing validation
            split is 10 % of train, both drawn within classes. `class` draws both splits in this way and ignores the
            splits of the data. `subject` draws splits of the same shares without a subject in two splits; the share of
            each class is as near as that allows.
        seed: the seed of the draws.

    Raises:
        AblateError: where a class has too few images, or the data have too few subjects.
    """
    if kind == "subject":
        return _by_subject(index, seed)
    given = index.splits if kind == "given" else np.full(len(index), "")
    rows = {name: np.flatnonzero(given == name) for name in SPLITS}
    rows["train"] = np.sort(np.concatenate([rows["train"], np.flatnonzero(given == "")]))
    if not len(rows["train"]):
        raise AblateError("the data have no train split; name one folder train/, or give no splits at all")
    if not len(rows["test"]):
        share = TEST.share * len(index) / len(rows["train"])
        if share >= 1:
            raise AblateError("the data have too few train images to draw a test split from; add a test split")
        rows["train"], rows["test"] = _draw(index, rows["train"], replace(TEST, share=share), seed)
    if not len(rows["val"]):
        rows["train"], rows["val"] = _draw(index, rows["train"], VAL, seed)
    missing = set(range(len(index.classes))) - set(index.labels[rows["train"]].tolist())
    if missing:
        names = ", ".join(index.classes[k] for k in sorted(missing))
        raise AblateError(f"no train images of class {names}; add some, or leave it out with --classes")
    return rows
