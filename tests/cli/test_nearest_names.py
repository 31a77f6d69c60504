"""A misspelt name of any kind is answered with the nearest one, and a folder without results with a beginning."""

import json
import shutil
from pathlib import Path

import pytest
from synthetic import published, study

from ablation import cli
from ablation.errors import AblateError
from ablation.study import study_file

pytestmark = pytest.mark.unit
ROWS = """
[[rows]]
label = "all components"
dropout = 0.5

[[rows]]
label = "without dropout"
dropout = 0.0
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose workspace has the study mine, with the paper's nine rows, and a study file with labels."""
    folder = tmp_path_factory.mktemp("nearest")
    grid = study_file.read("paper")
    study(folder / "runs", grid, published(grid), name="mine")
    (folder / "rows.toml").write_text('title = "Labels"\n' + ROWS)
    return folder


def answer(arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.run(arguments.split()) == 2
    return capsys.readouterr().err.strip()


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ("tabel mine", "table"),
        ("run --grid smok", "smoke"),
        ("table mien", "mine"),
        ("status --name mien", "mine"),
        ("run --grid smoke --set learning_rat=1e-4", "learning_rate"),
        ("run --grid smoke --set backbone=vgg1", "vgg16"),
        ("run --grid smoke --set optimizer=adm", "adam"),
        ("run --grid smoke --option skipbad=1", "skip_bad"),
        ("run --grid smoke --strict LEAK_EXCT", "LEAK_EXACT"),
        ("explain leak_exct", "LEAK_EXACT"),
        ("clean featurs", "features"),
        ("table zzz", ""),
        ("data demo:prodction", "demo:production"),
    ],
)
def test_a_message_ends_with_the_nearest_name(
    arguments: str, name: str, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """Commands, studies, factors, levels, options of an experiment, codes of warnings, kinds of files, demo sets; a
    name that is near none is answered without one."""
    monkeypatch.chdir(place)
    message = answer(arguments, capsys)
    assert message.startswith("error: ")
    assert message.endswith(f"; nearest: {name}") if name else "nearest" not in message


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        ("run --grd smoke", "; nearest: --grid; see `ablate run --help`"),
        ("run --keep al --grid smoke", "; nearest: all; see `ablate run --help`"),
        ("table mine --latex-style siunit", "; nearest: siunitx; see `ablate table --help`"),
        ("--hlp", "; nearest: --help; see `ablate --help`"),
    ],
)
def test_an_option_and_its_words(arguments: str, end: str, capsys: pytest.CaptureFixture[str]):
    """The nearest one comes before the command that lists them."""
    assert answer(arguments, capsys).endswith(end)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ('titel = "x"', "title"),
        ('reference = "without droput"', "without dropout"),
        ('select_on = "val_acuracy"', "val_accuracy"),
        ("[fixed]\nlearning_rte = 1e-3", "learning_rate"),
        ('[fixed]\noptimizer = "agam"', "adam"),
        ("[table]\nmargns = 1", "marks"),
        ('[measures]\nacuracy = { title = "A" }', "accuracy"),
        ('[experiment]\nplugin = "keras_haed"', "keras_head"),
        ('[[compare]]\nrows = ["all components", "without dropot"]', "without dropout"),
    ],
)
def test_a_study_file_is_answered_with_the_nearest_name(change: str, name: str, tmp_path: Path):
    """Keys, labels, measures, factors, levels, experiments, and the rows of comparisons."""
    file = tmp_path / "study.toml"
    file.write_text(f"{change}\n{ROWS}" if "[" in change else f"{change}\n" + ROWS)
    with pytest.raises(AblateError, match=f"; nearest: {name}$"):
        study_file.read(str(file))


def test_without_a_study_the_beginnings_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """`ablate` alone names a first study, the import of results, a program of the user, and a study file."""
    monkeypatch.chdir(tmp_path)
    assert cli.run([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[1] for line in lines[1:5]] == [
        "ablate run --grid smoke", "ablate import results.csv --guess",
        'ablate new --command "python train.py --lr 0.1"', "ablate new mine.toml",
    ]  # fmt: skip
    assert len(lines) == 6


@pytest.mark.parametrize(
    ("progress", "trials", "line"),
    [
        ("", "", "mine  no trial yet  ablate status mine"),
        ('{"done": 3, "total": 9, "over": true, "command": ["run", "--grid", "my study.toml"]}', "",
         "mine  3 of 9 trials done  resume: ablate run --grid 'my study.toml'"),
        ("", "row,outcome\n1,done\n2,done\n", "mine  2 of 2 trials done  ablate table mine"),
        ("[" * 100_000, "", "mine  no trial yet  ablate status mine"),
        ("7", "", "mine  no trial yet  ablate status mine"),
    ],
)  # fmt: skip
def test_with_studies_the_next_commands_are_named(
    progress: str, trials: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    """Done and total trials from the files alone, whatever they hold, and the command that comes next."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    (folder / "study.json").write_text(json.dumps({}))
    for name, text in (("progress.json", progress), ("trials.csv", trials)):
        if text:
            (folder / name).write_text(text)
    assert cli.run([]) == 0
    assert capsys.readouterr().out.splitlines()[1].strip() == line
    shutil.rmtree(folder)
