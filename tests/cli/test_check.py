"""`ablate check`: promises that are kept, and each one that is broken."""

from pathlib import Path

import pytest
from command_study import STUDY

from ablation import cli
from ablation.workflows import check_promises

SCRIPT = """
import json, os, signal, sys, time
folder, width, seed, state = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
step, total = json.load(open(state[0])) if state else (0, 0)
while step < 8:
    step, total = step + 1, total + width * (seed + step)
    time.sleep(0.1)
    if asked:
        json.dump([step, total], open(folder + "/state.json", "w"))
        sys.exit(75)
json.dump({"val_score": total, "test_score": total + 1}, open(folder + "/metrics.json", "w"))
"""
KEYS = 'resume = "{checkpoint}"\ncheckpoint = "{folder}/state.json"\ngrace = "2s"\n'
RESUMED = STUDY.replace("[experiment.factors]", f"{KEYS}[experiment.factors]").replace("[2, 3]", "[2]")
# promise: part of the script, what takes its place, state, sentence
BROKEN = {
    "nothing": ("", "", "ok  ", "resume: after a stop it resumes with the same numbers"),
    "same seed": ("step + 1, total", "step + 1, time.time_ns() + total", "BAD ", "same seed: the same seed gives"),
    "other seed": ("int(sys.argv[3])", "0 * int(sys.argv[3])", "BAD ", "other seed: another seed gives the same"),
    "width": ("int(sys.argv[2])", "3 + 0 * int(sys.argv[2])", "note", "width: row 2 gives the same numbers"),
    "stop": ("sys.exit(75)", "time.sleep(60)", "BAD ", "it was killed: end on SIGTERM"),
    "resume": ("json.dump([step, total]", "json.dump([step, 0]", "BAD ", "resume: after a stop it resumes with other"),
    "runs": ("asked = []", "sys.exit('no')", "BAD ", "runs: the reference does not end well: exit code 1: no"),
}  # fmt: skip


@pytest.mark.parametrize("promise", BROKEN)
def test_a_broken_promise_is_named(
    promise: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Exit code 1 where one is broken, a note where it need not hold; no trial is in the workspace."""
    before, after, mark, sentence = BROKEN[promise]
    assert before in SCRIPT
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(check_promises, "SHORTEST", 0.5)
    (tmp_path / "train.py").write_text(SCRIPT.replace(before, after) if before else SCRIPT)
    (tmp_path / "mine.toml").write_text(RESUMED)
    code = cli.run(["check", "mine.toml"])
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith(mark) and sentence in line for line in lines), lines
    assert code == (1 if mark == "BAD " else 0)
    if promise == "nothing":
        assert [line[:4] for line in lines] == ["ok  "] * 6
    assert not (tmp_path / "runs" / "trained").exists()  # the outcome of the check alone
