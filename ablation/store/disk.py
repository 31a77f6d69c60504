"""Errors of writes to disk: the file, the bytes that it needs, and the advice to the user."""

import errno
import os
import resource
import shutil
from pathlib import Path

ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no more bytes can be written
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)
HANDLES = (errno.EMFILE, errno.ENFILE)
GOES_ON = "completed work is kept"


def located(error: OSError, path: Path, size: int | None = None) -> OSError:
    """Return `error` with an error number and the path of the file that could not be written.

    NumPy's error for an incomplete write has neither number nor path.

    Args:
        error: the error of the write.
        path: the file that could not be written.
        size: the bytes that the file needs, where known.
    """
    number = error.errno
    if number is None and "requested and" in str(error):
        number = errno.EFBIG if _limit() is not None else errno.ENOSPC
    if number not in (*ROOM, *REFUSED):
        return error
    needs = f" (it needs {size:,} bytes)" if size and number in ROOM else ""
    return OSError(number, os.strerror(number) + needs, str(path))


def explain(error: OSError) -> str | None:
    """Return the message for an error that a user can fix; None for any other error."""
    path = error.filename or "the workspace"
    if error.errno == errno.EFBIG:
        limit = _limit()
        limit_text = f", the limit is {limit:,} bytes" if limit is not None else ""
        return f"{path}: {error.strerror}{limit_text}; raise it (`ulimit -f unlimited`) and run again: {GOES_ON}"
    if error.errno in ROOM:
        return f"{path}: {error.strerror}{_free(path)}; free space there and run again: {GOES_ON}"
    if error.errno in REFUSED:
        return f"{path}: {error.strerror}; fix that and run again"
    if error.errno in HANDLES:
        return f"{path}: {error.strerror}; raise the limit (`ulimit -n 4096`) and run again: {GOES_ON}"
    return None


def reserve(path: Path) -> None:
    """Allocate all blocks of a sparse file.

    On a full disk, a later write to a memory map of the file would end the process without a message. Raises OSError
    with the file's size.
    """
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
    """Return the maximum size in bytes of a file that this process may write; None where there is no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if soft == resource.RLIM_INFINITY else soft


def _free(path: str) -> str:
    folder = next((p for p in Path(path).absolute().parents if p.is_dir()), Path("/"))
    return f", {shutil.disk_usage(folder).free / 2**20:,.1f} MiB are free"
