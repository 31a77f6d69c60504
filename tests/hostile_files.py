"""Files that nobody wrote on purpose: valid files with bytes changed, cut and inserted, and what reads them."""

import random
from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st

from ablation.errors import AblateError

PARTS = [b"", b"\0", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n\n", b'"', b"'", b"\\", b"{", b"}", b"[", b"]",
         b"=", b":", b",", b";", b"\t", b"|", b"-", b"&a", b"*a", b"<<: *a", b"!!python/object/apply:os.getcwd []",
         b"nan", b"inf", b"-Infinity", b"null", b"true", b"1e999", b"-1", b"0", b"9" * 400, b"9" * 5000, b"\xed\xa0\x80",
         b"\\ud800", b"../" * 9, b"%s%n", b"=1+1", b"[" * 2000, b"{\"a\":" * 2000, b"\xf0\x9f\x98\x80"]  # fmt: skip
Edit = tuple[float, int, bytes]  # place as a share of the file, bytes that are replaced, bytes in their place
EDITS = st.lists(
    st.tuples(
        st.floats(0, 1), st.sampled_from([0, 0, 1, 1, 2, 7, 40, 10**9]), st.sampled_from(PARTS) | st.binary(max_size=4)
    ),
    min_size=1,
    max_size=5,
)


def edited(content: bytes, edits: list[Edit]) -> bytes:
    """Return the content after all edits; one that replaces more bytes than there are cuts the file."""
    for place, length, part in edits:
        start = int(place * len(content))
        content = content[:start] + part + content[start + length :]
    return content


def mutations(content: bytes, n: int, seed: int) -> list[bytes]:
    """Return n mutations of a file, the same for the same seed: those of readers that are too slow to shrink."""
    draw = random.Random(seed)
    sizes = [0, 1, 1, 2, 7, 40, 10**9]
    parts = [*PARTS, *(bytes([draw.randrange(256)]) for _ in range(40))]
    return [
        edited(content, [(draw.random(), draw.choice(sizes), draw.choice(parts)) for _ in range(draw.randint(1, 4))])
        for _ in range(n)
    ]


def read_or_refused(read: Callable[[], object], *names: str) -> str:
    """Read a file. Return "" for a value, otherwise the refusal: one line that has one of the names.

    Any other exception is a fault of the reader.
    """
    try:
        read()
    except AblateError as error:
        line = str(error)
        assert line.isprintable(), line
        assert any(name in line for name in names), f"{line!r} names none of {names}"
        assert len(line) < 2_000, line
        return line
    return ""


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
