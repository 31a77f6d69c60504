"""What files and terminal say about imported results: outcomes, splits, searches, decimals and next commands."""

import csv
import json
from pathlib import Path

import optuna
import pytest

from ablation import cli

pytestmark = pytest.mark.unit
FILES = ("table.csv", "table.md", "table.tex", "macros.tex", "warnings.json", "report.html")


def write(place: Path, columns: list[str], lines: list[list[object]]) -> Path:
    """A CSV file."""
    path = place / "source.csv"
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([columns, *lines])
    return path


def imported(place: Path, source: object, *arguments: str) -> Path:
    """Import a study, and return its folder."""
    assert cli.run(["import", str(source), *arguments, "--name", "x", "--workspace", str(place / "runs")]) == 0
    return place / "runs" / "x"


def warnings(folder: Path) -> dict[str, str]:
    return {w["code"]: f"{w['fact']} {w['remedy']}" for w in json.loads((folder / "warnings.json").read_text())}


def outcomes(place: Path) -> Path:
    """Two arms of six runs each, of which one was pruned, one killed and one failed."""
    ends = ["done", "done", "done", "pruned", "killed", "failed"]
    lines = [[arm, n, end, 0.5 + 0.01 * n if end == "done" else ""] for arm in "ab" for n, end in enumerate(ends)]
    return write(place, ["arm", "seed", "status", "test_acc"], lines)


def test_pruned_and_killed_runs_are_no_failures(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The share that failed is of the runs that ended by themselves; pruned runs have their own word and warning."""
    folder = imported(tmp_path, outcomes(tmp_path), "--factors", "arm", "--seed", "seed", "--metric", "test_acc")
    text = (folder / "table.md").read_text()
    assert "numbers from 3 of 6 seeds; 25 %" in text
    assert "of its runs that ended failed" in text
    facts = warnings(folder)
    assert "pruned" not in facts["FAILED_ROWS"]
    assert "2 of 12 runs were pruned" in facts["ADAPTIVE_SEARCH"]
    capsys.readouterr()
    assert cli.run(["status", "x", "--workspace", str(tmp_path / "runs")]) == 0
    status = capsys.readouterr().out
    assert "6 of 12 trials done, 4 failed, 2 pruned" in status
    assert "resume" not in status


def searched(place: Path, sampler: optuna.samplers.BaseSampler) -> str:
    """A study of Optuna with 12 trials, and its address."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = f"sqlite:///{place}/search.db"
    study = optuna.create_study(storage=url, study_name="s", sampler=sampler)
    study.optimize(lambda trial: float(len(trial.suggest_categorical("arm", ["a", "bb", "ccc"]))), n_trials=3)
    return f"optuna:{url}/s"


@pytest.mark.parametrize("adaptive", [True, False])
def test_a_search_is_said_to_be_no_design(adaptive: bool, tmp_path: Path):
    """Optuna stores its sampler of grids alone: all other studies may be adaptive."""
    grid = optuna.samplers.GridSampler({"arm": ["a", "bb", "ccc"]}, seed=0)
    source = searched(tmp_path, optuna.samplers.RandomSampler(seed=4) if adaptive else grid)
    folder = imported(tmp_path, source, "--factors", "params.arm", "--metric", "value")
    assert ("ADAPTIVE_SEARCH" in warnings(folder)) == adaptive


def test_rows_with_very_unequal_numbers_of_runs_look_like_a_search(tmp_path: Path):
    """A row without seeds that has ten runs and four times as many as another one has a warning."""
    for n_most, is_search in ((10, True), (7, False)):
        lines = [[arm, 0.5 + 0.01 * k] for arm, n in (("a", n_most), ("b", 2)) for k in range(n)]
        (tmp_path / str(n_most)).mkdir()
        source = write(tmp_path / str(n_most), ["arm", "test_acc"], lines)
        folder = imported(tmp_path / str(n_most), source, "--factors", "arm", "--metric", "test_acc")
        assert ("ADAPTIVE_SEARCH" in warnings(folder)) == is_search


@pytest.mark.parametrize(
    ("number", "heading", "claim"),
    [
        ("val_acc", "Accuracy (validation, %)", "raised validation accuracy"),
        ("test_acc", "Acc. (test, %)", "raised test accuracy"),
        ("gain", "Gain", "raised gain"),
    ],
)
def test_the_split_is_named_as_the_source_names_it(number: str, heading: str, claim: str, tmp_path: Path):
    """Validation numbers are never called test numbers, and a number without a split has no split."""
    lines = [[arm, seed, 0.5 + gain + 0.01 * seed] for arm, gain in (("a", 0), ("b", 0.1)) for seed in range(4)]
    source = write(tmp_path, ["arm", "seed", number], lines)
    folder = imported(tmp_path, source, "--factors", "arm", "--seed", "seed", "--metric", number)
    text, report = ((folder / name).read_text() for name in ("table.md", "report.html"))
    assert f"| {heading} |" in " ".join(text.split())
    assert claim in report
    if not number.startswith("test"):
        readers = text.replace("test numbers were known", "").replace("none on test", "").replace("t test", "")
        assert "test" not in readers.partition("<!--")[0]


def test_unpaired_differences_are_not_called_paired(tmp_path: Path):
    """Neither by the axis of a figure nor by the notes of the contrasts."""
    lines = [[arm, 0.5 + gain + 0.01 * k] for arm, gain in (("a", 0), ("b", 0.1)) for k in range(4)]
    source = write(tmp_path, ["arm", "test_acc"], lines)
    folder = imported(tmp_path, source, "--factors", "arm", "--metric", "test_acc")
    assert "unpaired 95 % interval over runs" in (folder / "report.html").read_text().replace("\\u0025", "%")
    assert "95 %, unpaired, unadjusted" in (folder / "tables" / "contrasts.md").read_text()


def test_imported_results_are_not_called_sealed(tmp_path: Path):
    """The provenance does not call imported results sealed; nor does a second import open test before a selection."""
    lines = [[arm, seed, 0.5 + 0.01 * seed] for arm in "abc" for seed in range(3)]
    source = write(tmp_path, ["arm", "seed", "test_acc"], lines)
    options = ("--factors", "arm", "--seed", "seed", "--metric", "test_acc")
    imported(tmp_path, source, *options)
    write(tmp_path, ["arm", "seed", "test_acc"], lines[:6])
    folder = imported(tmp_path, source, *options)
    report = (folder / "report.html").read_text()
    assert "imported: not sealed; test numbers were known" in report
    assert "; sealed 2" not in report
    assert "TEST_OPENED_BEFORE_SELECTION" not in warnings(folder)


def test_no_interval_is_printed_without_width(tmp_path: Path):
    """A column has the decimals that its narrowest interval needs; where none show it, there are no brackets."""
    spread = {"a": 1e-6, "b": 0.01, "c": 1e-9}
    lines = [[arm, seed, 0.85 + spread[arm] * seed] for arm in spread for seed in range(3)]
    source = write(tmp_path, ["arm", "seed", "test_score"], lines)
    folder = imported(tmp_path, source, "--factors", "arm", "--seed", "seed", "--metric", "test_score")
    text = (folder / "table.md").read_text()
    assert "0.850001 [0.849999, 0.850003]" in text
    assert "0.860000 [" in text
    assert "| 0.850000 |" in " ".join(text.split())
    assert "too narrow to be printed" in text
    assert "{0.860000}" in (folder / "macros.tex").read_text()
    assert cli.run(["verify", *(str(folder / name) for name in FILES[:4])]) == 0


def test_rows_are_in_the_order_of_the_source(tmp_path: Path):
    """Rows are in the order of their first appearance, ties too."""
    lines = [[arm, seed, 0.5] for seed in (2, 0, 1) for arm in ("z", "m", "a")]
    source = write(tmp_path, ["arm", "seed", "test_acc"], lines)
    folder = imported(tmp_path, source, "--factors", "arm", "--seed", "seed", "--metric", "test_acc")
    with open(folder / "table.csv") as file:
        assert [line["arm"] for line in csv.DictReader(file)] == ["z", "m", "a"]


def test_import_table_and_report_write_the_same_bytes(tmp_path: Path):
    """Importances too, which need 50 combinations of levels."""
    lines = [[a, b, (0.1 * a + 0.01 * b) % 0.7] for a in range(8) for b in range(8)]
    source = write(tmp_path, ["a", "b", "val_acc"], [[*line, line[2]] for line in lines])
    source.write_text(source.read_text().replace("val_acc", "val_acc,test_acc", 1))
    options = ("--factors", "a,b", "--metric", "val_acc,test_acc")
    folder = imported(tmp_path, source, *options)
    assert (folder / "tables" / "importance.md").is_file()
    first = {path: path.read_bytes() for path in folder.rglob("*") if path.suffix in (".md", ".tex", ".csv", ".html")}
    for command in ("table", "report", "table"):
        assert cli.run([command, "x", "--workspace", str(tmp_path / "runs")]) == 0
        assert {path: path.read_bytes() for path in first} == first


def test_the_terminal_ends_with_the_next_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The lines after the table are few: the heaviest warnings with their remedies, runs without a result, files,
    commands."""
    imported(tmp_path, outcomes(tmp_path), "--factors", "arm", "--seed", "seed", "--metric", "test_acc")
    output = capsys.readouterr()
    after = [line for line in output.out.partition("What may be claimed")[2].splitlines() if line.strip()]
    assert len(after) <= 12
    assert after[-1].startswith("next: ablate report x --open")
    assert output.err.strip().endswith("runs without a result: 2 pruned, 2 killed, 2 failed")


@pytest.mark.parametrize("words", [("x",), ("--grid", "x"), ("--name", "x")])
def test_a_stored_study_is_named_by_an_argument_or_an_option(words: tuple[str, ...], tmp_path: Path):
    """`table`, `report` and `status` take STUDY, --grid or --name."""
    imported(tmp_path, outcomes(tmp_path), "--factors", "arm", "--seed", "seed", "--metric", "test_acc")
    for command in ("table", "report", "status"):
        assert cli.run([command, *words, "--workspace", str(tmp_path / "runs")]) == 0


def test_a_study_is_stated_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """An unknown study, two studies or none are refused with the studies that there are."""
    imported(tmp_path, outcomes(tmp_path), "--factors", "arm", "--seed", "seed", "--metric", "test_acc")
    for words, message in (
        (["table", "x", "--grid", "x"], "state the study once"), (["report", "nix"], "runs: x"),
        (["table"], "workspace: x"),
    ):  # fmt: skip
        assert cli.run([*words, "--workspace", str(tmp_path / "runs")]) == 2
        assert message in capsys.readouterr().err
