"""Which images are train, val and test: as given, at random within each class, or by subject."""

import hashlib

import numpy as np
from sklearn.model_selection import train_test_split

from ablation.datasets.images import SPLITS, Index
from ablation.errors import AblateError
from ablation.workspace import ImagesFolder, atomic, understood

VAL_SHARE, TEST_SHARE = 0.10, 0.15  # of train, and of all

DRAWS = 200  # of subjects, from which the best is chosen

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
            f"{len(rows)}); each class takes some 10 and more: add images, raise --limit, leave the class out with "
            "--classes, or give the splits as train/ val/ test/"
        ) from None
    return np.sort(rest), np.sort(part)


def _misfit(taken: np.ndarray, counts: np.ndarray, share: float) -> np.ndarray:
    """How badly parts stand for the whole. taken: (draws, classes), counts: (classes,).

    The classes that a part lacks; then how far it is from a `share` of every class and of all. More than half is too
    much, whatever it holds.
    """
    size, of_classes = taken.sum(axis=1) / counts.sum(), np.abs(taken / counts - share).mean(axis=1)
    lacking = (taken == 0).sum(axis=1) + len(counts) * (size > 0.5)
    return np.asarray(lacking + of_classes + np.abs(size - share))


def _choose(cells: np.ndarray, share: float, keep: int, seed: int) -> np.ndarray:
    """Subjects that together have about a `share` of each class; cells: their images, (subjects, classes).

    Each draw goes through all subjects in an order of its own and takes whoever brings the part nearer to that;
    of the draws the one with the smallest misfit is chosen. `keep`: so many subjects of each class are left, as
    far as it has them beside one for the part. Empty where nobody can be taken.
    """
    rng = np.random.default_rng(seed)
    order = np.stack([rng.permutation(len(cells)) for _ in range(DRAWS)])
    shows, counts = cells > 0, cells.sum(axis=0)
    many = shows.sum(axis=0)
    spare = many - np.minimum(keep, np.maximum(many - 1, 1))  # subjects of each class that may go
    chosen = np.zeros((DRAWS, len(cells)), bool)
    taken, gone = np.zeros((2, DRAWS, cells.shape[1]), int)
    misfit = np.full(DRAWS, np.inf)  # of nobody: the first who may go is taken
    for who in order.T:
        after = _misfit(taken + cells[who], counts, share)
        takes = (after < misfit) & (gone + shows[who] <= spare).all(axis=1)
        chosen[np.flatnonzero(takes), who[takes]] = True
        taken, gone = taken + takes[:, None] * cells[who], gone + takes[:, None] * shows[who]
        misfit = np.where(takes, after, misfit)
    return np.flatnonzero(chosen[misfit.argmin()])


def _draw_subjects(
    index: Index, rows: np.ndarray, share: float, keep: int, seed: int, what: str
) -> tuple[np.ndarray, np.ndarray]:
    """`rows` without a part, and the part: all images of some subjects."""
    names, subjects = np.unique(index.subjects[rows], return_inverse=True)
    present, labels = np.unique(index.labels[rows], return_inverse=True)
    cells = np.zeros((len(names), len(present)), int)
    np.add.at(cells, (subjects, labels), 1)
    part = np.isin(subjects, _choose(cells, share, keep, seed))
    if not part.any():
        few = int((cells > 0).sum(axis=0).argmin())
        raise AblateError(
            f"split = subject: too few subjects to draw a {what} split ({len(names)} in all, "
            f"{(cells[:, few] > 0).sum()} with {index.classes[present[few]]}), for train must keep one of each class; "
            "add subjects, raise --limit, or take split = class"
        )
    return rows[~part], rows[part]


def _by_subject(index: Index, seed: int) -> Split:
    """Images without a subject count as one subject's: nobody knows that they show different people."""
    if not (index.subjects != "").any():
        raise AblateError(
            "split = subject: the data have no subjects; demo data, an Aff-Wild2 folder, and an .npz file with "
            "subject_train, ... bring them; else take split = class"
        )
    rest, test = _draw_subjects(index, np.arange(len(index)), TEST_SHARE, 2, seed, "test")
    train, val = _draw_subjects(index, rest, VAL_SHARE, 1, seed, "validation")
    return {"train": train, "val": val, "test": test}


def make(index: Index, kind: str, seed: int) -> Split:
    """The rows of each split.

    `given`: as the data say; a missing test split is 15 % of all, a missing validation split 10 % of train, both
    drawn within classes. `class`: drawn so whatever the data say. `subject`: so too, but nobody is on two sides, and
    each class has its share as nearly as that allows. Raises AblateError where a class has too few images, or the
    data too few subjects.
    """
    if kind == "subject":
        return _by_subject(index, seed)
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
    labels, path = Index.read(folder.index).labels, folder.split(key)
    with understood(path), np.load(path, allow_pickle=False) as found:
        rows = {name: found[name] for name in SPLITS}
        return rows, {name: labels[r] for name, r in rows.items()}
