"""The examples of examples/ run as their README says, and their tables say sensible things."""

import re
import shutil
import sys
from pathlib import Path

import pytest
from conftest import ROOT, in_process, rows

from ablation.study import study_file
from ablation.study.experiment_keys import ExamplesKeys, ExperimentKeys, FactorKeys, ResultKeys

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


@pytest.mark.unit
def test_the_smallest_study_of_the_readme_is_valid(tmp_path: Path):
    """It varies one factor of a script."""
    section = (ROOT / "README.md").read_text().split("## Your command")[1]
    (tmp_path / "mine.toml").write_text(re.findall(r"```toml\n(.*?)```", section, re.DOTALL)[0])
    study = study_file.read(str(tmp_path / "mine.toml"))
    assert [dict(row) for row in study.rows] == [{"lr": 0.1}, {"lr": 0.01}, {"lr": 1.0}]


@pytest.mark.unit
def test_the_readme_has_every_key_of_a_command():
    """A key that is not in its tables does not exist."""
    section = (ROOT / "README.md").read_text().split("## Your command")[1].split("\n## ")[0]
    models = (ExperimentKeys, FactorKeys, ResultKeys, ExamplesKeys)  # the keys of measures are in its examples
    keys = {field.alias or name for model in models for name, field in model.model_fields.items()}
    assert {key for key in keys - {"plugin", "factors", "results", "take"} if f"`{key}`" not in section} <= {"examples"}


@pytest.mark.unit
@pytest.mark.parametrize("name", STUDIES)
def test_a_readme_names_its_study(name: str):
    """Short, and with the command that runs it."""
    text = (EXAMPLES / name / "README.md").read_text()
    assert f"ablate run examples/{name}/{STUDIES[name]}.toml" in text
    assert len(text.splitlines()) <= 15
    assert all((EXAMPLES / name / file).is_file() for file in re.findall(r"`([\w.]+\.(?:py|sh))`", text))
