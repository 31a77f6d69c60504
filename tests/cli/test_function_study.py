"""Studies of functions from their file to their table: what is written, run and refused."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from conftest import rows
from function_study import LOOP, STUDY

from ablation import cli
from ablation.store import record
from ablation.store.workspace import Workspace
from ablation.study import study_file

RUN = ["run", "mine.toml", "--trackers", "none", "-q"]
ONE = """
select_on = "val_score"
seeds = [{seeds}]
[experiment]
function = "mine.py:train"
{keys}
[measures]
score = {{ best = "high" }}
[[rows]]
{row}
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change into the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def write(source: str, row: str = "", keys: str = "", seeds: str = "0") -> None:
    Path("mine.py").write_text(dedent(source))
    Path("mine.toml").write_text(ONE.format(row=row, keys=keys, seeds=seeds))


def error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line with which a command refuses."""
    assert cli.run(list(arguments) or RUN) == 2
    text = capsys.readouterr().err.strip()
    assert text.startswith("error: ")
    assert "\n" not in text
    assert not Path("runs").exists()  # nothing was written
    return text


OK = "def train(width: int = 1, seed=0):\n    return {'val_score': width + seed / 8, 'test_score': width}\n"
REFUSED = {
    "no file": (None, "", "", "no such file"),
    "a syntax error": ("def train(:\n", "", "", "mine.py:train cannot be imported: SyntaxError"),
    "an error at import": ("1 / 0\n", "", "", "cannot be imported: ZeroDivisionError: division by zero (File"),
    "an exit at import": ("import sys; sys.exit(3)\n", "", "", "cannot be imported: SystemExit: 3"),
    "a death at import": ("import os; os._exit(3)\n", "", "", "ended with exit code 3 while importing"),
    "a missing library": ("import torch_of_nobody\n", "", "", "install it there, or state [experiment] python"),
    "no function": ("def fit(): ...\n", "", "", "has no function 'train'; it has fit"),
    "a number": ("train = 3\n", "", "", "is not a function"),
    "a class": ("class train: ...\n", "", "", "is not a function"),
    "a lambda": ("train = lambda x=1: {}\n", "", "", "a lambda has no annotations; write a function"),
    "no name": ("def train(x, /): ...\n", "", "", "parameter x takes no name; remove the / after it"),
    "a table's name": ("def train(label='a'): ...\n", "", "", "'label' is not allowed as the name of a factor"),
    "a path": ("import pathlib\ndef train(data: pathlib.Path): ...\n", "", "", "parameter data is a path"),
    "a secret": ("def train(api_key: str): ...\n", "", "", 'api_key = "$API_KEY" reads the environment'),
    "an unknown factor": (OK, "widht = 2", "", "unknown factor 'widht'; known: width"),
    "a wrong type": (OK, "width = 1.5", "", "width: 1.5 is not allowed; allowed: a whole number"),
    "no level": ("def train(width: int): ...\n", "", "", "width: every row needs a level"),
    "an unknown setting": (OK, "", "settings = { widht = 2 }", "settings.widht: the function has no such parameter"),
    "shares": (OK, "", "shares = 'epochs'", "shares: 'epochs' is no parameter of the function that is a whole number"),
    "a command's key": (OK, "", "resume = '--resume'", "experiment.resume: is of commands"),
    "no interpreter": (OK, "", "python = 'nowhere/python'", "experiment.python:"),
    "inputs": (OK, "", "inputs = ['*.npz']", "'*.npz' matches no file"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", REFUSED)
def test_a_wrong_function_or_study_is_refused(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One clear line, before anything is written."""
    source, row, keys, message = REFUSED[wrong]
    write(source or "", row, keys)
    if source is None:
        Path("mine.py").unlink()
    assert message in error(capsys)


@pytest.mark.parametrize(
    ("levels", "allowed"),
    [
        ("rate = 0", "a number above 0 to 10"), ("norm = 'bath'", "one of batch, group"), ("flag = 1", "true or false"),
        ("layers = 3", "a list of whole numbers"), ("layers = [1, 'a']", "a list of whole numbers"),
        ("pair = [1]", "a list of whole numbers"),
    ],
)  # fmt: skip
def test_annotations_are_checked(levels: str, allowed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Bounds, choices, truth values and lists are those of the signature."""
    source = """
    from typing import Annotated, Literal, Optional
    from annotated_types import Interval
    def train(
        rate: Annotated[float, Interval(gt=0, le=10)] = 0.1, norm: Literal["batch", "group"] = "batch",
        flag: bool = True, layers: tuple[int, ...] = (1,), pair: tuple[int, int] = (1, 2), maybe: Optional[int] = None,
    ): ...
    """
    write(source, levels)
    assert f"is not allowed; allowed: {allowed}" in error(capsys)


@pytest.mark.parametrize(
    ("stated", "message"),
    [("", "select_on: missing; state the number"), ("select_on = 'test_score'", "'test_score' is not allowed"),
     ("select_on = 'accuracy'", "'accuracy' is not allowed; allowed: \"none\", or val_")],
)  # fmt: skip
def test_what_selects_is_stated(stated: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A function shows its numbers when it has run; whether they select is decided before."""
    write(OK)
    Path("mine.toml").write_text(Path("mine.toml").read_text().replace('select_on = "val_score"', stated))
    assert message in error(capsys)


def test_seeds_need_a_parameter(capsys: pytest.CaptureFixture[str]) -> None:
    """Replicates would be copies."""
    write("def train(width: int = 1):\n    return {}\n", seeds="0, 1")
    assert "takes no seed, and several are stated" in error(capsys)


def test_shared_levels_need_a_handle(capsys: pytest.CaptureFixture[str]) -> None:
    """A function that returns once cannot give results on its way."""
    write(
        "def train(epochs: int = 1, seed=0):\n    return {}\n", "epochs = 1\n[[rows]]\nepochs = 2", "shares = 'epochs'"
    )
    assert "the function does not take `run`" in error(capsys)


@pytest.mark.parametrize("function", ["notebook.ipynb:train", "__main__:train"])
def test_a_cell_of_a_notebook_is_refused(function: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A cell of a notebook is refused with the way to write it to a file."""
    write(OK)
    Path("mine.toml").write_text(Path("mine.toml").read_text().replace("mine.py:train", function))
    assert "%%writefile train.py" in error(capsys)


def test_a_new_study_of_a_function_runs() -> None:
    """A new study lists each factor with its default and range, and varies the first ones."""
    source = """
    from typing import Literal
    def train(*, width: int = 4, norm: Literal["batch", "group"] = "batch", hook=print, seed: int = 0):
        right = [1 if (n * width + seed) % 5 else 0 for n in range(20)]
        return {"val": {"correct": right}, "test": {"correct": right if norm == "batch" else right[::-1]}}
    """
    Path("mine.py").write_text(dedent(source))
    assert cli.run(["new", "--experiment", "mine.py:train", "mine.toml"]) == 0
    text = Path("mine.toml").read_text()
    assert '# norm = "batch"  # one of batch, group' in text
    assert "at their defaults, which no study file can state: hook" in text
    Path("mine.toml").write_text(text.replace("val_accuracy", "val_correct"))
    assert cli.run(RUN) == 0
    table = rows(Path("runs/mine"))
    assert [row["width"] for row in table] == ["4", "8", "4"]
    assert [row["norm"] for row in table] == ["batch", "batch", "group"]


def test_a_dataclass_has_factors_of_its_own() -> None:
    """The factors of a dataclass have names with a dot, which a study file quotes."""
    source = """
    import dataclasses
    @dataclasses.dataclass
    class Model:
        width: int = 1
        depth: int = 2
    def train(model: Model = Model(depth=3)):
        return {"val_score": model.width, "test_score": model.depth}
    """
    write(source, '"model.width" = 5')
    assert cli.run(RUN) == 0
    (row,) = rows(Path("runs/mine"))
    assert float(row["val_score"]) == 5
    study = record.need(Workspace(Path("runs")), "mine")
    assert dict(study.grid.rows[0]) == {"model.width": 5, "model.depth": 3}


def test_any_keyword_of_the_study_reaches_a_function_that_takes_all() -> None:
    """The factors of a function that takes all keywords have no types, and are those that the study states."""
    write("def train(**levels):\n    return {'val_score': levels['a'], 'test_score': len(levels)}\n", "a = 2\nb = 'x'")
    assert cli.run(RUN) == 0
    (row,) = rows(Path("runs/mine"))
    assert (row["val_score"], row["test_score"]) == ("2.0", "2.0")


def test_rows_of_shared_epochs_are_read_off_one_training() -> None:
    """Four rows and two seeds need four trainings, and each equals its own."""
    Path("loop.py").write_text(LOOP)
    Path("mine.toml").write_text(STUDY)
    assert cli.run(RUN) == 0
    assert len(Workspace(Path("runs")).trainings()) == 4
    shared = rows(Path("runs/mine"))
    Path("mine.toml").write_text(STUDY.replace('shares = "epochs"\n', 'name = "alone"\n'))
    assert cli.run([*RUN, "--name", "alone"]) == 0
    assert len(Workspace(Path("runs")).trainings()) == 12
    alone = rows(Path("runs/alone"))
    assert [row["val_score"] for row in shared] == [row["val_score"] for row in alone]


def test_a_second_run_trains_nothing_and_does_not_load_the_function() -> None:
    """Status and table work without the function's interpreter."""
    write(OK, "width = 2")
    assert cli.run(RUN) == 0
    before = Path("runs/mine/table.csv").read_bytes()
    Path("mine.py").write_text("1 / 0\n")
    assert cli.run(["table", "mine"]) == 0
    assert cli.run(["status", "mine"]) == 0
    assert cli.run(["verify", "runs/mine/table.csv"]) == 0
    assert Path("runs/mine/table.csv").read_bytes() == before


def test_changed_code_stops_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    """A change of a module that the function imports late stops the run too: the difference is shown."""
    Path("late.py").write_text("SCALE = 1\n")
    write(
        "def train(width: int = 1):\n    import late\n    return {'val_score': width * late.SCALE, 'test_score': 1}\n"
    )
    assert cli.run(RUN) == 0
    Path("late.py").write_text("SCALE = 1  # a comment\n")
    assert cli.run(RUN) == 0
    Path("late.py").write_text("SCALE = 2\n")
    capsys.readouterr()
    assert cli.run(RUN) == 2
    printed = capsys.readouterr()
    assert "late.py has changed since row 1 was trained" in printed.err
    assert cli.run([*RUN, "--code", "retrain"]) == 0
    (row,) = rows(Path("runs/mine"))
    assert float(row["val_score"]) == 2


def test_an_interpreter_of_its_own_needs_nothing_of_ours(tmp_path: Path) -> None:
    """A bare environment, in which no package is installed, runs a function."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    source = """
    import importlib.util, sys
    def train(width: int = 1):
        assert importlib.util.find_spec("ablation") is None and importlib.util.find_spec("numpy") is None
        return {"val": {"score": [0.5, 1.0]}, "test": {"id": ["a", "b"], "score": [0.25, width]}, "prefix": 1.0}
    """
    write(source, keys="python = 'bare/bin/python'")
    assert cli.run(RUN) == 0
    (row,) = rows(Path("runs/mine"))
    assert float(row["val_score"]) == 0.75
    content = json.loads(Path("runs/mine/study.json").read_text())
    assert content["inputs"]["python"] == ".".join(map(str, sys.version_info[:3]))


def test_a_description_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The function is not imported again to read a study while its files are the same."""
    write("open('imported', 'a').write('x')\n" + OK)
    for _ in range(3):
        study_file.read("mine.toml")
    assert Path("imported").read_text() == "x"
    Path("mine.py").write_text(Path("mine.py").read_text() + "\n")
    study_file.read("mine.toml")
    assert Path("imported").read_text() == "xx"


def test_input_files_are_part_of_the_ids() -> None:
    """Other content of a file that the function reads gives other trainings."""
    Path("data.txt").write_text("1")
    write("def train(width: int = 1):\n    return {'val_score': float(open('data.txt').read()), 'test_score': 1}\n",
          keys="inputs = ['data.txt']")  # fmt: skip
    assert cli.run(RUN) == 0
    Path("data.txt").write_text("2")
    assert cli.run([*RUN, "--name", "other"]) == 0
    with open("runs/other/trials.csv") as file:
        (trial,) = csv.DictReader(file)
    assert float(trial["val_score"]) == 2


FOLDED = """
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

def train(run, *, C: float = 1.0):
    x, y = load_iris(return_X_y=True)
    train, val, test = run.split(len(x), label=y)
    model = LogisticRegression(C=C, max_iter=500).fit(x[train], y[train])
    of = {"val": val, "test": test}
    assert (run.fold, run.repeat) == (run.seed % 5, run.seed // 5)
    return {name: {"id": part, "label": y[part], "predicted": model.predict(x[part])} for name, part in of.items()}
"""


def test_the_replicates_may_be_folds(capsys: pytest.CaptureFixture[str]) -> None:
    """Each row runs on the same folds; the differences are widened, and the table says that they are approximate."""
    write(FOLDED, "C = 1.0\n[[rows]]\nC = 0.001", "task = 'classes'\n[folds]\nk = 5\nkind = 'stratified'")
    text = Path("mine.toml").read_text().replace("seeds = [0]\n", "").replace("val_score", "val_accuracy")
    text = text.replace('[measures]\nscore = { best = "high" }\n', "")
    Path("mine.toml").write_text(text)
    assert cli.run(RUN) == 0
    table = Path("runs/mine/table.md").read_text()
    assert "over 5 folds" in table
    assert "150 test examples" in table  # of all folds together
    assert "corrected resampled t" in table
    warnings = json.loads(Path("runs/mine/warnings.json").read_text())
    assert any(w["code"] == "FOLDS" for w in warnings)
    Path("mine.toml").write_text(text.replace("k = 5", "k = 4"))
    assert cli.run(RUN) == 2
    assert "run with different inputs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("[folds]\nk = 5", "seeds: the replicates are those of [folds]"),
        ("[folds]\nk = 1", "folds.k: 1 is not allowed; allowed: a whole number from 2"),
        ("[folds]\nk = 5\nkind = 'random'", "allowed: plain, stratified, group, stratified_group or time"),
    ],
)
def test_wrong_folds_are_refused(keys: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong folds are refused before anything runs."""
    write(FOLDED, "C = 1.0", keys)
    assert message in error(capsys)


def test_folds_need_a_handle(capsys: pytest.CaptureFixture[str]) -> None:
    """The examples of a fold are given by the handle `run`, which the function must take."""
    write(OK, "", "[folds]\nk = 5")
    Path("mine.toml").write_text(Path("mine.toml").read_text().replace("seeds = [0]\n", ""))
    assert "does not take `run`" in error(capsys)


def test_files_of_the_selected_row_stay_and_are_sent(place: Path) -> None:
    """The files of a function in its folder are subject to `--keep` and `artifacts`, as those of a command are."""
    source = """
    import os
    def train(run, width: int = 1):
        with open(os.path.join(run.folder, "plot.txt"), "w") as file:
            file.write(str(width))
        return {"val_score": width, "test_score": 1}
    """
    write(source, "width = 1\n[[rows]]\nwidth = 2", "artifacts = ['*.txt']")
    assert cli.run(["run", "mine.toml", "-q"]) == 0
    written = list(Path("runs/trained").glob("*/child/files/plot.txt"))
    assert [path.read_text() for path in written] == ["2"]
    sent = list(Path("runs/mlartifacts").rglob("plot.txt"))
    assert [path.read_text() for path in sent] == ["2"]


def test_a_function_that_fails_can_be_debugged(place: Path) -> None:
    """`--pdb` opens the debugger in the function's own frame, with the terminal as its input."""
    write("def train(width: int = 3):\n    half = width / 2\n    raise ValueError('odd')\n")
    command = [sys.executable, "-m", "ablation", "try", "mine.toml", "--pdb"]
    done = subprocess.run(command, input="p half\nq\n", capture_output=True, text=True, timeout=120)
    assert "mine.py(3)train()" in done.stdout
    assert "(Pdb) 1.5" in done.stdout
    assert "failed in" in done.stdout
    assert done.returncode == 1


def test_a_function_that_succeeds_needs_no_debugger(capfd: pytest.CaptureFixture[str]) -> None:
    """`--pdb` changes nothing then."""
    write(OK)
    assert cli.run(["try", "mine.toml", "--pdb"]) == 0
    assert "val_score = 1" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("command = 'python x.py'", "experiment: command and function are both stated; state one"),
        ("plugin = 'keras_head'", "experiment: plugin and function are both stated; state one"),
    ],
)
def test_an_experiment_is_stated_once(keys: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A function, a command or a plug-in."""
    write(OK, "", keys)
    assert message in error(capsys)


def test_keys_of_functions_need_one(capsys: pytest.CaptureFixture[str]) -> None:
    """A study without a function or a command is one of the Keras experiment, which has none of their keys."""
    Path("mine.toml").write_text("[experiment]\nshares = 'epochs'\n[[rows]]\n")
    assert "experiment.shares: is of functions and commands; state function or command" in error(capsys)


def test_a_test_score_that_is_nan_is_named() -> None:
    """The trial is done, and the row has no mean: the table says why."""
    source = """
    def train(width: int = 1):
        scores = [1.0, 0.5, float("nan") if width == 2 else 0.25]
        return {"val_score": 1.0, "test": {"score": scores}}
    """
    write(source, "width = 1\n[[rows]]\nwidth = 2")
    assert cli.run(RUN) == 0
    warnings = json.loads(Path("runs/mine/warnings.json").read_text())
    (warning,) = [one for one in warnings if one["code"] == "UNDEFINED_ON_TEST"]
    assert warning["fact"] == "Test score of row 2 is NaN or infinite for some trial."
    assert warning["rows"] == [2]
