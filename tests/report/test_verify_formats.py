"""Every format that is drawn is read back: CSV, LaTeX, Markdown, HTML and Excel, with the options of its drawing."""

import os
import random
import re
import stat
from pathlib import Path

import pytest
import synthetic
from openpyxl import load_workbook

from ablation import cli
from ablation.report import read_tables, verify
from ablation.report.build import RenderOptions, rebuild, rebuild_and_write
from ablation.report.read_tables import READERS
from ablation.report.tables import origin, workbook
from ablation.store.workspace import Workspace
from ablation.study import study_file
from ablation.study.table_keys import TableKeys

EDITS = 50
PRECISE = re.compile(r"[\d.]{12}\Z")  # before a digit that library versions may change
STUDY = "[factorial]\ndropout = [0.0, 0.25]\nepochs = [1, 3]\n"
ACCURACY = {row: (0.95, 0.70 + 0.02 * row, 0.86 - 0.03 * row) for row in range(1, 5)}
FOUR = (
    'title = "Four"\n[table]\nstyle = "siunitx"\nmarks = "stars"\norder = "best"\nwide = true\n[[compare]]\n'
    "rows = [{ dropout = 0.0, epochs = 1 }, { dropout = 0.25, epochs = 3 }]\n"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study of four rows and its drawn files; only read."""
    place = tmp_path_factory.mktemp("formats")
    (place / "four.toml").write_text(STUDY)
    record = synthetic.study(place / "runs", study_file.read(str(place / "four.toml")), ACCURACY)
    rebuild_and_write(synthetic.sealed(place / "runs", record), "four", RenderOptions())
    return place


def edited(text: str, seed: int) -> str:
    """Return the text with one digit of one of its numbers changed, outside of comments, styles and scripts."""
    body = re.sub(r"<(script|style).*?</\1>|<!--.*?-->|(?<!\\)%[^\n]*", lambda m: " " * len(m[0]), text, flags=re.S)
    places = [m.start() for m in re.finditer(r"(?<=[\d.])\d", body) if not PRECISE.search(body[: m.start()])]
    place = random.Random(seed).choice(places)
    return text[:place] + str((int(text[place]) + 1 + seed % 8) % 10) + text[place + 1 :]


@pytest.mark.parametrize("name", ["table.csv", "table.tex", "table.md", "macros.tex", "contrasts.csv", "report.html"])
def test_an_edit_of_any_number_is_found(name: str, place: Path):
    """Every one of fifty changed digits in a format is found, up to the twelfth digit of a number."""
    text = re.sub(r"<script>.*?</script>", "", (place / "runs" / "four" / name).read_text(), flags=re.S)  # plotly's
    read = read_tables.read_macros if name == "macros.tex" else READERS[Path(name).suffix]
    fresh = read(text)
    assert not list(verify._compare(fresh, fresh, True))
    ignored = re.compile(r'tabcolsep|\d+pt|cmidrule|colspan|usepackage|version 3|lang=|<meta|id="|href="|class="')
    unnoticed = []
    for seed in range(EDITS):
        changed = edited(text, seed)
        line = next(a for a, b in zip(changed.splitlines(), text.splitlines(), strict=True) if a != b)
        if not list(verify._compare(read(changed), fresh, True)) and not ignored.search(line):
            unnoticed.append(line)
    assert not unnoticed


@pytest.mark.parametrize(
    ("stored", "fresh", "agree"),
    [
        ("17.855363483395426", "17.85536348339542", True),
        ("0.25", "0.25000000000000006", True),
        ("5.551115123125783e-17", "0.0", True),
        ("17.855363483395426", "17.855363483195426", False),
        ("17.86", "17.87", False),
        ("67a53e9ee26e518d-1", "67a53e9ee26e518d-2", False),
        ("nan", "0.25000000000000006", False),
    ],
)
def test_the_last_bits_of_a_number_may_differ(stored: str, fresh: str, agree: bool):
    """Other versions of SciPy and NumPy give other last bits of a number; printed digits are compared exactly."""
    assert verify._agree(stored, fresh) == agree


def test_an_edit_of_any_cell_of_a_workbook_is_found(place: Path, tmp_path: Path):
    """Numbers, texts and number formats, in all sheets."""
    drawing = rebuild(Workspace(place / "runs"), "four", RenderOptions())
    workbook.write(drawing.tables.values(), tmp_path / "t.xlsx", TableKeys())
    fresh = read_tables.read_workbook(workbook.book(drawing.tables.values(), TableKeys()))
    cells = [
        (sheet.title, cell.coordinate)
        for sheet in load_workbook(tmp_path / "t.xlsx") for row in sheet.iter_rows() for cell in row
        if cell.value is not None
    ]  # fmt: skip
    for seed in range(EDITS):
        book = load_workbook(tmp_path / "t.xlsx")
        sheet, coordinate = random.Random(seed).choice(cells)
        cell = book[sheet][coordinate]
        cell.value = cell.value * 1.01 + 0.01 if isinstance(cell.value, int | float) else f"{cell.value}x"
        assert list(verify._compare(read_tables.read_workbook(book), fresh, True)), (sheet, coordinate)


@pytest.mark.parametrize(
    "options", [{}, {"style": "siunitx", "form": "standalone"}, {"marks": "stars", "order": "best"}]
)
def test_a_file_is_verified_as_it_was_drawn(options: dict[str, str], place: Path, tmp_path: Path):
    """Each file states its options; copies in any folder are compared with a drawing of the same options."""
    drawing = rebuild(Workspace(place / "runs"), "four", RenderOptions(table=options))
    names = ("table.tex", "table.md", "table.csv", "macros.tex", "report.html")
    for name in names:
        (tmp_path / name).write_text(drawing.files[name])
    workbook.write(drawing.tables.values(), tmp_path / "t.xlsx", drawing.study.record.grid.table)
    for path in [*(tmp_path / name for name in names), tmp_path / "t.xlsx"]:
        verified = verify.check(Workspace(place / "runs"), path)
        assert (verified.mismatches, verified.cells > 0) == ((), True), path


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"PK no workbook", "not an Excel workbook"), (b"", "not an Excel workbook")],
)
def test_what_is_no_workbook_is_refused(content: bytes, message: str, place: Path, tmp_path: Path, capsys):
    """One line; so is a workbook that ablate did not draw."""
    (tmp_path / "t.xlsx").write_bytes(content)
    assert cli.run(["verify", str(tmp_path / "t.xlsx"), "--workspace", str(place / "runs")]) == 2
    assert message in capsys.readouterr().err


def test_an_origin_survives_a_comment():
    """A name that would end a comment, or an old comment, is read as what it is."""
    text = origin.stated("a--b", "table", TableKeys(marks="stars"))
    assert "--" not in text
    read = origin.read(f"<!-- ablate: {text}; row 1: x -->")
    assert (read.study, read.table, read.drawn_with["marks"]) == ("a--b", "table", "stars")
    old = origin.read(
        "% ablate: study paper, table ablation, wording 2, drawn with style=siunitx form=float float=table*"
    )
    assert old == ("paper", "ablation", {"style": "siunitx", "form": "float", "wide": True}, 2)
    assert origin.read("% ablate: {broken") == ("", "", {}, 1)


def test_a_study_file_states_the_look(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`table FILE` reads [table], [[compare]] and the title, and changes no number and nothing in the workspace."""
    (tmp_path / "four.toml").write_text(FOUR + STUDY)
    before = (place / "runs" / "four" / "table.csv").read_bytes()
    options = ["--name", "four", "--workspace", str(place / "runs"), "--output", str(tmp_path / "out")]
    assert cli.run(["table", str(tmp_path / "four.toml"), *options]) == 0
    text = (tmp_path / "out" / "table.tex").read_text()
    assert r"\begin{table*}" in text
    assert "Four: " in text
    rows = re.findall(r"(?m)^(\d)", (tmp_path / "out" / "table.tex").read_text().partition(r"\midrule")[2])
    assert rows == sorted(rows, key=lambda row: -ACCURACY[int(row)][2])
    assert (tmp_path / "out" / "comparisons.csv").is_file()
    assert (place / "runs" / "four" / "table.csv").read_bytes() == before == (tmp_path / "out/table.csv").read_bytes()
    assert cli.run(["report", str(tmp_path / "four.toml"), *options]) == 0
    assert (tmp_path / "out" / "table.tex").read_text() == text


@pytest.mark.parametrize(
    ("keys", "message"),
    [("[table]\nstyle = 'fancy'", "plain or siunitx"), ("[table]\norder = 'x'", "study, or best"),
     ("[table]\nform = 'doc'", "float, standalone or fragment"), ("[table]\nwide = 1", "true or false"),
     ("[table]\nprimary = 'test_f9'", "is not a measure"), ("[[compare]]\nrows = ['a', 'b']", "compare")],
)  # fmt: skip
def test_a_wrong_look_is_refused(keys: str, message: str, place: Path, tmp_path: Path, capsys):
    """One line that names the file, the key and what is allowed."""
    (tmp_path / "four.toml").write_text(f"{keys}\n{STUDY}")
    assert cli.run(["table", str(tmp_path / "four.toml"), "--workspace", str(place / "runs")]) == 2
    error = capsys.readouterr().err
    assert "four.toml" in error
    assert message in error


def test_a_workspace_that_is_read_only_is_read(place: Path, tmp_path: Path):
    """`table --output`, `report --output`, `verify` and `status` write nothing in it."""
    root = place / "runs"
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    for path in (root, *root.rglob("*")):
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    try:
        common = ["--workspace", str(root)]
        assert cli.run(["table", "four", "--output", str(tmp_path / "out"), *common]) == 0
        assert cli.run(["report", "four", "--output", str(tmp_path / "out"), *common]) == 0
        assert cli.run(["verify", str(root / "four" / "table.tex"), *common]) == 0
        assert cli.run(["status", *common]) == 0
    finally:
        for path in (root, *root.rglob("*")):
            path.chmod(path.stat().st_mode | stat.S_IWUSR)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert os.listdir(tmp_path / "out")
