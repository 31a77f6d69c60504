"""Images to arrays of one size: decode, grey to RGB, align, resize; on all cores. Pillow and joblib are loaded here."""

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

from ablation.datasets import align
from ablation.datasets.images import Aligned, Decoded, Images, Index
from ablation.errors import AblateError
from ablation.workers.interrupts import shielded

CHUNK = 256  # images a job: long enough that dispatching costs nothing, short enough for a lively progress bar
MANY = 5000  # images that are worth the start of processes


_Wanted = Collection[tuple[int, bool]]  # sizes, and whether the faces are aligned
_Part = tuple[list[str], np.ndarray, dict[tuple[int, bool], np.ndarray]]


def rgb(source: Path | np.ndarray | bytes) -> Image.Image:
    """The image as 8-bit RGB, upright. Raises OSError or ValueError where it cannot be decoded."""
    if isinstance(source, np.ndarray):
        return Image.fromarray(source).convert("RGB")
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
        if image.mode.startswith(("I", "F")):  # Pillow would cut these at 255, and a 16-bit photograph is then white
            raise ValueError(f"{image.mode}: more than 8 bits a pixel and channel")
        ImageOps.exif_transpose(image, in_place=True)
        return image.convert("RGB")


def _decode(sources: Sequence[Path | np.ndarray], eyes: np.ndarray | None, wanted: _Wanted) -> _Part:
    """Ids ("" of bad images), eyes (n, 2, 2) and arrays. `eyes`: where the data have them; None looks for them."""
    ids, arrays = [], {look: np.zeros((len(sources), look[0], look[0], 3), np.uint8) for look in wanted}
    found = np.tile(align.UNKNOWN, (len(sources), 1, 1)) if eyes is None else eyes
    to_align = any(aligned for _, aligned in wanted)
    for i, source in enumerate(sources):
        try:
            image = rgb(source)
        except Exception:  # Pillow raises nearly everything on a broken file: OSError, SyntaxError, struct.error
            ids.append("")
            continue
        ids.append(hashlib.sha256(image.tobytes()).hexdigest())
        if to_align and eyes is None:
            found[i] = align.find(image)
        looks = {False: image} | ({True: align.level(image, found[i])} if to_align else {})
        for size, aligned in wanted:
            small = looks[aligned].resize((size, size), Image.Resampling.BILINEAR)
            arrays[size, aligned][i] = np.asarray(small)
    return ids, found, arrays


def _can_start_processes() -> bool:
    """Return whether the system gives semaphores: without a /dev/shm that can be written, it does not."""
    try:
        multiprocessing.Lock()
    except (ImportError, OSError):
        return False
    return True


def _in_parallel(jobs: Iterable[Any], n: int) -> Iterator[_Part]:
    """The parts of n images, in order. Threads wait for each other with small images, whose decoding is short steps
    under Python's lock; processes need semaphores, which some containers lack."""
    if n < MANY or not _can_start_processes():
        yield from Parallel(n_jobs=-1, prefer="threads", return_as="generator")(jobs)
        return
    try:
        with shielded():  # Ctrl-C is this process' alone; if it is killed, the others go when they have waited for 30 s
            parts = Parallel(n_jobs=-1, max_nbytes=None, idle_worker_timeout=30, return_as="generator")(jobs)
        yield from parts
    finally:
        get_reusable_executor().shutdown(wait=False)  # else its processes would stay until then


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
        named = ", ".join(bad[:5]) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
        raise AblateError(
            f"{len(bad)} of {len(ids)} images cannot be decoded: {named}; mend or remove them, or pass --skip-bad"
        )
    keys = np.array(ids, str)
    order = np.lexsort((images.subjects, keys, images.labels, images.splits))
    order = order[keys[order] != ""]
    columns = (images.labels[order], images.classes, images.splits[order], images.subjects[order])
    index = Index(keys[order], *columns, names=tuple(images.names[i] for i in order))
    found = {look: np.concatenate(parts[look])[order] for look in wanted}
    plain, level = ({size: x for (size, a), x in found.items() if a is which} for which in (False, True))
    made = _aligned(level, np.concatenate(eyes)[order]) if aligned else None
    return Decoded(index, plain, bad, made, images.notes)


def sheet(images: Images, columns: int = 12, side: int = 64, seed: int = 0) -> Image.Image:
    """A row a class, each with some of its images, chosen by `seed`."""
    canvas = Image.new("RGB", (columns * side, len(images.classes) * side))
    rng = np.random.default_rng(seed)
    for k in range(len(images.classes)):
        for i, row in enumerate(rng.permutation(np.flatnonzero(images.labels == k))[:columns]):
            canvas.paste(rgb(images.sources[row]).resize((side, side)), (i * side, k * side))
    return canvas
