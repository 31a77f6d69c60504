"""Arrays of an .npz file that may be damaged or hostile: no pickle is loaded, no archive of zeros fills the memory."""

import contextlib
import lzma
import math
import zipfile
import zlib
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

import numpy as np

from ablation.errors import AblateError

# Raised by NumPy and zipfile on damaged files: RuntimeError for encryption and unknown compressions, MemoryError for a
# header that states a shape of terabytes.
UNREADABLE = (
    OSError, ValueError, EOFError, KeyError, TypeError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error,
    lzma.LZMAError,
)  # fmt: skip
FREE = 2**30  # bytes of content that any archive may have
RATIO = 200  # largest ratio of content to file beyond that; arrays of images compress less


@contextlib.contextmanager
def refusals(path: Path, prefix: str = "") -> Iterator[None]:
    """Raise AblateError, naming the file, where the block cannot read it. `prefix`: beginning of the message."""
    try:
        yield
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise AblateError(f"{prefix}{path}: cannot be read ({reason})") from None


def _stated(packed: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """Return the bytes of an array as the header of its member states them; 0 without a header, and for objects."""
    try:
        with packed.open(member) as file:
            first = np.lib.format.read_magic(file) == (1, 0)
            header = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
            shape, _, dtype = header(file)
    except UNREADABLE:  # NumPy says later why
        return 0
    return 0 if dtype.hasobject else math.prod(shape) * dtype.itemsize


def refuse_bomb(path: str | PathLike[str], largest: float = float("inf")) -> None:
    """Raise AblateError where an archive would decompress to far more than its size, or to more than `largest` bytes.

    Raises one of UNREADABLE where the file is no archive.
    """
    with zipfile.ZipFile(path) as packed:
        content = sum(max(member.file_size, _stated(packed, member)) for member in packed.infolist())
    allowed = min(max(FREE, RATIO * Path(path).stat().st_size), largest)
    if content > allowed:
        raise AblateError(
            f"{path}: decompresses to {content / 2**30:,.1f} GiB; allowed for this file: {allowed / 2**30:,.1f} GiB; "
            "store it without compression"
        )


def read(path: Path, largest: float = float("inf")) -> dict[str, np.ndarray]:
    """Return the arrays of a file.

    Raises:
        AblateError: the file would take more memory than allowed.
        FileNotFoundError: the file is missing.
        ValueError: the file is damaged, or has objects.
    """
    try:
        refuse_bomb(path, largest)
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise
    except UNREADABLE as error:
        raise ValueError(str(error) or type(error).__name__) from None
