"""`ablate import`: results that exist already become a study, with the table that their evidence allows."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from mlflow import MlflowClient
from scipy import stats
from statsmodels.stats.anova import anova_lm

from ablation import cli
from ablation.study.declared_factors import OWN_COLUMNS

SETS = Path(__file__).parents[3] / "shared" / "data" / "imports"
REAL = pytest.mark.skipif(not SETS.is_dir(), reason="the real result files are not here: ../shared/data/imports")


def imported(place: Path, *arguments: str) -> int:
    """Import into a workspace, and return the exit code."""
    return cli.run(["import", *map(str, arguments), "--workspace", str(place / "runs")])


def table(place: Path, study: str) -> list[dict[str, str]]:
    with open(place / "runs" / study / "table.csv") as file:
        return list(csv.DictReader(file))


def text(place: Path, study: str) -> str:
    return (place / "runs" / study / "table.md").read_text()


def warned(place: Path, study: str) -> set[str]:
    return {warning["code"] for warning in json.loads((place / "runs" / study / "warnings.json").read_text())}


def write(place: Path, name: str, columns: list[str], lines: list[list[object]]) -> Path:
    """A CSV file."""
    path = place / name
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([columns, *lines])
    return path


@pytest.fixture
def arms(tmp_path: Path) -> Path:
    """Two arms with four seeds each, the second one better by about 0.05."""
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 0.02, 4)
    lines = [
        [arm, seed, round(0.8 + gain + shared[seed] + rng.normal(0, 0.005), 6), round(0.81 + gain, 4)]
        for arm, gain in (("baseline", 0.0), ("wide", 0.05)) for seed in range(4)
    ]  # fmt: skip
    return write(tmp_path, "arms.csv", ["arm", "seed", "test_acc", "val_acc"], lines)


def test_a_file_of_results_becomes_a_table(arms: Path, tmp_path: Path):
    """Rows are paired by seed; a row called baseline is the reference; the best on validation is selected."""
    assert imported(tmp_path, arms, "--factors", "arm", "--seed", "seed", "--metric", "test_acc,val_acc") == 0
    first, second = table(tmp_path, "arms")
    values = np.array([float(line["test_acc"]) for line in csv.DictReader(open(arms))]).reshape(2, 4)  # noqa: SIM115
    assert [first["arm"], first["reference"], second["selected"]] == ["baseline", "True", "True"]
    assert float(second["test_acc"]) == pytest.approx(values[1].mean())
    assert float(second["p"]) == pytest.approx(stats.ttest_rel(values[1], values[0]).pvalue)
    bounds = stats.ttest_1samp(values[1], 0).confidence_interval()
    assert float(second["test_acc_seeds_low"]) == pytest.approx(bounds.low)
    assert "Imported: not sealed; test numbers were known." in text(tmp_path, "arms")
    assert cli.run(["verify", str(tmp_path / "runs" / "arms" / "table.tex")]) == 0


def test_a_second_import_says_what_changed(arms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A grown source replaces the results as a whole; nothing that is gone stays."""
    options = ("--factors", "arm", "--seed", "seed", "--metric", "test_acc")
    imported(tmp_path, arms, *options)
    folders = {path.name for path in (tmp_path / "runs" / "trained").iterdir() if path.is_dir()}
    imported(tmp_path, arms, *options)
    assert "Since the last import: no change." in capsys.readouterr().out
    lines = arms.read_text().splitlines()
    arms.write_text("\n".join([*lines[:-2], "wide,2,0.5,0.5", "wide,9,0.9,0.9"]) + "\n")
    imported(tmp_path, arms, *options)
    assert "Since the last import (8 runs, 8 now): 1 new, 1 gone, 1 changed (row " in capsys.readouterr().out
    now = {path.name for path in (tmp_path / "runs" / "trained").iterdir() if path.is_dir()}
    assert (len(now), len(now & folders)) == (8, 7)


def test_the_source_is_verified(arms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """--source reads it again, and says what differs from what was imported."""
    imported(tmp_path, arms, "--factors", "arm", "--seed", "seed", "--metric", "test_acc")
    check = ["verify", str(tmp_path / "runs" / "arms" / "table.tex"), "--workspace", str(tmp_path / "runs"), "--source"]
    assert cli.run(check) == 0
    assert "arms: its source has the same results" in capsys.readouterr().out
    arms.write_text(arms.read_text().replace("baseline,0,0.", "baseline,0,0.1"))
    assert cli.run(check) == 1
    printed = capsys.readouterr().err
    changed = re.search(r"8 now\): 1 changed \((.*)\)\.$", printed, re.MULTILINE)
    assert changed
    assert re.fullmatch(r"row 1, seed 0: test_acc 0\.\d+ → 0\.1\d+", changed[1])
    assert "arms: its source has changed; import it again to use the new results" in printed


@pytest.mark.parametrize(("source", "near"), [("arm.csv", "arms.csv"), ("mine.tml", "mine.toml")])
def test_a_misspelt_source_has_a_nearest_file(
    arms: Path,
    tmp_path: Path,
    source: str,
    near: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    """The nearest file of the folder is named; a study file is one of them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "arms.csv").write_text(arms.read_text())
    (tmp_path / "mine.toml").write_text("")
    assert cli.run(["import", source]) == 2
    assert capsys.readouterr().err.rstrip().endswith(f"; nearest: {near}")


def test_mlflow_has_the_imported_runs_with_their_courses(tmp_path: Path):
    """`ablate sync` sends them, like those of a study that was trained."""
    lines = [
        [arm, seed, epoch, 0.5 + 0.1 * epoch + seed / 100] for arm in "ab" for seed in (0, 1) for epoch in range(3)
    ]
    path = write(tmp_path, "e.csv", ["arm", "seed", "epoch", "val_acc"], lines)
    options = ("--factors", "arm", "--seed", "seed", "--step", "epoch", "--metric", "val_acc")
    assert imported(tmp_path, path, *options) == 0
    assert cli.run(["sync", "--workspace", str(tmp_path / "runs")]) == 0
    client = MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()], "params.arm = 'b'")
    assert sorted(run.data.metrics["final/test_val_acc"] for run in runs) == pytest.approx([0.7, 0.71])
    assert {run.data.params["seed"] for run in runs} == {"0", "1"}
    assert len(client.get_metric_history(runs[0].info.run_id, "test_val_acc")) == 3


def test_a_study_file_states_the_same(arms: Path, tmp_path: Path):
    """The keys of [import] are next to those of every study; the source's path is relative to the file."""
    (tmp_path / "mine.toml").write_text(
        'title = "Mine"\nreference = { arm = "wide" }\nequivalence_margin = 0.001\n'
        '[import]\nfrom = "arms.csv"\nfactors = ["arm"]\nseed = "seed"\n'
        'metrics = { test_accuracy = "test_acc", val_accuracy = "val_acc" }\n'
        '[[compare]]\nrows = [{ arm = "baseline" }, { arm = "wide" }]\n'
    )
    assert imported(tmp_path, tmp_path / "mine.toml") == 0
    assert [line["reference"] for line in table(tmp_path, "mine")] == ["False", "True"]
    assert "Mine" in text(tmp_path, "mine")
    assert (tmp_path / "runs" / "mine" / "comparisons.csv").is_file()
    assert cli.run(["table", "--name", "mine", "--grid", str(tmp_path / "mine.toml"),
                    "--workspace", str(tmp_path / "runs")]) == 0  # fmt: skip


def test_a_trained_study_of_the_file_points_to_import(tmp_path: Path, arms: Path, capsys: pytest.CaptureFixture[str]):
    """`ablate run` does not train what is imported."""
    (tmp_path / "mine.toml").write_text('[import]\nfrom = "arms.csv"\n')
    assert cli.run(["run", "--grid", str(tmp_path / "mine.toml")]) == 2
    assert "its results are imported, not trained; read them with `ablate import" in capsys.readouterr().err


def test_the_proposed_file_imports(arms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """--guess proposes, writes nothing but the file, and imports nothing."""
    proposed = tmp_path / "proposed.toml"
    assert imported(tmp_path, arms, "--guess", "--write", proposed) == 0
    assert not (tmp_path / "runs").exists()
    assert proposed.read_text() == capsys.readouterr().out
    assert 'factors = { arm = "arm" }' in proposed.read_text()
    assert 'seed = "seed"' in proposed.read_text()
    assert imported(tmp_path, proposed) == 0
    assert imported(tmp_path, arms, "--guess", "--write", proposed) == 2


def test_runs_without_seeds_are_compared_by_welch(tmp_path: Path):
    """Rows of different size; nothing pairs them, and the table says so."""
    values = {"a": [0.51, 0.53, 0.52, 0.54], "b": [0.61, 0.65, 0.6]}
    path = write(tmp_path, "runs.csv", ["arm", "score"], [[arm, v] for arm, row in values.items() for v in row])
    assert imported(tmp_path, path, "--factors", "arm", "--metric", "score", "--best", "score=high") == 0
    second = table(tmp_path, "runs")[1]
    assert float(second["p"]) == pytest.approx(stats.ttest_ind(values["b"], values["a"], equal_var=False).pvalue)
    assert "over 3 to 4 runs per row, not paired: the source states no seeds" in text(tmp_path, "runs")
    assert "UNPAIRED" in warned(tmp_path, "runs")


def test_validation_that_disagrees_with_test_is_said(tmp_path: Path):
    """Rows are selected on a measure without test numbers, and compared by one that has them."""
    lines = [
        [m, s, loss + s / 100, acc + s / 100] for m, loss, acc in (("a", 0.5, 0.9), ("b", 0.4, 0.8)) for s in range(3)
    ]
    path = write(tmp_path, "v.csv", ["model", "seed", "val_loss", "test_acc"], lines)
    options = ("--factors", "model", "--seed", "seed", "--metric", "val_loss,test_acc", "--select-on", "val_loss")
    assert imported(tmp_path, path, *options) == 0
    assert [line["selected"] for line in table(tmp_path, "v")] == ["False", "True"]
    assert "VAL_TEST_DISAGREE" in warned(tmp_path, "v")


def test_lines_that_are_steps_stay_paired_by_a_column_called_run(tmp_path: Path):
    """The name of the seed's column is the user's; numbers on validation are called that, and the step is stated."""
    lines = [[arm, run, epoch, 0.5 + 0.1 * (arm == "b") + run / 50 + epoch / 100 + (arm == "b") * run / 500]
             for arm in "ab" for run in range(4) for epoch in range(3)]  # fmt: skip
    path = write(tmp_path, "e.csv", ["arm", "run", "epoch", "val_acc"], lines)
    assert imported(tmp_path, path, "--factors", "arm", "--seed", "run", "--step", "epoch", "--metric", "val_acc") == 0
    last = np.array([line[3] for line in lines if line[2] == 2]).reshape(2, 4)
    assert float(table(tmp_path, "e")[1]["p"]) == pytest.approx(stats.ttest_rel(last[1], last[0]).pvalue)
    assert "VALIDATION_ONLY" in warned(tmp_path, "e")
    caption = text(tmp_path, "e").splitlines()[0]
    assert "All numbers are on validation" in caption
    assert "Each run at its last step." in caption


def test_few_groups_have_no_interval_over_examples_in_their_place(tmp_path: Path):
    """Examples of one group are not independent; the caption says why there is none."""
    rng = np.random.default_rng(0)
    lines = [[arm, q, q % 4, int(rng.random() < 0.7)] for arm in "ab" for q in range(80)]
    path = write(tmp_path, "g.csv", ["arm", "q", "topic", "ok"], lines)
    options = ("--factors", "arm", "--example", "q", "--metric", "ok", "--group", "topic")
    assert imported(tmp_path, path, *options) == 0
    assert "No intervals: the test examples are of fewer than 6 groups." in text(tmp_path, "g")
    assert table(tmp_path, "g")[0]["test_ok_low"] == ""


def test_another_source_does_not_replace_a_study(arms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Another source is refused under the name of a study."""
    options = ("--factors", "arm", "--seed", "seed", "--metric", "test_acc", "--name", "mine")
    assert imported(tmp_path, arms, *options) == 0
    other = shutil.copy(arms, tmp_path / "other.csv")
    assert imported(tmp_path, other, *options) == 2
    assert f"study 'mine' is of {arms}; pass another --name" in capsys.readouterr().err


def test_folds_have_the_corrected_resampled_test(tmp_path: Path):
    """The variance of a mean difference over J folds is s2 (1 / J + 1 / (J - 1)); a row has no interval."""
    rng = np.random.default_rng(1)
    values = 0.8 + rng.normal(0, 0.02, (2, 5)) + np.array([[0.0], [0.04]])
    lines = [[arm, fold, values[n, fold]] for n, arm in enumerate("ab") for fold in range(5)]
    path = write(tmp_path, "cv.csv", ["arm", "fold", "test_acc"], lines)
    assert imported(tmp_path, path, "--factors", "arm", "--fold", "fold", "--metric", "test_acc") == 0
    second, difference = table(tmp_path, "cv")[1], values[1] - values[0]
    t = difference.mean() / np.sqrt(difference.var(ddof=1) * (1 / 5 + 1 / 4))
    assert float(second["p"]) == pytest.approx(2 * stats.t.sf(abs(t), 4))
    assert second["test_acc_seeds_low"] == ""
    assert second["p_exact"] == ""
    assert "FOLDS" in warned(tmp_path, "cv")


def test_examples_of_each_run_are_paired(tmp_path: Path):
    """A line an example: topics are the units where they are stated."""
    rng = np.random.default_rng(0)
    ease = rng.normal(size=60)
    lines = [
        [arm, seed, f"q{q}", f"t{q % 12}", int(ease[q] + gain + rng.normal() > 0)]
        for arm, gain in (("a", 0.0), ("b", 1.0)) for seed in range(3) for q in range(60)
    ]  # fmt: skip
    path = write(tmp_path, "qa.csv", ["arm", "seed", "question", "topic", "ok"], lines)
    options = ("--factors", "arm", "--seed", "seed", "--example", "question", "--metric", "ok")
    assert imported(tmp_path, path, *options) == 0
    right = np.array([line[4] for line in lines]).reshape(2, 3, 60)
    first, second = table(tmp_path, "qa")
    assert (float(first["test_ok"]), float(second["test_ok"])) == pytest.approx(tuple(right.mean(axis=(1, 2))))
    assert (second["ci_over"], second["n_test"]) == ("seeds and examples", "60")
    assert imported(tmp_path, path, *options, "--columns", "group=topic", "--name", "topics") == 0
    assert table(tmp_path, "topics")[1]["ci_over"] == "seeds and groups of examples"


def test_classes_of_each_run_have_their_measures(tmp_path: Path):
    """Labels and predictions may be texts."""
    lines = [[arm, n, "yes" if n % 2 else "no", "yes" if (n + (n < wrong)) % 2 else "no"]
             for arm, wrong in (("a", 8), ("b", 3)) for n in range(40)]  # fmt: skip
    path = write(tmp_path, "c.csv", ["arm", "id", "gold", "answer"], lines)
    columns = ("--columns", "label=gold,predicted=answer")
    assert imported(tmp_path, path, "--factors", "arm", "--example", "id", *columns) == 0
    first, second = table(tmp_path, "c")
    assert (float(first["test_accuracy"]), float(second["test_accuracy"])) == (0.8, 0.925)
    assert float(second["only_first_right"]) == 0
    assert "test_macro_f1" in second


def test_failed_runs_stay_in_the_table(tmp_path: Path):
    """Marked, with the share that failed."""
    lines = [["a", 0, 0.5], ["a", 1, 0.6], ["a", 2, 0.55], ["b", 0, 0.7], ["b", 1, ""], ["b", 2, 0.72]]
    path = write(tmp_path, "f.csv", ["arm", "seed", "test_acc"], lines)
    assert imported(tmp_path, path, "--factors", "arm", "--seed", "seed", "--metric", "test_acc") == 0
    share = r"33 % \[1, 91\] of its runs that ended failed"
    assert f"Incomplete: row 2 (failed; numbers from 2 of 3 seeds; {share})" in text(tmp_path, "f")
    assert "FAILED_ROWS" in warned(tmp_path, "f")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.csv"], "none.csv: no such file; nearest: arms.csv"),
        (["xxxxxx.csv"], "xxxxxx.csv: cannot be read: No such file or directory"),
        (["none.xyz"], "import.from: 'none.xyz' is no source"),
        (["arms.csv", "--factors", "size", "--metric", "test_acc"], "no field 'size' in"),
        (["arms.csv", "--factors", "arm", "--metric", "test_acc", "--best", "test_acc"], "--best test_acc: expected"),
        (["arms.csv", "--factors", "arm", "--metric", "test_acc", "--take", "best"], "import.take"),
        (["arms.csv", "--factors", "arm"], "import.metrics: no number is stated"),
        (["arms.csv", "--metric", "test_acc"], "import.factors: no factor is stated"),
        (["arms.csv", "--seed", "seed", "--fold", "seed", "--factors", "arm", "--metric", "test_acc"], "both stated"),
        (["arms.csv", "--factors", "arm", "--metric", "test_acc", "--reference", "arm=x"], "reference: no row has arm"),
        (["arms.csv", "--factors", "arm", "--metric", "test_acc", "--write", "x.toml"], "--write: needs --guess"),
        (["arms.csv", "--factors", "arm", "--metric", "a=test_acc,a=val_acc"], "--metric: a is stated twice"),
        (["arms.csv", "--factors", "arm", "--metric", "test_acc", "--where", "arm=wide"], "all runs are one row"),
    ],
)  # fmt: skip
def test_wrong_input_is_refused_before_anything_is_written(
    arms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], message: str,
):  # fmt: skip
    """One line that says what to do."""
    monkeypatch.chdir(tmp_path)
    assert imported(tmp_path, *arguments) == 2
    refusal = capsys.readouterr().err.strip()
    assert message in refusal
    assert "\n" not in refusal
    assert not (tmp_path / "runs" / "arms").exists()


def files_of_examples(place: Path) -> None:
    """Two models with two seeds each, a folder a run: results, and 40 examples with label and prediction."""
    rng = np.random.default_rng(0)
    for model, share in (("a", 0.6), ("b", 0.9)):
        for seed in (0, 1):
            folder = place / "out" / f"{model}{seed}"
            (folder / "preds").mkdir(parents=True)
            (folder / "metrics.json").write_text(json.dumps({"model": model, "seed": seed, "val_accuracy": share}))
            right = rng.random(40) < share
            lines = [[n, ("no", "yes")[n % 2], ("no", "yes")[(n + (not r)) % 2]] for n, r in enumerate(right)]
            write(folder, "preds/test.csv", ["id", "label", "predicted"], lines)


def test_files_of_examples_are_paired(tmp_path: Path):
    """`examples` names a file in the folder of each run: McNemar's test for one run a row, and validation selects."""
    files_of_examples(tmp_path)
    options = (f"json:{tmp_path}/out/*/metrics.json", "--factors", "model", "--metric", "val_accuracy", "--name", "e")
    assert imported(tmp_path, *options, "--examples", "preds/test.csv", "--where", "seed=0") == 0
    first, second = table(tmp_path, "e")
    right = {}
    for model in "ab":
        with open(tmp_path / "out" / f"{model}0" / "preds" / "test.csv") as file:
            right[model] = np.array([line["label"] == line["predicted"] for line in csv.DictReader(file)])
    assert float(first["test_accuracy"]) == pytest.approx(right["a"].mean())
    apart = [int((right[x] & ~right[y]).sum()) for x, y in ("ab", "ba")]
    assert float(second["p"]) == pytest.approx(stats.binomtest(apart[0], sum(apart)).pvalue)
    assert (second["selected"], float(second["val_accuracy"])) == ("True", 0.9)
    assert "VALIDATION_ONLY" not in warned(tmp_path, "e")


def test_a_column_names_the_files_of_examples(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Relative to the CSV; a link out of its folder is refused, and so is a run that ended without its file."""
    files_of_examples(tmp_path)
    lines = [[m, seed, f"out/{m}{seed}/preds/test.csv"] for m in "ab" for seed in (0, 1)]
    path = write(tmp_path, "r.csv", ["model", "seed", "answers"], lines)
    options = (path, "--factors", "model", "--seed", "seed", "--examples", "answers")
    assert imported(tmp_path, *options) == 0
    assert table(tmp_path, "r")[1]["n_test"] == "40"
    target, outside = tmp_path / "out" / "b1" / "preds" / "test.csv", tmp_path.parent / f"{tmp_path.name}.csv"
    target.rename(outside)
    capsys.readouterr()
    assert imported(tmp_path, *options) == 2
    assert "import.examples: 1 run has no such file" in capsys.readouterr().err
    target.symlink_to(outside)
    assert imported(tmp_path, *options) == 2
    assert "is outside" in capsys.readouterr().err


def test_artifacts_of_mlflow_hold_the_examples(tmp_path: Path):
    """A file store that was moved since."""
    for run, model, wrong in (("0" * 32, "a", 9), ("1" * 32, "b", 2)):
        place = tmp_path / "mlruns" / "1" / run
        for folder in ("params", "metrics", "artifacts"):
            (place / folder).mkdir(parents=True)
        meta = f"artifact_uri: file:///old/mlruns/1/{run}/artifacts\nrun_id: '{run}'\nstatus: 3\n"
        (place / "meta.yaml").write_text(meta + "lifecycle_stage: active\nstart_time: 1\nend_time: 2\n")
        (place / "params" / "model").write_text(model)
        lines = [[q, "xy"[q % 2], "xy"[(q + (q < wrong)) % 2]] for q in range(40)]
        write(place / "artifacts", "test.csv", ["id", "label", "predicted"], lines)
    meta = "artifact_location: x\nexperiment_id: '1'\nname: e\nlifecycle_stage: active\n"
    (tmp_path / "mlruns" / "1" / "meta.yaml").write_text(meta)
    options = ("--factors", "model", "--examples", "test.csv", "--name", "m")
    assert imported(tmp_path, f"mlflow:{tmp_path / 'mlruns'}", *options) == 0
    assert float(table(tmp_path, "m")[1]["test_accuracy"]) == 0.95


def test_replicates_in_columns_are_paired(tmp_path: Path):
    """The star is the seed."""
    path = write(tmp_path, "p.csv", ["arm", "seed0", "seed1", "seed2"], [["a", 0.5, 0.6, 0.55], ["b", 0.7, 0.85, 0.8]])
    assert imported(tmp_path, path, "--factors", "arm", "--seed", "*", "--metric", "test_acc=seed*") == 0
    expected = stats.ttest_rel([0.7, 0.85, 0.8], [0.5, 0.6, 0.55]).pvalue
    assert float(table(tmp_path, "p")[1]["p"]) == pytest.approx(expected)


def test_steps_are_taken_at_the_best_validation_where_there_is_nothing_else(tmp_path: Path):
    """The number that selects steps is the one that is compared; it selects no row."""
    lines = [{"arm": arm, "seed": seed, "val_acc": [0.5, 0.7 + seed / 50, 0.6]} for arm in "ab" for seed in range(3)]
    (tmp_path / "l.json").write_text(json.dumps(lines))
    options = ("--factors", "arm", "--seed", "seed", "--metric", "val_acc", "--take", "best", "--select-on", "val_acc")
    assert imported(tmp_path, tmp_path / "l.json", *options) == 0
    assert float(table(tmp_path, "l")[0]["test_val_acc"]) == pytest.approx(0.72)


def test_a_factor_with_another_name_of_ours_is_read_right(tmp_path: Path):
    """All of these at once: no column is lost, and no level is read as something else."""
    names = ["n", "rank", "delta", "arm", "value", "metric", "step", "epochs", "source", "std"]
    lines = [[*(f"{name}-{arm}" for name in names), n, 0.5 + n / 50] for arm in ("x", "y") for n in range(2)]
    path = write(tmp_path, "n.csv", [*names, "nth", "test_f1"], lines)
    assert imported(tmp_path, path, "--factors", ",".join(names), "--seed", "nth", "--metric", "test_f1", "-q") == 0
    assert [[line[name] for name in names] for line in table(tmp_path, "n")] == [lines[0][:-2], lines[2][:-2]]


@pytest.mark.parametrize("name", [*OWN_COLUMNS, "delta_test_f1", "test_f1_low"])
def test_a_factor_with_the_name_of_a_column_of_ours_is_refused_with_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
):
    """A table with two columns of one name cannot be read."""
    path = write(tmp_path, "n.csv", [name, "nth", "test_f1"], [["x", 0, 0.5], ["y", 0, 0.6]])
    assert imported(tmp_path, path, "--factors", name, "--seed", "nth", "--metric", "test_f1", "-q") == 2
    assert f"such as factors = {{ my_{name} = '{name}' }}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cells", "arguments", "message"),
    [
        ([0.5, "diverged"], ["--factors", "arm", "--metric", "test_acc"],
         "test_acc: a value is no number (run 2: 'diverged'); mend or empty the cell"),
        ([0.5, 0.6], ["--factors", "arrm", "--metric", "test_acc"], "; nearest: arm"),
        ([0.5, 0.6], ["--factors", "arm", "--metric", "test_acc", "--uncertainty", "examples"],
         'table.uncertainty: "examples" needs test examples, and the source has numbers of runs alone (test_acc)'),
        (["x", "y"], ["--factors", "arm", "--example", "seed", "--columns", "label=test_acc,predicted=test_acc"],
         "import: example '0' has two labels: x in line 1 and y in line 2; mend the source"),
        ([0.5, 0.6], ["--factors", "arm", "--metric", "test_acc", "--examples", "ar"],
         "import.examples: no field 'ar'"),
        ([0.5, 0.6], ["--factors", "arm", "--metric", "test_acc=sead*"],
         "no column is named as 'sead*'; * stands for the replicate; columns: arm, seed, test_acc"),
    ],
)  # fmt: skip
def test_wrong_content_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cells: list[object], arguments: list[str], message: str
):
    """The message names the cell, the field or the key, and what to do."""
    path = write(tmp_path, "w.csv", ["arm", "seed", "test_acc"], [["a", 0, cells[0]], ["b", 0, cells[1]]])
    assert imported(tmp_path, path, *arguments) == 2
    refusal = capsys.readouterr().err.strip()
    assert message in refusal
    assert "\n" not in refusal


def test_a_misspelt_key_says_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A misspelt key of [import] is refused as in every table of a study file."""
    (tmp_path / "k.toml").write_text('[import]\nfrom = "x.csv"\nmetric = ["acc"]\n')
    assert imported(tmp_path, tmp_path / "k.toml") == 2
    message = capsys.readouterr().err.strip()
    assert "import: unknown key 'metric'; known: from" in message
    assert message.endswith("; nearest: metrics")


SOURCES: dict[str, tuple[list[str], list[list[object]]]] = {
    "examples": (["model", "id", "label", "predicted"],
                 [[m, n, n % 3, (n + (n < k)) % 3] for m, k in (("a", 9), ("b", 3)) for n in range(30)]),
    "pivot": (["arm", "seed0", "seed1"], [["a", 0.5, 0.52], ["b", 0.6, 0.63]]),
    "long": (["arm", "seed", "metric", "value"],
             [[a, s, m, 0.5 + s / 9] for a in "ab" for s in (0, 1) for m in ("val_acc", "test_acc")]),
    "names": (["epoch", "val_acc"], [[n, 0.5 + n / 10] for n in range(3)]),
}  # fmt: skip


@pytest.mark.parametrize("kind", SOURCES)
def test_a_proposed_file_of_every_form_imports(tmp_path: Path, kind: str):
    """The file that --guess writes is a study, without a change by hand."""
    source = tmp_path / "s" if kind == "names" else tmp_path / "s.csv"
    if kind == "names":
        source.mkdir()
    for name in ("s/a_seed0", "s/a_seed1", "s/b_seed0", "s/b_seed1") if kind == "names" else ("s",):
        write(tmp_path, f"{name}.csv", *SOURCES[kind])
    assert imported(tmp_path, source, "--guess", "--write", tmp_path / "g.toml") == 0
    assert imported(tmp_path, tmp_path / "g.toml", "-q") == 0
    assert len(table(tmp_path, "g")) == 2


def test_factors_of_a_search_are_tested_on_the_means_of_rows(tmp_path: Path):
    """No two rows differ in one factor alone: a model of the rows' means, against statsmodels' own formula."""
    rng = np.random.default_rng(3)
    rows = [(kind, round(float(rate), 3)) for kind, rate in zip("abc" * 8, rng.uniform(0.1, 0.9, 24), strict=True)]
    lines = [[kind, rate, 2 * rate + (kind == "b") * 0.3 + rng.normal(0, 0.2)] for kind, rate in rows for _ in range(2)]
    path = write(tmp_path, "s.csv", ["kind", "rate", "test_score"], lines)
    assert imported(tmp_path, path, "--factors", "kind,rate", "--metric", "test_score", "--best", "score=high") == 0
    frame = (
        pd.DataFrame(lines, columns=["kind", "rate", "y"]).groupby(["kind", "rate"], sort=False).mean().reset_index()
    )
    tested = anova_lm(smf.ols("y ~ C(kind) + rate", frame).fit(), typ=2)
    shown = (tmp_path / "runs" / "s" / "tables" / "search.md").read_text()
    slope = smf.ols("y ~ C(kind) + rate", frame).fit().params["rate"] * np.ptp(frame.rate)
    line = next(line for line in shown.splitlines() if line.startswith("| rate"))
    assert f"{slope:+.3f}" in line
    assert tested["PR(>F)"]["rate"] < 0.001
    assert r"\<0.001" in line
    of_kind = next(line for line in shown.splitlines() if line.startswith("| kind"))
    assert f"{tested['PR(>F)']['C(kind)']:.3f}" in of_kind
    assert "24 row means" in shown


@REAL
def test_the_386_trials_are_repeats_of_40_settings(tmp_path: Path):
    """Runs with equal settings are clusters in rows of one factor, and the other factors that vary are named."""
    path = SETS / "tidy" / "ablator-386-trials" / "tests" / "assets" / "results.csv"
    factor = "optimizer=train_config.optimizer_config.name"
    assert imported(tmp_path, path, "--factors", factor, "--metric", "val_acc", "--name", "one") == 0
    lines = {line["optimizer"]: line for line in table(tmp_path, "one")}
    expected = json.loads((SETS / "EXPECTED.json").read_text())["tidy/ablator-386-trials:optimizer"]["rows"]
    assert {name: float(line["test_val_acc"]) for name, line in lines.items()} == pytest.approx(
        {name: row["mean"] for name, row in expected.items()}
    )
    assert {line["p"] for line in lines.values()} == {""}  # four optimizers have fewer than six settings
    assert warned(tmp_path, "one") >= {"CONFOUNDED", "UNPAIRED"}


@REAL
def test_a_source_is_not_changed(tmp_path: Path):
    """Neither its bytes nor the files next to it are changed."""
    source = tmp_path / "mlflow.db"
    shutil.copy(SETS / "mlflow" / "housing-xgb-db" / "mlflow.db", source)
    before = source.read_bytes()
    options = ("--factors", "max_depth,learning_rate", "--metric", "rmse,mae,r2", "--name", "housing")
    assert imported(tmp_path, f"mlflow:{source}", *options) == 0
    assert source.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db", "runs"]
