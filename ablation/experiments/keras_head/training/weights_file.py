"""Files of a backbone's weights: HDF5 with arrays alone. A file with a model is never loaded: it may hold code."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import h5py  # type: ignore[import-untyped]

from ablation.errors import AblateError

HDF5, ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
SAVE = "write one with model.save_weights('NAME.weights.h5')"


def check(file: Path) -> None:
    """Raise AblateError for a file that is no HDF5 file, or is cut."""
    try:
        with open(file, "rb") as opened:
            start = opened.read(len(HDF5))
        if start.startswith(ZIP):
            raise AblateError(f"weights {file}: a whole model (.keras), which is not loaded: it may hold code; {SAVE}")
        if start != HDF5:
            raise AblateError(f"weights {file}: not an HDF5 file (it begins with {start!r}); {SAVE}")
        if file.suffix not in (".h5", ".hdf5"):  # Keras reads a file by its name
            raise AblateError(f"weights {file}: has another suffix than .h5; rename it")
        with h5py.File(file, "r"):
            pass
    except OSError as error:
        reason = error.strerror or str(error).rpartition("(")[2].rstrip(")")
        raise AblateError(f"weights {file}: cannot be read ({reason}); copy it again") from None


@contextlib.contextmanager
def loading(source: str, backbone: str) -> Iterator[None]:
    """Raise AblateError where the block cannot load a file's arrays into a backbone."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        reason = " ".join([*lines[:2]])[:300]
        raise AblateError(f"weights {source}: not those of {backbone} without its top ({reason})") from None
