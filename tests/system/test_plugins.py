"""Experiments that are no part of the package: a regression without classes, and one that reports numbers alone."""

import hashlib
import json
import os
from pathlib import Path

import optuna
import pytest
from conftest import TESTS, ablate, rows
from mlflow import MlflowClient

from ablation.engine.run import JobSettings, Run
from ablation.store.training import Training
from ablation.store.workspace import Workspace
from ablation.study.levels import Condition
from ablation.trackers.databases import sqlite_url

PLUGINS = TESTS / "plugins"
POLYNOMIAL = """
title = "Polynomials"
seeds = [0, 1, 2]
[experiment]
plugin = "polynomial"
[factorial]
degree = [1, 3]
ridge = [0.0, 0.1]
"""
GAMBLE = """
title = "Luck"
select_on = "val_score"
[experiment]
plugin = "gamble:"
[factorial]
luck = [0.2, 0.6]
games = [2, 5]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both studies; one experiment is installed with an entry point, as a package has it."""
    folder = tmp_path_factory.mktemp("plugins")
    info = folder / "polynomials-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: polynomials\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ablate.experiments]\nhouse = house\npolynomial = polynomial\n")
    (folder / "poly.toml").write_text(POLYNOMIAL)
    (folder / "gamble.toml").write_text(GAMBLE)
    return folder


def say(place: Path, *arguments: object, code: int = 0) -> str:
    """Run a command there; what it prints."""
    path = os.pathsep.join(map(str, (PLUGINS, place)))
    done = ablate(*arguments, cwd=place, PYTHONPATH=path)
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout if code == 0 else done.stderr


def in_optuna(place: Path, study: str) -> list[float]:
    loaded = optuna.load_study(study_name=study, storage=sqlite_url(place / "runs/optuna.db"))
    assert {t.state.name for t in loaded.trials} == {"COMPLETE"}
    return [t.value for t in loaded.trials]


def in_mlflow(place: Path, study: str) -> list[dict[str, float]]:
    client = MlflowClient(sqlite_url(place / "runs/mlflow.db"))
    experiment = client.get_experiment_by_name("ablate")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], f"tags.`ablate.study` = '{study}'")
    assert {run.info.status for run in runs} == {"FINISHED"}
    return [run.data.metrics for run in runs if run.data.params]


def test_a_regression(place: Path):
    """Absolute errors are compared by seeds, lower is better, test stays sealed until a row is selected; nothing is
    trained twice, the printed tables verify, and Optuna and MLflow hold each trial once."""
    assert "time: unknown" in say(place, "plan", "--grid", "poly.toml")
    assert "selected: lowest validation MAE" in say(place, "run", "--grid", "poly.toml", "--workspace", "runs")
    assert "nothing to train" in say(place, "run", "--grid", "poly.toml")
    table = rows(place / "runs/poly")
    assert [line["selected"] for line in table] == ["False", "False", "True", "False"]
    assert all(float(line["test_mae"]) > 0 for line in table)
    assert float(table[2]["delta_test_mae"]) < 0
    assert not {"test_accuracy", "test_macro_f1"} & table[0].keys()
    (line,) = (place / "runs/poly/study-files.jsonl").read_text().splitlines()  # two runs, one file
    digest = hashlib.sha256((place / "poly.toml").read_bytes()).hexdigest()
    assert (json.loads(line)["first"], json.loads(line)["files"][0]["sha256"]) == (True, digest)
    assert digest in (place / "runs/poly/report.html").read_text()
    names = ("table.csv", "table.tex", "table.md", "trials.csv", "contrasts.csv", "tables/review.md")
    files = [f"runs/poly/{name}" for name in names]
    assert say(place, "verify", *files).count("agree with the results of study poly") == len(files)
    assert "12 of 12 trials done" in say(place, "status", "--grid", "poly.toml")
    assert "MAE" in (place / "runs/poly/report.html").read_text()
    values = in_optuna(place, "poly")
    assert len(values) == 12
    metrics = in_mlflow(place, "poly")
    assert len(metrics) == 12
    assert sorted(m["final/val_mae"] for m in metrics) == pytest.approx(sorted(values))
    assert all(m["final/test_rmse"] >= m["final/test_mae"] > 0 for m in metrics)


def test_numbers_alone(place: Path):
    """Numbers of one seed, without examples, have no interval and no p; steps are shared."""
    printed = say(place, "run", "--grid", "gamble.toml")
    assert "highest validation score" in printed
    table = rows(place / "runs/gamble")
    assert [line["selected"] for line in table] == ["False", "False", "False", "True"]
    assert max(table, key=lambda line: float(line["test_score"])) == table[3]
    assert {line["test_score_low"] for line in table} <= {"", "nan"}
    assert len(list((place / "runs/trained").glob("*/result-5.json"))) == 2
    assert say(place, "table", "--grid", "gamble.toml")
    assert say(place, "verify", "runs/gamble/table.csv", "runs/gamble/table.md").count("agree with") == 2
    assert len(in_optuna(place, "gamble")) == 4
    assert all(m["final/test_minutes"] in (2, 5) for m in in_mlflow(place, "gamble"))


def test_a_milestone_is_reported_with_its_result(tmp_path: Path):
    """The listener of a milestone finds its result on disk; the steps between come in their order, none twice."""
    training = Training(
        key="k", plugin="keras_head", experiment="e", version=1, condition=Condition({}), defaults={}, seed=0,
        milestones=(2, 4),
    )  # fmt: skip
    reported: list[tuple[int, bool]] = []

    class Teller:
        def report(self, message: dict[str, list[dict[str, float]]]) -> None:
            steps = [int(step["epoch"]) for step in message["epochs"]]
            reported.extend((step, run.folder.result(step).is_file()) for step in steps)

    run = Run(Workspace(tmp_path), training, JobSettings("", "none"), Teller())
    for step in range(1, 5):
        run.report(loss=1.0)
        if step in run.milestones:
            run.result(scores={"val": {"loss": 1.0}})
    assert reported == [(1, False), (2, True), (3, False), (4, True)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--data", "faces"), "--data: experiment 'polynomial' takes no data; leave out --data"),
        (("--limit", "5"), "--limit: experiment 'polynomial' takes noise"),
        (("--option", "loud=1"), "--option loud: experiment 'polynomial' takes noise"),
        (("--set", "dropout=0"), "--set dropout: unknown factor 'dropout'; known factors: degree, ridge, split_seed"),
        (("--set", "ridge=11"), "--set ridge: "),
    ],
)
def test_what_an_experiment_does_not_know_is_refused(place: Path, change: tuple[str, str], message: str):
    """Options and factors of another experiment are named, with those that this one has."""
    assert message in say(place, "run", "--grid", "poly.toml", *change, code=2)


def test_its_own_option_is_an_input(place: Path):
    """A study has one value of an experiment's own option; with another value it needs another name."""
    option = ("--option", "noise=0.5", "--seeds", "7,")
    assert "was run with different" in say(place, "run", "--grid", "poly.toml", *option, code=2)
    say(place, "run", "--grid", "poly.toml", *option, "--name", "noisy")
    assert json.loads((place / "runs/noisy/study.json").read_text())["inputs"]["digests"] == {"noise": "0.5"}


@pytest.mark.parametrize(("plugin", "message"), [
    ("nothing", "unknown experiment 'nothing'; known: command, function, house, keras_head, polynomial"),
    ("no.such:thing", "[experiment] plugin 'no.such:thing': no.such:thing cannot be imported"),
])  # fmt: skip
def test_an_experiment_that_is_not_there(place: Path, plugin: str, message: str):
    """A missing experiment is refused in one line, with those that are installed."""
    (place / "other.toml").write_text(f'[experiment]\nplugin = "{plugin}"\n[[rows]]\n')
    assert message in say(place, "run", "--grid", "other.toml", code=2)


def test_a_study_of_a_missing_experiment_stops_no_other(place: Path, tmp_path: Path):
    """Results are imported into its workspace; files that it may need are not deleted."""
    (tmp_path / "gamble.toml").write_text(GAMBLE)
    (tmp_path / "results.csv").write_text("lr,val_accuracy,test_accuracy\n0.1,0.9,0.8\n0.2,0.8,0.7\n")
    say(tmp_path, "run", "--grid", "gamble.toml", "--trackers", "none")
    guess = ablate("import", "results.csv", "--guess", "--write", "results.toml", cwd=tmp_path)
    assert guess.returncode == 0, guess.stderr
    imported = ablate("import", "results.toml", cwd=tmp_path)
    assert imported.returncode == 0, imported.stderr
    cleaned = ablate("clean", cwd=tmp_path)
    assert cleaned.returncode == 2
    assert "[experiment] plugin 'gamble:': gamble: cannot be imported" in cleaned.stderr


def test_other_data_are_refused_where_there_is_no_way(place: Path):
    """An experiment that cannot be applied to other data says so."""
    assert "cannot apply a row to other data" in say(place, "evaluate", "--grid", "poly.toml", "--data", "x", code=2)


def test_all_that_an_experiment_may_bring(place: Path):
    """Studies are found by name, costs are its own, workers have its variables; its warnings, tables and figures are
    added to those of every study, in files and in the report, and --strict knows its codes."""
    assert "--grid bridge: no such study; shipped: baseline," in say(place, "plan", "--grid", "bridge", code=2)
    cost = json.loads(say(place, "plan", "--grid", "roulette", "--json"))
    assert [training["seconds"] for training in cost["trainings"]] == pytest.approx([1 + 5 * 60 + 0.3] * 2)
    wrong = say(place, "run", "--grid", "roulette", "--strict", "HOUSE_LOSES", code=2)
    assert "--strict HOUSE_LOSES: no such warning; known: NOT_ABLATED," in wrong
    assert "HOUSE_WINS" in wrong
    assert "--strict: HOUSE_WINS" in say(place, "run", "--grid", "roulette", "--strict", "HOUSE_WINS", code=1)
    folder = place / "runs/roulette"
    assert "HOUSE_WINS" in [warning["code"] for warning in json.loads((folder / "warnings.json").read_text())]
    assert "3 to 1" in (folder / "tables/odds.md").read_text()
    assert "The wheel" in (folder / "report.html").read_text()
    assert "agree with" in say(place, "verify", "runs/roulette/tables/odds.md")
    assert "--strict: HOUSE_WINS" in say(place, "table", "--grid", "roulette", "--strict", "HOUSE_WINS", code=1)
