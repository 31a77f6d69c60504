"""Small files with huge content are refused before memory is taken: each limit is lowered, and passed by far."""

import gzip
import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fault_series import Series
from fuzz_samples import image_set, packed, source, workbook, zipped
from hostile_files import is_refused, written

from ablation.experiments.function import raw_files
from ablation.experiments.keras_head.datasets import fer2013
from ablation.sources.per_example import coded
from ablation.sources.readers import csv_file, documents, mlflow_folder, mlflow_store
from ablation.sources.readers import workbook as workbooks
from ablation.store import npz
from ablation.study import study_file, study_keys

CONTENT = 48 << 20  # bytes, of which each file has few
MOST = 24 << 20  # bytes of memory that a refusal may take
ENTITIES = 100 << 20  # of them, expat takes a hundred times what a file has before it stops
HEADER = b"emotion,pixels,Usage\n"
ZEROS = np.zeros((CONTENT // 16, 4, 4), np.uint8)


def sheet(change: Callable[[bytes], bytes]) -> bytes:
    """A workbook whose sheet is changed."""
    parts = workbook()
    name = "xl/worksheets/sheet1.xml"
    return zipped({**parts, name: change(parts[name])})


def far_line(content: bytes) -> bytes:
    """A sheet whose last line has a number far behind the others."""
    return content.replace(b'r="3"', b'r="99999999999"').replace(b'3"', b'99999999999"')


def encrypted(content: bytes) -> bytes:
    """An archive whose members state that they are encrypted."""
    flags = bytearray(content)
    for start in (b"PK\x03\x04", b"PK\x01\x02"):
        place = flags.find(start)
        flags[place + (6 if start == b"PK\x03\x04" else 8)] |= 1
    return bytes(flags)


def shaped(shape: tuple[int, ...]) -> bytes:
    """An archive with an array that states a shape and holds nothing."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return zipped({"x_train.npy": header.getvalue(), "y_train.npy": header.getvalue()})


def entities(content: bytes) -> bytes:
    """A sheet with entities of entities: a billion letters."""
    levels = [f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 9)]
    start = f'<!DOCTYPE a [<!ENTITY e0 "aaaaaaaaaa">{"".join(levels)}]><worksheet'.encode()
    return content.replace(b"<worksheet", start, 1).replace(b"<v>0.1</v>", b"<v>&e8;</v>", 1)


BOMBS: dict[str, tuple[str, Callable[[], bytes], Callable[[Path], object]]] = {
    "an archive of zeros": ("a.npz", lambda: packed(x_train=ZEROS, y_train=np.zeros(len(ZEROS), int)), image_set),
    "an encrypted archive": ("a.npz", lambda: encrypted(packed(x_train=ZEROS[:9])), image_set),
    "an array of terabytes": ("a.npz", lambda: shaped((2**20, 2**12, 2**12)), image_set),
    "a workbook of zeros": ("a.xlsx", lambda: sheet(lambda content: content + b" " * CONTENT), source),
    "a last line of a workbook": ("a.xlsx", lambda: sheet(far_line), source),
    "a billion letters": ("a.xlsx", lambda: sheet(entities), source),
    "a compressed CSV": ("a.csv.gz", lambda: gzip.compress(b"a,b\n" + b"1,2\n" * (CONTENT // 4), 1), source),
    "a compressed line": ("a.jsonl.gz", lambda: gzip.compress(b'{"a": "' + b"x" * CONTENT + b'"}\n', 1), source),
    "a long line": ("a.jsonl", lambda: b'{"a": "' + b"x" * CONTENT + b'"}\n', source),
    "a long line of faces": ("faces.csv", lambda: HEADER + b"1," + b"1 " * (CONTENT // 2) + b",Training\n", image_set),
    "a quote never closed": ("faces.csv", lambda: HEADER + b'1,"' + b"1 2\n" * (CONTENT // 4), image_set),
    "a long study file": ("s.toml", lambda: b"# " + b"x" * CONTENT, lambda path: study_file.read(str(path))),
}


@pytest.fixture(autouse=True)
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits of some MiB in place of GiB."""
    monkeypatch.setattr(npz, "FREE", 2**20)
    monkeypatch.setattr(workbooks, "LARGEST", 2**20)
    monkeypatch.setattr(workbooks, "MOST_LINES", 2**12)
    monkeypatch.setattr(csv_file, "LARGEST", 2**20)
    monkeypatch.setattr(documents, "LIMIT", 2**20)
    monkeypatch.setattr(study_keys, "LARGEST", 2**20)
    monkeypatch.setattr(fer2013, "LONGEST", 2**20)
    monkeypatch.setattr(mlflow_folder, "LARGEST_FILE", 2**20)
    monkeypatch.setattr(raw_files, "LARGEST", 2**20)


def peak(work: Callable[[], object]) -> int:
    """Return the largest memory that Python and NumPy took, in bytes."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_before_memory_is_taken(tmp_path: Path, bomb: str):
    """One line that names the file; half of the content is never in memory."""
    name, content, read = BOMBS[bomb]
    path = written(tmp_path / name, content())
    refused: list[bool] = []
    most = ENTITIES if bomb == "a billion letters" else MOST
    assert peak(lambda: refused.append(is_refused(lambda: read(path), name))) < most
    assert refused == [True]
    Series(f"bombs: {bomb}", 1).record()


def test_raw_examples_of_a_child_are_bounded(tmp_path: Path):
    """An archive that a function left in place of its examples counts by its content, not by its size."""
    result = {"numbers": {}, "has_test": False, "splits": ["val"], "memory": 1, "seconds": 1}
    written(tmp_path / "result-1.json", json.dumps(result).encode())
    path = written(tmp_path / "val-1.npz", packed(label=ZEROS.ravel()))
    assert peak(lambda: is_refused(lambda: raw_files.read(tmp_path, 1, is_shared=False), path.name)) < MOST


def test_a_metric_of_one_long_line_is_left_out(tmp_path: Path):
    """A file of MLflow is read in parts; what is no value is noted."""
    run = tmp_path / "mlruns/1/ab"
    written(run / "meta.yaml", b"artifact_uri: x\nrun_id: ab\n")
    written(run / "metrics/acc", b"1 0.5 1\n" + b"x" * CONTENT)
    read: list[object] = []
    assert peak(lambda: read.append(mlflow_store.read(str(tmp_path / "mlruns")))) < MOST
    assert any("no value of a metric" in note for note in read[0].notes)  # type: ignore[attr-defined]


def test_a_large_label_of_numbers_is_one_number():
    """Amounts are not classes: 200 billion is no reason for a list of as many."""
    columns = {"id": np.array(["a", "b"]), "label": np.array([1, 2 * 10**11]), "predicted": np.array([3, 4])}
    assert peak(lambda: coded([columns], "numbers", "[experiment]")) < MOST


def test_an_archive_that_states_too_little_is_damaged(tmp_path: Path):
    """An archive with more content than its directory states is not read."""
    content = packed(x_train=ZEROS, y_train=[0])
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = archive.getinfo("x_train.npy").file_size
    lying = content.replace(size.to_bytes(4, "little"), (100).to_bytes(4, "little"))
    assert lying != content
    path = written(tmp_path / "a.npz", lying)
    assert peak(lambda: is_refused(lambda: image_set(path), "a.npz")) < MOST
