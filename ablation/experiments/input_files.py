"""Files that a user's experiment reads: their digests are part of every training id."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ablation.errors import AblateError
from ablation.store.files import read_json, write_json
from ablation.store.workspace import Workspace

LARGEST = 2 << 30  # bytes of a pattern's files whose content is read; of more, names, sizes and times are
CHUNK = 1 << 20


@dataclass
class InputFiles:
    """Digests of the files that patterns match.

    `digests`: pattern -> digest. `notes`: sentences for the user. `contents`: path -> size, time of the last change,
    inode and sha256 of a file, which a later run reads in place of the file.
    """

    digests: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    contents: dict[str, list[int | str]] = field(default_factory=dict)

    def store(self, workspace: Workspace) -> None:
        """Store the digests of the files, so that unchanged ones need not be read again."""
        if self.contents:
            earlier = read_json(workspace.input_digests) or {}
            write_json(workspace.input_digests, {**earlier, **self.contents})


def read(patterns: Sequence[str], folder: Path, workspace: Workspace, where: str) -> InputFiles:
    """Return the digests of the files that patterns match.

    Args:
        patterns: patterns of paths, relative to the folder or absolute.
        folder: folder of the experiment.
        workspace: workspace with the digests of earlier runs.
        where: beginning of an error message.

    Raises:
        AblateError: a pattern matches no file, or a file cannot be read.
    """
    files, earlier = InputFiles(), read_json(workspace.input_digests) or {}
    for pattern in patterns:
        paths = _matching(pattern, folder)
        if not paths:
            raise AblateError(f"{where}: {pattern!r} matches no file in {folder}")
        size = sum(path.stat().st_size for path in paths)
        is_read = size <= LARGEST
        if not is_read:
            how = "compared by name, size and time of change"
            files.notes.append(f"{pattern}: {size / 2**30:.1f} GiB in {len(paths):,} files are {how}")
        digest = hashlib.sha256()
        for path in paths:
            content = _digest(path, files.contents, earlier, where) if is_read else str(_stamp(path)[:2])
            digest.update(f"{os.path.relpath(path, folder)}\0{content}\n".encode(errors="surrogateescape"))
        files.digests[pattern] = digest.hexdigest()[:16]
    return files


def _matching(pattern: str, folder: Path) -> list[Path]:
    root, relative = (
        (Path(pattern).anchor, Path(pattern).relative_to("/")) if os.path.isabs(pattern) else (folder, pattern)
    )
    return sorted(path for path in Path(root).glob(str(relative)) if path.is_file())


def _stamp(path: Path) -> list[int | str]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ino]


def _digest(path: Path, contents: dict[str, list[int | str]], earlier: Mapping[str, object], where: str) -> str:
    """Return the sha256 of a file: that of an earlier run where its size, time and inode are the same."""
    stamp, stored = _stamp(path), earlier.get(str(path))
    if isinstance(stored, list) and stored[:3] == stamp:
        return str(stored[3])
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise AblateError(f"{where}: {path}: cannot be read: {error.strerror}") from None
    contents[str(path)] = [*stamp, digest.hexdigest()]
    return digest.hexdigest()
