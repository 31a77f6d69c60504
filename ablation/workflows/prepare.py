"""What `ablate run` was asked for, checked, and turned into a study's record: its images, splits and weights."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ablation.datasets import images, is_demo, splits
from ablation.datasets.images import Decoded
from ablation.errors import AblateError
from ablation.grids import record as records
from ablation.grids.grid import Trial
from ablation.grids.record import Record, Weights
from ablation.training import features
from ablation.watching.watch import Watch
from ablation.workers import slots
from ablation.workflows.options import Options, check
from ablation.workspace import ImagesFolder, Workspace, atomic, read_json, write_json, write_text


@dataclass(frozen=True)
class Prepared:
    """A study that can be run: its record, and what is stored before."""

    record: Record
    images: Decoded
    rows: dict[str, splits.Split]


def prepare(options: Options, watch: Watch) -> Prepared:
    """Read and check everything that a run rests on. Writes nothing. Raises AblateError where the input is wrong."""
    check(options)
    workspace = Workspace(options.workspace)
    found = _read_images(options, watch)
    rows = {level: splits.make(found.index, level, options.grid.split_seed) for level in options.levels("split")}
    old = records.read(workspace.study(options.name))
    record = _record(options, found, rows, _weights(options, workspace, old, watch))
    _refuse_doubles(record)
    if old:
        records.refuse_other(old, record)
    return Prepared(record, found, rows)


def _read_images(options: Options, watch: Watch) -> Decoded:
    found = images.choose_classes(images.load(options.data), options.classes)
    images.check(found, options.data)
    found = images.limit(found, options.limit)
    images.check(found, options.data)
    return images.decode(
        found,
        options.levels("image_size"),
        options.skip_bad,
        lambda done, total: watch.step("reading images", done, total),
        sorted({row.image_size for row in options.grid.rows if row.align != "none"}),
    )


def _weights(options: Options, workspace: Workspace, old: Record | None, watch: Watch) -> dict[str, Weights]:
    """The weights of every pair of backbone and level; ImageNet's as they were when the study began."""
    found = {}
    for backbone, level in sorted({(row.backbone, row.weights) for row in options.grid.rows}):
        name = f"{backbone}/{level}"
        known = old.weights.get(name) if old and level == "imagenet" else None
        found[name] = known or features.locate(backbone, level) or _imagenet(options, workspace, backbone, watch)
    return found


def _imagenet(options: Options, workspace: Workspace, backbone: str, watch: Watch) -> Weights:
    digest = (read_json(workspace.known_weights) or {}).get(backbone)
    if digest is None:
        watch.say(f"fetching ImageNet weights of {backbone} through Keras ...")
        child = subprocess.run(
            [sys.executable, "-m", "ablation.training.worker", backbone],
            env=os.environ | slots.environment(slots.parse("auto")[0]),
            capture_output=True,
            text=True,
        )
        digest = child.stdout.strip().splitlines()[-1] if child.returncode == 0 else None
        if digest is None and not is_demo(options.data):
            reason = (child.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise AblateError(
                f"ImageNet weights of {backbone} cannot be had ({reason[:200]}); connect to the internet once, "
                "or pass --set weights=PATH (a .weights.h5 file), or --set weights=random"
            )
    if digest is None:
        return Weights(level="imagenet", source="random", digest=features.RANDOM_RECIPE)
    return Weights(level="imagenet", source="imagenet", digest=str(digest))


def _record(options: Options, found: Decoded, rows: dict[str, splits.Split], weights: dict[str, Weights]) -> Record:
    index = found.index

    def counts(split: splits.Split) -> dict[str, tuple[int, ...]]:
        many = len(index.classes)
        return {part: tuple(np.bincount(index.labels[r], minlength=many).tolist()) for part, r in split.items()}

    replaced = [name.partition("/")[0] for name, w in weights.items() if w.level == "imagenet" != w.source]
    notes = [f"ImageNet weights of {b} could not be had: seeded random weights stand in for them." for b in replaced]
    notes += found.notes
    if found.bad:
        notes.append(f"Images left out because they could not be decoded: {len(found.bad)}.")
    if found.aligned and found.aligned.unknown:
        notes.append(
            f"Faces that could not be aligned because their eyes were not found: {found.aligned.unknown:,} of "
            f"{len(index):,}; they stay as they are."
        )
    return Record(
        name=options.name,
        grid=options.grid.replicated(options.replicates or 0),
        data=options.data if is_demo(options.data) else str(Path(options.data).absolute()),
        images=index.digest,
        classes=index.classes,
        counts={level: counts(split) for level, split in rows.items()},
        splits={level: splits.digest(split) for level, split in rows.items()},
        weights=weights,
        backend=slots.backend(),
        alignment=found.aligned.digest if found.aligned else "",
        left_out=tuple(found.bad),
        keep=options.keep,
        notes=tuple(notes),
    )


def _refuse_doubles(record: Record) -> None:
    """Levels that differ in words can be the same thing: two paths of one file, `given` splits that were not given."""
    first: dict[str, Trial] = {}
    for trial in record.grid.trials():
        double = first.setdefault(record.trial_key(trial), trial)
        if double is not trial:
            raise AblateError(f"rows {double.row} and {trial.row} are the same trial on these data; remove one")


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


def store(workspace: Workspace, prepared: Prepared) -> None:
    """Write what workers and later commands read: pixels, index, splits, the record."""
    record = prepared.record
    store_images(workspace, prepared.images)
    for split in prepared.rows.values():
        splits.write(workspace.images(record.images), split)
    record.write(workspace.study(record.name))
    fetched = {n.partition("/")[0]: w.digest for n, w in record.weights.items() if w.source == "imagenet"}
    if fetched:
        write_json(workspace.known_weights, (read_json(workspace.known_weights) or {}) | fetched)
