"""Faces with their eyes level and at fixed places, by the data's landmarks or else by OpenCV's eye detector."""

import hashlib
import threading
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from typing import Any

import numpy as np
from PIL import Image

from ablation.errors import AblateError

RECIPE = "eyes-1"  # count up when faces are aligned in another way
PLACES = np.array([[0.31, 0.4], [0.69, 0.4]])  # of the eyes, as fractions of the sides: where cropped faces have them
UNKNOWN = np.full((2, 2), np.nan)

SIDE = 192  # pixels to which a smaller picture is enlarged: the detector's eyes are 20 pixels wide or wider
STEP, AGREEING = 1.1, 3  # the detector's scale step, and how many overlapping hits make an eye
UPPER = 0.62  # of the picture, in which eyes are looked for
APART, SLOPE = (0.22, 0.58), 0.18  # of a side: how far two eyes are apart, and the most by which one is higher
_own = threading.local()  # a cascade is no thread's but its maker's


def need_detector(data: str) -> None:
    """Raises AblateError where OpenCV is missing."""
    if find_spec("cv2") is None:
        raise AblateError(
            f"align: {data} does not say where the eyes are, and no detector is installed; "
            "pip install 'ablate-table[align]', or take align = \"none\""
        )


def _cascade() -> tuple[Any, Any]:
    if not hasattr(_own, "found"):
        cv2 = import_module("cv2")
        _own.found = cv2, cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_eye.xml")
    return _own.found  # type: ignore[no-any-return]


def find(image: Image.Image) -> np.ndarray:
    """(2, 2): x, y of the left and the right eye as the picture shows them, in pixels; NaN where two are not found."""
    cv2, cascade = _cascade()
    scale = max(1.0, SIDE / max(image.size))
    grey = np.asarray(image.convert("L").resize([round(scale * side) for side in image.size], Image.Resampling.BICUBIC))
    high, wide = grey.shape
    least, most = round(0.12 * wide), round(0.4 * wide)
    upper = cv2.equalizeHist(grey)[: round(UPPER * high)]
    boxes = cascade.detectMultiScale(upper, STEP, AGREEING, minSize=(least, least), maxSize=(most, most))
    eyes = [np.array([x + w / 2, y + h / 2]) / (wide, high) for x, y, w, h in boxes]
    pairs = [np.array(pair) for pair in product(eyes, repeat=2) if _is_pair(pair[1] - pair[0])]
    if not pairs:
        return UNKNOWN
    return min(pairs, key=lambda pair: float(np.abs(pair - PLACES).sum())) * image.size


def _is_pair(apart: np.ndarray) -> bool:
    return bool(APART[0] <= apart[0] <= APART[1] and abs(apart[1]) <= SLOPE)


def level(image: Image.Image, eyes: np.ndarray) -> Image.Image:
    """Turned, scaled and moved so that the eyes come to PLACES: a square picture; as it was where they are unknown.

    What comes in from outside has the picture's mean colour.
    """
    if np.isnan(eyes).any() or np.array_equal(eyes[0], eyes[1]):
        return image
    side = max(image.size)
    # a similarity is a complex line: from places in the new picture to places in the old one, as Pillow wants it
    (a, b), (p, q) = ((complex(*point) for point in points) for points in (eyes, PLACES * side))
    turn = (b - a) / (q - p)
    move = a - turn * p
    lines = (turn.real, -turn.imag, move.real, turn.imag, turn.real, move.imag)
    mean = tuple(np.asarray(image).reshape(-1, 3).mean(axis=0).round().astype(int).tolist())
    return image.transform(
        (side, side), Image.Transform.AFFINE, lines, resample=Image.Resampling.BILINEAR, fillcolor=mean
    )


def digest(eyes: np.ndarray) -> str:
    """One name for how the images of a set are aligned. `eyes`: (N, 2, 2), in index order."""
    return hashlib.sha256(RECIPE.encode() + np.round(eyes, 3).astype("<f8").tobytes()).hexdigest()[:12]
