"""The provenance of a study: an ordered account from the question to the commands that check it."""

import json
import re
from pathlib import Path

import pytest
from conftest import rows

from ablation import cli
from ablation.analysis import code_of_rows
from ablation.report.build import RenderOptions, Report, rebuild
from ablation.report.tables.provenance import Chapter, provenance
from ablation.store import study_history
from ablation.store.workspace import Workspace

LOOP = """
RATE = 0.5

def train(width: int = 1, seed=0):
    if width == 3:
        raise ValueError("too wide")
    return {"val_score": width + seed / 8, "test_score": width + seed / 9}
"""
STUDY = """
select_on = "val_score"
seeds = [0]
[experiment]
function = "loop.py:train"
[measures]
score = { best = "high" }
[factorial]
width = [1, 2, 3]
"""
RUN = ["run", "loop.toml", "--trackers", "none", "-q"]
TITLES = ["Question", "When the rows were stated", "Code", "Runs", "Selection, and what was opened when",
          "How to check and repeat"]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with a failed row, whose file and code have changed since its first run, and whose results were kept."""
    folder = tmp_path_factory.mktemp("loop")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        Path("loop.py").write_text(LOOP)
        Path("loop.toml").write_text(STUDY)
        cli.run(RUN)
        Path("loop.py").write_text(LOOP.replace("0.5", "0.6"))
        Path("loop.toml").write_text(STUDY.replace("[0]", "[0, 1]"))
        cli.run([*RUN, "--code", "keep"])
    return folder


@pytest.fixture(scope="module")
def drawing(place: Path) -> Report:
    return rebuild(Workspace(place / "runs"), "loop", RenderOptions())


@pytest.fixture(scope="module")
def account(place: Path, drawing: Report) -> dict[str, Chapter]:
    code = code_of_rows.read(Workspace(place / "runs"), drawing.study.record)
    return {chapter.title: chapter for chapter in provenance(drawing.study, code)}


def test_the_account_is_in_the_order_of_a_study(account: dict[str, Chapter], drawing: Report):
    """The order is from the question to the commands; the report has each heading, fact and sentence."""
    assert list(account) == TITLES
    text = drawing.files["report.html"]
    headings = re.findall(r"<h3>\d\. (.*)</h3>", text)
    assert headings == TITLES
    assert all(f"<dt>{name}</dt>" in text for chapter in account.values() for name, _ in chapter.facts)


def test_a_changed_study_file_is_stated_with_its_times(place: Path, account: dict[str, Chapter]):
    """Each version with time, digest and the keys that changed."""
    first, second = study_history.read(Workspace(place / "runs").study("loop"))
    chapter = account["When the rows were stated"]
    assert chapter.description.startswith("The study file was changed once since its first run.")
    assert chapter.facts == (
        (f"{first.time}, study file of the first run", f"loop.toml (sha256 {first.files[0].sha256})"),
        (f"{second.time}, changed study file", f"loop.toml (sha256 {second.files[0].sha256}); changed keys: seeds"),
    )


def test_kept_code_is_stated_with_its_rows(account: dict[str, Chapter], drawing: Report):
    """Both texts of the file, the one of the last run first, and that the user kept the results of the other."""
    facts = dict(account["Code"].facts)
    now = drawing.study.record.inputs.code["loop.py"]
    assert facts["function"] == "loop.py:train"
    assert facts["loop.py"] == f"{now}; ran in rows 1 and 2"
    assert facts["loop.py, another version"].endswith(
        "; ran in rows 1 and 2; these results were kept when the file changed (--code keep)"
    )


def test_failures_are_stated_with_their_reasons(account: dict[str, Chapter]):
    """All runs by outcome, and each failed one with its row and seed."""
    facts = dict(account["Runs"].facts)
    assert facts["trials"] == "4 done, 2 failed"
    assert facts["row 3, seed 1"].startswith("failed: ValueError: too wide")


def test_seals_are_stated_in_order(place: Path, account: dict[str, Chapter]):
    """Each selection with its time and digest; test was not opened before the first."""
    sealed = json.loads((place / "runs" / "loop" / "selection.json").read_text())
    (first,) = sealed["earlier"]
    facts = account["Selection, and what was opened when"].facts
    assert facts[1] == (
        f"{first['sealed']}, sealed",
        f"row 2 selected (replaced by the next); validation predictions {first['validation']}",
    )
    assert facts[2] == (f"{sealed['sealed']}, sealed", f"row 2 selected; validation predictions {sealed['validation']}")
    assert facts[3] == ("test predictions", f"not opened before {first['sealed']}")


def test_the_commands_check_and_repeat(
    place: Path, account: dict[str, Chapter], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The first printed command finds no difference; the second trains all rows again with equal numbers."""
    monkeypatch.chdir(place / "runs")
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    check, repeat = (value.split()[1:] for _, value in account["How to check and repeat"].facts)
    assert cli.run(check) == 0
    assert capsys.readouterr().out.count("agree with the results of study loop") == 4
    assert not Path("runs").exists()  # no second workspace in the first
    monkeypatch.chdir(place)
    cli.run([*repeat, "--trackers", "none", "-q"])
    columns = ("row", "val_score", "test_score")
    again, before = (
        [{name: row.get(name) for name in columns} for row in rows(place / folder / "loop")]
        for folder in ("repeated", "runs")
    )
    assert again == before
