"""Tables in other files than plain CSV: compressed, workbooks, blanks as signs, a file a run; others are refused."""

import bz2
import gzip
import lzma
from pathlib import Path

import openpyxl
import pytest

from ablation.errors import AblateError
from ablation.sources import address
from ablation.sources.readers import csv_file

pytestmark = pytest.mark.unit

CSV = "arm,seed,acc\na,0,0.5\nb,1,0.25\n"
LINES = {"arm": ["a", "b"], "seed": [0, 1], "acc": [0.5, 0.25]}


def read(place: Path, name: str) -> dict[str, list[object]]:
    return address.read(name, place, "import.from").frame.to_dict("list")


def workbook(path: Path, *sheets: str) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name in sheets:
        for line in (("arm", "seed", "acc"), ("a", 0, 0.5), ("b", 1, 0.25)):
            if not book.sheetnames or book.sheetnames[-1] != name:
                book.create_sheet(name)
            book[name].append(line)
    book.save(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("r.csv.gz", gzip.compress(CSV.encode(), mtime=0)), ("r.csv.bz2", bz2.compress(CSV.encode())),
        ("r.csv.xz", lzma.compress(CSV.encode())), ("r.tsv", CSV.replace(",", "\t").encode()),
        ("r.txt", CSV.replace(",", "   ").encode()), ("r.dat", CSV.replace(",", " ").encode()),
    ],
    ids=lambda value: value if isinstance(value, str) else "content",
)  # fmt: skip
def test_a_table_is_read_from_compressed_and_blank_separated_files(tmp_path: Path, name: str, content: bytes):
    """The lines are those of the plain CSV."""
    (tmp_path / name).write_bytes(content)
    assert read(tmp_path, name) == LINES


def test_json_lines_are_read_compressed(tmp_path: Path):
    """The name before .gz says what the content is."""
    (tmp_path / "r.jsonl.gz").write_bytes(gzip.compress(b'{"a": 1}\n{"a": 2}\n'))
    assert read(tmp_path, "r.jsonl.gz")["a"] == [1, 2]


def test_a_sheet_of_a_workbook_is_a_table(tmp_path: Path):
    """The only sheet is read; of several, one is named."""
    workbook(tmp_path / "one.xlsx", "runs")
    workbook(tmp_path / "two.xlsx", "runs", "old")
    assert read(tmp_path, "one.xlsx") == LINES
    assert read(tmp_path, "two.xlsx#old") == LINES
    with pytest.raises(AblateError, match=r"several sheets have content \(runs, old\); name one: .*two\.xlsx#runs"):
        read(tmp_path, "two.xlsx")


@pytest.mark.parametrize("source", ["runs", "csv:runs/*.csv"])
def test_a_folder_of_tables_has_the_name_of_the_file_in_each_line(tmp_path: Path, source: str):
    """Names hold the settings; files need not have equal columns."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "a_seed0.csv").write_text("epoch,acc\n0,0.5\n1,0.6\n")
    (tmp_path / "runs" / "b_seed0.csv").write_text("epoch,acc,loss\n0,0.7,1.5\n")
    frame = address.read(source, tmp_path, "import.from").frame
    assert list(frame["file"]) == ["a_seed0.csv", "a_seed0.csv", "b_seed0.csv"]
    assert list(frame["acc"]) == [0.5, 0.6, 0.7]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.parquet", b"PAR1", r"\.parquet files are not read; convert it: python -c .*read_parquet"),
        ("r.feather", b"x", "read_feather"),
        ("r.csv.zst", b"x", "decompress it: zstd -d r.csv.zst"),
        ("events.out.tfevents.17.host", b"x", "event files of TensorBoard are not read; write their scalars as a CSV"),
        ("r.csv.gz", b"arm,acc", "is cut or not compressed as its name says"),
        ("r.csv.gz", gzip.compress(CSV.encode(), mtime=0)[:-12], "is cut or not compressed as its name says"),
        ("r.jsonl.gz", b"arm,acc", "is cut or not compressed as its name says"),
        ("r.xlsx", b"arm,acc", "not a workbook that can be read"),
        ("r.txt", b"epoch 1: loss 0.5\nepoch 2: loss 0.4\n", "its first line names no columns"),
        ("r.log", b"INFO start of a run\nloss 0.5\n", "is no table: its first line has one column"),
        ("r.csv", b"0.5,0.6\n0.7,0.8\n", "its first line names no columns"),
        ("r.txt", b"| arm | acc |\n|---|---|\n| a | 0.5 |\n", "is a table of a document, no CSV"),
        ("r.txt", b"\\begin{tabular}{ll}\narm & acc\n", "is a table of a document, no CSV"),
    ],
    ids=lambda value: value if isinstance(value, str) else "content",
)  # fmt: skip
def test_a_file_that_is_not_read_says_what_to_do(tmp_path: Path, name: str, content: bytes, message: str):
    """One line, before anything is read."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AblateError, match=message) as refusal:
        read(tmp_path, name)
    assert "\n" not in str(refusal.value)


def test_a_folder_without_results_is_refused(tmp_path: Path):
    """The message names the kinds of files in the folder."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "model.pt").write_bytes(b"x")
    with pytest.raises(AblateError, match=r"a folder without results that are read \(it has \.pt\)"):
        read(tmp_path, "runs")


def test_the_content_of_a_compressed_file_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A small file may hold more than a disk."""
    monkeypatch.setattr(csv_file, "LARGEST", 2**20)
    (tmp_path / "r.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 2**20))
    with pytest.raises(AblateError, match="of content; import a part of it"):
        read(tmp_path, "r.csv.gz")
