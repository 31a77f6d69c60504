"""A workspace of version 0.1.0: today's commands read it, train nothing again, and double no row."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest
from conftest import ablate, rows
from mlflow import MlflowClient

from ablation import cli
from ablation.trackers.databases import sqlite_url

FINISHED = {"tiny": 8, "other": 2}  # trials with a result, as 0.1.0 left them
Say = Callable[..., str]


@pytest.fixture
def say(old_workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Say:
    """Run a command that trains nothing in the user's folder, in this process, and return its output."""
    monkeypatch.chdir(old_workspace)

    def run(*arguments: object) -> str:
        capsys.readouterr()
        code = cli.run([*map(str, arguments)])
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return printed.out

    return run


def work(place: Path, *arguments: object, code: int = 0) -> str:
    """Run a command in the user's folder, in a process of its own; return what it prints."""
    done = ablate(*arguments, cwd=place)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def trained(place: Path) -> Counter[str]:
    """Return the attempts and results of all trainings, whatever their folders are called."""
    folder = place / "runs" / "trained"
    return Counter(p.read_text() for name in ("attempts.jsonl", "result-*.json") for p in folder.glob(f"*/{name}"))


def numbers(folder: Path) -> list[dict[str, str]]:
    """Return the table of a study without the ids of its trials, and without the last bits of its numbers, which depend
    on the versions of libraries."""
    return [{name: rounded(cell) for name, cell in row.items() if name != "trials"} for row in rows(folder)]


def rounded(cell: str) -> str:
    """Return a number of full precision with twelve digits, and other cells as they are."""
    return f"{float(cell):.12g}" if len(cell) > 14 and re.fullmatch(r"-?[\d.e-]+", cell) else cell


def lines(folder: Path) -> list[str]:
    """Return the lines of a study's Markdown table."""
    return [line for line in (folder / "table.md").read_text().splitlines() if line.startswith("|")]


def in_optuna(place: Path, study: str) -> Counter[tuple[int, int]]:
    """Return the number of finished trials that Optuna holds of each row and seed."""
    loaded = optuna.load_study(study_name=study, storage=sqlite_url(place / "runs" / "optuna.db"))
    complete = [t for t in loaded.trials if t.state == optuna.trial.TrialState.COMPLETE]
    return Counter((t.user_attrs["row"], t.user_attrs["seed"]) for t in complete)


def in_mlflow(place: Path, study: str) -> Counter[str]:
    """Return the number of runs that MLflow holds under each name: one a trial, and the study's own."""
    client = MlflowClient(sqlite_url(place / "runs" / "mlflow.db"))
    experiment = client.get_experiment_by_name("ablate")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], f"tags.`ablate.study` = '{study}'")
    return Counter(run.info.run_name for run in runs)


def test_status_says_what_is_done(say: Say):
    """The status of each study has its finished trials, the diverged ones, and the epoch from which others resume."""
    by_study = {one["study"]: one for one in json.loads(say("status", "--json"))}
    assert {name: (one["done"], one["total"]) for name, one in by_study.items()} == {
        "tiny": (8, 8), "other": (2, 3), "cut": (2, 3),
    }  # fmt: skip
    assert [one["outcome"] for one in by_study["other"]["unfinished"]] == ["diverged"]
    assert [one["reason"] for one in by_study["cut"]["unfinished"]] == ["stopped; will resume from epoch 3"]


WITHOUT_WIDTH = {"selected.md": "F1 (test, %)", "production_production.md": "F1 (there, %)"}  # file -> column


def test_printed_tables_verify(old_workspace: Path, say: Say):
    """The tables of an article, drawn with other options, and those of the workspace verify; all formats, and
    macros."""
    printed = [*(old_workspace / "article").iterdir(), *(old_workspace / "runs" / "other").glob("table.*")]
    tables = [p for p in (old_workspace / "runs" / "tiny" / "tables").glob("*.md") if p.name not in WITHOUT_WIDTH]
    output = say("verify", *printed, *tables)
    assert output.count("agree with the results") == len(output.splitlines()) == len(printed) + 3


@pytest.mark.parametrize("name", sorted(WITHOUT_WIDTH))
def test_an_interval_without_width_is_named(old_workspace: Path, name: str):
    """0.1.0 printed the F1 of a class that is never predicted as 0.0 [0.0, 0.0]; that cell alone differs."""
    path = old_workspace / "runs" / "tiny" / "tables" / name
    done = ablate("verify", path, cwd=old_workspace)
    assert done.returncode == 1
    cell = f"row dark, {WITHOUT_WIDTH[name]}: 0.0 [0.0, 0.0] in the file, 0.0 expected"
    assert [line.rpartition(".md: ")[2] for line in (done.stdout + done.stderr).splitlines() if "expected" in line] == [
        cell
    ]


def test_tables_are_drawn_as_they_were(old_workspace: Path, say: Say):
    """The same rows with the same numbers, to the twelfth digit; what 0.1.0 marked as = has another mark."""
    for study in FINISHED:
        folder = old_workspace / "runs" / study
        before = numbers(folder), [line.replace("=", "\N{TILDE OPERATOR}") for line in lines(folder)]
        say("table", "--grid", f"{study}.toml")
        assert (numbers(folder), lines(folder)) == before


def test_nothing_is_trained_again(old_workspace: Path):
    """A run of the studies that 0.1.0 finished trains no trial, diverged ones included; no row is twice in a
    database."""
    before = trained(old_workspace)
    for study, code in (("tiny", 0), ("other", 1)):
        runs = in_mlflow(old_workspace, study)
        output = work(old_workspace, "run", "--grid", f"{study}.toml", "--data", "tiny.npz", code=code)
        assert "nothing to train" in output
        assert set(in_optuna(old_workspace, study).values()) == {1}
        assert in_optuna(old_workspace, study).total() == FINISHED[study]
        assert in_mlflow(old_workspace, study) == runs
        assert set(runs.values()) == {1}
    assert trained(old_workspace) == before


def test_a_training_that_was_cut_goes_on(old_workspace: Path):
    """The rows that it has answered stay; the missing one is added."""
    before = trained(old_workspace)
    output = work(old_workspace, "run", "--grid", "cut.toml", "--data", "tiny.npz", "--slots", "cpu:1")
    assert "trained 1 trial\n" in output
    gone, new = before - trained(old_workspace), trained(old_workspace) - before
    assert [text.count("\n") for text in gone] == [1]  # attempts.jsonl, which has another line now
    assert sorted('"scores"' in text for text in new) == [False, True]
    assert set(in_mlflow(old_workspace, "cut").values()) == {1}


def test_other_images_are_evaluated_as_before(old_workspace: Path, say: Say):
    """`evaluate` gives the scores of the selected row that 0.1.0 gave."""
    earlier = json.loads((old_workspace / "runs/tiny/evaluation/production/evaluation.json").read_text())
    arguments = ("--grid", "tiny.toml", "--data", "production.npz", "--json", "--inline")
    evaluation = json.loads(say("evaluate", *arguments))
    for name in ("row", "seed", "confusion", "classes"):
        assert evaluation[name] == earlier[name]
    assert np.isclose(evaluation["scores"]["loss"], earlier["scores"]["loss"], rtol=1e-4)


def test_clean_deletes_nothing_that_a_table_rests_on(old_workspace: Path, say: Say):
    """The command `clean` removes files of each kind that it offers; tables verify afterwards, without another
    training."""
    before = trained(old_workspace)
    kinds = {line.split()[0] for line in say("clean").splitlines()[:-1]}
    assert kinds == {"checkpoints", "features"}
    say("clean", "--yes")
    say("verify", *(old_workspace / "article").glob("table.*"))
    assert trained(old_workspace) == before
