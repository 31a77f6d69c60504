"""The header of JSON files: a version, the training that a file belongs to, and a checksum."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablation.errors import AblateError, BrokenFile
from ablation.store import header
from ablation.store.files import read_json, write_json

pytestmark = pytest.mark.unit
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(st.characters(codec="utf-8")), VALUES, max_size=4)


@given(value=OBJECTS)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, value: dict[str, object]):
    """Any JSON object comes back, without its header."""
    path = tmp_path_factory.mktemp("header") / "file.json"
    write_json(path, value)
    assert read_json(path) == value


@given(value=OBJECTS, place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_any_changed_bit_is_found(
    tmp_path_factory: pytest.TempPathFactory, value: dict[str, object], place: int, bit: int
):
    """A changed bit of the content, of the checksum or of the header's name makes the file unreadable."""
    path = tmp_path_factory.mktemp("header") / "file.json"
    write_json(path, value)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    with pytest.raises(AblateError):
        read_json(path)


def test_a_file_belongs_to_its_training(tmp_path: Path):
    """A file in the folder of another training is broken, except where its training was renamed to that one."""
    write_json(tmp_path / "trained/a/result-1.json", {"x": 1})
    (tmp_path / "trained/b").mkdir()
    moved = (tmp_path / "trained/a/result-1.json").rename(tmp_path / "trained/b/result-1.json")
    with pytest.raises(BrokenFile, match="belongs to another training, a;"):
        read_json(moved)
    write_json(tmp_path / "trained/aliases.json", {"a": "b"})
    assert read_json(moved) == {"x": 1}


def test_files_of_other_versions(tmp_path: Path):
    """A file of version 0.1 has no header, and is read; a newer one is refused, and is not called broken."""
    (tmp_path / "old.json").write_text('{"x": 1}')
    assert read_json(tmp_path / "old.json") == {"x": 1}
    (tmp_path / "new.json").write_text(json.dumps({"x": 1, header.KEY: {"schema": header.FORM + 1, "crc": 7}}))
    with pytest.raises(AblateError, match="written by a newer version of ablate") as caught:
        read_json(tmp_path / "new.json")
    assert not isinstance(caught.value, BrokenFile)
