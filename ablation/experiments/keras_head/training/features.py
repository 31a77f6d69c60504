"""Features: the outputs of a frozen backbone, computed once and memory-mapped by all trainings."""

import functools
import hashlib
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ablation.errors import AblateError
from ablation.experiments.keras_head.backbones import FRONT
from ablation.experiments.keras_head.inputs import Weights
from ablation.experiments.keras_head.training.jobs import Features
from ablation.nearest import nearest
from ablation.store import disk
from ablation.store.files import atomic, read_json, sha256_of, understood, write_json
from ablation.store.record import Record
from ablation.store.training import trainings
from ablation.store.workspace import Workspace

PIXELS = 256 * 32 * 32  # in a batch, about: enough for fast products, few enough for the activations' memory
RANDOM_RECIPE = "random-noise-1"  # digest of seeded random weights: count up when the generated weights change


def locate(backbone: str, level: str) -> Weights | None:
    """Return the weights that a level names, with their digest; None for ImageNet weights, which only Keras can fetch.

    Raises:
        AblateError: The file of the weights is missing, or is no HDF5 file.
    """
    if level == "imagenet":
        return None
    if level == "random":
        return Weights(level=level, source="random", digest=RANDOM_RECIPE)
    path = Path(level)
    file = path / f"{backbone}_notop.weights.h5" if os.path.isdir(path) else path
    if not os.path.isfile(file):  # unlike Path.is_file, no error for an impossible file name
        raise AblateError(
            f"weights {level}: no such file; allowed: 'imagenet', 'random', a .h5 file, or a "
            f"folder that holds {backbone}_notop.weights.h5{nearest(path.name, ('imagenet', 'random'))}"
        )
    import_module("ablation.experiments.keras_head.training.weights_file").check(file)
    return Weights(level=level, source=str(file), digest=_known_sha256(file))


@functools.lru_cache(maxsize=64)
def _sha256_of(path: Path, *state: int) -> str:
    return sha256_of(path)


def _known_sha256(path: Path) -> str:
    """Return the SHA-256 digest of a file. The digest is cached until the file is another one, or was changed.

    A program can set the time of modification, but not that of the last change of status.
    """
    stat = path.stat()
    return _sha256_of(path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


def checked(weights: Weights) -> str:
    """Return the source of weights. Raises AblateError where their file has changed since the study read it."""
    if weights.source not in ("imagenet", "random") and _known_sha256(Path(weights.source)) != weights.digest:
        raise AblateError(f"{weights.source}: not the file that the study read; restore it, or choose another --name")
    return weights.source


def digest_of(model: Any) -> str:
    """Return the SHA-256 digest of a Keras model's weights."""
    sha256 = hashlib.sha256()
    for array in model.get_weights():
        sha256.update(np.ascontiguousarray(array).tobytes())
    return sha256.hexdigest()


def batch(size: int) -> int:
    """Return the number of (size, size, 3) images in one batch of a backbone."""
    return max(32, PIXELS // size**2)


def _sidecar(path: Path) -> Path:
    return path.with_suffix(".json")


def is_ready(workspace: Workspace, features: Features) -> bool:
    """Return whether the features are stored, and have not changed since. Raises BrokenFile for a broken sidecar."""
    path = workspace.features(features.key)
    content = read_json(_sidecar(path)) or {}
    is_of_these = features.model_dump(mode="json").items() <= content.items()
    return is_of_these and path.is_file() and _known_sha256(path) == content["sha256"]


def shape(workspace: Workspace, features: Features) -> tuple[int, ...]:
    """Return the shape of stored features of all N images: (N, height, width, channels)."""
    sidecar = _sidecar(workspace.features(features.key))
    content = read_json(sidecar)
    assert content is not None
    with understood(sidecar):
        return tuple(content["shape"])  # type: ignore[arg-type]


def extract(workspace: Workspace, features: Features, report: Callable[[dict[str, Any]], None]) -> None:
    """Compute and store the features of all images, as a float32 .npy file and a JSON file with its SHA-256 digest.

    The backbone, or its part before block 5, reads the stored pixels in index order.

    Args:
        workspace: Workspace that has the pixels and stores the features.
        features: Features to compute.
        report: Called after each batch with {"done": n, "of": N}, in images.

    Raises:
        AblateError: The file of the backbone's weights has changed since the study read it.
    """
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
    batch_size = batch(features.image_size)
    with atomic(path) as temporary:
        out = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=full)
        disk.reserve(temporary)
        for start in range(0, len(pixels), batch_size):
            images = preprocess(np.asarray(pixels[start : start + batch_size], np.float32))
            out[start : start + batch_size] = model.predict_on_batch(images)
            report({"done": min(start + batch_size, len(pixels)), "of": len(pixels)})
        out.flush()
    write_json(_sidecar(path), {"sha256": sha256_of(path), "shape": full, **features.model_dump(mode="json")})


def load(workspace: Workspace, features: Features) -> np.ndarray:
    """Return the features of all N images, memory-mapped: (N, height, width, channels) float32.

    Raises:
        AblateError: The file is missing or damaged. The next run computes the features again.
    """
    path = workspace.features(features.key)
    content = read_json(_sidecar(path))
    if not (content and path.is_file() and _known_sha256(path) == content.get("sha256")):
        _sidecar(path).unlink(missing_ok=True)  # so that the next run computes the features again
        raise AblateError(f"{path}: damaged; run again to recompute it")
    array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def pretrained(workspace: Workspace, record: Record) -> Callable[[], np.ndarray | None]:
    """Return a function that reads the stored features of a study's images, from a backbone with pretrained weights.

    The function returns None where no such features are stored.
    """

    def read() -> np.ndarray | None:
        for training in trainings(record, record.grid.trials()):
            wanted = training.artifacts().get("test")
            if wanted and wanted.weights.source != "random" and not wanted.cut and is_ready(workspace, wanted):
                return load(workspace, wanted)
        return None

    return read
