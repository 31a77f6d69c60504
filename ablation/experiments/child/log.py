"""Log of a child: its output, of which the first and last parts are kept, and the lines in it."""

import re
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

PART = 4 << 20  # bytes kept of the beginning, and of the end
LONGEST_LINE = 1 << 16  # bytes of a line; longer ones are cut into several
ANSI = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-Z\\-_]")
BREAK = re.compile(rb"\r\n|\n|\r")  # progress bars write a carriage return


class BoundedLog:
    """File of a child's output with a bounded size. An earlier attempt's output stays above.

    Args:
        path: path of the file.
        on_line: receives each line as text, without control sequences; undecodable bytes are replaced.
    """

    def __init__(self, path: Path, on_line: Callable[[str], None]) -> None:
        self._path, self._on_line = path, on_line
        self._rest = b""  # beginning of a line
        self._written, self._left_out = 0, 0
        self._last: deque[bytes] = deque()
        self._n_last = 0

    def __enter__(self) -> "BoundedLog":
        self._file: BinaryIO = open(self._path, "ab", buffering=0)  # closed by __exit__
        if self._path.stat().st_size > 2 * PART:
            self._file.truncate(0)
        return self

    def __exit__(self, *_: object) -> None:
        if self._left_out:
            self._file.write(b"\n[%d bytes left out]\n" % self._left_out)
        for chunk in self._last:
            self._file.write(chunk)
        self._file.close()
        if self._rest:
            self._line(self._rest)

    def write(self, chunk: bytes) -> None:
        """Add output."""
        if self._written < PART:
            self._file.write(chunk)
            self._written += len(chunk)
        else:
            self._last.append(chunk)
            self._n_last += len(chunk)
            while self._n_last > PART:
                self._left_out += len(self._last[0])
                self._n_last -= len(self._last.popleft())
        *lines, self._rest = BREAK.split(self._rest + chunk)
        for line in lines:
            self._line(line)
        if len(self._rest) > LONGEST_LINE:
            self._line(self._rest)
            self._rest = b""

    def _line(self, line: bytes) -> None:
        self._on_line(ANSI.sub(b"", line[:LONGEST_LINE]).decode(errors="replace"))


def last_lines(path: Path, n: int = 20) -> list[str]:
    """Return the last lines of a log that are not blank."""
    try:
        with open(path, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - LONGEST_LINE))
            lines = BREAK.split(ANSI.sub(b"", file.read()))
    except OSError:
        return []
    return [text for line in lines if (text := line.decode(errors="replace").strip())][-n:]
