"""Perceptual hashes of images: equal, or nearly so, where images look alike. imagehash is loaded here."""

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
    found = np.array([imagehash.phash(Image.fromarray(image)).hash.ravel() for image in pixels], bool).reshape(-1, 64)
    return np.packbits(found, axis=1).view(">u8").ravel().astype(np.uint64)
