"""Checkpoints of a command: which is the newest one, and what changes with it."""

import glob
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from ablation.experiments.command import arguments
from ablation.study.experiment_keys import ExperimentKeys

LARGEST = 256 << 20  # bytes of a file whose content is compared; of a larger one, the time of its last change is


def newest(keys: ExperimentKeys, texts: Mapping[str, str]) -> Path | None:
    """Return the newest checkpoint of a command that can resume; None where there is none.

    Args:
        keys: keys of [experiment].
        texts: values of the names in paths, such as {folder}.
    """
    if not keys.resume or not keys.checkpoint:
        return None
    paths = glob.glob(str(Path(keys.cwd) / arguments.path(keys.checkpoint, texts)))
    return Path(max(paths, key=_changed)) if paths else None


def _changed(path: str) -> int:
    """Return when a file or folder was changed; 0 for one that was deleted meanwhile."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def mark(path: Path) -> str:
    """Return a text that changes with a checkpoint: a copy that was written again has the same one.

    Of a folder, the names and sizes of its files count, and when they were changed.
    """
    digest = hashlib.sha256(path.name.encode())
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    for file in files:
        digest.update(str(file).encode())
        digest.update(_content(file, path.is_dir()))
    return digest.hexdigest()[:16]


def _content(file: Path, is_member: bool) -> bytes:
    """Return what is compared of a file; nothing where it cannot be read."""
    try:
        status = file.stat()
        if is_member or status.st_size > LARGEST:
            return f"{status.st_size} {status.st_mtime_ns}".encode()
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError:
        return b""
