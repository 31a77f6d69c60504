"""Description of a set of images: classes, splits, copies and leaks, for `ablate data`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ablation.errors import AblateError
from ablation.experiments.keras_head.datasets import decoding, images, leaks, names
from ablation.progress.listener import ProgressListener


def describe(data: str, classes: Sequence[str] | None, sheet: Path | None, watch: ProgressListener) -> list[str]:
    """Return lines on a set of images. Images that cannot be decoded are counted.

    Args:
        data: Path of the images, or demo.
        classes: Classes to use, in this order; None for all.
        sheet: File for a picture of some images of each class, or None.
        watch: Listener for progress.

    Raises:
        AblateError: The data cannot be read, or `sheet` is not the name of an image.
    """
    if sheet and sheet.suffix.lower() not in images.SUFFIXES:
        raise AblateError(
            f"--sheet {sheet}: not the name of an image file; allowed endings: {', '.join(sorted(images.SUFFIXES))}"
        )
    image_set = images.choose_classes(images.load(data), classes)
    images.check(image_set, data)
    decoded = images.decode(
        image_set, [images.SMALL], True, lambda done, total: watch.step("reading images", done, total)
    )
    bad = ", ".join(map(names.shown, decoded.bad[:5]))
    lines = [
        images.summary(image_set),
        *leaks.summary(leaks.find(decoded.index, leaks.given(decoded.index), decoded.pixels[images.SMALL])),
        f"cannot be decoded: {len(decoded.bad):,}" + (f" ({bad})" if bad else ""),
    ]
    if sheet:
        decoding.sheet(image_set.take(np.flatnonzero(~np.isin(image_set.names, decoded.bad)))).save(sheet)
        lines.append(f"sheet: {sheet}")
    return lines
