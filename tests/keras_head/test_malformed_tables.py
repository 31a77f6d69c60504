"""Malformed tables of faces and arrays, a form a test: each is read, or refused in one short line."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from malformed import refused

from ablation.experiments.keras_head.datasets.images import check, choose_classes, load

pytestmark = pytest.mark.unit

# ---- tables of faces


TABLE = ["emotion,pixels,Usage", "0,1 2 3 4,Training", "1,5 6 7 8,Training", "2,1 1 1 1,PublicTest"]
TABLES: dict[str, tuple[Callable[[list[str]], str], str]] = {  # the text of the lines, and its encoding
    "plain": ("\n".join, "utf-8"),
    "mark": ("\n".join, "utf-8-sig"),
    "utf-16": ("\n".join, "utf-16"),
    "utf-16 of other byte order": (lambda lines: "\ufeff" + "\n".join(lines), "utf-16-be"),
    "crlf": ("\r\n".join, "utf-8"),
    "lone cr": ("\r".join, "utf-8"),
    "semicolons": (lambda lines: "\n".join(lines).replace(",", ";"), "utf-8"),
    "tabs": (lambda lines: "\n".join(lines).replace(",", "\t"), "utf-8"),
    "tabs in utf-16": (lambda lines: "\r\n".join(lines).replace(",", "\t"), "utf-16"),
    "quoted": (lambda lines: "\n".join('"' + line.replace(",", '","') + '"' for line in lines), "utf-8"),
    "padded": (lambda lines: "\n".join(line.replace(",", " , ") for line in lines), "utf-8"),
    "empty lines": ("\n\n\n".join, "utf-8"),
    "more columns": (lambda lines: "\n".join(f"{n},{line},é" for n, line in enumerate(lines)), "utf-8"),
    "other order": (lambda lines: "\n".join(",".join(line.split(",")[::-1]) for line in lines), "utf-8"),
    "a note of two lines": (
        lambda lines: "\n".join([lines[0] + ",note", *(f'{x},"a\nb"' for x in lines[1:])]),
        "utf-8",
    ),
}


@pytest.mark.parametrize("name", ["faces.csv", "fer2013", "faces.txt"])
@pytest.mark.parametrize("form", TABLES)
def test_a_table_of_faces_is_read_in_any_dress(tmp_path: Path, form: str, name: str):
    """Encodings, line ends and separators of spreadsheets; a file of any name is known by its first line."""
    text, encoding = TABLES[form]
    (tmp_path / name).write_bytes(text(TABLE).encode(encoding))
    read = load(str(tmp_path / name))
    assert read.labels.tolist() == [0, 1, 2]
    assert [face.ravel().tolist() for face in read.sources] == [[1, 2, 3, 4], [5, 6, 7, 8], [1, 1, 1, 1]]
    assert read.splits.tolist() == ["train", "train", "test"]


def test_a_table_without_usage_gives_no_splits(tmp_path: Path):
    """Kaggle's train.csv: splits are drawn as for folders without them."""
    (tmp_path / "train.csv").write_text("\n".join(line.rpartition(",")[0] for line in TABLE))
    assert load(str(tmp_path / "train.csv")).splits.tolist() == [""] * 3


def test_a_folder_of_tables_says_which_to_pass(tmp_path: Path):
    """A folder as Kaggle's archive leaves it: its test.csv has no labels."""
    (tmp_path / "train.csv").write_text("\n".join(TABLE))
    (tmp_path / "a-test.csv").write_text("pixels\n1 2 3 4\n")
    path = tmp_path / "train.csv"
    assert refused(tmp_path) == f"{tmp_path}: no class folders, but train.csv holds faces; pass {path}"
    needed = "emotion, pixels; Usage, if present, gives the splits"
    assert refused(tmp_path / "a-test.csv").endswith(f"a-test.csv: no column emotion; needed: {needed}")


WRONG = "a pixel is out of range or not a number; allowed: whole numbers from 0 to 255"
TABLES_REFUSED = {
    "a quote never closed": (
        [*TABLE[:2], '3,"9 9 9 9,Training', *TABLE[2:] * 50],
        f" line 3 (a quote opens there and runs to line 103): {WRONG}",
    ),
    "a quote closed later": (
        [*TABLE[:2], '3,"9 9 9 9,Training', TABLE[2], '3,9 9 9 9",Training'],
        f" line 3 (a quote opens there and runs to line 5): {WRONG}",
    ),
    "the tail of an archive": ([*TABLE, "\0" * 9000], " line 5: emotion '"),
    "the head of an archive": (
        ["fer2013/fer2013.csv\0\0" + "0" * 400, *TABLE],
        ": no column emotion, pixels; needed: ",
    ),
    "renamed columns": (["label,pixel,Usage", *TABLE[1:]], ": no column emotion, pixels; needed: "),
    "a line of megabytes": ([TABLE[0], "1" * 5_000_000], " line 2: emotion '11111111111111111111'; allowed: 0 to 6"),
    "pixels of megabytes": ([TABLE[0], f"1,{'1 ' * 2_000_000},Training"], " line 2: 2000000 pixels; allowed: a square"),
    "labels as words": ([TABLE[0], "anger,1 2 3 4,Training"], " line 2: emotion 'anger'; allowed: 0 to 6"),
    "a cut line": ([*TABLE[:3], "2,1 1"], " line 4: 2 pixels; allowed: a square number of them"),
    "a cut line in its label": ([*TABLE[:3], "2"], " line 4: 0 pixels; allowed: a square number of them"),
    "nothing": ([], ": no column emotion, pixels; needed: "),
    "empty lines alone": (["", "", ""], ": no column emotion, pixels; needed: "),
}


@pytest.mark.parametrize("form", TABLES_REFUSED)
def test_a_wrong_table_of_faces_is_refused(tmp_path: Path, form: str):
    """The line, and what is allowed; short, however long the line is."""
    lines, message = TABLES_REFUSED[form]
    path = tmp_path / "faces.csv"
    path.write_text("\n".join(lines))
    text = refused(path)
    assert text.startswith(f"{path}{message}")
    assert len(text) < len(str(path)) + 200


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"\x89PNG\r\n\x1a\n", b"a,b\n1,2\n"])
def test_another_file_is_no_table(tmp_path: Path, content: bytes):
    """The message for another file lists the values of --data."""
    (tmp_path / "file").write_bytes(content)
    assert "not a set of images; --data takes a folder of class folders, fer2013.csv, " in refused(tmp_path / "file")


# ---- arrays


def saved(path: Path, **arrays: object) -> Path:
    np.savez(path / "a.npz", **({"x_train": np.zeros((6, 4, 4), np.uint8), "y_train": [0, 1, 2, 0, 1, 2]} | arrays))
    return path / "a.npz"


ARRAYS_REFUSED = {
    "a label far beyond the others": (
        {"y_train": [0, 1, 2, 0, 1, 255]},
        "y_train holds 255, which makes 256 classes, 252 of them without an image; allowed: labels from 0 without gaps",
    ),
    "such a label in another split": (
        {"x_val": np.zeros((1, 4, 4), np.uint8), "y_val": [7]},
        "y_val holds 7, which makes 8 classes, 4 of them without an image; ",
    ),
    "a gap": ({"y_train": [0, 2, 2, 0, 0, 2]}, "y_train holds 2, which makes 3 classes, 1 of them without an image; "),
    "a huge label": ({"y_train": [0, 1, 2, 0, 1, 2**62]}, f"y_train holds {2**62}; allowed: whole numbers from 0 to"),
    "a label beyond int64": (
        {"y_train": np.array([0, 1, 2, 0, 1, 2**64 - 1], np.uint64)}, f"y_train holds {2**64 - 1}; allowed: whole "
    ),
    "floats in [0, 1]": ({"x_train": np.zeros((6, 4, 4))}, "x_train is float64; allowed: uint8 of shape (N, H, W)"),
    "channels first": ({"x_train": np.zeros((6, 3, 4, 4), np.uint8)}, "x_train has shape (6, 3, 4, 4); allowed: uint8"),
    "flat images": ({"x_train": np.zeros((6, 16), np.uint8)}, "x_train has shape (6, 16); allowed: uint8 of shape"),
    "one-hot labels": ({"y_train": np.eye(3, dtype=int)[[0, 1, 2] * 2]}, "y_train has shape (6, 3); allowed: (6,)"),
    "pickled objects": ({"y_train": np.array([0, 1, 2, 0, 1, None])}, "y_train cannot be read; allowed: plain arrays"),
    "no images": ({"x_train": np.zeros((0, 4, 4), np.uint8), "y_train": np.zeros(0, int)}, "one class only ()"),
}  # fmt: skip


@pytest.mark.parametrize("form", ARRAYS_REFUSED)
def test_wrong_arrays_are_refused(tmp_path: Path, form: str):
    """The key, what it holds, how many, and what is allowed."""
    arrays, message = ARRAYS_REFUSED[form]
    path = saved(tmp_path, **arrays)
    text = refused(path)
    assert text.startswith(f"{path}: {message}")
    assert len(text) < len(str(path)) + 250


def test_a_label_that_means_nothing_can_be_left_out(tmp_path: Path):
    """255 often means no label: --classes takes the others."""
    chosen = choose_classes(load(str(saved(tmp_path, y_train=[0, 1, 2, 0, 1, 255]))), ["0", "1", "2"])
    check(chosen, "DATA")
    assert np.bincount(chosen.labels).tolist() == [2, 2, 1]


def test_nothing_is_unpickled(tmp_path: Path):
    """A pickle may run code: what this one would do is not done."""

    class Evil:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return os.mkdir, (str(tmp_path / "done"),)

    assert "cannot be read" in refused(saved(tmp_path, x_train=np.array([Evil()] * 6, object)))
    assert not (tmp_path / "done").exists()
