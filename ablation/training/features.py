"""Backbone outputs, computed once and mapped by all."""

import functools
import hashlib
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ablation import disk
from ablation.backbones import FRONT
from ablation.errors import AblateError
from ablation.training.inputs import Weights
from ablation.training.jobs import Features
from ablation.workspace import Workspace, atomic, read_json, understood, write_json

PIXELS = 256 * 32 * 32  # in a batch, about: many for the products' speed, few for the memory of the largest activations
RANDOM_RECIPE = "random-noise-1"  # the digest of seeded random weights: count up when others are drawn


def locate(backbone: str, level: str) -> Weights | None:
    """The weights that a level names, with their digest; None for ImageNet's, which only Keras can fetch.

    Raises AblateError where a file is missing.
    """
    if level == "imagenet":
        return None
    if level == "random":
        return Weights(level=level, source="random", digest=RANDOM_RECIPE)
    path = Path(level)
    file = path / f"{backbone}_notop.weights.h5" if os.path.isdir(path) else path
    if not os.path.isfile(file):  # unlike Path.is_file, no error for a name that no file can have
        raise AblateError(
            f"weights {level}: no such file; allowed: 'imagenet', 'random', a .h5 file, or a "
            f"folder that holds {backbone}_notop.weights.h5"
        )
    return Weights(level=level, source=str(file), digest=_known_sha256(file))


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.lru_cache(maxsize=64)
def _sha256_of(path: Path, size: int, changed: int) -> str:
    return _sha256(path)


def _known_sha256(path: Path) -> str:
    """Looked at once a process; again where its size, or when it was changed, says that it is another file."""
    stat = path.stat()
    return _sha256_of(path, stat.st_size, stat.st_mtime_ns)


def checked(weights: Weights) -> str:
    """The source of weights. Raises AblateError where it is a file that is not the one that the study was read with."""
    if weights.source not in ("imagenet", "random") and _known_sha256(Path(weights.source)) != weights.digest:
        raise AblateError(f"{weights.source}: changed since the study read it, or another file on this machine")
    return weights.source


def digest_of(model: Any) -> str:
    """One name for a Keras model's weights."""
    found = hashlib.sha256()
    for array in model.get_weights():
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def batch(size: int) -> int:
    """How many images of (size, size, 3) go through a backbone at a time."""
    return max(32, PIXELS // size**2)


def _sidecar(path: Path) -> Path:
    return path.with_suffix(".json")


def is_ready(workspace: Workspace, features: Features) -> bool:
    return _sidecar(workspace.features(features.key)).is_file()


def shape(workspace: Workspace, features: Features) -> tuple[int, ...]:
    """Of all images' features: (N, height, width, channels)."""
    sidecar = _sidecar(workspace.features(features.key))
    found = read_json(sidecar)
    assert found is not None
    with understood(sidecar):
        return tuple(found["shape"])  # type: ignore[arg-type]


def extract(workspace: Workspace, features: Features, report: Callable[[dict[str, Any]], None]) -> None:
    """Run the backbone, or its part before block 5, over the stored pixels, in index order, into a float32 .npy file
    with a checksum beside it."""
    front = import_module(FRONT)
    model, preprocess = front.backbone(features.backbone, checked(features.weights), features.image_size)
    model = front.lower(features.backbone, model) if features.cut else model
    pixels = np.load(
        workspace.images(features.images).pixels(features.image_size, features.alignment),
        mmap_mode="r",
        allow_pickle=False,
    )
    path = workspace.features(features.key)
    full = (len(pixels), *model.output_shape[1:])
    many = batch(features.image_size)
    with atomic(path) as temporary:
        out = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=full)
        disk.reserve(temporary)
        for start in range(0, len(pixels), many):
            some = preprocess(np.asarray(pixels[start : start + many], np.float32))
            out[start : start + many] = model.predict_on_batch(some)
            report({"done": min(start + many, len(pixels)), "of": len(pixels)})
        out.flush()
    write_json(_sidecar(path), {"sha256": _sha256(path), "shape": full, **features.model_dump(mode="json")})


def load(workspace: Workspace, features: Features) -> np.ndarray:
    """The features of all images, memory-mapped. Raises AblateError where the file is not what was written."""
    path = workspace.features(features.key)
    found = read_json(_sidecar(path))
    if not (found and path.is_file() and _known_sha256(path) == found.get("sha256")):
        _sidecar(path).unlink(missing_ok=True)  # so that the next run computes them again
        raise AblateError(f"{path}: damaged; run again to compute it anew")
    array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return array
