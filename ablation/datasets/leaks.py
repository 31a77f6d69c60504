"""Duplicates, near-duplicates, subjects and labels that cross splits."""

from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import combinations

import numpy as np
from pydantic import BaseModel, ConfigDict

from ablation import extras
from ablation.datasets import HASHES, splits
from ablation.datasets.images import SPLITS, Index
from ablation.datasets.splits import Split
from ablation.grids.record import Record
from ablation.workspace import ImagesFolder, Workspace, read_json, understood, write_json

# Seen on FER-2013 at 32 pixels, train against test: of pairs with at most 10 bits and a correlation from 0.95, 32 of 32
# were one photograph; from 0.90 to 0.95, 28 of 32, the others two faces that are merely alike; below, half of them.
BITS = 10  # of 64, by which perceptual hashes of near duplicates differ at most
CORRELATION = 0.95  # of their grey pixels, at least
COSINE = 0.999  # of a pretrained backbone's outputs, above which two images are near duplicates whatever their hashes
CHUNK = 256  # images of one split that are compared at a time
FEW = 2  # near copies in train from which on a test image looks like one of a series


class Leaks(BaseModel):
    """What crosses the splits of an image set. Positions count within a split, in index order.

    `copies`: images beyond the first of their group, of equal pixels; `groups` of such, those `across` splits, those
    with labels in `conflict`. `near`: pairs across splits that are nearly equal, `mirrored` among them. `subjects`:
    those in two splits; None where the data name none. `exact`, `similar`: split -> positions of its images with an
    equal, or else a nearly equal, image in an earlier split (train, val, test). `series`: test images with so many near
    copies in train that these look augmented.
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

    def leaked(self, split: str = "test") -> list[int]:
        return sorted({*self.exact[split], *self.similar[split]})


def find(index: Index, split: Split, pixels: np.ndarray, features: np.ndarray | None = None) -> Leaks:
    """`pixels`: (N, size, size, 3) uint8, in index order; `features`: (N, ...), of a pretrained backbone, if known."""
    where = np.full(len(index), "", dtype="<U5")
    for name, rows in split.items():
        where[rows] = name
    _, group, counts = np.unique(index.ids, return_inverse=True, return_counts=True)
    many = np.flatnonzero(counts > 1)
    members: dict[int, list[int]] = {int(g): [] for g in many}
    for position in np.flatnonzero(counts[group] > 1):
        members[int(group[position])].append(int(position))
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
        copies=int((counts - 1).sum()),
        groups=len(many),
        across=sum(len({where[p] for p in rows}) > 1 for rows in members.values()),
        conflict=sum(len({int(index.labels[p]) for p in rows}) > 1 for rows in members.values()),
        near=sum(map(len, near.values())),
        mirrored=sum(flipped for pairs in near.values() for _, _, flipped in pairs),
        subjects=_subjects(index, split),
        exact={name: tuple(sorted(rows)) for name, rows in exact.items()},
        similar={name: tuple(sorted(rows - exact[name])) for name, rows in similar.items()},
        series=sum(n >= FEW for n in np.unique(test_near, return_counts=True)[1].tolist()),
    )


def _exact(index: Index, split: Split, name: str) -> set[int]:
    before = np.concatenate([split[s] for s in SPLITS[: SPLITS.index(name)]])
    return set(np.flatnonzero(np.isin(index.ids[split[name]], index.ids[before])).tolist())


def _subjects(index: Index, split: Split) -> int | None:
    known = {name: set(index.subjects[rows].tolist()) - {""} for name, rows in split.items()}
    if not any(known.values()):
        return None
    return len({s for a, b in combinations(SPLITS, 2) for s in known[a] & known[b]})


def _hashes(pixels: np.ndarray) -> np.ndarray:
    """Perceptual hashes as 64-bit numbers: (N,)."""
    extras.need("keras", "the search for near copies of images", ("pillow", "imagehash"))
    found: np.ndarray = import_module(HASHES).perceptual(pixels)
    return found


def _standardised(pixels: np.ndarray) -> np.ndarray:
    """Grey images as vectors of mean 0 and length 1: the product of two is their correlation. A blank one is 0."""
    grey = pixels.astype(np.float32).mean(axis=3)
    grey = grey.reshape(len(grey), grey.shape[1] * grey.shape[2])
    grey -= grey.mean(axis=1, keepdims=True)
    return np.asarray(grey / np.maximum(np.linalg.norm(grey, axis=1, keepdims=True), 1e-6))


Near = dict[tuple[str, str], list[tuple[int, int, bool]]]  # splits -> position in each, and whether mirrored


def _near(index: Index, split: Split, pixels: np.ndarray, features: np.ndarray | None) -> Near:
    """Pairs across splits that are nearly, but not exactly equal."""
    hashes, mirrored = _hashes(pixels), _hashes(pixels[:, :, ::-1])
    found: Near = {}
    for a, b in combinations(SPLITS, 2):
        for flipped, later in ((False, hashes), (True, mirrored)):
            pairs = _close(hashes[split[a]], later[split[b]])
            found.setdefault((a, b), []).extend(_confirmed(index, pixels, split[a], split[b], pairs, flipped))
        if features is not None:
            found[a, b] += _alike(index, features, split[a], split[b])
        found[a, b] = list({(x, y): (x, y, f) for x, y, f in reversed(found[a, b])}.values())
    return found


def _close(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pairs of positions (P, 2) whose hashes differ by BITS at most."""
    parts = [np.empty((0, 2), int)]
    for first in range(0, len(b), CHUNK):
        far = np.bitwise_count(a[:, None] ^ b[None, first : first + CHUNK])
        parts.append(np.argwhere(far <= BITS) + np.array([0, first]))
    return np.concatenate(parts)


def _confirmed(
    index: Index, pixels: np.ndarray, a: np.ndarray, b: np.ndarray, pairs: np.ndarray, flipped: bool
) -> list[tuple[int, int, bool]]:
    found = []
    for first in range(0, len(pairs), CHUNK):
        x, y = pairs[first : first + CHUNK].T
        other = pixels[b[y]][:, :, ::-1] if flipped else pixels[b[y]]
        alike = (_standardised(pixels[a[x]]) * _standardised(other)).sum(axis=1) >= CORRELATION
        alike &= index.ids[a[x]] != index.ids[b[y]]
        found += [(int(i), int(j), flipped) for i, j in zip(x[alike], y[alike], strict=True)]
    return found


def _alike(index: Index, features: np.ndarray, a: np.ndarray, b: np.ndarray) -> list[tuple[int, int, bool]]:
    """Pairs whose features point in nearly one direction."""
    one, found = _directions(features[a]), []
    for first in range(0, len(b), CHUNK):
        rows = b[first : first + CHUNK]
        x, y = np.nonzero(one @ _directions(features[rows]).T > COSINE)
        other = index.ids[a[x]] != index.ids[rows[y]]
        found += [(int(i), int(j) + first, False) for i, j in zip(x[other], y[other], strict=True)]
    return found


def _directions(features: np.ndarray) -> np.ndarray:
    flat = features.reshape(len(features), int(np.prod(features.shape[1:]))).astype(np.float32)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6))


def _pixels(folder: ImagesFolder) -> np.ndarray | None:
    sizes = folder.sizes()
    return np.load(folder.pixels(sizes[-1]), mmap_mode="r", allow_pickle=False) if sizes else None


def of(
    workspace: Workspace, record: Record, level: str, features: Callable[[], np.ndarray | None] = lambda: None
) -> Leaks | None:
    """The leaks of one split of a study, looked for once; None where they are not known and the pixels are gone.
    `features`: gives those of a pretrained backbone, where there are some."""
    folder, key = workspace.images(record.inputs.images), record.inputs.splits[level]
    known = read_json(folder.leaks(key))
    if known:
        with understood(folder.leaks(key)):
            return Leaks.model_validate(known)
    pixels = _pixels(folder)
    if pixels is None or not folder.split(key).is_file():
        return None
    found = find(Index.read(folder.index), splits.read(folder, key)[0], pixels, features())
    write_json(folder.leaks(key), found.model_dump(mode="json"))
    return found


def of_all(
    workspace: Workspace, record: Record, features: Callable[[], np.ndarray | None] = lambda: None
) -> dict[str, Leaks]:
    """Of each split of a study, where they can be known."""
    return {level: found for level in record.inputs.splits if (found := of(workspace, record, level, features))}


def without(right: np.ndarray, leaked: Sequence[int]) -> tuple[float, float, int]:
    """Accuracy with and without the images at `leaked` positions, and how many are left. `right`: (N,), 0 to 1."""
    kept = np.delete(right, list(leaked))
    return float(right.mean()), float(kept.mean()) if len(kept) else float("nan"), len(kept)


def given(index: Index) -> Split:
    """The splits that the data bring; images without one are train's."""
    where = np.where(index.splits == "", SPLITS[0], index.splits)
    return {name: np.flatnonzero(where == name) for name in SPLITS}


def summary(found: Leaks) -> list[str]:
    """Plain facts, one a line."""
    lines = [f"copies: {found.copies:,} beyond the first, in {found.groups:,} groups of equal pixels"]
    lines.append(f"groups with different labels: {found.conflict:,}")
    lines.append(f"groups across splits: {found.across:,}; near duplicates across splits: {found.near:,} pairs "
                 f"({found.mirrored:,} mirrored)")  # fmt: skip
    lines.append(f"test images with a copy in another split: {len(found.exact['test']):,} exact, "
                 f"{len(found.similar['test']):,} near")  # fmt: skip
    if found.subjects is not None:
        lines.append(f"subjects in two splits: {found.subjects:,}")
    return lines
