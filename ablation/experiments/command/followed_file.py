"""File that a running command appends to, read line by line as it grows."""

import os
import stat
from pathlib import Path

PART = 1 << 20  # bytes that are read at a time, and the longest line


class FollowedFile:
    """File whose complete new lines are read; a file that is missing, unreadable or no regular file has none.

    A file that has become shorter was written again, and is read from its beginning. A file with a line longer than
    PART is not followed any further.

    `restarted`: whether the last call of `lines` began at the file's beginning.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._offset, self._is_followed = path, 0, True
        self.restarted = True

    def lines(self) -> list[str]:
        """Return the lines that were completed since the last call, of at most PART bytes."""
        if not self._is_followed:
            return []
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe without a writer would block
        except OSError:
            return []
        try:
            return self._read(descriptor)
        except OSError:
            return []
        finally:
            os.close(descriptor)

    def _read(self, descriptor: int) -> list[str]:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return []
        if status.st_size < self._offset:
            self._offset = 0
        self.restarted = self._offset == 0
        content = os.pread(descriptor, PART, self._offset)
        complete = content[: content.rfind(b"\n") + 1]
        self._is_followed = bool(complete) or len(content) < PART
        self._offset += len(complete)
        return [line for line in complete.decode(errors="replace").split("\n") if line.strip()]
