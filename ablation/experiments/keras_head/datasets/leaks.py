"""Leaks between splits: duplicates, near duplicates, shared subjects and conflicting labels."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from itertools import combinations

import numpy as np
from pydantic import BaseModel, ConfigDict

from ablation import extras
from ablation.experiments.keras_head.datasets import HASHES, stored_splits
from ablation.experiments.keras_head.datasets.images import SPLITS, Index
from ablation.experiments.keras_head.datasets.stored_splits import Split
from ablation.store.files import read_json, understood, write_json
from ablation.store.record import Record
from ablation.store.workspace import ImagesFolder, Workspace

# Observed on FER-2013 at 32 pixels, train against test, for pairs that differ by at most 10 bits. With a
# correlation from 0.95, 32 of 32 pairs were one photograph. From 0.90 to 0.95, 28 of 32 were, the other four showed two
# faces that are merely alike. Below 0.90, half of the pairs were.
BITS = 10  # of 64: largest difference between the perceptual hashes of near duplicates
CORRELATION = 0.95  # smallest correlation of the grey pixels of near duplicates
COSINE = 0.999  # of a pretrained backbone's outputs: two images above are near duplicates, whatever their hashes
CHUNK = 256  # images of one split that are compared at once
FEW = 2  # near copies in train: a test image with as many looks like one of a series


class Leaks(BaseModel):
    """Leaks between the splits of an image set. Positions count within a split, in index order.

    `images`: number of images. `copies`: images of equal pixels, beyond the first of each group. `groups`: number of
    groups of equal images; `across`: groups in several splits; `conflict`: groups with different labels. `near`: pairs
    across splits that are nearly equal; `mirrored`: such pairs where one image is mirrored. `subjects`: number of
    subjects in two splits; None where the data name no subjects. `exact`, `similar`: split -> positions of its images
    with an equal, or otherwise a nearly equal, image in an earlier split (train, val, test). `series`: test images with
    so many near copies in train that the copies look augmented.

    By split, {} where a file of an earlier version is stored without its images: `conflicting`: groups with different
    labels that have an image in the split; `limiting`: groups with different labels within the split; `people`: number
    of named subjects.
    """

    model_config = ConfigDict(frozen=True)

    images: int
    copies: int
    groups: int
    across: int
    conflict: int
    near: int
    mirrored: int
    subjects: int | None
    exact: dict[str, tuple[int, ...]]
    similar: dict[str, tuple[int, ...]]
    series: int
    conflicting: dict[str, int] = {}
    limiting: dict[str, int] = {}
    people: dict[str, int] = {}

    def leaked(self, split: str = "test") -> list[int]:
        return sorted({*self.exact[split], *self.similar[split]})


def find(index: Index, split: Split, pixels: np.ndarray, features: np.ndarray | None = None) -> Leaks:
    """Return the leaks between the splits of an image set.

    Args:
        index: the N images.
        split: the rows of each split.
        pixels: (N, size, size, 3) uint8, in index order.
        features: (N, ...) outputs of a pretrained backbone, in index order; None where not available.
    """
    split_of = np.full(len(index), "", dtype="<U5")
    for name, rows in split.items():
        split_of[rows] = name
    members = _groups(index)
    exact = {name: _exact(index, split, name) for name in SPLITS[1:]}
    near = _near(index, split, pixels, features)
    similar = {
        name: {b for (_, later), pairs in near.items() if later == name for _, b, _ in pairs} for name in SPLITS[1:]
    }
    test_near = [
        b for (earlier, later), pairs in near.items() if (earlier, later) == ("train", "test") for _, b, _ in pairs
    ]
    return Leaks(
        images=len(index),
        copies=sum(len(rows) - 1 for rows in members),
        groups=len(members),
        across=sum(len({split_of[p] for p in rows}) > 1 for rows in members),
        conflict=len(_disputed(index, members)),
        near=sum(map(len, near.values())),
        mirrored=sum(flipped for pairs in near.values() for _, _, flipped in pairs),
        subjects=_subjects(index, split),
        exact={name: tuple(sorted(rows)) for name, rows in exact.items()},
        similar={name: tuple(sorted(rows - exact[name])) for name, rows in similar.items()},
        series=sum(n >= FEW for n in np.unique(test_near, return_counts=True)[1].tolist()),
        **_by_split(index, split),
    )


def _groups(index: Index) -> list[list[int]]:
    """Return the groups of images of equal pixels, each with the positions of its images, (2 or more)."""
    _, group, counts = np.unique(index.ids, return_inverse=True, return_counts=True)
    members: dict[int, list[int]] = {int(g): [] for g in np.flatnonzero(counts > 1)}
    for position in np.flatnonzero(counts[group] > 1):
        members[int(group[position])].append(int(position))
    return list(members.values())


def _disputed(index: Index, groups: Sequence[Sequence[int]]) -> list[Sequence[int]]:
    """Return the groups whose images have different labels."""
    return [rows for rows in groups if len({int(index.labels[position]) for position in rows}) > 1]


def _by_split(index: Index, split: Split) -> dict[str, dict[str, int]]:
    """Return the fields of Leaks that count groups and subjects by split."""
    disputed, places = _disputed(index, _groups(index)), {name: set(rows.tolist()) for name, rows in split.items()}
    inside = {name: [[p for p in rows if p in positions] for rows in disputed] for name, positions in places.items()}
    return {
        "conflicting": {name: sum(map(bool, groups)) for name, groups in inside.items()},
        "limiting": {name: len(_disputed(index, groups)) for name, groups in inside.items()},
        "people": {name: len(set(index.subjects[rows].tolist()) - {""}) for name, rows in split.items()},
    }


def _exact(index: Index, split: Split, name: str) -> set[int]:
    earlier_rows = np.concatenate([split[s] for s in SPLITS[: SPLITS.index(name)]])
    return set(np.flatnonzero(np.isin(index.ids[split[name]], index.ids[earlier_rows])).tolist())


def _subjects(index: Index, split: Split) -> int | None:
    subjects_of = {name: set(index.subjects[rows].tolist()) - {""} for name, rows in split.items()}
    if not any(subjects_of.values()):
        return None
    return len({s for a, b in combinations(SPLITS, 2) for s in subjects_of[a] & subjects_of[b]})


def _hashes(pixels: np.ndarray) -> np.ndarray:
    """Return perceptual hashes as 64-bit numbers: (N,)."""
    extras.need("keras", "the search for near copies of images", ("pillow", "imagehash"))
    hashes: np.ndarray = import_module(HASHES).perceptual(pixels)
    return hashes


def _standardised(pixels: np.ndarray) -> np.ndarray:
    """Return grey images as vectors of mean 0 and length 1, so that dot products are correlations; 0 if blank."""
    grey = pixels.astype(np.float32).mean(axis=3)
    grey = grey.reshape(len(grey), grey.shape[1] * grey.shape[2])
    grey -= grey.mean(axis=1, keepdims=True)
    return np.asarray(grey / np.maximum(np.linalg.norm(grey, axis=1, keepdims=True), 1e-6))


Near = dict[tuple[str, str], list[tuple[int, int, bool]]]  # splits -> position in each, and whether mirrored


def _near(index: Index, split: Split, pixels: np.ndarray, features: np.ndarray | None) -> Near:
    """Return the pairs across splits that are nearly, but not exactly equal."""
    hashes, mirrored = _hashes(pixels), _hashes(pixels[:, :, ::-1])
    near: Near = {}
    for a, b in combinations(SPLITS, 2):
        for flipped, hashes_of_later in ((False, hashes), (True, mirrored)):
            pairs = _close(hashes[split[a]], hashes_of_later[split[b]])
            is_near = _confirmed(index, pixels, split[a][pairs[:, 0]], split[b][pairs[:, 1]], flipped)
            near.setdefault((a, b), []).extend((int(i), int(j), flipped) for i, j in pairs[is_near])
        if features is not None:
            near[a, b] += _alike(index, features, split[a], split[b])
        near[a, b] = list({(x, y): (x, y, f) for x, y, f in reversed(near[a, b])}.values())
    return near


def _close(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the pairs of positions (P, 2) whose hashes differ by at most BITS."""
    parts = [np.empty((0, 2), int)]
    for first in range(0, len(b), CHUNK):
        distances = np.bitwise_count(a[:, None] ^ b[None, first : first + CHUNK])
        parts.append(np.argwhere(distances <= BITS) + np.array([0, first]))
    return np.concatenate(parts)


def _confirmed(index: Index, pixels: np.ndarray, earlier: np.ndarray, later: np.ndarray, flipped: bool) -> np.ndarray:
    """Return which pairs of images `earlier` (P,) and `later` (P,) are nearly, but not exactly equal: (P,) bool.

    `flipped`: the later image of each pair is mirrored first.
    """
    is_near = np.zeros(len(earlier), bool)
    for first in range(0, len(earlier), CHUNK):
        chunk = slice(first, first + CHUNK)
        a, b = earlier[chunk], later[chunk]
        later_pixels = pixels[b][:, :, ::-1] if flipped else pixels[b]
        alike = (_standardised(pixels[a]) * _standardised(later_pixels)).sum(axis=1) >= CORRELATION
        is_near[chunk] = alike & (index.ids[a] != index.ids[b])
    return is_near


def _alike(index: Index, features: np.ndarray, a: np.ndarray, b: np.ndarray) -> list[tuple[int, int, bool]]:
    """Return the pairs whose features have a cosine similarity above COSINE."""
    earlier_directions, pairs = _directions(features[a]), []
    for first in range(0, len(b), CHUNK):
        rows = b[first : first + CHUNK]
        x, y = np.nonzero(earlier_directions @ _directions(features[rows]).T > COSINE)
        distinct = index.ids[a[x]] != index.ids[rows[y]]
        pairs += [(int(i), int(j) + first, False) for i, j in zip(x[distinct], y[distinct], strict=True)]
    return pairs


def _directions(features: np.ndarray) -> np.ndarray:
    flat = features.reshape(len(features), int(np.prod(features.shape[1:]))).astype(np.float32)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6))


def _pixels(folder: ImagesFolder) -> np.ndarray | None:
    sizes = folder.sizes()
    return np.load(folder.pixels(sizes[-1]), mmap_mode="r", allow_pickle=False) if sizes else None


def _missing(folder: ImagesFolder, key: str, stored: Mapping[str, object]) -> dict[str, dict[str, int]]:
    """Return the fields by split that an earlier version did not store; {} where the split or the index is missing."""
    if "people" in stored or not folder.split(key).is_file() or not folder.index.is_file():
        return {}
    return _by_split(Index.read(folder.index), stored_splits.read(folder, key)[0])


def stored(workspace: Workspace, record: Record, level: str) -> Leaks | None:
    """Return the stored leaks of one split of a study; None where they were not computed. `level`: of `split`."""
    folder, key = workspace.images(record.inputs.images), record.inputs.splits[level]
    content = read_json(folder.leaks(key))
    if not content:
        return None
    with understood(folder.leaks(key)):
        return Leaks.model_validate(content | _missing(folder, key, content))


def compute(
    workspace: Workspace, record: Record, level: str, features: Callable[[], np.ndarray | None] = lambda: None
) -> None:
    """Compute and store the leaks of one split of a study, where they are not stored and its files are there.

    Args:
        workspace: the workspace of the study.
        record: the record of the study.
        level: the level of the factor `split`.
        features: returns the outputs (N, ...) of a pretrained backbone; None where not available.
    """
    folder, key = workspace.images(record.inputs.images), record.inputs.splits[level]
    if folder.leaks(key).is_file() or not folder.split(key).is_file():
        return
    pixels = _pixels(folder)
    if pixels is not None:
        leaks = find(Index.read(folder.index), stored_splits.read(folder, key)[0], pixels, features())
        write_json(folder.leaks(key), leaks.model_dump(mode="json"))


def without(right: np.ndarray, leaked: Sequence[int]) -> tuple[float, float, int]:
    """Return the accuracy with and without the `leaked` positions, and the number of remaining images.

    `right`: (N,), 0 to 1. The second accuracy is NaN where no image remains.
    """
    kept = np.delete(right, list(leaked))
    return float(right.mean()), float(kept.mean()) if len(kept) else float("nan"), len(kept)


def given(index: Index) -> Split:
    """Return the splits that the data define; images without a split belong to train."""
    split_of = np.where(index.splits == "", SPLITS[0], index.splits)
    return {name: np.flatnonzero(split_of == name) for name in SPLITS}


def summary(leaks: Leaks) -> list[str]:
    """Return the lines of a summary of the leaks, for the console."""
    lines = [f"copies: {leaks.copies:,} (without originals), in {leaks.groups:,} groups of equal images"]
    lines.append(f"groups with different labels: {leaks.conflict:,}")
    lines.append(f"groups across splits: {leaks.across:,}; near duplicates across splits: {leaks.near:,} pairs "
                 f"({leaks.mirrored:,} mirrored)")  # fmt: skip
    lines.append(f"test images with a copy in another split: {len(leaks.exact['test']):,} exact, "
                 f"{len(leaks.similar['test']):,} near")  # fmt: skip
    if leaks.subjects is not None:
        lines.append(f"subjects in two splits: {leaks.subjects:,}")
    return lines
