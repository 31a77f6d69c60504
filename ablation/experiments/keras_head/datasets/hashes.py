"""Perceptual hashes of images: nearly equal for images that look alike. This module loads imagehash."""

import imagehash
import numpy as np
from PIL import Image


def perceptual(pixels: np.ndarray) -> np.ndarray:
    """Return perceptual hashes (Zauner 2010) as 64-bit numbers.

    Args:
        pixels: (N, side, side, 3) uint8.

    Returns:
        (N,) uint64.
    """
    bits = np.array([imagehash.phash(Image.fromarray(image)).hash.ravel() for image in pixels], bool).reshape(-1, 64)
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)
