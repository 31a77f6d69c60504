"""How far a run is, kept in one snapshot and in a file; and the status of a study, from files alone."""

import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import synthetic
from conftest import STUDY, Silent, until

from ablation import cli
from ablation.errors import AblateError
from ablation.experiments.keras_head.inputs import Weights
from ablation.outcomes import Status
from ablation.progress import recorder, study_status
from ablation.progress.listener import Snapshot
from ablation.store import result
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.store.workspace import Holder, StudyFolder, Workspace
from ablation.study import study_file

HOLD = """
import io, sys, time
from pathlib import Path
from rich.console import Console
from ablation.progress import recorder
from ablation.cli.terminal.progress import Plain
from ablation.store.workspace import Workspace

recorder.WRITE_SECONDS = 0.05
place, key = Workspace(Path(sys.argv[1])), sys.argv[2]
folder, watch = place.study("tiny"), Plain(Console(file=io.StringIO()))
with place.lock(), recorder.Recorder(watch, folder, ["cpu:0", "cpu:1"], ["run", "--grid", "my study"]) as noted:
    noted.trials(0, 0, 4)
    noted.started(key, "rows 1, 2", "cpu:1")
    for epoch in (1, 2):
        noted.epoch(key, {"epoch": epoch, "val_accuracy": 0.5, "time": 100.0 * epoch}, 3)
    while recorder.read(folder) != noted.snapshot:
        time.sleep(0.01)
    print("held", flush=True)
    time.sleep(60)
"""


class Clock:
    """A time that is constant until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def noted(tmp_path: Path, clock: Clock) -> recorder.Recorder:
    return recorder.Recorder(Silent(), StudyFolder(tmp_path / "tiny"), ["cpu:0", "cpu:1"], clock=clock)


def epoch(number: int, when: float | None = None) -> dict[str, float]:
    return {"epoch": float(number), "val_accuracy": 0.5} | ({} if when is None else {"time": when})


def left(noted: recorder.Recorder, key: str, clock: Clock) -> float | None:
    line = noted.snapshot.of(key)
    assert line is not None
    return None if line.ends is None else line.ends - clock.now


def test_a_trainings_time_left_is_that_of_its_own_epochs(noted: recorder.Recorder, clock: Clock):
    """The first epoch, which also loads, does not count; one that is slow by chance does not matter."""
    noted.started("k", "row 1", "cpu:0")
    times = []
    for number, when in enumerate((60.0, 62.0, 64.0, 99.0, 101.0), start=1):
        noted.epoch("k", epoch(number, when), 10)
        times.append(left(noted, "k", clock))
    assert times == [None, 16.0, 14.0, 12.0, 10.0]


def test_a_resumed_training_has_only_the_rest_before_it(noted: recorder.Recorder, clock: Clock):
    """A resumed training begins at a later epoch; a second try forgets the pace of the first."""
    noted.started("k", "row 1", "cpu:0")
    for number, when in ((1, 0.0), (2, 50.0)):
        noted.epoch("k", epoch(number, when), 100)
    noted.started("k", "row 1", "cpu:1")
    noted.epoch("k", epoch(81, 500.0), 100)
    assert left(noted, "k", clock) is None
    noted.epoch("k", epoch(82, 501.0), 100)
    assert left(noted, "k", clock) == 18.0
    assert [line.key for line in noted.snapshot.slots] == ["", "k"]


def test_the_whole_is_judged_by_what_this_run_did(noted: recorder.Recorder, clock: Clock):
    """Work done before the start has no part in the pace: half was there, a tenth more in 10 s, 40 s are left."""
    for share in (0.5, 0.5, 0.6, 0.7):
        noted.work(share, before=0.5)
        clock.now += 10
    assert noted.snapshot.ends == pytest.approx(1030 + 30)


def test_work_found_during_the_run_is_not_of_its_pace(noted: recorder.Recorder, clock: Clock):
    """A training that resumes from its checkpoint raises the share and `before` alike."""
    noted.work(0.1)
    clock.now += 10
    noted.work(0.6, before=0.4)
    assert noted.snapshot.ends == pytest.approx(clock.now + 40)


def test_the_whole_ends_no_sooner_than_any_training(noted: recorder.Recorder, clock: Clock):
    """The last training may run alone on one of several slots: the whole ends no sooner."""
    noted.started("k", "row 1", "cpu:0")
    noted.work(0.1)
    for number in (1, 2):
        noted.epoch("k", epoch(number, 100.0 * number), 10)
    clock.now += 10
    noted.work(0.9)
    assert noted.snapshot.ends == 1000 + 800


def test_a_slots_line_stays_in_its_place(noted: recorder.Recorder):
    """One training ends and the next begins on the same line; a slot that is not listed comes last."""
    noted.started("a", "row 1", "cpu:0")
    noted.started("b", "row 2", "cpu:1")
    noted.started("c", "row 3", "elsewhere")
    noted.ended("a", "done")
    assert [line.cells(0)[:2] for line in noted.snapshot.slots] == [
        ("cpu:0", "free"),
        ("cpu:1", "row 2"),
        ("elsewhere", "row 3"),
    ]
    noted.started("d", "row 4", "cpu:0")
    assert [line.label for line in noted.snapshot.slots] == ["row 4", "row 2", "row 3"]


def test_every_event_is_passed_on(noted: recorder.Recorder):
    """The listener of an end still sees the line of the training that ended."""
    with noted:
        noted.step("computing features", 1, 2)
        doing = noted.snapshot.doing
        noted.step("computing features", 2, 2)
        noted.trials(1, 0, 4)
        noted.started("k", "rows 2, 5", "cpu:0")
        noted.epoch("k", epoch(1), 3)
        noted.work(0.5)
        noted.ended("k", "done")
        noted.ended("no such", "failed", "ValueError: no")
        noted.say("a note")
    watch = noted._watch
    assert isinstance(watch, Silent)
    assert (doing, noted.snapshot.doing) == ("computing features: 1 of 2", "")
    assert watch.lines[0] == "computing features: 1 of 2"
    assert watch.lines[2] == "rows 2, 5: started on cpu:0"
    assert watch.lines[-3:] == ["rows 2, 5: done, val 50.0 %", "no such: failed: ValueError: no", "a note"]


def test_the_board_is_in_a_file_and_comes_back(noted: recorder.Recorder):
    """Written at the start, from time to time, and at the end, when the run is over."""
    folder = noted._folder
    with noted:
        noted.trials(1, 1, 4)
        noted.started("k", "row 1", "cpu:0")
    assert recorder.read(folder) == noted.snapshot
    assert noted.snapshot.over
    assert noted.snapshot.slots[0].key == ""
    folder.progress.write_text("{")
    assert recorder.read(folder) is None


def test_a_board_is_written_while_the_run_goes_on(noted: recorder.Recorder, monkeypatch: pytest.MonkeyPatch):
    """The last event reaches the file without another one after it."""
    monkeypatch.setattr(recorder, "WRITE_SECONDS", 0.01)
    with noted:
        noted.trials(2, 0, 4)
        until(lambda: (board := recorder.read(noted._folder)) and board.done == 2)


def test_a_board_that_cannot_be_written_stops_nothing(tmp_path: Path):
    """A full disk or a lost file system costs the file alone, for as long as it lasts."""
    folder = StudyFolder(tmp_path / "tiny")
    folder.path.write_text("in the way")
    with recorder.Recorder(Silent(), folder) as noted:
        with pytest.raises(AblateError, match="exists"):
            recorder.write_json(folder.progress, {})
        noted.trials(1, 0, 4)
        time.sleep(0.1)  # for the thread to have tried
        folder.path.unlink()
    assert recorder.read(folder) == noted.snapshot


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Workspace, Record]:
    """A workspace with a study of four rows, two trainings, none of them done."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.toml").write_text(STUDY)
    record = synthetic.of_images(
        name="tiny", grid=study_file.read("tiny.toml"), data="d", images="i", classes=("a", "b"), counts=synthetic.FEW,
        splits={"given": "s"}, weights={"vgg16/random": Weights(level="random", source="random", digest="w")},
        backend="tensorflow",
    )  # fmt: skip
    workspace = Workspace(Path("runs"))
    record.write(workspace.study("tiny"))
    return workspace, record


def finish(workspace: Workspace, record: Record, rows: set[int]) -> None:
    for trial in record.grid.trials():
        if trial.row in rows:
            result.write(workspace.training(record.training_key(trial)), Result(Status.DONE, trial.step))


def key(record: Record, row: int) -> str:
    return next(record.training_key(t) for t in record.grid.trials() if t.row == row)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert cli.run(["status", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_status_of_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A workspace that is not there has no study, and is not made; a study that is asked for is missed."""
    monkeypatch.chdir(tmp_path)
    assert said(capsys) == [f"{tmp_path / 'runs'}: no study yet"]
    assert cli.run(["status", "--grid", "paper"]) == 2
    refusal = capsys.readouterr().err
    assert "no study 'paper'; run `ablate run`" in refusal
    assert f"this workspace is {tmp_path / 'runs'}" in refusal  # a command in the wrong folder is recognized
    assert not Path("runs").exists()


def test_status_of_a_finished_study(capsys: pytest.CaptureFixture[str], tiny: tuple[Workspace, Record]):
    """Every row is done, and where the table is."""
    finish(*tiny, {1, 2, 3, 4})
    assert said(capsys, "--grid", "tiny.toml") == [
        "tiny: 4 of 4 trials done",
        "complete; table: runs/tiny/table.md",
    ]
    assert said(capsys) == ["tiny  4 of 4 trials done"]


def test_a_row_that_was_stopped_says_from_where_it_goes_on(
    capsys: pytest.CaptureFixture[str], tiny: tuple[Workspace, Record]
):
    """One that never began does not."""
    workspace, record = tiny
    finish(workspace, record, {1, 3, 4})
    row = record.grid.rows[1]
    workspace.training(key(record, 2)).checkpoint(row.epochs - 1).touch()
    assert (
        said(capsys, "--grid", "tiny.toml")[1]
        == f"row 2, seed 0: not run: stopped; will resume from epoch {row.epochs - 1}"
    )


def test_status_of_an_unfinished_study(capsys: pytest.CaptureFixture[str], tiny: tuple[Workspace, Record]):
    """A line for each row that is not done, with its reason, and the command that continues."""
    workspace, record = tiny
    finish(workspace, record, {1})
    failure = Result(Status.DIVERGED, 3, error="Traceback\nthe loss is not finite after epoch 2")
    result.write(workspace.training(key(record, 2)), failure)
    assert said(capsys, "--grid", "tiny.toml") == [
        "tiny: 1 of 4 trials done, 1 failed, 2 missing",
        "row 2, seed 0: diverged: the loss is not finite after epoch 2",
        "row 3, seed 0: not run",
        "row 4, seed 0: not run",
        "resume: ablate run --grid tiny.toml --workspace runs",
    ]
    report = json.loads("\n".join(said(capsys, "--name", "tiny", "--json")))
    assert (report["done"], report["failed"], report["missing"], report["running"]) == (1, 1, 2, None)
    assert report["unfinished"][1] == {"row": 3, "seed": 0, "outcome": "not run", "reason": ""}
    assert [study["study"] for study in json.loads("\n".join(said(capsys, "--json")))] == ["tiny"]


def test_many_rows_that_wait_are_counted(tiny: tuple[Workspace, Record]):
    """Failures are always listed; a hundred lines of "not run" would hide them."""
    lacks = [study_status.MissingTrial(n, 0, study_status.NOT_RUN) for n in range(1, 100)] + [
        study_status.MissingTrial(100, 0, "failed", "why")
    ]
    running = study_status.MissingTrial(101, 0, study_status.RUNNING)
    assert list(study_status._lack_lines([*lacks, running])) == [
        "row 100, seed 0: failed: why",
        "and 99 trials not run yet, 1 running",
    ]


@pytest.fixture
def holder(tiny: tuple[Workspace, Record]) -> Iterator[subprocess.Popen[str]]:
    """A real process that holds the lock, with a training under way."""
    workspace, record = tiny
    command = [sys.executable, "-c", HOLD, str(workspace.root), key(record, 1)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.wait()


def test_status_of_a_run(
    capsys: pytest.CaptureFixture[str], tiny: tuple[Workspace, Record], holder: subprocess.Popen[str]
):
    """The status has the process, the last sign, a line a slot and the whole; asking takes the lock from nobody."""
    workspace, _ = tiny
    lines = said(capsys, "--grid", "tiny.toml")
    assert lines[:5] == [
        "tiny: 0 of 4 trials done, 4 missing",
        "row 1, seed 0: running",
        "row 2, seed 0: running",
        "row 3, seed 0: not run",
        "row 4, seed 0: not run",
    ]
    assert lines[5].startswith(f"running (pid {holder.pid}); last update 0:")
    assert lines[6] == "cpu:0  free"
    assert lines[7].startswith("cpu:1  rows 1, 2  epoch 2 of 3  val 50.0 %  1:")
    assert lines[8].startswith("all: 0 of 4 trials done, 0:0")
    assert said(capsys)[0].startswith("tiny  0 of 4 trials done, 4 missing; running, 0 of 4")
    run = json.loads("\n".join(said(capsys, "--name", "tiny", "--json")))["running"]
    assert (run["pid"], run["slots"][1]["epoch"]) == (holder.pid, 2)
    assert 0 < run["slots"][1]["left"] <= 100
    other = workspace.study("other")
    tiny[1].model_copy(update={"name": "other"}).write(other)
    assert said(capsys, "--name", "other")[-2:-1] == [f"another run is using the workspace (pid {holder.pid})"]


def test_status_of_a_run_on_another_host(tiny: tuple[Workspace, Record], holder: subprocess.Popen[str]):
    """The lock's file names it."""
    workspace, _ = tiny
    status = study_status.read(workspace, "tiny")
    assert status.running
    lines = list(study_status._running_lines(status, "elsewhere", time.time()))
    assert lines[0].startswith(f"running (on {status.snapshot.host}, pid {holder.pid})")  # type: ignore[union-attr]


def test_a_run_that_is_over_does_not_run(tiny: tuple[Workspace, Record]):
    """The process of a run that is over may hold the lock a little longer, or for another study."""
    workspace, _ = tiny
    with workspace.lock():
        with recorder.Recorder(Silent(), workspace.study("tiny")):
            pass
        assert not study_status.read(workspace, "tiny").running


def test_status_of_a_run_that_was_killed(
    capsys: pytest.CaptureFixture[str], tiny: tuple[Workspace, Record], holder: subprocess.Popen[str]
):
    """The kernel has freed the lock: the snapshot that is left is the past, and its command continues."""
    holder.kill()
    holder.wait()
    lines = said(capsys, "--grid", "tiny.toml")
    assert lines[1] == "row 1, seed 0: not run"
    assert lines[-2].startswith("the last run ended unexpectedly (killed?); its last update was 0:0")
    assert lines[-1] == "resume: ablate run --grid 'my study'"


def test_who_asks_is_in_nobodys_way(tiny: tuple[Workspace, Record], monkeypatch: pytest.MonkeyPatch):
    """Two that ask do not take each other for a run, and a run waits for the instant in which one asks."""
    workspace, _ = tiny
    with workspace.lock():
        pass
    with open(workspace.lock_file) as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert workspace.holder() is None
        monkeypatch.setattr("ablation.store.workspace.time.sleep", lambda _: fcntl.flock(asking, fcntl.LOCK_UN))
        with workspace.lock():
            assert workspace.holder() == Holder(socket.gethostname(), os.getpid())


def test_watching_ends_with_the_run(
    capsys: pytest.CaptureFixture[str], tiny: tuple[Workspace, Record], monkeypatch: pytest.MonkeyPatch,
    holder: subprocess.Popen[str],
):  # fmt: skip
    """--watch says it again until nothing runs; an interrupt is exit 130 without a traceback."""

    def sleep(_: float) -> None:
        holder.kill()
        holder.wait()

    monkeypatch.setattr("ablation.cli.terminal.progress.time.sleep", sleep)
    first, second = (json.loads(line) for line in said(capsys, "--name", "tiny", "--watch", "--json"))
    assert (first["running"]["pid"], second["running"]) == (holder.pid, None)


def test_watching_can_be_interrupted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, holder: subprocess.Popen[str]
):
    """Ctrl-C is exit 130, without a traceback."""

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ablation.cli.terminal.progress.time.sleep", interrupt)
    assert cli.run(["status", "--name", "tiny", "--watch"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_status_loads_nothing_slow():
    """The status, which is asked again and again on a busy machine, loads no slow module."""
    code = (
        "import sys\nfrom ablation.progress import study_status\n"
        "slow = {'tensorflow', 'keras', 'optuna', 'mlflow', 'distributed', 'pandas', 'scipy', 'rich', 'PIL'}\n"
        "assert not slow & set(sys.modules), slow & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_board_without_trials_says_that_it_starts():
    """A run that starts shows no shares and times: they are not known."""
    board = Snapshot(study="s", host="h", pid=1, started=0, updated=0)
    assert board.whole(65) == "starting, 1:05 elapsed"


def test_past_trainings_say_when_those_without_steps_end(tmp_path: Path, clock: Clock):
    """A command that shows no step takes as long as its past trainings did; steps are a better witness."""
    noted = recorder.Recorder(
        Silent(), StudyFolder(tmp_path / "s"), ["cpu:0", "cpu:1"], unit="step", typical=60.0, clock=clock
    )
    noted.trials(0, 0, 6)
    noted.started("k", "row 1", "cpu:0")
    noted.epoch("k", {"epoch": 0}, 0)
    noted.work(0.0)
    assert noted.snapshot.slots[0].cells(clock.now) == ("cpu:0", "row 1", "running", "", "1:00 left")
    assert noted.snapshot.ends == clock.now + 180
    for number in (1, 2):
        clock.now += 5
        noted.epoch("k", {"epoch": number, "val_x": 0.25}, 10)
    assert noted.snapshot.slots[0].cells(clock.now)[2:] == ("step 2 of 10", "val 0.25", "0:40 left")
    noted.epoch("k", {"epoch": 3}, 0)
    assert noted.snapshot.slots[0].cells(clock.now)[2:] == ("step 3", "", "0:50 left")


def test_without_steps_and_past_trainings_the_end_is_unknown(tmp_path: Path, clock: Clock):
    """The end is unknown until a training of this run has ended, whose time is then that of the others."""
    noted = recorder.Recorder(Silent(), StudyFolder(tmp_path / "s"), ["cpu:0"], unit="step", clock=clock)
    noted.trials(0, 0, 3)
    noted.started("k", "row 1", "cpu:0")
    noted.epoch("k", {"epoch": 0}, 0)
    noted.work(0.0)
    assert noted.snapshot.slots[0].cells(clock.now)[2:] == ("running", "", "")
    assert noted.snapshot.whole(clock.now).endswith("0 of 3 trials done, 0:00 elapsed, time left unknown")
    clock.now += 20
    noted.trials(1, 0, 3)
    noted.ended("k", "done")
    noted.work(1 / 3)
    assert noted.snapshot.ends == clock.now + 40


def test_trials_are_counted_by_the_files(
    capsys: pytest.CaptureFixture[str], tiny: tuple[Workspace, Record], holder: "subprocess.Popen[str]"
):
    """The snapshot of a run is written every few seconds: its count may be late."""
    finish(*tiny, {3})
    lines = said(capsys, "--grid", "tiny.toml")
    assert lines[0].startswith("tiny: 1 of 4 trials done")
    assert lines[-1].startswith("all: 1 of 4 trials done")
