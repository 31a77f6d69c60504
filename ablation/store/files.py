"""Files: atomic writes, reads with clear errors, and file systems."""

import contextlib
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from zipfile import BadZipFile

import psutil

from ablation.errors import AblateError, BrokenFile
from ablation.store import disk, header

NETWORK = "9p afs beegfs ceph cifs fuse.sshfs glusterfs gpfs lustre nfs nfs4 smb3 smbfs"  # types of file systems

MAX_NAME = 255  # bytes of a file name, on nearly every file system

TEMPORARY = ".tmp-"  # prefix of the name of a file that is being written


def short_name(name: str, limit: int = MAX_NAME) -> str:
    """Return a file name of at most `limit` bytes. A longer name is cut, and a digest keeps the result unique."""
    if len(os.fsencode(name)) <= limit:
        return name
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
    return f"{os.fsencode(name)[: limit - len(digest) - 1].decode(errors='ignore')}-{digest}"


def file_system(path: Path) -> str:
    """Return the type of the file system of `path`, which need not exist ("ext4", "nfs4"); "" where unknown."""
    mounts = {Path(p.mountpoint): p.fstype for p in psutil.disk_partitions(all=True)}
    target = path.resolve()  # follows links
    return next((mounts[p] for p in (target, *target.parents) if p in mounts), "")


def on_network(path: Path) -> bool:
    """Return whether `path` is on a network file system, where SQLite and file locks are not reliable."""
    return file_system(path).lower() in NETWORK.split()


@contextlib.contextmanager
def atomic(path: Path, size: int | None = None) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`, and replace `path` by it afterwards, complete and synced to disk.

    `size`: the bytes that the file needs, where known. Raises OSError with `path` where the disk refuses the write, and
    AblateError where its folder cannot be made, and where `path` is a folder, a device or a pipe, which a rename would
    replace.
    """
    if path.exists() and not path.is_file():
        raise AblateError(f"{path}: is not a regular file, and is not replaced; name another file")
    start = f"{TEMPORARY}{os.getpid()}-"
    stem = short_name(path.stem, MAX_NAME - len(os.fsencode(start + path.suffix)))
    temporary = path.with_name(f"{start}{stem}{path.suffix}")  # the suffix stays: writers check it
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
        raise AblateError(f"{path}: its folder cannot be made ({error.strerror}); name another file") from None
    try:
        temporary.unlink(missing_ok=True)  # of a process that died: in containers, process ids repeat
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the rename too must survive a power failure
        finally:
            os.close(folder)
    except OSError as error:
        raise disk.located(error, path, size) from error
    finally:
        temporary.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cut_torn_end(path: Path) -> None:
    """Cut an incomplete last line, left by a process that died during a write, so that the next line starts cleanly."""
    with contextlib.suppress(FileNotFoundError), open(path, "rb+") as file:
        file.truncate(sum(len(line) for line in file if line.endswith(b"\n")))


def write_text(path: Path, text: str) -> None:
    """Write `text` so that a reader sees the old file or the new one, never a part of a file."""
    content = text.encode()
    with atomic(path, len(content)) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write a JSON object with a header: see `header`."""
    write_text(path, header.with_header(path, value))


def read_json(path: Path) -> dict[str, object] | None:
    """Return the JSON object in a file; None where the file is missing.

    Raises BrokenFile where the file is broken, and AblateError where a newer version wrote it.
    """
    try:
        content = path.read_bytes()
        value = json.loads(content.decode())
    except FileNotFoundError:
        return None
    except (IsADirectoryError, NotADirectoryError):
        raise BrokenFile(path, "not a regular file") from None
    except (ValueError, RecursionError):
        raise BrokenFile(path, "not valid JSON") from None
    if not isinstance(value, dict):
        raise BrokenFile(path, "not a JSON object")
    return header.without_header(path, content, value)


@contextlib.contextmanager
def understood(path: Path) -> Iterator[None]:
    """Raise AblateError where the file is missing, and BrokenFile where the block cannot read its content."""
    try:
        yield
    except FileNotFoundError:
        raise AblateError(f"{path}: missing; run the same `ablate run` again to write it") from None
    except (IsADirectoryError, NotADirectoryError):
        raise BrokenFile(path, "not a regular file") from None
    except (
        ArithmeticError, AttributeError, BadZipFile, EOFError, LookupError, RuntimeError, TypeError, ValueError,
        zlib.error,
    ):  # fmt: skip
        raise BrokenFile(path, "this version cannot read it") from None
