"""`ablate check` of functions: each promise that can be broken, and what the table says of it."""

import json
from pathlib import Path

import pytest
from function_study import LOOP, STUDY

from ablation import cli
from ablation.workflows import check_promises

SLOW = "        import time; time.sleep(0.6)\n        run.report("
# promise: part of the function, what takes its place, state, sentence
BROKEN = {
    "nothing": ("", "", "ok  ", "resume: after a stop it resumes with the same numbers"),
    "same seed": ("random.random()", "random.SystemRandom().random()", "BAD ", "same seed: the same seed gives other"),
    "other seed": ("random.random()", "epoch", "BAD ", "other seed: another seed gives the same"),
    "width": ("width * rate", "rate", "note", "width: row 3 gives the same numbers"),
    "a schedule": ("rate = 0.5", "rate = 0.5 / epochs", "BAD ", "something depends on the total"),
    "an evaluation that draws": ("noise = 0.0", "noise = random.random(); state['total'] += noise", "BAD ",
                                 "changes that at 3: the evaluation draws"),
    "resume": ("json.dumps(state)", "json.dumps({'total': 0.0})", "BAD ", "resume: after a stop it resumes with other"),
    "stop": ("run.report(", "while run.stopping: pass\n        run.report(", "BAD ", "it was killed: end on SIGTERM"),
    "runs": ("rate = 0.5", "raise ValueError('no')", "BAD ", "runs: the reference does not end well: ValueError: no"),
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder with the study, which is the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "loop.py").write_text(LOOP)
    (tmp_path / "mine.toml").write_text(STUDY)
    return tmp_path


@pytest.mark.parametrize("promise", BROKEN)
def test_a_broken_promise_is_named(
    promise: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 where one is broken, a note where it need not hold."""
    before, after, mark, sentence = BROKEN[promise]
    assert before in LOOP
    source = LOOP
    if promise == "stop":
        monkeypatch.setattr(check_promises, "SHORTEST", 0.2)
        (place / "mine.toml").write_text(STUDY.replace("[experiment]", "[experiment]\ngrace = '1s'"))
        source = source.replace("        run.report(", SLOW)
    (place / "loop.py").write_text(source.replace(before, after) if before else source)
    code = cli.run(["check", "mine.toml"])
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith(mark) and sentence in line for line in lines), lines
    assert code == (1 if mark == "BAD " else 0)


def codes(place: Path) -> set[str]:
    """Return the codes of the warnings of the study."""
    return {warning["code"] for warning in json.loads((place / "runs" / "mine" / "warnings.json").read_text())}


def test_a_table_of_shared_trainings_is_unchecked_until_a_check(place: Path) -> None:
    """A check of this code is on file afterwards; a comment changes nothing, a constant does."""
    run = ["run", "mine.toml", "--trackers", "none", "-q"]
    assert cli.run(run) == 0
    assert "UNCHECKED" in codes(place)
    assert cli.run(["check", "mine.toml"]) == 0
    assert cli.run(run) == 0
    assert "UNCHECKED" not in codes(place)
    (place / "loop.py").write_text(LOOP + "# a comment\n")
    assert cli.run(run) == 0
    assert "UNCHECKED" not in codes(place)
    (place / "loop.py").write_text(LOOP.replace("rate = 0.5", "rate = 0.25"))
    assert cli.run([*run, "--code", "retrain"]) == 0
    assert "UNCHECKED" in codes(place)


def test_a_table_of_resumed_trainings_is_unchecked_until_a_check(place: Path) -> None:
    """A table of resumed trainings is unchecked until a check in a study without sharing, too."""
    source = LOOP.replace(
        "        run.report(",
        "        import os, time; died = pathlib.Path(__file__).with_name('died')\n"
        "        time.sleep(1.1 if epoch == 1 else 0)\n"
        "        if epoch == 2 and not died.exists():\n"
        "            died.touch(); os.kill(os.getpid(), 9)\n"
        "        run.report(",
    )
    (place / "loop.py").write_text(source)
    one = (
        STUDY.replace('shares = "epochs"\n', "")
        .replace("[0, 1]", "[0]")
        .replace("[1, 2]", "[1]")
        .replace("[2, 4]", "[3]")
    )
    (place / "mine.toml").write_text(one)
    run = ["run", "mine.toml", "--trackers", "none", "-q"]
    assert cli.run(run) == 0
    warnings = json.loads((place / "runs" / "mine" / "warnings.json").read_text())
    fact = next(warning["fact"] for warning in warnings if warning["code"] == "UNCHECKED")
    assert fact.startswith("Trainings were resumed after an interruption")
    assert cli.run(["check", "mine.toml"]) == 0
    assert cli.run(run) == 0
    assert "UNCHECKED" not in codes(place)


def test_sharing_that_was_found_wrong_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The study itself is not: without `shares` it runs."""
    (place / "loop.py").write_text(LOOP.replace("rate = 0.5", "rate = 0.5 / epochs"))
    assert cli.run(["check", "mine.toml"]) == 1
    run = ["run", "mine.toml", "--trackers", "none", "-q"]
    assert cli.run(run) == 2
    assert "[experiment] shares: ablate check has shown that" in capsys.readouterr().err
    (place / "mine.toml").write_text(STUDY.replace('shares = "epochs"\n', ""))
    assert cli.run(run) == 0


def test_rows_with_equal_results_are_named(place: Path) -> None:
    """A factor that the function never uses has no effect, and the table says so."""
    (place / "loop.py").write_text(LOOP.replace("width * rate", "rate"))
    assert cli.run(["run", "mine.toml", "--trackers", "none", "-q"]) == 0
    warnings = json.loads((place / "runs" / "mine" / "warnings.json").read_text())
    fact = next(warning["fact"] for warning in warnings if warning["code"] == "NO_EFFECT")
    assert fact.startswith("Rows 1 and 3 gave the same results, bit for bit and rows 2 and 4")
    assert "width changed nothing" in fact


def test_a_checkpoint_of_changed_code_is_not_resumed_silently(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A training that was interrupted has no result, but a state: the change is shown and decided on."""
    source = LOOP.replace(
        "        run.report(", "        import time; time.sleep(1.1)\n        stop(epoch)\n        run.report("
    )
    broken = source + "def stop(epoch):\n    assert epoch < 2\n"
    (place / "loop.py").write_text(broken)
    (place / "mine.toml").write_text(STUDY.replace("[0, 1]", "[0]").replace("[1, 2]", "[1]").replace("[2, 4]", "[3]"))
    run = ["run", "mine.toml", "--trackers", "none", "-q"]
    assert cli.run(run) == 1
    (place / "loop.py").write_text(source + "def stop(epoch): ...\n")
    capsys.readouterr()
    assert cli.run(run) == 2
    assert "loop.py has changed since row 1 was trained" in capsys.readouterr().err
    assert cli.run([*run, "--code", "keep"]) == 0
    steps = json.loads(next((place / "runs" / "trained").glob("*/result-3.json")).read_text())["history"]
    assert [step["epoch"] for step in steps] == [1, 2, 3]
