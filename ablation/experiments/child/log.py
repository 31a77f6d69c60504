"""Log of a child: its output, of which the first and last parts are kept, and the lines in it."""

import re
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

PART = 4 << 20  # bytes kept of the beginning, and of the end
N_LAST = 20  # lines that an error message may cite
LONGEST_LINE = 1 << 16  # bytes of a line; longer ones are cut into several
ANSI = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-Z\\-_]")
BREAK = re.compile(rb"\r\n|\n|\r")  # progress bars write a carriage return


def _text(line: bytes) -> str:
    return ANSI.sub(b"", line[:LONGEST_LINE]).decode(errors="replace")


def lines_of(path: Path) -> Iterator[str]:
    """Yield the lines of earlier attempts in a log, as `BoundedLog` passes them on; none where there is no log."""
    try:
        content = path.read_bytes()
    except OSError:
        return
    yield from map(_text, BREAK.split(content))


class BoundedLog:
    """File of a child's output with a bounded size. An earlier attempt's output stays above, where it is short.

    `last_lines`: the last lines of this attempt that are not blank.

    Args:
        path: path of the file.
        on_line: receives each line as text, without control sequences; undecodable bytes are replaced.
    """

    def __init__(self, path: Path, on_line: Callable[[str], None]) -> None:
        self._path, self._on_line = path, on_line
        self._rest = b""  # beginning of a line
        self._written, self._left_out = 0, 0
        self._end = bytearray()
        self.last_lines: deque[str] = deque(maxlen=N_LAST)

    def __enter__(self) -> "BoundedLog":
        self._file: BinaryIO = open(self._path, "ab", buffering=0)  # closed by __exit__
        self._written = self._path.stat().st_size
        if self._written >= PART:
            self._file.truncate(0)
            self._written = 0
        return self

    def __exit__(self, *_: object) -> None:
        self._shorten(PART)
        if self._left_out:
            self._file.write(b"\n[%d bytes left out]\n" % self._left_out)
        self._file.write(self._end)
        self._file.close()
        if self._rest:
            self._line(self._rest)

    def write(self, chunk: bytes) -> None:
        """Add output."""
        if self._written < PART:
            self._file.write(chunk)
            self._written += len(chunk)
        else:
            self._end += chunk
            if len(self._end) > 2 * PART:
                self._shorten(PART)
        *lines, self._rest = BREAK.split(self._rest + chunk)
        for line in lines:
            self._line(line)
        if len(self._rest) > LONGEST_LINE:
            self._line(self._rest)
            self._rest = b""

    def _shorten(self, size: int) -> None:
        """Leave out output before the last `size` bytes."""
        n = max(0, len(self._end) - size)
        self._left_out += n
        del self._end[:n]

    def _line(self, line: bytes) -> None:
        text = _text(line)
        if text.strip():
            self.last_lines.append(text.strip())
        self._on_line(text)
