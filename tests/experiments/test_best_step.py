"""`take = "best"`: all numbers of a training at the step that select_on finds best."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from ablation import cli
from ablation.errors import AblateError
from ablation.experiments.command import results
from ablation.experiments.command.best_step import BestStep
from ablation.experiments.command.printed import Printed
from ablation.experiments.commit import Results, diverged
from ablation.study import study_file
from ablation.study.experiment_keys import ExperimentKeys

SCRIPT = """
import json, sys
folder, width, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with open(folder + "/metrics.jsonl", "w") as file:
    for epoch, loss in enumerate((0.5, 0.25 / width, 0.25 / width, 0.75), start=1):
        numbers = {"epoch": epoch, "val_loss": loss, "val_acc": epoch / 10, "test_acc": epoch / 8 + width / 64}
        print(json.dumps(numbers), file=file)
"""
STUDY = """
select_on = "val_loss"
seeds = [0, 1]
[experiment]
command = "python train.py {folder} {width} {seed}"
[experiment.results]
file = "{folder}/metrics.jsonl"
take = "best"
[one_at_a_time]
width = [2, 3]
[fixed]
width = 1
"""


def read(folder: Path, steps: list[dict[str, Any]], rule: BestStep, measures: dict[str, Any] | None = None) -> Results:
    (folder / "m.jsonl").write_text("\n".join(map(json.dumps, steps)))
    content = {"command": "t", "cwd": str(folder), "results": {"file": "m.jsonl", "measures": measures or {}}}
    keys = ExperimentKeys.model_validate(content)
    return results.read(keys, {"folder": str(folder)}, Printed(keys.results.measures), rule)


def test_all_numbers_are_of_the_best_step(tmp_path: Path):
    """The earlier one of two, whatever the order of the lines. A cost may have one value alone."""
    steps = [
        {"epoch": 3, "val_acc": 0.9, "test_acc": 0.3},
        {"epoch": 2, "val_acc": 0.9, "test_acc": 0.2},
        {"epoch": 4, "val_acc": 0.5, "test_acc": 0.4, "seconds": 7},
    ]
    taken = read(tmp_path, steps, BestStep("val_acc", lowest=False))
    assert taken.numbers == {"val_acc": 0.9, "test_acc": 0.2, "seconds": 7.0}
    assert [entry["epoch"] for entry in taken.history] == [2, 3, 4]
    assert read(tmp_path, steps, BestStep("val_acc", lowest=True)).numbers["test_acc"] == 0.4


def test_a_step_that_is_not_finite_is_not_the_best(tmp_path: Path):
    """A step that is not finite is not the best; where no step is finite, the training has diverged."""
    steps = [{"epoch": n, "val_loss": loss} for n, loss in ((1, 0.5), (2, 0.25), (3, float("nan")))]
    rule = BestStep("val_loss", lowest=True)
    assert read(tmp_path, steps, rule).numbers == {"val_loss": 0.25}
    assert diverged(read(tmp_path, steps[2:], rule)) == "val_loss"


def test_a_number_that_the_best_step_lacks_is_refused(tmp_path: Path):
    """A test number of another step would be of another model."""
    steps = [{"epoch": 1, "val_loss": 0.25}, {"epoch": 2, "val_loss": 0.5, "test_acc": 0.5}]
    with pytest.raises(AblateError, match="test_acc has no value at step 1, which has the lowest val_loss; write it"):
        read(tmp_path, steps, BestStep("val_loss", lowest=True))
    with pytest.raises(AblateError, match="select_on: the results have no val_acc; they have val_loss"):
        read(tmp_path, steps, BestStep("val_acc", lowest=False))


REFUSED = {  # the text of the study, its replacement, the message
    "nothing selected": ('"val_loss"', '"none"', 'take: "best" needs a number on validation; state select_on'),
    "no direction": ('"val_loss"', '"val_x"', "nothing says whether high or low values of x are better; set"),
    "no steps": ("metrics.jsonl", "metrics.json", 'take: "best" needs steps of val_loss; allowed: results.file = '),
    "printed": ("take =", "measures = { val_loss = { stdout = '(.*)' } }\ntake =", "state step = "),
    "examples": ("take =", 'test = { examples = "{folder}/t.csv" }\ntake =', "examples are of one step; allowed: last"),
    "word": ('take = "best"', 'take = "first"', "results.take"),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED)
def test_what_has_no_best_step_is_refused(fault: str, tmp_path: Path):
    """A study without a best step is refused before anything runs, with the file, the key and the allowed values."""
    before, after, message = REFUSED[fault]
    (tmp_path / "mine.toml").write_text(STUDY.replace(before, after, 1))
    with pytest.raises(AblateError) as refused:
        study_file.read(str(tmp_path / "mine.toml"))
    assert message in str(refused.value)
    assert "mine.toml: experiment.results.take" in str(refused.value)


def test_a_direction_may_be_stated(tmp_path: Path):
    """A direction is stated in [measures], by likeness, or next to the name of the number."""
    for before, after in (
        ('"val_loss"', '"val_x"\nmeasures = { x = { best = "high" } }'),
        ('"val_loss"', '"val_x"\nmeasures = { x = { like = "loss" } }'),
        ('"val_loss"', '{ metric = "val_x", best = "low" }'),
    ):
        (tmp_path / "mine.toml").write_text(STUDY.replace(before, after))
        assert study_file.read(str(tmp_path / "mine.toml")).select_on == "val_x"


@pytest.mark.process
def test_a_study_of_best_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The table has the numbers of the best steps, those on test too, and its caption says so."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "mine.toml").write_text(STUDY)
    run = ["run", "mine.toml", "--inline", "--trackers", "none"]
    assert cli.run(run) == 0
    assert "row 2, seed 0: done, val 0.125" in capsys.readouterr().err
    lines = list(csv.DictReader((tmp_path / "runs/mine/table.csv").open()))
    assert [float(line["val_loss"]) for line in lines] == pytest.approx([0.25, 0.125, 0.25 / 3])
    assert [float(line["test_acc"]) for line in lines] == pytest.approx([2 / 8 + width / 64 for width in (1, 2, 3)])
    text = (tmp_path / "runs/mine/table.md").read_text().replace("\\", "")
    assert "Numbers of the step with the lowest val_loss, the test's too." in text
    (tmp_path / "mine.toml").write_text(STUDY.replace('take = "best"\n', ""))
    assert cli.run(run) == 2  # the same trainings would have other numbers
