"""Keys of a command in a study file: each wrong one is one line that names the file, the key and what is allowed."""

from pathlib import Path

import pytest

from ablation import cli
from ablation.errors import AblateError
from ablation.study import study_file

pytestmark = pytest.mark.unit
STUDY = """
select_on = "val_acc"
seeds = [0, 1]
[experiment]
command = "python train.py --lr {lr} --opt {optimizer} --seed {seed} --out {folder}"
[experiment.factors]
lr = { default = 0.1, above = 0 }
optimizer = { default = "adam", choices = ["adam", "sgd"] }
[experiment.results]
file = "{folder}/metrics.json"
[one_at_a_time]
lr = [0.01]
optimizer = ["sgd"]
"""
WRONG = {  # the text of the study, its replacement, the message
    "measure of test": ('"val_acc"', '"test_acc"', "select_on: 'test_acc' is not allowed; allowed: "),
    "level": ("lr = [0.01]", "lr = [0.0]", "one_at_a_time.lr: 0.0 is not allowed; allowed: a number above 0"),
    "choice": ('optimizer = ["sgd"]', 'optimizer = ["sdg"]', "'sdg' is not allowed; allowed: one of adam, sgd; near"),
    "default": ('default = "adam"', 'default = "adm"', "experiment.factors.optimizer.default: 'adm' is not allowed"),
    "bounds of text": ('choices = ["adam", "sgd"]', "above = 1", "experiment.factors.optimizer: bounds are of numbers"),
    "name of a factor": ("lr = { default", "row = { default", "'row' is not allowed as the name of a factor"),
    "unknown key": ("above = 0", "abov = 0", "experiment.factors.lr: unknown key 'abov'"),
    "cwd": ("[experiment]", '[experiment]\ncwd = "nowhere"', "experiment.cwd: "),
    "grace": ("[experiment]", '[experiment]\ngrace = "soon"', "experiment.grace soon: expected hours, minutes"),
    "ends": ("[experiment]", '[experiment]\nends = { 300 = "diverged" }', "experiment.ends: '300' is not allowed"),
    "a word of ends": ("[experiment]", '[experiment]\nends = { 3 = "bad" }', "experiment.ends.3: 'bad' is not allowed"),
    "quotes": ("{folder}\"", "'{folder}\"", "experiment: No closing quotation"),
    "kind of file": ("metrics.json", "metrics.yaml", "results.file: '{folder}/metrics.yaml' is not allowed"),
    "no results": ('file = "{folder}/metrics.json"', "", "experiment.results: missing"),
    "unknown name": ("{folder}/metrics", "{foldr}/metrics", "experiment.results.file: {foldr} is unknown"),
    "expression": ('file = "{folder}/metrics.json"', "measures = { val_acc = { stdout = '(' } }", "not a regular exp"),
    "no group": ('file = "{folder}/metrics.json"', "measures = { val_acc = { stdout = 'x' } }", "has no group"),
    "field of nothing": ('file = "{folder}/metrics.json"', 'measures = { val_acc = "a" }', "is a field of"),
    "secret": ("[experiment]", '[experiment]\nsettings = { key = "$KEY" }', "inherits the environment"),
    "two names": ("[experiment]", '[experiment]\nsettings = { lr = "x" }', "lr is also the name of"),
    "two experiments": ("[experiment]", '[experiment]\nplugin = "keras_head"', "plugin and command are both stated"),
}  # fmt: skip


@pytest.mark.parametrize("key", WRONG)
def test_a_wrong_key_is_one_line(key: str, tmp_path: Path):
    """A wrong key is one line, before anything runs."""
    before, after, message = WRONG[key]
    assert before in STUDY
    path = tmp_path / "mine.toml"
    path.write_text(STUDY.replace(before, after, 1))
    with pytest.raises(AblateError) as refused:
        study_file.read(str(path))
    text = str(refused.value)
    assert text.startswith(f"{path}: ")
    assert message in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("--lr {lr} ", "", "lr varies and is never passed; add {lr} to the command"),
        ("--seed {seed} ", "", "takes no seed, and several are stated"),
        ("--lr {lr}", "--lr 1 {optimizer}", "lr varies and is never passed"),
    ],
)
def test_what_would_ablate_nothing_is_refused(
    before: str,
    after: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """A factor or a seed that the command never gets: exit code 2, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(STUDY.replace(before, after))
    assert cli.run(["run", "mine.toml", "--inline"]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs" / "trained").exists()


def test_equal_command_lines_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A switch whose two sides are the same text."""
    monkeypatch.chdir(tmp_path)
    text = (
        STUDY.replace("--opt {optimizer}", "{amp}")
        .replace('optimizer = ["sgd"]', "amp = [true]")
        .replace("lr = [0.01]\n", "")
    )
    text = text.replace(
        'optimizer = { default = "adam", choices = ["adam", "sgd"] }',
        'amp = { default = false, true = "", false = "" }',
    )
    (tmp_path / "mine.toml").write_text(text)
    assert cli.run(["run", "mine.toml", "--inline"]) == 2
    assert "rows 1 and 2 have the same command line: nothing is ablated" in capsys.readouterr().err


def test_a_factor_of_the_command_need_not_be_declared(tmp_path: Path):
    """Every row states it, with levels of any type."""
    (tmp_path / "mine.toml").write_text(
        'select_on = "none"\n[experiment]\ncommand = "run {mode} {parts}"\n'
        '[experiment.results]\nfile = "{folder}/m.json"\n'
        '[[rows]]\nmode = "a"\nparts = [1, 2]\n[[rows]]\nmode = 3\nparts = 0.5\n'
    )
    grid = study_file.read(str(tmp_path / "mine.toml"))
    assert [dict(row) for row in grid.rows] == [{"mode": "a", "parts": (1, 2)}, {"mode": 3, "parts": 0.5}]
    assert grid.factors.experiment == "run"
