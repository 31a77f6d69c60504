"""CSV files are read as people write them: encodings, separators, decimal commas, percentages, an index of pandas."""

from pathlib import Path

import pytest

from ablation.errors import AblateError
from ablation.sources.readers import csv_file

pytestmark = pytest.mark.unit


def frame(folder: Path, content: bytes | str):
    """Return the runs of a file with this content, as a dict of lists."""
    path = folder / "results.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return csv_file.read(str(path)).frame.to_dict("list")


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("arm,seed,acc\na,0,0.5\nb,1,0.25\n", {"arm": ["a", "b"], "seed": [0, 1], "acc": [0.5, 0.25]}),
        ("\ufeffarm,acc\na,0.5\n", {"arm": ["a"], "acc": [0.5]}),
        ("arm;acc\na;0,5\nb;0,25\n", {"arm": ["a", "b"], "acc": [0.5, 0.25]}),
        ("arm\tacc\na\t0.5\n", {"arm": ["a"], "acc": [0.5]}),
        (",arm,acc\n0,a,0.5\n1,b,1.0\n", {"arm": ["a", "b"], "acc": [0.5, 1.0]}),
        ("arm,acc\na,50%\nb,25.5 %\n", {"arm": ["a", "b"], "acc": [0.5, 0.255]}),
        ("arm,norm\na,true\nb,False\n", {"arm": ["a", "b"], "norm": [True, False]}),
        ("units,acc\n99.0,0.5\n,0.25\n", {"units": [99, None], "acc": [0.5, 0.25]}),
        ('arm,text\na,"x, ""y"""\n', {"arm": ["a"], "text": ['x, "y"']}),
        ("arm,acc\nd\xe9j\xe0,0.5\n".encode("cp1252"), {"arm": ["déjà"], "acc": [0.5]}),
        ("arm,acc\na,0.5\n".encode("utf-16"), {"arm": ["a"], "acc": [0.5]}),
        ("=arm,acc\n=1+1,0.5\n", {"=arm": ["=1+1"], "acc": [0.5]}),
    ],
)  # fmt: skip
def test_columns_have_the_types_that_their_cells_show(tmp_path: Path, content: bytes | str, columns: dict):
    """Numbers, truth values and texts; a formula stays a text."""
    assert frame(tmp_path, content) == columns


def test_missing_cells_stay_missing(tmp_path: Path):
    """nan, NA and nothing are no numbers, and no text."""
    assert frame(tmp_path, "arm,acc\na,nan\nb,NA\nc,\nd,0.5\n")["acc"][3] == 0.5
    assert csv_file.read(str(tmp_path / "results.csv")).frame.acc.isna().tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; there is nothing to import"),
        ("arm,acc\n", "has a header and no line; there is nothing to import"),
        ("acc,acc\n1,2\n", "line 1: two columns are named 'acc'; rename one"),
        ("arm,acc\na,1\nb,2,3\n", "not valid CSV: Expected 2 fields in line 3, saw 3"),
        (b"arm,acc\na\x00,1\n", "NUL"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, content: bytes | str, message: str):
    """The message names the file and the line."""
    with pytest.raises(AblateError) as refused:
        frame(tmp_path, content)
    assert message in str(refused.value)
    assert str(tmp_path / "results.csv") in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_missing_is_refused(tmp_path: Path):
    """A missing file is refused by its name."""
    with pytest.raises(AblateError, match=r"none\.csv: cannot be read: No such file"):
        csv_file.read(str(tmp_path / "none.csv"))
