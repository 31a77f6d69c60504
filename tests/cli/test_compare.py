"""`ablate compare`: rows of a user's choice, from files alone, and never before the seal."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import synthetic
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from ablation import cli
from ablation.analysis import selection, study_analysis
from ablation.report.build import RenderOptions, rebuild_and_write
from ablation.store import record as records
from ablation.store.workspace import Workspace
from ablation.study import study_file

pytestmark = pytest.mark.unit

SMALL = {"support": (60, 40, 100), "classes": ("a", "b", "c")}
TEXT = """
equivalence_margin = 0.02
[[rows]]
label = "small"
dropout = 0.0
[[rows]]
dropout = 0.1
[[rows]]
label = "long"
dropout = 0.1
epochs = 30
[[rows]]
dropout = 0.3
epochs = 30
[[rows]]
dropout = 0.4
[[compare]]
rows = ["small", "long"]
"""
ACCURACY = {1: (0.9, 0.80, 0.60), 2: (0.9, 0.85, 0.70), 3: (0.9, 0.90, 0.80), 4: (0.9, 0.88, 0.90)}  # row 5 was not run
LABELS = "labels: small and long"


def made(folder: Path, name: str = "mine", seal: bool = True, **more: Any) -> Workspace:
    """A workspace with the study."""
    path = folder / f"{name}.toml"
    path.write_text(TEXT)
    grid = study_file.read(str(path), seeds=more.pop("seeds", None))
    record = synthetic.study(folder / "runs", grid, ACCURACY, **(SMALL | more))
    return synthetic.sealed(folder / "runs", record) if seal else Workspace(folder / "runs")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    rebuild_and_write(made(folder), "mine", RenderOptions())
    return folder


@pytest.fixture(autouse=True)
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.run(["compare", *map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def contents(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


def test_two_rows_are_compared_from_files_alone(capsys: pytest.CaptureFixture[str], place: Path):
    """Difference, interval, test, discordant images and further measures; no file is written."""
    before = contents(place)
    code, out, _ = call(capsys, 1, 3)
    assert (code, contents(place)) == (0, before)
    assert "**Row 3 against row 1.**" in out
    row = next(line for line in out.splitlines() if line.startswith("| 1 (small) → 3 (long)"))
    cells = [cell.strip() for cell in row.strip("| ").split("|")]
    assert cells[1] == "Dropout 0 → 0.1; Epochs 10 → 30"
    assert [cell.split()[0] for cell in cells[2:4]] == ["+20.0", cells[3].split()[0]]
    down, up = map(int, cells[4].split(" / "))
    assert up - down == 40
    p = mcnemar([[0, down], [up, 0]], exact=True).pvalue
    assert cells[5] == (r"\<0.001" if p < 0.001 else f"{p:.3f}")
    assert "Bonett-Price, paired over images, unadjusted." in out
    assert "p: exact McNemar; not corrected; chosen after the table was seen." in out
    assert "Right only in: test images that only the first / only the second row gets right." in out
    assert "Equivalent: within ±2 pp by two one-sided paired tests." in out
    assert "Holm" not in out


def test_only_rows_that_were_tested_as_equivalent_are_marked_as_equal(tmp_path: Path):
    """The mark = means the test with the study's margin alone; rows without a significant difference have another
    mark."""
    (tmp_path / "s.toml").write_text(
        TEXT.replace("equivalence_margin = 0.02", "reference = 1\nequivalence_margin = 0.25")
    )
    record = synthetic.study(tmp_path / "runs", study_file.read(str(tmp_path / "s.toml")), ACCURACY, **SMALL)
    rebuild_and_write(synthetic.sealed(tmp_path / "runs", record), record.name, RenderOptions())
    folder = tmp_path / "runs" / record.name
    with open(folder / "table.csv", newline="") as file:
        equivalent = [row["equivalent"].lower() == "true" for row in csv.DictReader(file)]
    text = (folder / "table.md").read_text()
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")][2:]
    assert ["=" in cell for cell in cells] == equivalent
    assert equivalent == [False, True, False, False, False]
    assert "= equivalent to °: within ±25 pp by two one-sided paired tests, each at 5 %, unadjusted." in text
    assert "2$^{=}$" in (folder / "table.tex").read_text()


def test_the_numbers_are_those_of_the_tables(capsys: pytest.CaptureFixture[str], place: Path):
    """One comparison has one difference, interval and p, in comparisons.csv and here."""
    with open(place / "runs" / "mine" / "comparisons.csv", newline="") as file:
        (stated,) = csv.DictReader(file)
    code, out, _ = call(capsys, "small", "long", "--json")
    comparison = json.loads(out)
    (pair,) = comparison["pairs"]
    assert (code, comparison["corrected"], comparison["study"]) == (0, False, "mine")
    assert {name: "" if value is None else str(value) for name, value in pair.items()} == {
        name: value for name, value in stated.items() if name not in ("study", "family", "p_holm")
    }
    assert "not corrected; chosen after the table was seen" in comparison["notes"][0]


def test_of_more_rows_all_pairs(capsys: pytest.CaptureFixture[str]):
    """All pairs of more rows are compared, in the order in which the rows are named."""
    _, out, _ = call(capsys, 4, "small", 2, "--json")
    assert [(p["from_row"], p["to_row"]) for p in json.loads(out)["pairs"]] == [(4, 1), (4, 2), (1, 2)]


def test_seeds_are_compared_by_the_t_test(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Rows are compared over the seeds that both have; a row with missing seeds is named."""
    workspace = made(tmp_path, "many", seeds=[0, 1, 2, 3], jitter=0.02)
    record = records.need(workspace, "many")
    lost = next(t for t in record.grid.trials() if (t.row, t.seed) == (1, 2))
    workspace.training(record.training_key(lost)).result(lost.step).unlink()
    code, out, _ = call(capsys, 1, 3, "--name", "many", "--workspace", tmp_path / "runs", "--json")
    comparison = json.loads(out)
    sealed = selection.read(workspace, record)
    study = study_analysis.gather(workspace, record, study_analysis.collect(workspace, record), sealed)
    one, other = ((study.test[row].predicted == study.test[row].labels).mean(axis=1) for row in (1, 3))
    (pair,) = comparison["pairs"]
    assert (code, len(one)) == (0, 3)
    assert pair["p"] == pytest.approx(stats.ttest_rel(other[[0, 1, 3]], one).pvalue)
    assert (pair["ci_over"], pair["only_first_right"]) == ("seeds", None)
    assert "Differences are over the seeds that both rows have; row 1 has fewer seeds." in comparison["notes"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([3], "name two or more rows, as in `ablate compare 3 7`"),
        ([3, "long"], "row 3 is named twice; name each row once"),
        ([3, 6], "row 6: study 'mine' has no such row; its rows: 1 to 5"),
        ([0, 1], "row 0: study 'mine' has no such row; its rows: 1 to 5"),
        (["9" * 5000, 1], "study 'mine' has no such row; its rows: 1 to 5"),
        ([3, "x"], f"row 'x': no row of study 'mine' has this label; numbers: 1 to 5; {LABELS}"),
        ([3, "lomg"], "; nearest: long"),
        ([3, ""], "row '': no row of study 'mine' has this label"),
        ([3, "³"], "row '³': no row of study 'mine' has this label"),
        ([3, 5], "study 'mine': row 5 has no finished training; finished: rows 1 to 4"),
        ([1, 2, "--name", "other"], "no study 'other'; choose a --name of: mine"),
        ([1, 2, "--workspace", "nowhere"], "--workspace nowhere: no study yet; run `ablate run` first"),
    ],
)
def test_wrong_rows(capsys: pytest.CaptureFixture[str], place: Path, arguments: list[object], message: str):
    """One line with what is allowed, exit 2; nothing is written."""
    before = contents(place)
    code, out, error = call(capsys, *arguments)
    assert (code, out, len(error.splitlines()), contents(place)) == (2, "", 1, before)
    assert error.startswith("error: ")
    assert message in error


def test_before_the_seal_no_test_result_is_opened(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """One line says so, exit 2; nothing is written."""
    made(tmp_path, seal=False)
    before = contents(tmp_path)
    code, out, error = call(capsys, 1, 3, "--workspace", tmp_path / "runs")
    assert (code, out, contents(tmp_path)) == (2, "", before)
    assert error == (
        "error: study 'mine': the selection is not sealed yet, so test results are not open; finish the study with "
        "`ablate run` first\n"
    )


def test_of_several_studies_one_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """--name or --grid chooses it."""
    for name in ("mine", "other"):
        made(tmp_path, name)
    code, _, error = call(capsys, 1, 3, "--workspace", tmp_path / "runs")
    assert code == 2
    assert error.endswith("has several studies; choose a --name of: mine, other\n")
    code, out, _ = call(capsys, 1, 3, "--workspace", tmp_path / "runs", "--grid", tmp_path / "other.toml", "--json")
    assert (code, json.loads(out)["study"]) == (0, "other")


def test_rows_on_other_test_examples_are_not_paired(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """Two such rows are refused; of three, the pairs that can be compared are."""
    split_of = records.Record.split_of
    other = study_file.read("mine.toml").rows[3]
    monkeypatch.setattr(records.Record, "split_of", lambda record, row: "x" if row == other else split_of(record, row))
    code, _, error = call(capsys, 3, 4)
    assert code == 2
    assert error == "error: study 'mine': rows 3 and 4 have different test images, so their results cannot be paired\n"
    code, out, _ = call(capsys, 2, 3, 4, "--json")
    comparison = json.loads(out)
    assert [(p["from_row"], p["to_row"]) for p in comparison["pairs"]] == [(2, 3)]
    assert [(p["from_row"], p["to_row"], p["reason"]) for p in comparison["not_compared"]] == [
        (2, 4, "other test examples"), (3, 4, "other test examples")
    ]  # fmt: skip
    assert "Not paired, as the test images differ, and in no test: 2 → 4 and 3 → 4." in comparison["notes"]


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]):
    """The help has an example, and says that p values are not corrected."""
    code, out, _ = call(capsys, "--help")
    assert code == 0
    assert "ablate compare 3 7\n" in out
    assert "not corrected" in " ".join(out.split())
