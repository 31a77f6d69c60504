"""Compressed files of a source: gzip, bzip2 and xz, read within the limits of plain files."""

import bz2
import gzip
import lzma
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from ablation.errors import AblateError

OPENERS: Mapping[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
CHUNK = 2**20  # bytes


def plain_name(path: Path) -> Path:
    """Return the name of the content of a file: results.csv of results.csv.gz."""
    return path.with_suffix("") if path.suffix.lower() in OPENERS else path


def opened(path: Path) -> BinaryIO:
    """Return the open content of a file, compressed or not."""
    content: BinaryIO = OPENERS.get(path.suffix.lower(), open)(path, "rb")
    return content


@contextmanager
def refusals(path: Path | str) -> Iterator[None]:
    """Raise AblateError with the name of the file where its content cannot be decompressed."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError) as error:
        raise AblateError(f"{path}: is cut or not compressed as its name says ({error}); compress it again") from None
    except OSError as error:
        if error.errno is not None:
            raise AblateError(f"{path}: cannot be read: {error.strerror}") from None
        reason = (
            f"is cut or not compressed as its name says ({error}); compress it again"  # bz2 has no error of its own
        )
        raise AblateError(f"{path}: {reason}") from None


@contextmanager
def plain(path: Path, largest: int) -> Iterator[Path]:
    """Yield a path to the content of a file: itself, or a temporary file where it is compressed.

    Raises AblateError where the content has more than `largest` bytes.
    """
    if plain_name(path) == path:
        yield path
        return
    with tempfile.NamedTemporaryFile(prefix="ablate-") as target:
        try:
            with refusals(path), opened(path) as source:
                _copy(source, target, largest, path)
        except OSError as error:
            raise AblateError(f"{path}: cannot be read: {error.strerror or error}") from None
        yield Path(target.name)


def _copy(source: BinaryIO, target: IO[bytes], largest: int, path: Path) -> None:
    size = 0
    while chunk := source.read(CHUNK):
        size += len(chunk)
        if size > largest:
            raise AblateError(f"{path}: has more than {largest / 2**30:.3g} GiB of content; import a part of it")
        target.write(chunk)
    target.flush()
