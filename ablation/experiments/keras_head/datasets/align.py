"""Alignment of faces: eyes level and at fixed places, from the data's landmarks or from OpenCV's eye detector."""

import hashlib
import threading
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from typing import Any

import numpy as np
from PIL import Image

from ablation.errors import AblateError

RECIPE = "eyes-1"  # increase the number when the alignment changes
PLACES = np.array([[0.31, 0.4], [0.69, 0.4]])  # of the eyes, as fractions of the sides, as in cropped faces
UNKNOWN = np.full((2, 2), np.nan)

SIDE = 192  # pixels to which a smaller picture is enlarged: the detector needs eyes of at least 20 pixels
STEP, AGREEING = 1.1, 3  # the detector's scale step, and the number of overlapping hits for an eye
UPPER = 0.62  # upper share of the picture in which eyes are searched
APART, SLOPE = (0.22, 0.58), 0.18  # shares of a side: range of the distance of two eyes, largest difference in height
_own = threading.local()  # one cascade for each thread: only its own thread may use a cascade


def need_detector(data: str) -> None:
    """Raise AblateError where OpenCV is missing."""
    if find_spec("cv2") is None:
        raise AblateError(
            f"align: {data} contains no eye positions, and no eye detector is installed; "
            "pip install 'ablate-table[align]', or set align = \"none\""
        )


def _cascade() -> tuple[Any, Any]:
    if not hasattr(_own, "found"):
        cv2 = import_module("cv2")
        _own.found = cv2, cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_eye.xml")
    return _own.found  # type: ignore[no-any-return]


def find(image: Image.Image) -> np.ndarray:
    """Return x and y of the left and the right eye as shown, in pixels: (2, 2), all NaN where no two eyes are found."""
    cv2, cascade = _cascade()
    scale = max(1.0, SIDE / max(image.size))
    grey = np.asarray(image.convert("L").resize([round(scale * side) for side in image.size], Image.Resampling.BICUBIC))
    height, width = grey.shape
    least, most = round(0.12 * width), round(0.4 * width)
    upper = cv2.equalizeHist(grey)[: round(UPPER * height)]
    boxes = cascade.detectMultiScale(upper, STEP, AGREEING, minSize=(least, least), maxSize=(most, most))
    eyes = [np.array([x + w / 2, y + h / 2]) / (width, height) for x, y, w, h in boxes]
    pairs = [np.array(pair) for pair in product(eyes, repeat=2) if _is_pair(pair[1] - pair[0])]
    if not pairs:
        return UNKNOWN
    return min(pairs, key=lambda pair: float(np.abs(pair - PLACES).sum())) * image.size


def _is_pair(offset: np.ndarray) -> bool:
    return bool(APART[0] <= offset[0] <= APART[1] and abs(offset[1]) <= SLOPE)


def level(image: Image.Image, eyes: np.ndarray) -> Image.Image:
    """Return a square picture, rotated, scaled and moved so that the eyes are at PLACES.

    Pixels outside of the old picture get its mean colour. A picture with unknown eyes is returned unchanged.
    """
    if np.isnan(eyes).any() or np.array_equal(eyes[0], eyes[1]):
        return image
    side = max(image.size)
    # a similarity is a linear function of complex numbers; Pillow maps places in the new picture to the old one
    (a, b), (p, q) = ((complex(*point) for point in points) for points in (eyes, PLACES * side))
    turn = (b - a) / (q - p)
    move = a - turn * p
    lines = (turn.real, -turn.imag, move.real, turn.imag, turn.real, move.imag)
    mean = tuple(np.asarray(image).reshape(-1, 3).mean(axis=0).round().astype(int).tolist())
    return image.transform(
        (side, side), Image.Transform.AFFINE, lines, resample=Image.Resampling.BILINEAR, fillcolor=mean
    )


def digest(eyes: np.ndarray) -> str:
    """Return a digest of the alignment of an image set. `eyes`: (N, 2, 2), in index order."""
    return hashlib.sha256(RECIPE.encode() + np.round(eyes, 3).astype("<f8").tobytes()).hexdigest()[:12]
