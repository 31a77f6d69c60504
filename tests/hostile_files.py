"""Files that nobody wrote on purpose: valid files with bytes changed, cut and inserted, and how they are read."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from ablation.errors import AblateError

PARTS = [
    b"",
    b"\0",
    b"\xff",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\r",
    b"\n\n",
    b'"',
    b"'",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b"=",
    b":",
    b",",
    b";",
    b"\t",
    b"|",
    b"-",
    b"&a",
    b"*a",
    b"<<: *a",
    b"!!python/object/apply:os.getcwd []",
    b"nan",
    b"inf",
    b"-Infinity",
    b"null",
    b"true",
    b"1e999",
    b"-1",
    b"0",
    b"9" * 400,
    b"9" * 5000,
    b"\xed\xa0\x80",
    b"\\ud800",
    b"../" * 9,
    b"%s%n",
    b"=1+1",
    b"[" * 2000,
    b'{"a":' * 2000,
    b"\xf0\x9f\x98\x80",
]
LENGTHS = [0, 0, 1, 1, 2, 7, 40, 10**9]  # of bytes that are replaced; the last one cuts the file
VALUES = [
    None,
    True,
    0,
    -1,
    10**30,
    2**63,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "a\0b",
    "../../x",
    "1e999",
    [],
    [1],
    {},
    {"a": 1},
    [[]],
    "\u00e9" * 300,
]
Edit = tuple[float, int, bytes]  # place as a share of the file, number of bytes that are replaced, bytes in their place
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(LENGTHS), st.sampled_from(PARTS) | st.binary(max_size=4)),
    min_size=1,
    max_size=5,
)
JSON = st.recursive(
    st.sampled_from(VALUES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def edited(content: bytes, edits: list[Edit]) -> bytes:
    """Return the content after all edits."""
    for place, length, part in edits:
        start = int(place * len(content))
        content = content[:start] + part + content[start + length :]
    return content


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to each member of a JSON value, the first five of a list."""
    yield place
    members = value.items() if isinstance(value, dict) else enumerate(value[:5]) if isinstance(value, list) else ()
    for key, member in members:
        yield from places(member, (*place, key))


def with_other_member(content: bytes, draw: random.Random) -> bytes:
    """A JSON text in which one member has another value or is missing."""
    value = json.loads(content)
    members = [place for place in places(value) if place]
    if not members:
        return json.dumps(draw.choice(VALUES)).encode()
    *way, last = draw.choice(members)
    node = value
    for key in way:
        node = node[key]
    if draw.random() < 0.25:
        del node[last]
    else:
        node[last] = draw.choice(VALUES)
    return json.dumps(value).encode()


def mutated(path: Path, draw: random.Random) -> bytes:
    """Return the content of a file with other bytes, or of JSON with other values."""
    content = path.read_bytes()
    is_lines = content.count(b"\n{") > 0
    if path.suffix == ".json" and not is_lines and draw.random() < 0.8:
        return with_other_member(content, draw)
    if path.suffix in (".json", ".jsonl") and is_lines and draw.random() < 0.8:
        lines = content.splitlines()
        place = draw.randrange(len(lines))
        lines[place] = with_other_member(lines[place], draw)
        return b"\n".join(lines) + b"\n"
    edits = [(draw.random(), draw.choice(LENGTHS), draw.choice(PARTS)) for _ in range(draw.randint(1, 3))]
    return edited(content, edits)


def is_refused(read: Callable[[], object], *names: str) -> bool:
    """Return whether a file is refused, in one short line with one of the names. Any other exception is a fault."""
    try:
        read()
    except AblateError as error:
        line = str(error)
        assert line.isprintable(), line
        assert any(name in line for name in names), f"{line!r} names none of {names}"
        assert len(line) <= 2_000, line
        return True
    return False


def written(path: Path, content: bytes) -> Path:
    """Write a file of this content, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
