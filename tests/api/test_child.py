"""The child process of `ablation.run`: its messages, and its end together with the process that started it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TESTS, on_a_terminal, until

import ablation
from ablation.api import progress_view
from ablation.api.progress_view import NotebookView, TerminalView, View, chosen, drawn, last_line
from ablation.errors import AblateError
from ablation.progress.listener import SlotState, Snapshot

STUDY = 'seeds = [0, 1]\n[experiment]\nplugin = "gated:"\n[factorial]\nwidth = [8, 16]\n'
WRONG = "--grid no-such: no such study"


@pytest.mark.process
def test_a_run_ends_with_the_process_that_started_it(tmp_path: Path):
    """A kernel that is killed leaves no run behind: the training under way is saved, and the workspace is free."""
    (tmp_path / "g.toml").write_text(STUDY)
    code = "import ablation\nablation.run('g.toml', inline=True)"
    environment = os.environ | {"PYTHONPATH": str(TESTS / "plugins")}
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment)
    until(lambda: len(list(tmp_path.glob("runs/trained/*/attempts.jsonl"))) == 3)  # two are done
    parent.kill()
    parent.wait()
    progress = tmp_path / "runs" / "g" / "progress.json"
    until(lambda: progress.is_file() and json.loads(progress.read_text())["over"])
    assert len(list(tmp_path.glob("runs/trained/*/result-*.json"))) == 3


@pytest.mark.process
def test_messages_are_shown_on_request(capsys: pytest.CaptureFixture[str]):
    """The messages of the command are printed with progress=True; an error is raised in both cases."""
    for progress in (True, None):
        with pytest.raises(AblateError, match=WRONG):
            ablation.run("no-such", progress=progress)
        assert (WRONG in capsys.readouterr().err) == bool(progress)


@pytest.mark.process
def test_a_terminal_stays_a_terminal():
    """The child writes to a terminal of the same width where its parent has one."""
    code = (
        "import termios\nfrom ablation.api import child\ntermios.tcsetwinsize(2, (30, 77))\n"
        "print(termios.tcgetwinsize(child._terminal()[1]))"
    )
    assert "(30, 77)" in on_a_terminal(sys.executable, "-c", code)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("progress", "quiet", "notebook", "kind"),
    [
        (None, False, False, View), (True, False, False, TerminalView), (False, False, False, View),
        (None, False, True, NotebookView), (None, True, True, View), (False, False, True, View),
        (True, True, True, NotebookView),
    ],
)  # fmt: skip
def test_progress_is_shown_where_it_is_asked_for(
    progress: bool | None, quiet: bool, notebook: bool, kind: type, monkeypatch: pytest.MonkeyPatch
):
    """Progress is shown in notebooks unless the run is quiet, and in other programs with progress=True alone."""
    monkeypatch.setattr(progress_view, "notebook_display", lambda: print if notebook else None)
    assert type(chosen(progress, quiet, Path("runs"))) is kind


@pytest.mark.unit
def test_progress_in_words():
    """The whole run, busy slots, and the last message; a run that is over keeps its time."""
    slots = (SlotState(slot="cpu:0", key="k", label="row 2", epoch=3, epochs=10), SlotState(slot="cpu:1"))
    snapshot = Snapshot(study="s", host="h", pid=1, started=0, updated=60, total=4, done=1, share=0.25, slots=slots)
    lines = drawn(snapshot, "row 1: done", 120).splitlines()
    assert lines[0].startswith("██████░░░░░░░░░░░░░░░░░░ 1 of 4 trials done, 25 %, 2")
    assert lines[1:] == ["cpu:0 row 2 epoch 3 of 10", "row 1: done"]
    over = snapshot.model_copy(update={"over": True, "slots": ()})
    assert drawn(over, "", 120) == drawn(over, "", 9999)
    assert drawn(None, "", 0) == "starting"


@pytest.mark.unit
def test_the_last_line_has_no_control_codes():
    """Colours, cursor movements, carriage returns and blank lines are left out."""
    assert last_line(b"a\r\n\x1b[?25h\x1b[31merror: b\x1b[0m\r\n\x1b[2K\n") == "error: b"
    assert last_line(b"") == ""
