"""What a person sees while a study runs."""

import io
import re
import sys

import pytest
from conftest import on_a_terminal
from rich.console import Console

from ablation.cli.terminal import progress
from ablation.durations import duration
from ablation.progress.listener import SlotState, Snapshot
from ablation.progress.recorder import Recorder
from ablation.store.workspace import StudyFolder

pytestmark = pytest.mark.process

STORY = """
import sys
from pathlib import Path
from ablation.cli.terminal import progress
from ablation.progress.recorder import Recorder
from ablation.store.workspace import StudyFolder

def draw():
    watch._console.print(end="")  # as the next tick would

with progress.watch() as watch, Recorder(watch, StudyFolder(Path(sys.argv[1])), ["cpu:0", "cpu:1"]) as noted:
    noted.step("reading images", 1, 2)
    draw()
    noted.step("reading images", 2, 2)
    noted.trials(1, 0, 4)
    noted.started("a", "rows 2, 5", "cpu:0")
    noted.started("b", "row 3", "cpu:1")
    for epoch in (1, 2):
        noted.epoch("a", {"epoch": epoch, "val_accuracy": 0.931, "time": 100.0 * epoch}, 3)
    noted.work(0.5)
    draw()
    noted.ended("a", "done")
    noted.trials(3, 0, 4)
    draw()
    noted.ended("b", "failed", "ValueError: [not markup]")
    noted.trials(3, 1, 4)
    draw()
print("the table")
"""
CONTROL = re.compile(r"\x1b\[(\d*)([A-Za-z])|\x1b\[\?25[lh]|\r|\n|[^\x1b\r\n]+|\x1b\[[\d;]*m")


def screen(written: str) -> list[str]:
    """Return the lines that a terminal shows after all that was written; it is high enough not to scroll."""
    lines, row = [""], 0
    for match in CONTROL.finditer(written):
        text, number, letter = match[0], match[1], match[2]
        if text == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif letter == "A":
            row = max(0, row - int(number or 1))
        elif letter == "K":
            lines[row] = ""
        elif text[0] not in "\x1b\r":
            lines[row] += text
    return [line.rstrip() for line in lines if line.strip()]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    return on_a_terminal(sys.executable, "-c", STORY, tmp_path_factory.mktemp("study"))


def screens(written: str) -> list[list[str]]:
    """Return the screen after each drawing, as a person saw it."""
    return [screen(written[: m.start()]) for m in re.finditer(r"\r\x1b\[2K|\x1b\[\?25h", written)]


def test_a_terminal_shows_a_line_a_slot(written: str):
    """Slot, rows, epoch, validation accuracy, time left; and one line for the whole."""
    shown = next(lines for lines in screens(written) if any("epoch 2 of 3" in line for line in lines))
    first, second, whole = shown[-3:]
    assert re.fullmatch(r"cpu:0  rows 2, 5  [━╸╺]+  epoch 2 of 3  val 93\.1 %  1:\d\d left", first)
    assert re.fullmatch(r"cpu:1  row 3 +starting", second)
    assert re.fullmatch(r"all  [━╸╺]+  1 of 4 trials done, 50 %, 0:\d\d elapsed, time left unknown", whole)


def test_ends_scroll_above_the_lines_that_stay(written: str):
    """A slot that has become free keeps its line; messages are above."""
    shown = next(lines for lines in screens(written) if any("3 of 4 trials" in line for line in lines))
    assert shown[0] == "rows 2, 5: done, val 93.1 %"
    assert [line.split()[:2] for line in shown[1:]] == [
        ["cpu:0", "free"],
        ["cpu:1", "row"],
        ["all", shown[3].split()[1]],
    ]


def test_the_end_leaves_plain_lines(written: str):
    """No bar is left; the steps before the trainings were shown while they ran."""
    assert screen(written) == ["rows 2, 5: done, val 93.1 %", "row 3: failed: ValueError: [not markup]", "the table"]
    assert ["reading images: 1 of 2"] in screens(written)


def lines(board: Snapshot | None, height: int = 24, doing: str = "", width: int = 100) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    with console.capture() as shown:
        console.print(progress.drawn(board, doing, 65.0, width, height))
    return [line.rstrip() for line in shown.get().splitlines() if line.strip()]


def board(n: int, **more: object) -> Snapshot:
    busy = [SlotState(slot=f"gpu:{i}", key=f"k{i}", label=f"row {i}", epoch=1, epochs=3) for i in range(n)]
    given = {"study": "s", "host": "h", "pid": 1, "started": 0.0, "updated": 0.0, "total": 100, "slots": busy}
    return Snapshot.model_validate(given | more)


def test_the_whole_always_fits():
    """The last of more slots than a terminal has lines are counted. Long labels are cut, not wrapped."""
    shown = lines(board(64), height=10)
    assert len(shown) == 8
    assert shown[-2] == "and 58 more slots, 58 of them busy"
    assert shown[-1].startswith("all ")
    long = SlotState(slot="gpu:0", key="k", label="rows " + ", ".join(map(str, range(50))), epoch=1, epochs=3)
    for width in (40, 60, 80, 120):
        first, whole = lines(board(0, slots=[long.model_copy(update={"ends": 75.0})]), width=width)
        assert re.search(r"row.*…  .*epoch 1 of 3  +0:10 left$", first)
        assert len(first) <= width
        assert whole.startswith("all ")
    assert len(lines(board(0, slots=[]))) == 1


def test_nothing_to_train_shows_nothing():
    """No line is shown where everything is done, nothing is known yet, or the run is over."""
    for nothing in (None, board(2, done=100), board(2, total=0), board(2, over=True)):
        assert lines(nothing) == []
    assert lines(None, doing="reading images: 1 of 2") == ["reading images: 1 of 2"]


def test_a_log_gets_plain_lines(monkeypatch: pytest.MonkeyPatch, tmp_path):
    """A log gets each start and end, and at most every 15 s how far the run is and the time left."""
    out, now = io.StringIO(), [1000.0]
    monkeypatch.setattr(progress.consoles, "console", lambda **_: Console(file=out, force_terminal=False, width=40))
    with progress.watch() as watch:
        assert isinstance(watch, progress.Plain)
        watch._clock = lambda: now[0]
        noted = Recorder(watch, StudyFolder(tmp_path), ["cpu:0"], clock=lambda: now[0])
        noted.step("reading images", 1, 2)
        noted.step("reading images", 2, 2)
        noted.trials(0, 0, 2)
        noted.started("k", "rows 2, 5", "cpu:0")
        for epoch in range(1, 9):
            now[0] += 6
            noted.work(epoch / 10)
            noted.epoch("k", {"epoch": epoch, "val_accuracy": 0.931}, 10)
        noted.ended("k", "done")
        noted.say("note: [not markup]")
    assert out.getvalue().splitlines() == [
        "reading images: 1 of 2",
        "reading images: 2 of 2",
        "rows 2, 5: started on cpu:0",
        "rows 2, 5: epoch 3 of 10, val 93.1 %, 0:42 left; all: 0 of 2 trials done, 30 %, 0:18 elapsed, 0:42 left",
        "rows 2, 5: epoch 6 of 10, val 93.1 %, 0:24 left; all: 0 of 2 trials done, 60 %, 0:36 elapsed, 0:24 left",
        "rows 2, 5: done, val 93.1 %",
        "note: [not markup]",
    ]


def test_durations():
    """Hours only where there are some."""
    assert [duration(s) for s in (5, 65, 3725)] == ["0:05", "1:05", "1:02:05"]


def test_an_end_says_why():
    """Done with its accuracy, a failure with its reason, cut where it is endless."""
    line = SlotState(slot="s", key="k", label="row 1", epoch=3, epochs=3, val_accuracy=0.5)
    assert progress.end_line(line, "k", "done", "") == "row 1: done, val 50.0 %"
    assert progress.end_line(line, "k", "killed", "") == "row 1: killed"
    assert progress.end_line(None, "k", "done", "") == "k: done"
    assert len(progress.end_line(line, "k", "failed", "x" * 9999)) < 400


def test_what_is_watched_keeps_its_end_in_sight():
    """A list of failures that is longer than the terminal is cut at its start."""
    text = "\n".join(map(str, range(100)))
    assert progress._end_of(text, 4).plain == "97\n98\n99"
