"""`ablation.open`: a study's tables, statistics, figures and texts in Python, from its files alone."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import synthetic
from openpyxl import load_workbook
from plotly import graph_objects

import ablation
from ablation import cli
from ablation.api.study import Study
from ablation.errors import AblateError
from ablation.model.table import Cell, Column, Table
from ablation.report.build import RenderOptions, rebuild_and_write
from ablation.report.tables import workbook
from ablation.statistics.intervals import Interval
from ablation.store.workspace import Workspace
from ablation.study import study_file
from ablation.study.table_keys import TableKeys

pytestmark = pytest.mark.unit

TEXT = "[[rows]]\nlabel = '=base'\n[[rows]]\nlabel = 'drop'\ndropout = 0.1\n[[rows]]\nepochs = 30\n"
ACCURACY = {1: (0.95, 0.70, 0.70), 2: (0.95, 0.75, 0.80), 3: (0.95, 0.72, 0.75)}
SMALL = {"support": (60, 40), "classes": ("a", "b")}


def made(folder: Path, name: str = "mine", seal: bool = True, **more: Any) -> Path:
    """Write a study with its output files, and return its folder."""
    (folder / f"{name}.toml").write_text(TEXT)
    record = synthetic.study(folder / "runs", study_file.read(str(folder / f"{name}.toml")), ACCURACY, **(SMALL | more))
    if seal:
        synthetic.sealed(folder / "runs", record)
    rebuild_and_write(Workspace(folder / "runs"), name, RenderOptions())
    return folder / "runs" / name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    return ablation.open(folder)


def csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


@pytest.mark.parametrize("name", ["table", "trials", "contrasts"])
def test_frames_hold_the_numbers_of_the_files(folder: Path, study: Study, name: str):
    """Equal bit for bit, with numbers as numbers; texts are those of the study, without a guard against formulas."""
    frame, stored = getattr(study, name), csv(folder / f"{name}.csv")
    assert list(frame) == list(stored)
    assert len(frame) == len(stored) > 0
    numbers = [column for column in frame if frame[column].dtype.kind in "iuf"]
    assert {column for column in stored if stored[column].dtype == float} - set(numbers) <= {
        "from_level",
        "to_level",
        "reason",
    }
    assert len(numbers) > 5
    for column in numbers:
        np.testing.assert_allclose(frame[column].to_numpy(float), stored[column].to_numpy(float), 1e-14, err_msg=column)
    if name == "table":
        assert list(frame.label) == ["=base", "drop", ""]
        assert list(stored.label.fillna("")) == ["'=base", "drop", ""]


def test_a_frame_is_a_copy(study: Study):
    """A change of a frame changes neither the study nor the next frame."""
    frame = study.table
    frame["row"] = 0
    assert list(study.table.row) == [1, 2, 3]


def test_nothing_is_written(folder: Path):
    """No file of the workspace changes, in content or time, and none is added."""
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.parent.rglob("*") if p.is_file()}
    opened = ablation.open(folder)
    assert len(opened.table) == 3
    assert opened.figures
    assert opened.compare(1, 2).size
    assert opened._repr_html_()
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.parent.rglob("*") if p.is_file()} == before


def test_warnings_claims_and_texts_are_those_of_the_report(folder: Path, study: Study):
    """Codes of warnings.json, sentences of report.html, table.tex and table.md character for character."""
    stored = pd.read_json(folder / "warnings.json")
    assert list(study.warnings.code) == list(stored.code) != []
    report = (folder / "report.html").read_text()
    assert study.claims
    assert study.claims[0].split(":")[0] in report
    assert study.latex() == (folder / "table.tex").read_text()
    assert study.markdown() == (folder / "table.md").read_text()
    assert study.latex("siunitx", "fragment") != study.latex()


def test_examples_have_a_line_per_trial_and_example(study: Study):
    """The accuracies of the table follow from the lines of the examples, one per trial and example."""
    examples = study.examples
    assert len(examples) == 3 * 100
    assert examples.groupby("row").accuracy.mean().tolist() == pytest.approx(study.table.test_accuracy.tolist())


def test_rows_are_compared_by_number_or_label(study: Study):
    """One line per pair, with notes; NumPy's numbers are numbers of rows."""
    (line,) = study.compare(np.int64(1), "drop").itertuples()
    assert (line.from_row, line.to_row) == (1, 2)
    assert line.delta_test_accuracy_pp == pytest.approx(10.0)
    assert len(study.compare(1, 2, 3)) == 3
    assert any("not corrected" in note for note in study.compare(1, 2).attrs["notes"])


def test_figures_are_plotly_figures(study: Study):
    """All figures of the report by name; plotly checks their parts."""
    assert "contrasts" in study.figures
    for name in study.figures:
        figure = study.figure(name)
        assert isinstance(figure, graph_objects.Figure)
        assert len(figure.data) > 0


def test_the_html_is_the_table_with_its_notes(study: Study):
    """All cells and notes, escaped; no script."""
    shown = study._repr_html_()
    assert shown.count("<tr>") == 5  # headings of groups, titles, three rows
    assert "reference row" in shown
    assert "<script" not in shown
    assert repr(study).startswith("<Study mine: 3 rows, /")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.figure("no"), "figure 'no': not a figure of study 'mine'; allowed: contrasts"),
        (lambda s: s.latex("fancy"), "style: 'fancy' is not allowed; allowed: plain, siunitx"),
        (lambda s: s.latex(form="x"), "form: 'x' is not allowed; allowed: float, standalone, fragment"),
        (lambda s: s.compare(1, 9), "row 9: study 'mine' has no such row; its rows: 1 to 3"),
        (lambda s: s.compare(1), "name two or more rows"),
        (lambda s: ablation.open(3), "path: 3 is not allowed; allowed: the folder of a study or a workspace"),
    ],
)
def test_wrong_values_are_refused_in_one_line(study: Study, call: Any, message: str):
    """A wrong value is refused in one line, with the values that are allowed."""
    with pytest.raises(AblateError) as refused:
        call(study)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def test_a_workspace_with_one_study_is_that_study(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """A workspace, a study's folder, and a relative path open the same study."""
    monkeypatch.chdir(folder)
    assert [ablation.open(path).folder for path in (folder.parent, f"{folder}/", ".", "../mine")] == [folder] * 4


def test_other_studies_are_listed_where_one_is_missing(tmp_path: Path):
    """A wrong name, a workspace with several studies, and a folder without any."""
    first, second = made(tmp_path, "a"), made(tmp_path, "b")
    with pytest.raises(AblateError, match=f"c: no such study; open one of: {first}, {second}"):
        ablation.open(tmp_path / "runs" / "c")
    with pytest.raises(AblateError, match=f"runs: has several studies; open one of: {first}, {second}"):
        ablation.open(tmp_path / "runs")
    with pytest.raises(AblateError, match=r"nothing: no study; open the folder of a study \(runs/NAME\)"):
        ablation.open(tmp_path / "x" / "nothing")


def test_test_results_stay_closed_before_the_seal(tmp_path: Path):
    """Examples and comparisons are refused; the table has validation alone."""
    opened = ablation.open(made(tmp_path, seal=False))
    for call in (lambda: opened.examples, lambda: opened.compare(1, 2)):
        with pytest.raises(AblateError, match=r"study 'mine': .*selection is.* sealed yet"):
            call()
    assert opened.table.val_accuracy.notna().all()
    assert "test_accuracy" not in opened.table or opened.table.test_accuracy.isna().all()


def test_a_workbook_has_the_numbers_of_the_table(study: Study, tmp_path: Path):
    """One sheet per table; numbers are numbers of full precision, and a text that begins like a formula is a text."""
    study.to_excel(tmp_path / "t.xlsx")
    book = load_workbook(tmp_path / "t.xlsx")
    assert book.sheetnames[:2] == ["ablation", "contrasts"]
    sheet = book["ablation"]
    titles = [cell.value for cell in sheet[1]]
    low = next(k for k, title in enumerate(titles) if title.endswith(", low"))
    column = [row[low - 1].value for row in sheet.iter_rows(min_row=2, max_row=4)]
    assert column == pytest.approx((100 * study.table.test_accuracy).tolist(), rel=1e-15)
    bounds = [row[low].value for row in sheet.iter_rows(min_row=2, max_row=4)]
    assert bounds == pytest.approx((100 * study.table.test_accuracy_low).tolist(), rel=1e-15)
    assert [row[0].value for row in sheet.iter_rows(min_row=2, max_row=4)] == [1, 2, 3]
    texts = [str(cell.value) for row in sheet.iter_rows(min_row=5) for cell in row if cell.value]
    assert any("reference row" in text for text in texts)
    assert {cell.data_type for one in book.worksheets for row in one.iter_rows() for cell in row} <= {"s", "n"}


def test_texts_of_a_workbook_are_no_formulas(tmp_path: Path):
    """Formulas, error values, control characters and infinite values are texts; nan is an empty cell."""
    kinds = [("a", "text"), ("b", "text"), ("c", "text"), ("d", "estimate"), ("e", "number"), ("f", "p")]
    columns = tuple(Column(key, key, kind) for key, kind in kinds)
    values = ("=1+1", "#N/A", "@a\x07\nb", Interval(0.5, 0.4, 0.6), math.inf, 1e-9)
    empty = ("-1", "+1", None, Interval(0.5, math.nan, math.nan), math.nan, None)
    rows = tuple(tuple(Cell(value) for value in line) for line in (values, empty))
    table = Table("s", "=caption", columns, rows, (frozenset(), frozenset()), ("+note",), 1, key="a/b:" + "c" * 40)
    workbook.write([table, table], tmp_path / "t.xlsx", TableKeys())
    book = load_workbook(tmp_path / "t.xlsx")
    sheet = book.worksheets[0]
    assert sheet.title == "a b " + "c" * 24
    assert [cell.value for cell in sheet[2]] == ["=1+1", "#N/A", "@a b", 50, 40, 60, "inf", 1e-9]
    assert [cell.data_type for cell in sheet[2]][:3] == ["s", "s", "s"]
    assert all(sheet.cell(2, k).quotePrefix for k in (1, 3))
    assert sheet.cell(2, 8).number_format == '[<0.001]"<0.001";0.000'
    assert [cell.value for cell in sheet[3]] == ["-1", "+1", None, 50, None, None, None, None]
    assert [sheet.cell(row, 1).value for row in (5, 6)] == ["=caption", "+note"]
    assert len(book.sheetnames) == 2


def test_the_command_writes_the_same_workbook(folder: Path, study: Study, tmp_path: Path):
    """`ablate table --xlsx FILE`; a folder that is missing is refused before any work."""
    arguments = ["table", "--grid", "mine", "--name", "mine", "--workspace", str(folder.parent), "--xlsx"]
    assert cli.run([*arguments, str(tmp_path / "no" / "t.xlsx")]) == 2
    assert cli.run([*arguments, str(tmp_path / "t.xlsx")]) == 0
    study.to_excel(tmp_path / "python.xlsx")
    one, other = (pd.read_excel(tmp_path / name, sheet_name=None) for name in ("t.xlsx", "python.xlsx"))
    assert list(one) == list(other)
    for name in one:
        pd.testing.assert_frame_equal(one[name], other[name])
