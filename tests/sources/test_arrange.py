"""Runs of a source become rows and replicates; other settings that vary are named; copies are no repeats."""

from typing import Any

import pandas as pd
import pytest

from ablation.errors import AblateError
from ablation.sources import arrange, guess, metrics, numbers
from ablation.sources.runs import CURVES, Runs
from ablation.study.import_keys import ImportKeys

pytestmark = pytest.mark.unit

ARMS = {"arm": ["a", "a", "b", "b"], "seed": [0, 1, 0, 1], "test_acc": [0.5, 0.6, 0.7, 0.8]}


def arranged(
    columns: dict[str, list[Any]], separates_settings: bool = False, best: Any = None, **keys: Any
) -> arrange.Arranged:
    """Return the rows of runs with these columns; by default, the factor is the arm and the metric test_acc."""
    stated = {"from": "x.csv", "factors": ["arm"], "metrics": ["test_acc"]} | keys
    curves = columns.pop("curves", None)
    frame = pd.DataFrame(columns)
    runs = Runs(
        "x.csv",
        "csv",
        frame,
        None if curves is None else pd.DataFrame(curves, columns=list(CURVES)),
        separates_settings,
    )
    return arrange.arrange(runs, ImportKeys.model_validate(stated), "import", best)


def values(rows: arrange.Arranged, number: str = "test_acc") -> dict[tuple[Any, ...], list[float]]:
    """Levels of a row -> its numbers."""
    by_row: dict[tuple[Any, ...], list[float]] = {row: [] for row in rows.rows}
    for trial in rows.trials:
        by_row[rows.rows[trial.row - 1]] += [trial.numbers[number]] if number in trial.numbers else []
    return by_row


def refused(columns: dict[str, list[Any]], **keys: Any) -> str:
    with pytest.raises(AblateError) as refusal:
        arranged(columns, **keys)
    return str(refusal.value)


def test_combinations_of_levels_are_rows_and_seeds_pair_them():
    """Rows are the combinations of levels, in the order of the source."""
    rows = arranged(ARMS, seed="seed")
    assert values(rows) == {("a",): [0.5, 0.6], ("b",): [0.7, 0.8]}
    assert [(t.row, t.seed) for t in rows.trials] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert (rows.replication, rows.confounded, rows.notes) == ("seeds", {}, ())


def test_without_seeds_no_runs_are_paired():
    """Each run has a number of its own."""
    rows = arranged({name: ARMS[name] for name in ("arm", "test_acc")})
    assert [t.seed for t in rows.trials] == [0, 1, 2, 3]
    assert rows.replication == "runs"


def test_several_runs_of_one_row_and_seed_are_an_error_or_a_rule():
    """The error lists them and says what to do; with a rule, the caption says which run counts; never the best."""
    twice = {"arm": ["a", "a", "b"], "seed": [0, 0, 0], "test_acc": [0.9, 0.5, 0.7], "file": ["x", "y", "z"]}
    message = refused(dict(twice), seed="seed")
    assert "1 rows and seeds have several runs (row 1, seed 0: x, y); leave runs out with where" in message
    for rule, expected in (("first", 0.9), ("latest", 0.5)):
        rows = arranged(dict(twice), seed="seed", duplicates=rule, ignore=["file"])
        assert values(rows)["a",] == [expected]
        assert f"the {rule} run counts" in rows.notes[0]


def test_exact_copies_count_once():
    """Copies among runs without seeds count once only where their numbers have too many decimals for chance."""
    copies = {"arm": ["a", "a", "b"], "test_acc": [0.573901, 0.573901, 0.7], "loss": [1.23456, 1.23456, 1.0]}
    rows = arranged(copies)
    assert values(rows) == {("a",): [0.573901], ("b",): [0.7]}
    assert rows.notes == ("1 run is an exact copy of another run of its row, and counted once: 2 of 3 runs are used.",)
    assert values(arranged({"arm": ["a", "a", "b"], "test_acc": [1.0, 1.0, 0.5]}))["a",] == [1.0, 1.0]


def test_settings_beside_the_factors_are_named_with_their_rows():
    """Unless they are ignored, name each run, or are a second name of the seed."""
    columns = ARMS | {
        "model": ["t5", "t5", "flan", "flan"], "workers": [1, 1, 2, 2], "log": ["p", "q", "r", "s"],
        "second_seed": [100, 101, 100, 101],
    }  # fmt: skip
    rows = arranged(dict(columns), seed="seed")
    assert rows.confounded == {"model": {1: ("t5",), 2: ("flan",)}, "workers": {1: ("1",), 2: ("2",)}}
    assert arranged(dict(columns), seed="seed", ignore=["workers"]).confounded.keys() == {"model"}
    assert arranged(dict(columns), seed="seed", where={"model": "t5"}).confounded == {}


def test_runs_without_seeds_that_repeat_settings_are_clusters():
    """Repeats of one setting are no independent runs of a row."""
    columns = {
        "arm": ["a"] * 4 + ["b"] * 4, "depth": [1, 1, 2, 2, 1, 1, 3, 3],
        "test_acc": [0.51, 0.52, 0.61, 0.62, 0.7, 0.71, 0.8, 0.81],
    }  # fmt: skip
    rows = arranged(columns, separates_settings=False)
    assert rows.confounded == {}  # a number that varies within rows may be a result
    separated = arranged({f"params.{n}" if n == "depth" else n: c for n, c in columns.items()}, separates_settings=True)
    assert separated.confounded == {"params.depth": {1: ("1", "2"), 2: ("1", "3")}}
    assert [separated.settings[seed] for seed in range(8)] == [0, 0, 1, 1, 2, 2, 3, 3]


def test_runs_without_a_number_are_failed():
    """Runs without a number stay in the table, and so do runs that the source calls failed or pruned."""
    columns = {"arm": ["a", "a", "b"], "test_acc": [0.5, None, float("inf")], "status": ["done", "done", "killed"],
               "reason": ["", "", "by the user"]}  # fmt: skip
    rows = arranged(columns)
    assert [(t.status, t.reason) for t in rows.trials] == [
        ("done", ""), ("failed", "no result in the source"), ("killed", "by the user"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["status", "state"])
def test_words_of_other_programs_say_how_a_run_ended(name: str):
    """The words of other programs are a status, in a filter too; a column of this name with other words is none."""
    columns = {"arm": ["a", "a", "b"], "test_acc": [0.5, 0.1, 0.7], name: ["FINISHED", "crashed", "COMPLETE"]}
    assert [t.status for t in arranged(dict(columns)).trials] == ["done", "failed", "done"]
    assert len(arranged(dict(columns), where={"status": "FINISHED"}).trials) == 2
    assert [t.status for t in arranged(columns | {name: ["new", "old", "old"]}).trials] == ["done"] * 3


def test_last_and_best_values_of_a_course():
    """The last value, which may be nan; with "best", all numbers at the step with the best selecting one."""
    lines = [(0, "val_acc", 1, 0.9), (0, "val_acc", 2, 0.8), (0, "test_acc", 1, 0.7), (0, "test_acc", 2, 0.75),
             (1, "val_acc", 1, 0.5), (1, "val_acc", 2, float("nan")), (1, "test_acc", 1, 0.4)]  # fmt: skip
    columns = {"params.arm": ["a", "b"], "curves": lines}
    metrics = ["val_acc", "test_acc"]
    last = arranged(dict(columns), separates_settings=True, metrics=metrics)
    assert (values(last), values(last, "val_acc")) == (
        {("a",): [0.75], ("b",): [0.4]}, {("a",): [0.8], ("b",): []},
    )  # fmt: skip
    best = arranged(dict(columns), separates_settings=True, metrics=metrics, best=("val_acc", False))
    assert values(best) == {("a",): [0.7], ("b",): [0.4]}
    assert [step["epoch"] for step in last.trials[0].history] == [1, 2]


def test_lines_that_are_steps_become_runs_with_a_course():
    """Lines of equal factors and seed are one run."""
    columns = {"arm": ["a", "a", "b", "b"], "run": [1, 1, 1, 1], "epoch": [0, 1, 1, 0],
               "test_acc": [0.1, 0.2, 0.4, 0.3]}  # fmt: skip
    rows = arranged(columns, seed="run", step="epoch")
    assert values(rows) == {("a",): [0.2], ("b",): [0.4]}
    assert "a run has two lines of one epoch" in refused(
        {"arm": ["a", "a"], "run": [1, 1], "epoch": [0, 0], "test_acc": [0.1, 0.2]}, seed="run", step="epoch"
    )


def test_a_long_source_has_a_line_for_each_metric():
    """The other columns of a long source distinguish runs."""
    columns = {"arm": ["a", "a", "b", "b"], "metric": ["test_acc", "val_acc"] * 2, "value": [0.1, 0.2, 0.3, 0.4]}
    rows = arranged(columns, long=True, metrics=["test_acc", "val_acc"])
    assert (values(rows), values(rows, "val_acc")) == (
        {("a",): [0.1], ("b",): [0.3]}, {("a",): [0.2], ("b",): [0.4]},
    )  # fmt: skip


def test_a_pattern_gives_factors_that_stand_in_names_alone():
    """The named groups of a pattern become fields, numbers where all of them are."""
    columns = {"folder": ["gpu0_8_cpus", "gpu1_16_cpus"], "test_acc": [0.1, 0.2]}
    rows = arranged(columns, pattern=r"gpu(?P<gpu>\d)_(?P<cpus>\d+)", factors=["gpu", "cpus"])
    assert rows.rows == ((0, 8), (1, 16))
    assert "matches no folder; the first is 'gpu0_8_cpus'" in refused(
        dict(columns), pattern="(?P<gpu>tpu)", factors=["gpu"]
    )


@pytest.mark.parametrize(
    ("columns", "keys", "message"),
    [
        ({}, {"factors": ["arms"]}, "import.factors: no field 'arms' in x.csv; fields: arm, seed"),
        ({}, {"metrics": ["acc_test"]}, "import.metrics.test_acc_test: no field 'acc_test'"),
        ({"arm": ["a", 1, "b", "b"]}, {}, "import.factors.arm: levels are of different types: 'a' (a text), 1 (a "),
        ({"test_acc": ["0.5", 1.0, "x", 2.0]}, {}, "test_acc: a value is no number (run 3: 'x'); mend or empty"),
        ({"test_acc": ["0.84 ± 0.01"] * 4}, {}, "has summaries of runs ('0.84 ± 0.01'), and a table needs the runs"),
        ({"seed": [0, 1, None, 1]}, {"seed": "seed"}, "import.seed: 1 runs have no seed, first run 3"),
        ({}, {"factors": {"seed": "arm"}}, "import.factors.seed: is the name of a column of the table"),
        ({}, {"where": {"arm": "c"}}, "import.where.arm: no run has 'c'; values: a, b"),
        ({}, {"pattern": "["}, "import.pattern: not a regular expression"),
        ({}, {"metrics": {"test acc": "test_acc", "test_acc": "test_acc"}}, "test_acc is stated twice"),
    ],
)  # fmt: skip
def test_wrong_keys_and_fields_are_refused_in_one_line(columns: dict, keys: dict, message: str):
    """The message names the key, the field and the values of the source."""
    assert message in refused(ARMS | columns, **keys)


def test_summaries_without_runs_are_refused():
    """A mean with its deviation states no n."""
    runs = Runs("x.csv", "csv", pd.DataFrame({"w": [1, 2], "f1_mean": [0.5, 0.6], "f1_std": [0.1, 0.1]}))
    with pytest.raises(AblateError, match=r"has summaries of runs \(f1_mean, f1_std\) and no runs"):
        numbers.refuse_summaries(runs)


def test_a_proposed_number_has_the_name_that_the_import_gives_it():
    """The split may stand within a name."""
    frame = pd.DataFrame({"arm": ["a", "b"], "ema_val_acc": [0.51, 0.62], "validation/loss": [1.5, 1.25]})
    proposed = guess.guess(Runs("x.csv", "csv", frame)).metrics
    assert proposed == {"val_ema_acc": "ema_val_acc", "val_loss": "validation/loss"}
    assert [metric.number for metric in metrics.stated_metrics(list(proposed.values()), "import")[0]] == [
        f"test_{number}" for number in proposed
    ]  # fmt: skip
