"""Decoding of images to arrays of one size: decode, grey to RGB, align, resize, on all cores. Loads Pillow, joblib."""

import hashlib
import io
import multiprocessing
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from PIL import Image, ImageOps

from ablation.errors import AblateError
from ablation.experiments.keras_head.datasets import align
from ablation.experiments.keras_head.datasets.images import Aligned, Decoded, Images, Index
from ablation.signals import signals_blocked

CHUNK = 256  # images a job: large enough to make dispatching cheap, small enough for a smooth progress bar
MANY = 5000  # number of images from which starting processes pays off


_Wanted = Collection[tuple[int, bool]]  # sizes, and whether the faces are aligned
_Part = tuple[list[str], np.ndarray, dict[tuple[int, bool], np.ndarray]]


def rgb(source: Path | np.ndarray | bytes) -> Image.Image:
    """Return the image as upright 8-bit RGB. Raises OSError or ValueError where the image cannot be decoded."""
    if isinstance(source, np.ndarray):
        return Image.fromarray(source).convert("RGB")
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
        if image.mode.startswith(("I", "F")):  # Pillow would clip these at 255, which makes a 16-bit photograph white
            raise ValueError(f"{image.mode}: more than 8 bits per channel")
        ImageOps.exif_transpose(image, in_place=True)
        return image.convert("RGB")


def _decode(sources: Sequence[Path | np.ndarray], eyes: np.ndarray | None, wanted: _Wanted) -> _Part:
    """Return ids ("" for bad images), eyes (n, 2, 2) and arrays. `eyes`: from the data; None runs the detector."""
    ids, arrays = [], {look: np.zeros((len(sources), look[0], look[0], 3), np.uint8) for look in wanted}
    eye_positions = np.tile(align.UNKNOWN, (len(sources), 1, 1)) if eyes is None else eyes
    to_align = any(aligned for _, aligned in wanted)
    for i, source in enumerate(sources):
        try:
            image = rgb(source)
        except Exception:  # Pillow raises nearly everything on a broken file: OSError, SyntaxError, struct.error
            ids.append("")
            continue
        ids.append(hashlib.sha256(image.tobytes()).hexdigest())
        if to_align and eyes is None:
            eye_positions[i] = align.find(image)
        looks = {False: image} | ({True: align.level(image, eye_positions[i])} if to_align else {})
        for size, aligned in wanted:
            resized = looks[aligned].resize((size, size), Image.Resampling.BILINEAR)
            arrays[size, aligned][i] = np.asarray(resized)
    return ids, eye_positions, arrays


def _can_start_processes() -> bool:
    """Return whether semaphores are available. Without a writable /dev/shm they are not."""
    try:
        multiprocessing.Lock()
    except (ImportError, OSError):
        return False
    return True


def _in_parallel(jobs: Iterable[Any], n: int) -> Iterator[_Part]:
    """Yield the parts of n images, in order.

    Processes are used for many images: with small images, threads wait for each other, because decoding is short steps
    under Python's lock. Processes need semaphores, which some containers do not have.
    """
    if n < MANY or not _can_start_processes():
        yield from Parallel(n_jobs=-1, prefer="threads", return_as="generator")(jobs)
        return
    try:
        with (
            signals_blocked()
        ):  # only this process handles Ctrl-C; if it is killed, the others end after 30 s without work
            parts = Parallel(n_jobs=-1, max_nbytes=None, idle_worker_timeout=30, return_as="generator")(jobs)
        yield from parts
    finally:
        get_reusable_executor().shutdown(wait=False)  # otherwise its processes would stay until then


def _aligned(pixels: dict[int, np.ndarray], eyes: np.ndarray) -> Aligned:
    return Aligned(pixels, align.digest(eyes), int(np.isnan(eyes).any(axis=(1, 2)).sum()))


def decode(
    images: Images, sizes: Collection[int], skip_bad: bool, report: Callable[[int, int], None], aligned: Collection[int]
) -> Decoded:
    """Return all images as arrays; see `images.decode`."""
    if aligned and images.eyes is None:
        align.need_detector("the data set")
    wanted = [*((size, False) for size in sizes), *((size, True) for size in aligned)]
    ids: list[str] = []
    eyes: list[np.ndarray] = []
    parts: dict[tuple[int, bool], list[np.ndarray]] = {look: [] for look in wanted}
    chunks = [slice(i, i + CHUNK) for i in range(0, len(images), CHUNK)]
    jobs = (
        delayed(_decode)(images.sources[c], None if images.eyes is None else images.eyes[c], wanted) for c in chunks
    )
    for keys_of_part, eyes_of_part, arrays in _in_parallel(jobs, len(images)):
        ids += keys_of_part
        eyes.append(eyes_of_part)
        for look in wanted:
            parts[look].append(arrays[look])
        report(len(ids), len(images))
    bad = [name for name, key in zip(images.names, ids, strict=True) if not key]
    if bad and not skip_bad:
        listing = ", ".join(bad[:5]) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
        raise AblateError(
            f"{len(bad)} of {len(ids)} images cannot be decoded: {listing}; fix or delete them, or pass --skip-bad"
        )
    keys = np.array(ids, str)
    order = np.lexsort((images.subjects, keys, images.labels, images.splits))
    order = order[keys[order] != ""]
    columns = (images.labels[order], images.classes, images.splits[order], images.subjects[order])
    index = Index(keys[order], *columns, names=tuple(images.names[i] for i in order))
    pixels = {look: np.concatenate(parts[look])[order] for look in wanted}
    plain, level = ({size: x for (size, a), x in pixels.items() if a is is_aligned} for is_aligned in (False, True))
    aligned_faces = _aligned(level, np.concatenate(eyes)[order]) if aligned else None
    return Decoded(index, plain, bad, aligned_faces, images.notes)


def sheet(images: Images, columns: int = 12, side: int = 64, seed: int = 0) -> Image.Image:
    """Return a contact sheet: one row for each class, with images chosen at random.

    Args:
        images: the image set.
        columns: images in each row.
        side: side of each image, in pixels.
        seed: the seed of the choice.
    """
    canvas = Image.new("RGB", (columns * side, len(images.classes) * side))
    rng = np.random.default_rng(seed)
    for k in range(len(images.classes)):
        for i, row in enumerate(rng.permutation(np.flatnonzero(images.labels == k))[:columns]):
            canvas.paste(rgb(images.sources[row]).resize((side, side)), (i * side, k * side))
    return canvas
