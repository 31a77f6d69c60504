"""Mixed studies: rows of a study that exist already are imported, and the missing ones are trained."""

import csv
import json
from pathlib import Path

import pytest
from conftest import TESTS

from ablation import cli

STUDY = """
seeds = [0, 1]
select_on = "val_accuracy"
[experiment]
plugin = "digits:"
[factorial]
width = [4, 6, 8]
"""
IMPORT = """
[import]
from = "old.csv"
factors = ["width"]
seed = "seed"
metrics = { val_accuracy = "val_acc", test_accuracy = "acc" }
"""
COLUMNS = "width,seed,val_acc,acc,host,kind\n"
OLD = ["4,0,0.80,0.75,a,x", "4,1,0.82,0.77,a,x", "6,0,0.85,0.84,b,x", "64,0,0.9,0.9,b,x"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a mixed study of three rows and two seeds, of which three trials exist."""
    monkeypatch.syspath_prepend(str(TESTS / "plugins"))
    monkeypatch.chdir(tmp_path)
    state(tmp_path, OLD)
    return tmp_path


def state(place: Path, lines: list[str], keys: str = IMPORT, study: str = STUDY) -> None:
    (place / "old.csv").write_text(COLUMNS + "\n".join(lines) + "\n")
    (place / "mine.toml").write_text(study + keys)


def run(*options: str) -> int:
    return cli.run(["run", "--grid", "mine.toml", "--inline", "-q", *options])


def table(place: Path) -> list[dict[str, str]]:
    with open(place / "runs" / "mine" / "table.csv") as file:
        return list(csv.DictReader(file))


def trained(place: Path) -> list[tuple[int, int]]:
    """Row and seed of the trials that the experiment trained, which alone have a description."""
    return sorted(
        (description["condition"]["width"], description["seed"])
        for path in (place / "runs" / "trained").glob("*/training.json")
        for description in [json.loads(path.read_text())]
    )


def test_what_exists_is_imported_and_only_what_is_missing_is_trained(place: Path, capsys: pytest.CaptureFixture[str]):
    """Imported numbers stand in the table as they are, the other trials are trained, and the mix is stated."""
    assert run() == 0
    first, second, third = table(place)
    assert float(first["test_accuracy"]) == pytest.approx(0.76)
    assert trained(place) == [(6, 1), (8, 0), (8, 1)]
    assert (second["n_seeds"], third["n_seeds"]) == ("2", "2")
    text = (place / "runs" / "mine" / "table.md").read_text()
    assert "3 of 6 trials are imported from old.csv (rows 1 and 2)" in text
    assert "1 run of the source is not used" in text
    assert "not sealed" in text
    assert "no factors: host" in text
    warnings = {w["code"]: w for w in json.loads((place / "runs" / "mine" / "warnings.json").read_text())}
    assert warnings["MIXED_SOURCES"]["rows"] == [1, 2]
    assert "Seeds of row 2 are of both kinds" in warnings["MIXED_SOURCES"]["fact"]
    assert cli.run(["verify", "runs/mine/table.csv", "--source"]) == 0
    assert "its source has the same results" in capsys.readouterr().out


def test_a_second_run_reads_no_source_and_trains_nothing(place: Path, capsys: pytest.CaptureFixture[str]):
    """Imported results stay, also where their source is gone; `clean` keeps them."""
    run()
    before = (place / "runs" / "mine" / "table.csv").read_bytes()
    (place / "old.csv").unlink()
    assert cli.run(["run", "--grid", "mine.toml", "--inline"]) == 0
    assert "nothing to train" in capsys.readouterr().out
    assert cli.run(["clean", "--yes"]) == 0
    assert run() == 0
    assert (place / "runs" / "mine" / "table.csv").read_bytes() == before


def test_new_rows_are_looked_for_in_the_source_first(place: Path):
    """A row that is added to the study is imported where the source has it, and trained otherwise."""
    run()
    state(place, [*OLD, "64,1,0.92,0.91,b,x"], study=STUDY.replace("[4, 6, 8]", "[4, 6, 8, 64, 5]"))
    assert run() == 0
    assert float(table(place)[3]["test_accuracy"]) == pytest.approx(0.905)
    assert trained(place) == [(5, 0), (5, 1), (6, 1), (8, 0), (8, 1)]


def test_an_import_of_a_grown_source_replaces_what_was_trained(place: Path, capsys: pytest.CaptureFixture[str]):
    """`ablate import` reads the source again, says what changed, and trains nothing."""
    run()
    assert cli.run(["import", "mine.toml", "-q"]) == 0
    assert "no change" in capsys.readouterr().out
    state(place, [*OLD[:3], "6,1,0.87,0.86,b,x"])
    assert cli.run(["verify", "runs/mine/table.csv", "--source"]) == 1
    assert "1 new" in capsys.readouterr().err
    assert cli.run(["import", "mine.toml", "-q"]) == 0
    assert "1 new" in capsys.readouterr().out
    assert float(table(place)[1]["test_accuracy"]) == pytest.approx(0.85)


def test_a_failed_run_of_the_source_is_trained(place: Path):
    """A run without a number is no result: the experiment trains its trial."""
    state(place, ["4,0,0.80,0.75,a,x", "4,1,,,a,x", *OLD[2:]])
    assert run() == 0
    assert (4, 1) in trained(place)


def test_an_import_before_the_first_run_says_what_to_do(place: Path, capsys: pytest.CaptureFixture[str]):
    """The missing rows of a study are trained by `ablate run`, which imports too."""
    assert cli.run(["import", "mine.toml"]) == 2
    assert "ablate run --grid mine.toml" in capsys.readouterr().err
    assert not (place / "runs" / "mine").exists()


@pytest.mark.parametrize(
    ("lines", "keys", "message"),
    [
        (OLD, IMPORT.replace('"acc"', '"acc", test_f2 = "acc"'), "f2"),
        (OLD, IMPORT.replace('"width"', '"kind"'), "unknown factor 'kind'"),
        (OLD, IMPORT.replace('["width"]', '{ breadth = "width" }'), "unknown factor 'breadth'"),
        (OLD, IMPORT.replace('seed = "seed"', ""), "import.seed: is needed"),
        (OLD, IMPORT + 'example = "host"\n', "import.example: is not allowed"),
        (["99,0,0.8,0.7,a,x"], IMPORT, "is a row of the study"),
        ([OLD[0], OLD[0].replace("0.75", "0.74")], IMPORT, "several runs"),
        (OLD, IMPORT.replace("old.csv", "none.csv"), "none.csv"),
    ],
)
def test_what_does_not_fit_the_study_is_refused_before_any_work(
    lines: list[str], keys: str, message: str, place: Path, capsys: pytest.CaptureFixture[str]
):
    """One line names the key, what is allowed, and nothing is written."""
    state(place, lines, keys)
    assert run() == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert message in error[-1]
    assert "mine.toml" in error[-1] or "none.csv" in error[-1]
    assert not (place / "runs" / "mine").exists()


def test_rows_that_the_source_cannot_tell_apart_are_named(place: Path, capsys: pytest.CaptureFixture[str]):
    """A run that is two rows of the study is refused with the factor that is missing."""
    state(place, OLD, study=STUDY + "alpha = [0.0, 0.1]\n")
    assert run() == 2
    assert "rows 1 and 2 have the levels of one run; add what they differ in: alpha" in capsys.readouterr().err


def test_studies_with_imports_do_not_run_together(place: Path, capsys: pytest.CaptureFixture[str]):
    """A study with [import] runs alone."""
    (place / "other.toml").write_text(STUDY.replace("[4, 6, 8]", "[10, 12]"))
    assert cli.run(["run", "--grid", "mine.toml,other.toml", "--inline"]) == 2
    assert "mine.toml: import: is not allowed for studies that run together" in capsys.readouterr().err


def test_published_numbers_stand_beside_both(place: Path):
    """Rows state published numbers, whether their results are imported or trained."""
    rows = "".join(
        f"[[rows]]\nwidth = {width}\npublished = {{ test_accuracy = {value} }}\n"
        for width, value in ((4, 0.75), (8, 0.7))
    )
    study = STUDY.partition("[factorial]")[0].replace("[0, 1]", "[0]")
    state(place, OLD, study=study + rows)
    assert run() == 0
    assert [row["published_test_accuracy"] for row in table(place)] == ["0.75", "0.7"]
    assert float(table(place)[0]["test_accuracy"]) == pytest.approx(0.75)
