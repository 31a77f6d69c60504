"""What a study of the Keras experiment rests on: its images, splits and weights, read and checked."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ablation.datasets import images, is_demo, splits
from ablation.datasets.images import Decoded
from ablation.errors import AblateError
from ablation.experiments.protocol import Prepared, Request
from ablation.training import devices, features
from ablation.training.inputs import ImageInputs, Weights
from ablation.watching.watch import Watch
from ablation.workspace import ImagesFolder, Workspace, atomic, read_json, write_json, write_text


def prepare(request: Request, watch: Watch) -> Prepared:
    """Read and check the images of a study, their splits, and the weights of its backbones."""
    found = _read_images(request, watch)
    rows = {level: splits.make(found.index, level, request.grid.split_seed) for level in request.levels("split")}
    inputs = _inputs(found, rows, _weights(request, watch))
    folder = request.workspace.images(inputs.images)
    return Prepared(
        inputs=inputs,
        data=request.data if is_demo(request.data) else str(Path(request.data).absolute()),
        notes=tuple(_notes(found, inputs)),
        store=lambda: _store(request.workspace, found, rows, inputs),
        disk={"pixels": sum(x.nbytes for path, x in pixel_files(folder, found).items() if not path.is_file())},
    )


def _read_images(request: Request, watch: Watch) -> Decoded:
    options = request.options
    found = images.choose_classes(images.load(request.data), options.get("classes"))
    images.check(found, request.data)
    found = images.limit(found, options.get("limit"))
    images.check(found, request.data)
    return images.decode(
        found,
        request.levels("image_size"),
        options.get("skip_bad", False),
        lambda done, total: watch.step("reading images", done, total),
        sorted({row.image_size for row in request.grid.rows if row.align != "none"}),
    )


def _weights(request: Request, watch: Watch) -> dict[str, Weights]:
    """The weights of every pair of backbone and level; ImageNet's as they were when the study began."""
    found = {}
    earlier = request.earlier.weights if isinstance(request.earlier, ImageInputs) else {}
    for backbone, level in sorted({(row.backbone, row.weights) for row in request.grid.rows}):
        name = f"{backbone}/{level}"
        known = earlier.get(name) if level == "imagenet" else None
        found[name] = known or features.locate(backbone, level) or _imagenet(request, backbone, watch)
    return found


def _imagenet(request: Request, backbone: str, watch: Watch) -> Weights:
    digest = (read_json(request.workspace.known_weights) or {}).get(backbone)
    if digest is None:
        watch.say(f"fetching ImageNet weights of {backbone} through Keras ...")
        child = subprocess.run(
            [sys.executable, "-m", "ablation.training.worker", backbone],
            env=os.environ | devices.of_child(),
            capture_output=True,
            text=True,
        )
        digest = child.stdout.strip().splitlines()[-1] if child.returncode == 0 else None
        if digest is None and not is_demo(request.data):
            reason = (child.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise AblateError(
                f"ImageNet weights of {backbone} cannot be had ({reason[:200]}); connect to the internet once, "
                "or pass --set weights=PATH (a .weights.h5 file), or --set weights=random"
            )
    if digest is None:
        return Weights(level="imagenet", source="random", digest=features.RANDOM_RECIPE)
    return Weights(level="imagenet", source="imagenet", digest=str(digest))


def _inputs(found: Decoded, rows: dict[str, splits.Split], weights: dict[str, Weights]) -> ImageInputs:
    index = found.index

    def counts(split: splits.Split) -> dict[str, tuple[int, ...]]:
        many = len(index.classes)
        return {part: tuple(np.bincount(index.labels[r], minlength=many).tolist()) for part, r in split.items()}

    return ImageInputs(
        images=index.digest,
        classes=index.classes,
        counts={level: counts(split) for level, split in rows.items()},
        splits={level: splits.digest(split) for level, split in rows.items()},
        weights=weights,
        backend=devices.backend(),
        alignment=found.aligned.digest if found.aligned else "",
        left_out=tuple(found.bad),
    )


def _notes(found: Decoded, inputs: ImageInputs) -> Iterator[str]:
    for name, weights in inputs.weights.items():
        if weights.level == "imagenet" != weights.source:
            backbone = name.partition("/")[0]
            yield f"ImageNet weights of {backbone} could not be had: seeded random weights stand in for them."
    yield from found.notes
    if found.bad:
        yield f"Images left out because they could not be decoded: {len(found.bad)}."
    if found.aligned and found.aligned.unknown:
        yield (
            f"Faces that could not be aligned because their eyes were not found: {found.aligned.unknown:,} of "
            f"{len(found.index):,}; they stay as they are."
        )


def pixel_files(folder: ImagesFolder, found: Decoded) -> dict[Path, np.ndarray]:
    """Where each array of pixels belongs."""
    files = {folder.pixels(size): array for size, array in found.pixels.items()}
    if found.aligned:
        files |= {folder.pixels(size, found.aligned.digest): array for size, array in found.aligned.pixels.items()}
    return files


def store_images(workspace: Workspace, found: Decoded) -> None:
    """Under the index' digest."""
    folder = workspace.images(found.index.digest)
    for path, array in pixel_files(folder, found).items():
        if not path.is_file():
            with atomic(path, array.nbytes) as temporary, open(temporary, "wb") as file:
                np.save(file, array)
    write_text(folder.index, found.index.to_json())


def _store(workspace: Workspace, found: Decoded, rows: dict[str, splits.Split], inputs: ImageInputs) -> None:
    """Write what workers and later commands read: pixels, index, splits."""
    store_images(workspace, found)
    for split in rows.values():
        splits.write(workspace.images(inputs.images), split)
    fetched = {n.partition("/")[0]: w.digest for n, w in inputs.weights.items() if w.source == "imagenet"}
    if fetched:
        write_json(workspace.known_weights, (read_json(workspace.known_weights) or {}) | fetched)
