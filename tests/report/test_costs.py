"""Costs of rows: the table and the file of costs, the Pareto front, and the columns that a study file chooses."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import synthetic
from synthetic import published, sealed, study
from test_export import markdown_rows, tex_rows

from ablation.analysis import costs, selection
from ablation.analysis.study_analysis import collect
from ablation.engine.run import JobSettings, Run
from ablation.errors import AblateError
from ablation.report.build import RenderOptions, Report, build, write
from ablation.report.figures import cost
from ablation.report.tables import cost_columns
from ablation.report.verify import check
from ablation.store import result
from ablation.store.examples import Examples
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.store.training import Training
from ablation.store.workspace import Workspace
from ablation.study import study_file
from ablation.study.grid import Grid, Trial
from ablation.study.levels import Condition

pytestmark = pytest.mark.unit

FOUR = """
seeds = [0, 1]
{more}
[factorial]
fc_units = [64, 256]
epochs = [2, 6]
"""
ACCURACY = {1: (0.9, 0.80, 0.80), 2: (0.9, 0.94, 0.94), 3: (0.9, 0.70, 0.70), 4: (0.9, 0.96, 0.96)}
Change = Callable[[Trial, Result], Result]


def grid(folder: Path, more: str = "", text: str = FOUR) -> Grid:
    (folder / "four.toml").write_text(text.format(more=more))
    return study_file.read(str(folder / "four.toml"))


def changed(place: Path, record: Record, change: Change) -> None:
    """Replace every result by another one."""
    for trial in record.grid.trials():
        folder = Workspace(place).training(record.training_key(trial))
        stored = result.read(folder, trial.step)
        assert stored
        result.write(folder, change(trial, stored))


def drawn(place: Path, record: Record, is_sealed: bool = True) -> Report:
    """Return a report of a study, with a row selected or before a selection."""
    workspace = sealed(place, record) if is_sealed else Workspace(place)
    results = collect(workspace, record)
    return build(workspace, record, results, selection.read(workspace, record), RenderOptions())


def four(folder: Path, more: str = "", change: Change | None = None, is_sealed: bool = True) -> Report:
    """Return the report of four rows: more parameters and more epochs are better."""
    folder.mkdir(exist_ok=True)
    record = study(folder, grid(folder, more), ACCURACY, support=(20, 30), classes=("a", "b"))
    if change:
        changed(folder, record, change)
    return drawn(folder, record, is_sealed)


def measured(trial: Trial, stored: Result) -> Result:
    """Numbers that differ between seeds."""
    seconds, memory = 10.0 * trial.step + trial.seed, (100 * trial.row + trial.seed) * 2**20
    return replace(stored, finished=stored.started + seconds, memory=memory)


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Report:
    """Seconds are the number of epochs, and no memory was measured."""
    return four(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Return the workspace of `timed`."""
    return tmp_path_factory.mktemp("timed")


@pytest.fixture(scope="module")
def timed(place: Path) -> Report:
    """Seconds and memory as `measured` gives them; the files are written."""
    drawing = four(place, change=measured)
    write(Workspace(place), drawing)
    return drawing


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def table(drawing: Report) -> dict[str, list[str]]:
    """Return the table of costs: number of the row -> other cells."""
    return {cells[0].strip("°★*"): cells[1:] for cells in markdown_rows(drawing.files["tables/costs.md"])}


# ---- costs


def test_costs_are_means_over_the_trials_of_a_row(timed):
    """Parameters, seconds up to the row's own step, and peak memory; rows 1 and 2 share their trainings."""
    record = timed.study.record
    assert record.training_key(record.grid.trial(1, 0)) == record.training_key(record.grid.trial(2, 0))
    for line in lines(timed.files["costs.csv"]):
        trials = [r for t, r in timed.study.results.items() if str(t.row) == line["row"]]
        assert len(trials) == 2
        assert line["parameters"] == str(trials[0].parameters)
        assert float(line["seconds"]) == pytest.approx(np.mean([r.finished - r.started for r in trials]))
        assert float(line["memory"]) == np.mean([r.memory for r in trials])
    assert table(timed)["1"][:3] == ["12,800", "20", "100"]
    assert table(timed)["4"][:3] == ["51,200", "60", "400"]


def test_times_and_machines_are_in_dated_files_alone(plain, timed):
    """Other seconds and memory change the files of costs, and no file that equal results draw alike."""
    assert plain.undated == timed.undated
    assert "table.csv" in plain.undated
    for name in ("costs.csv", "tables/costs.md", "tables/costs.tex"):
        assert plain.files[name] != timed.files[name]


def test_only_finished_trials_count_and_incomplete_rows_are_on_no_front(tmp_path):
    """Row 4 has one of two seeds: its costs are those of that seed, and it is compared with no row."""

    record = study(tmp_path, grid(tmp_path), ACCURACY, support=(20, 30), classes=("a", "b"))
    Workspace(tmp_path).training(record.training_key(record.grid.trial(4, 1))).result(6).unlink()
    drawing = drawn(tmp_path, record, is_sealed=False)
    costs_of_rows = costs.of_study(drawing.study)
    assert (costs_of_rows.rows[4]["seconds"], costs_of_rows.incomplete) == (6.0, (4,))
    assert costs_of_rows.fronts == {"parameters": (2,), "seconds": (1, 2)}
    assert "Not compared, because of fewer finished trials than other rows: row 4." in drawing.files["tables/costs.md"]


def test_a_cost_that_no_trial_has_is_left_out(tmp_path):
    """An experiment that states no parameters has no column of zeros."""
    drawing = four(tmp_path, "", lambda trial, stored: replace(stored, parameters=0, memory=0), is_sealed=False)
    assert "parameters" not in lines(drawing.files["costs.csv"])[0]
    assert "Parameters" not in drawing.files["tables/costs.md"]
    assert cost.compute(drawing.study).measures.keys() == {"seconds"}


LATENCY = '[measures]\nlatency = { best = "low", split = "none", unit = "ms", decimals = 2 }\n'


@pytest.mark.parametrize(
    "reported",
    [
        lambda value, stored: replace(stored, costs={"latency": value}),
        lambda value, stored: replace(stored, history=[*stored.history[:-1], {**stored.history[-1], "latency": value}]),
        lambda value, stored: replace(
            stored, scores={**stored.scores, "val": {**stored.scores["val"], "latency": value}}
        ),
    ],
    ids=["costs", "last step", "validation"],
)
def test_a_number_that_trials_report_is_a_cost(tmp_path, reported: Callable[[float, Result], Result]):
    """A number is a cost as a cost of the result, in the last step, or among the numbers of validation."""
    drawing = four(tmp_path, LATENCY, lambda t, stored: reported(5.0 - t.row + t.seed, stored), is_sealed=False)
    assert [line["latency"] for line in lines(drawing.files["costs.csv"])] == ["4.5", "3.5", "2.5", "1.5"]
    assert "Latency (ms)" in drawing.files["tables/costs.md"]
    assert lines(drawing.files["trials.csv"])[0]["latency"] == "4.0"
    assert table(drawing)["4"][2] == "1.50"
    assert table(drawing)["4"][-1] == "parameters, seconds, latency"
    assert costs.of_study(drawing.study).fronts["latency"] == (4,)


def test_a_measure_without_splits_is_a_cost_of_its_direction(tmp_path):
    """A higher throughput is better: the front has the row that is best in both."""
    drawing = four(
        tmp_path,
        LATENCY.replace("low", "high").replace("latency", "throughput"),
        lambda trial, stored: replace(stored, costs={"throughput": 10.0 * trial.row}),
        is_sealed=False,
    )
    assert costs.of_study(drawing.study).fronts["throughput"] == (4,)
    assert "(more throughput is better)" in drawing.files["tables/costs.md"]


# ---- the front


def by_definition(values: dict[int, float], prices: dict[int, float], lowest: bool) -> set[int]:
    """Rows that no other row dominates."""
    gain = {row: -value if lowest else value for row, value in values.items()}
    return {
        row
        for row in values
        if not any(
            gain[r] >= gain[row] and prices[r] <= prices[row] and (gain[r] > gain[row] or prices[r] < prices[row])
            for r in values
        )
    }


def test_the_papers_front_is_by_definition(tmp_path):
    """Rows of the paper, by parameters and by seconds; the table names the fronts of each row."""
    papers = study_file.read("paper")
    drawing = drawn(tmp_path, study(tmp_path, papers, published(papers)))
    rows = lines(drawing.files["costs.csv"])
    values = {int(line["row"]): float(line["test_accuracy"]) for line in rows}
    for name in ("parameters", "seconds"):
        prices = {int(line["row"]): float(line[name]) for line in rows}
        on_front = {int(line["row"]) for line in rows if name in line["pareto"].split()}
        assert on_front == by_definition(values, prices, lowest=False)
        assert 0 < len(on_front) < 9
        assert {int(row) for row, cells in table(drawing).items() if name in cells[-1]} == on_front
    assert (
        "without regard to noise, and a row that is chosen from it is chosen on test."
        in (drawing.files["tables/costs.md"])
    )


def test_the_lowest_error_is_the_best(tmp_path):
    """The front of errors; each row has another cost, and half of them the same error."""
    (tmp_path / "g.toml").write_text("[factorial]\ndropout = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]\n")
    record = synthetic.without_classes(
        synthetic.Numbers, study_file.read(str(tmp_path / "g.toml")).model_copy(update={"select_on": "val_mae"}),
        {"val": 8, "test": 8},
    )  # fmt: skip
    errors = dict(enumerate((3.0, 3.0, 2.0, 1.0, 2.0, 1.0), start=1))

    def predicted(trial: Trial, split: str) -> Examples:
        labels = np.linspace(0, 1, 8)
        return Examples({"label": labels, "predicted": labels + errors[trial.row] * np.linspace(0.5, 1.5, 8)})

    synthetic.stated(tmp_path, record, predicted)
    seconds = dict(enumerate((5.0, 1.0, 3.0, 9.0, 2.0, 9.0), start=1))
    changed(tmp_path, record, lambda t, stored: replace(stored, finished=stored.started + seconds[t.row]))
    drawing = drawn(tmp_path, record)
    assert set(costs.of_study(drawing.study).fronts["seconds"]) == {2, 4, 5, 6}
    assert by_definition(errors, seconds, lowest=True) == {2, 4, 5, 6}
    assert cost.compute(drawing.study).fronts["seconds"] == [2, 5, 4, 6]


def test_rows_on_other_test_examples_are_on_no_front(plain):
    """A row is compared with rows on the same examples only, as everywhere."""
    other = replace(plain.study.evidence.test[4], split="other")
    moved = replace(plain.study, evidence=replace(plain.study.evidence, test=plain.study.test | {4: other}))
    costs_of_rows = costs.of_study(moved)
    assert costs_of_rows.other_examples == (4,)
    assert costs_of_rows.fronts["parameters"] == (2,)
    assert costs.of_study(plain.study).fronts["parameters"] == (2, 4)


def test_rows_that_do_not_differ_significantly_are_named(plain):
    """Rows that do not differ significantly from the selected row on test are named, with the cheapest of them."""
    assert [row for row, facts in plain.study.analysis.rows.items() if facts.not_different] == [2]
    text = plain.files["tables/costs.md"]
    assert "Not significantly different from the selected row 4 on test: row 2." in text
    assert "Of these and row 4, the cheapest: row 2 in parameters, row 2 in seconds." in text


def test_before_a_selection_the_front_is_on_validation(tmp_path):
    """No test result is read; the table and the file say what their numbers are."""
    drawing = four(tmp_path, is_sealed=False)
    assert "val_accuracy" in lines(drawing.files["costs.csv"])[0]
    assert "the validation accuracy" in drawing.files["tables/costs.md"]
    assert "test" not in drawing.files["tables/costs.md"]


# ---- read back


@pytest.mark.parametrize(("name", "old", "new"), [
    ("costs.csv", ",60.5,", ",61.5,"), ("tables/costs.md", " 60 |", " 61 |"), ("tables/costs.tex", "& 60 &", "& 61 &"),
])  # fmt: skip
def test_files_of_costs_are_verified(place, timed, tmp_path, name, old, new):
    """The numbers of costs follow from the stored results; one changed number is named, and nothing else."""
    text = timed.files[name]
    assert old in text
    (tmp_path / Path(name).name).write_text(text.replace(old, new, 1))
    (mismatch,) = check(Workspace(place), tmp_path / Path(name).name).mismatches
    assert mismatch.startswith(("row 2, seconds: 61.5 in", "row 2, Seconds: 61 in"))


# ---- the figure


def test_the_figure_draws_the_fronts_of_the_table(timed):
    """A panel a cost; a front has a line, and its rows have a mark of their own and are named in the text."""
    info, table_fronts = cost.compute(timed.study), costs.of_study(timed.study).fronts
    assert {name: set(rows) for name, rows in info.fronts.items()} == {n: set(r) for n, r in table_fronts.items()}
    plot = cost.plot(info, timed.study)
    marks = [trace for trace in plot["data"] if trace.get("name") == cost.FRONT]
    assert [trace["text"] for trace in marks] == [[str(row) for row in rows] for rows in info.fronts.values()]
    assert {trace["marker"]["symbol"] for trace in marks}.isdisjoint({symbol for _, _, symbol in cost.MARKS})
    assert sum(trace["mode"] == "lines" for trace in plot["data"]) == len(info.fronts) == 2
    alt = cost.render(timed.study).alt
    assert "parameters 12,800 to 51,200; seconds 20.5 to 60.5" in alt
    assert "Pareto front of parameters: rows 2 and 4. Pareto front of seconds: rows 1 and 4." in alt


def test_ticks_of_a_logarithmic_axis_are_numbers_in_full():
    """1, 2 and 5 times powers of ten, or powers alone where costs are far apart."""
    assert {"20", "50", "100", "200"} <= set(cost._ticks(15, 311)["ticktext"])
    assert "20" not in cost._ticks(1, 1e4)["ticktext"]
    assert {"0.02", "0.1"} <= set(cost._ticks(0.01, 0.2)["ticktext"])


def test_seconds_have_two_digits_at_least():
    """Seconds have as many decimals as the shortest training needs, and at most three."""
    for least, decimals in ((120.0, 0), (12.0, 0), (9.1, 1), (0.5, 2), (0.01, 3), (0.0, 1)):
        column = cost_columns.column("seconds", costs.OF_EVERY_RESULT["seconds"], [least, 5e3])
        assert column.decimals == (decimals if least else 0)


# ---- the columns of the ablation table


def header(drawing: Report) -> list[str]:
    line = next(line for line in drawing.files["table.md"].splitlines() if line.startswith("| #"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_default_columns_named_one_by_one_give_the_same_bytes(tmp_path, plain):
    """The ablation table without the key equals the one with the default columns."""
    named = '[table]\ncolumns = ["train_accuracy", "val_accuracy", "test_accuracy", "test_macro_f1"]\n'
    drawing = four(tmp_path, named)
    for name in ("table.md", "table.tex", "table.csv", "macros.tex"):
        assert plain.files[name] == drawing.files[name]


def test_measured_columns_are_those_of_the_study_file_in_its_order(tmp_path, timed):
    """Costs and measures; the factors before them and the differences after them stay."""
    named = '[table]\ncolumns = ["test_loss", "parameters", "val_macro_f1", "seconds", "memory", "test_accuracy"]\n'
    drawing = four(tmp_path, named, measured)
    heads = header(drawing)
    assert heads[:3] == ["#", "FC", "Epochs"]
    assert heads[4:8] == ["Parameters", "Val (macro-F1, %)", "Seconds", "Peak memory (MiB)"]
    assert [heads[3].partition(" (")[0], heads[8].partition(" (")[0]] == ["Loss", "Acc."]
    assert heads[9:] == header(timed)[-2:]
    cells = markdown_rows(drawing.files["table.md"])[0]
    assert (cells[4], cells[6], cells[7]) == ("12,800", "20", "100")
    assert "[" not in cells[3]
    assert "[" in cells[8]
    assert [row[4] for row in tex_rows(drawing.files["table.tex"])] == [r"12\,800", r"12\,800", r"51\,200", r"51\,200"]
    assert drawing.files["table.csv"] == timed.files["table.csv"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('[table]\ncolumns = ["seconds", "x"]', "table.columns[2]: unknown column 'x'; known: train_accuracy, "),
        ('[table]\ncolumns = ["test_acc"]', "table.columns[1]: unknown column 'test_acc'; known: "),
        ('[table]\ncolumns = ["memory", "memory"]', "table.columns[2]: 'memory' is named twice; name each column once"),
        ('[table]\ncolumns = "memory"', "table.columns: 'memory' is not allowed; allowed: a list of names: train_, "),
        (
            'select_on = "val_loss"\n[measures]\nloss = { split = "none" }',
            "select_on: 'val_loss' is a cost, and no row",
        ),
    ],
)
def test_columns_and_costs_that_a_study_cannot_have_are_refused(tmp_path, keys: str, message: str):
    """A wrong column or cost is one line with the file, the key and the allowed values, when the study file is read."""
    with pytest.raises(AblateError) as caught:
        grid(tmp_path, keys)
    assert str(caught.value).startswith(f"{tmp_path / 'four.toml'}: {message}")
    assert "\n" not in str(caught.value)


def test_a_cost_of_the_study_file_is_a_known_column(tmp_path):
    """`[measures]` declares it, `[table]` shows it."""
    named = '[table]\ncolumns = ["latency"]\n' + LATENCY
    change = lambda trial, stored: replace(stored, costs={"latency": 1.25 * trial.row})  # noqa: E731
    drawing = four(tmp_path, named, change, is_sealed=False)
    assert header(drawing)[3] == "Latency (ms)"
    assert [row[3] for row in markdown_rows(drawing.files["table.md"])] == ["1.25", "2.50", "3.75", "5.00"]


def test_a_run_stores_the_costs_that_it_is_given(tmp_path):
    """`run.result(costs=...)` writes them with the result, and every later reader has them."""
    training = Training(
        key="k", plugin="keras_head", experiment="e", version=1, condition=Condition({}), defaults={}, seed=0,
        milestones=(1,),
    )  # fmt: skip
    run = Run(
        Workspace(tmp_path), training, JobSettings("", "none"), type("Channel", (), {"report": lambda *_: None})()
    )
    run.result(scores={"val": {"loss": 1.0}}, costs={"latency": 3})
    assert result.read_file(run.folder.result(1)).costs == {"latency": 3.0}


def test_a_study_that_was_never_run_has_no_costs(tmp_path):
    """The file of costs has a line a row, and nothing else is drawn."""
    record = study(tmp_path, grid(tmp_path), {}, support=(20, 30), classes=("a", "b"))
    drawing = drawn(tmp_path, record, is_sealed=False)
    assert [line["row"] for line in lines(drawing.files["costs.csv"])] == ["1", "2", "3", "4"]
    assert "costs" not in drawing.tables
    assert cost.render(drawing.study) is None
