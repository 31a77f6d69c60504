"""The examples of examples/ run as their README says, and their tables say sensible things."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from conftest import ROOT, in_process, rows

EXAMPLES = ROOT / "examples"
STUDIES = {path.parent.name: path.stem for path in sorted(EXAMPLES.glob("*/*.toml"))}


@pytest.fixture(autouse=True)
def interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python` is the one that runs the tests."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")


def run(name: str, place: Path, *options: str) -> tuple[list[dict[str, str]], str]:
    """Return the rows and the Markdown table of an example that was run in a copy."""
    shutil.copytree(EXAMPLES / name, place / name)
    study = STUDIES[name]
    done = in_process("run", f"{name}/{study}.toml", "--inline", "-q", "--trackers", "none", *options, cwd=place)
    assert done.returncode == 0, done.stderr
    checked = in_process("verify", f"runs/{study}/table.md", cwd=place)
    assert checked.returncode == 0, checked.stderr
    return rows(place / "runs" / study), (place / "runs" / study / "table.md").read_text()


def test_a_python_script(tmp_path: Path):
    """One test set, labels as classes, and a number on validation."""
    table, text = run("command", tmp_path, "--seeds", "1")
    assert [(row["images"], row["scale"]) for row in table] == [("400", "False"), ("100", "False"), ("400", "True")]
    assert {row["n_test"] for row in table} == {"600"}
    assert all(float(row["val_accuracy"]) > 0.8 for row in table)
    assert "highest validation accuracy" in text
    assert "| Training images |" in text
    assert "exact McNemar" in text


def test_a_shell_script(tmp_path: Path):
    """A printed number selects, the lowest; examples are amounts, and differences are paired by month."""
    table, text = run("shell", tmp_path)
    error = [float(row["test_mae"]) for row in table]
    assert error[3] > error[4] > error[0]  # without the season, without the logarithm, with both
    assert "lowest validation MAE" in text
    assert "paired over examples" in text
    assert "48 test examples" in text


def test_an_agent(tmp_path: Path):
    """Pass or fail, three times a question, in topics: each part is taken away alone, and topics are the units."""
    table, text = run("agents", tmp_path)
    assert [row["label"] for row in table] == [
        "all components", "without retrieval", "without reranking", "without reasoning", "without tools",
    ]  # fmt: skip
    assert {row["n_test"] for row in table} == {"160"}
    assert not any(row["selected"] == "True" for row in table)
    assert float(table[1]["delta_test_passed_pp"]) < float(table[2]["delta_test_passed_pp"]) < 0
    assert "| Pass rate (test, %) |" in text
    assert "Val (" not in text  # a column without a number
    assert "paired over groups of examples" in text
    costs = (tmp_path / "runs" / "agent" / "tables" / "costs.md").read_text()
    assert "| Tokens a question |" in costs


def test_a_function(tmp_path: Path):
    """Classes: intervals, and tests paired over examples and seeds."""
    table, text = run("function", tmp_path)
    assert [(row["C"], row["kernel"], row["scale"]) for row in table] == [
        ("1.0", "rbf", "True"), ("0.1", "rbf", "True"), ("1.0", "linear", "True"), ("1.0", "rbf", "False"),
    ]  # fmt: skip
    assert {row["n_test"] for row in table} == {"540"}
    assert all(float(row["test_accuracy"]) > 0.9 and row["test_accuracy_low"] for row in table)
    assert "crossed random effects" in text


def test_a_function_that_returns_probabilities(tmp_path: Path):
    """AUC follows and selects; one process has run all trainings."""
    table, text = run("probabilities", tmp_path)
    assert all(0.9 < float(row["test_auc"]) < 1 for row in table)
    assert "highest validation AUC" in text
    assert float(table[3]["test_auc"]) < float(table[0]["test_auc"])


def test_a_function_of_amounts(tmp_path: Path):
    """The lowest error selects, and without the blood values it is larger."""
    table, text = run("regression", tmp_path)
    assert "lowest validation RMSE" in text
    assert float(table[3]["test_rmse"]) > float(table[0]["test_rmse"]) > 40
    assert {row["n_test"] for row in table} == {"177"}


def test_a_loop_in_jax(tmp_path: Path):
    """Rows of 5 and 20 epochs are three trainings, and each equals a training of its own."""
    table, _ = run("jax", tmp_path, "--seeds", "1")
    assert len(list((tmp_path / "runs" / "trained").glob("*/training.json"))) == 3
    alone = tmp_path / "alone"
    text = (
        (EXAMPLES / "jax" / "mlp.toml")
        .read_text()
        .replace("shares =", "# shares =")
        .replace("[experiment]", "[experiment]\nname = 'alone'")
    )
    shutil.copytree(EXAMPLES / "jax", alone / "jax")
    (alone / "jax" / "mlp.toml").write_text(text)
    done = in_process("run", "jax/mlp.toml", "--inline", "-q", "--trackers", "none", "--seeds", "1", cwd=alone)
    assert done.returncode == 0, done.stderr
    of_own = rows(alone / "runs" / "mlp")
    assert [row["test_accuracy"] for row in of_own] == [row["test_accuracy"] for row in table]
    assert len(list((alone / "runs" / "trained").glob("*/training.json"))) == 5
    assert float(table[1]["val_accuracy"]) < float(table[0]["val_accuracy"])


def test_a_keras_model_through_the_bridge(tmp_path: Path):
    """Each epoch is in the history of the result."""
    pytest.importorskip("keras", reason="the extra keras is not installed")
    table, _ = run("keras", tmp_path, "--seeds", "1")
    assert float(table[0]["test_accuracy"]) > 0.8
    trials = (tmp_path / "runs" / "classifier" / "trials.csv").read_text().splitlines()
    assert "parameters" in trials[0]
    results = [json.loads(path.read_text()) for path in (tmp_path / "runs" / "trained").glob("*/result-1.json")]
    assert all([step["epoch"] for step in result["history"]] == [1, 2, 3, 4, 5] for result in results)
    assert all({"loss", "val_loss", "val_accuracy"} <= result["history"][0].keys() for result in results)


@pytest.mark.unit
@pytest.mark.parametrize("name", STUDIES)
def test_a_readme_names_its_study(name: str):
    """Short, and with the command that runs it."""
    text = (EXAMPLES / name / "README.md").read_text()
    assert f"ablate run examples/{name}/{STUDIES[name]}.toml" in text
    assert len(text.splitlines()) <= 15
    assert all((EXAMPLES / name / file).is_file() for file in re.findall(r"`([\w.]+\.(?:py|sh))`", text))
