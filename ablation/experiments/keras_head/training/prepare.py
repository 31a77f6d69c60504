"""Preparation of a study of the Keras experiment: its images, splits and weights are read and checked."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ablation.errors import AblateError
from ablation.experiments import is_demo
from ablation.experiments.keras_head.datasets import images, splits, stored_splits
from ablation.experiments.keras_head.datasets.images import Decoded
from ablation.experiments.keras_head.inputs import ImageInputs, Weights
from ablation.experiments.keras_head.training import devices, features
from ablation.experiments.protocol import Prepared, Request
from ablation.progress.listener import ProgressListener
from ablation.store.files import atomic, read_json, write_json, write_text
from ablation.store.workspace import ImagesFolder, Workspace
from ablation.study.table_keys import GROUPS


def prepare(request: Request, watch: ProgressListener) -> Prepared:
    """Read and check the images of a study, their splits, and the weights of its backbones."""
    decoded = _read_images(request, watch)
    if request.grid.table.units == GROUPS and not all(decoded.index.subjects):
        raise AblateError(
            f"study {request.grid.stem!r}: table.units: groups, but {request.data} does not name the subject of every "
            'image; use units = "examples"'
        )
    rows = {level: splits.make(decoded.index, level, request.grid.split_seed) for level in request.levels("split")}
    inputs = _inputs(decoded, rows, _weights(request, watch))
    folder = request.workspace.images(inputs.images)
    return Prepared(
        inputs=inputs,
        data=request.data if is_demo(request.data) else str(Path(request.data).absolute()),
        notes=tuple(_notes(decoded, inputs)),
        store=lambda: _store(request.workspace, decoded, rows, inputs),
        disk={"pixels": sum(x.nbytes for path, x in pixel_files(folder, decoded).items() if not path.is_file())},
    )


def _read_images(request: Request, watch: ProgressListener) -> Decoded:
    options = request.options
    data = images.choose_classes(images.load(request.data), options.get("classes"))
    images.check(data, request.data)
    data = images.limit(data, options.get("limit"))
    images.check(data, request.data)
    return images.decode(
        data,
        request.levels("image_size"),
        options.get("skip_bad", False),
        lambda done, total: watch.step("reading images", done, total),
        sorted({row.image_size for row in request.grid.rows if row.align != "none"}),
    )


def _weights(request: Request, watch: ProgressListener) -> dict[str, Weights]:
    """Return the weights of every pair of backbone and level. ImageNet weights stay those of the study's first run."""
    weights = {}
    earlier = request.earlier.weights if isinstance(request.earlier, ImageInputs) else {}
    for backbone, level in sorted({(row.backbone, row.weights) for row in request.grid.rows}):
        name = f"{backbone}/{level}"
        earlier_weights = earlier.get(name) if level == "imagenet" else None
        weights[name] = earlier_weights or features.locate(backbone, level) or _imagenet(request, backbone, watch)
    return weights


def _imagenet(request: Request, backbone: str, watch: ProgressListener) -> Weights:
    digest = (read_json(request.workspace.known_weights) or {}).get(backbone)
    if digest is None:
        watch.say(f"downloading ImageNet weights of {backbone} ...")
        child = subprocess.run(
            [sys.executable, "-m", "ablation.experiments.keras_head.training.worker", backbone],
            env=os.environ | devices.of_child(),
            capture_output=True,
            text=True,
        )
        digest = child.stdout.strip().splitlines()[-1] if child.returncode == 0 else None
        if digest is None and not is_demo(request.data):
            reason = (child.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise AblateError(
                f"ImageNet weights of {backbone} are not available ({reason[:200]}); connect to the internet once, "
                "or pass --set weights=PATH (a .weights.h5 file), or --set weights=random"
            )
    if digest is None:
        return Weights(level="imagenet", source="random", digest=features.RANDOM_RECIPE)
    return Weights(level="imagenet", source="imagenet", digest=str(digest))


def _inputs(decoded: Decoded, rows: dict[str, stored_splits.Split], weights: dict[str, Weights]) -> ImageInputs:
    index = decoded.index

    def counts(split: stored_splits.Split) -> dict[str, tuple[int, ...]]:
        n_classes = len(index.classes)
        return {part: tuple(np.bincount(index.labels[r], minlength=n_classes).tolist()) for part, r in split.items()}

    return ImageInputs(
        images=index.digest,
        classes=index.classes,
        counts={level: counts(split) for level, split in rows.items()},
        splits={level: stored_splits.digest(split) for level, split in rows.items()},
        weights=weights,
        backend=devices.backend(),
        alignment=decoded.aligned.digest if decoded.aligned else "",
        left_out=tuple(decoded.bad),
    )


def _notes(decoded: Decoded, inputs: ImageInputs) -> Iterator[str]:
    for name, weights in inputs.weights.items():
        if weights.level == "imagenet" != weights.source:
            backbone = name.partition("/")[0]
            yield f"ImageNet weights of {backbone} are not available: seeded random weights replace them."
    yield from decoded.notes
    if decoded.bad:
        yield f"Images left out because they could not be decoded: {len(decoded.bad)}."
    if decoded.aligned and decoded.aligned.unknown:
        yield (
            f"Faces that could not be aligned because their eyes were not found: {decoded.aligned.unknown:,} of "
            f"{len(decoded.index):,}; they stay as they are."
        )


def pixel_files(folder: ImagesFolder, decoded: Decoded) -> dict[Path, np.ndarray]:
    """Return the file of each array of pixels: path -> array."""
    files = {folder.pixels(size): array for size, array in decoded.pixels.items()}
    if decoded.aligned:
        files |= {folder.pixels(size, decoded.aligned.digest): array for size, array in decoded.aligned.pixels.items()}
    return files


def _holds(path: Path, array: np.ndarray) -> bool:
    """Return whether a file holds this array."""
    try:
        return np.array_equal(np.load(path, mmap_mode="r", allow_pickle=False), array)
    except (OSError, ValueError, EOFError):
        return False


def store_images(workspace: Workspace, decoded: Decoded) -> None:
    """Write the decoded images and their index to the folder named by the index' digest. Existing files of these
    pixels are kept."""
    folder = workspace.images(decoded.index.digest)
    for path, array in pixel_files(folder, decoded).items():
        if not _holds(path, array):
            with atomic(path, array.nbytes) as temporary, open(temporary, "wb") as file:
                np.save(file, array)
    write_text(folder.index, decoded.index.to_json())


def _store(workspace: Workspace, decoded: Decoded, rows: dict[str, stored_splits.Split], inputs: ImageInputs) -> None:
    """Write what workers and later commands read: pixels, index, splits, digests of fetched ImageNet weights."""
    store_images(workspace, decoded)
    for split in rows.values():
        stored_splits.write(workspace.images(inputs.images), split)
    fetched = {n.partition("/")[0]: w.digest for n, w in inputs.weights.items() if w.source == "imagenet"}
    if fetched:
        write_json(workspace.known_weights, (read_json(workspace.known_weights) or {}) | fetched)
