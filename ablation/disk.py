"""Writes that the disk refuses: which file, how much it needs, and what a user can do."""

import errno
import os
import resource
import shutil
from pathlib import Path

ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no more bytes can be written
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)
HANDLES = (errno.EMFILE, errno.ENFILE)
GOES_ON = "what is complete is kept"


def located(error: OSError, path: Path, size: int | None = None) -> OSError:
    """Return `error` with an error number and with `path`, the file that could not be written. `size`: the bytes that
    it needs. A write that came up short, as NumPy reports it, has neither number nor path."""
    number = error.errno
    if number is None and "requested and" in str(error):
        number = errno.EFBIG if _limit() is not None else errno.ENOSPC
    if number not in (*ROOM, *REFUSED):
        return error
    needs = f" (it needs {size:,} bytes)" if size and number in ROOM else ""
    return OSError(number, os.strerror(number) + needs, str(path))


def explain(error: OSError) -> str | None:
    """Return the sentence for an error that a user can mend; None for any other."""
    place = error.filename or "the workspace"
    if error.errno == errno.EFBIG:
        limit = _limit()
        said = f", the limit is {limit:,} bytes" if limit is not None else ""
        return f"{place}: {error.strerror}{said}; raise it (`ulimit -f unlimited`) and run again: {GOES_ON}"
    if error.errno in ROOM:
        return f"{place}: {error.strerror}{_free(place)}; make room there and run again: {GOES_ON}"
    if error.errno in REFUSED:
        return f"{place}: {error.strerror}; mend that and run again"
    if error.errno in HANDLES:
        return f"{place}: {error.strerror}; raise the limit (`ulimit -n 4096`) and run again: {GOES_ON}"
    return None


def reserve(path: Path) -> None:
    """Take all blocks of a file that was only made long: on a full disk a later write to it through memory would end
    the process without a word. Raises OSError with the file's size."""
    size = path.stat().st_size
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    with open(path, "rb+") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in ROOM:  # a file system that cannot reserve
                return
            raise located(error, path, size) from None


def _limit() -> int | None:
    """Return the most bytes that this process may write to one file; None where there is no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if soft == resource.RLIM_INFINITY else soft


def _free(place: str) -> str:
    folder = next((p for p in Path(place).absolute().parents if p.is_dir()), Path("/"))
    return f", {shutil.disk_usage(folder).free / 2**20:,.1f} MiB are free"
