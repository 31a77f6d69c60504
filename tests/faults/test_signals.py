"""Signals, stopped processes and a clock that is set back: the run ends as it says, and the next one completes it."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from conftest import TESTS, until
from fault_series import NOT_SHARE, WHOLE, Series
from killed_sweep import Sweep, orchestrators, undisturbed_table, workers
from stepping_command import prepare

STEPS, TRAININGS = 8, 4
ROUNDS = 5 if WHOLE else 1
GRACE = 0.5  # seconds from SIGTERM to SIGKILL, as a batch system waits
PAUSE = 20.0 if WHOLE else 2.0  # seconds for which a process is stopped
MOMENTS = 40 if WHOLE else 2  # at which a run gets Ctrl-C
LONGEST = 6.0  # seconds from the start to the last of these moments


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the table of the same study without any fault."""
    return undisturbed_table(prepare(tmp_path_factory.mktemp("undisturbed"), STEPS, TRAININGS))


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Sweep]:
    """A study that has not been run. No process of it is left after the test."""
    sweep = Sweep(prepare(tmp_path, STEPS, TRAININGS))
    yield sweep
    for left in sweep.processes():
        left.kill()


def started(sweep: Sweep, *more: str) -> None:
    """Run the study until a step of it is done."""
    before = len(sweep.lines("step"))
    sweep.start(*more)
    until(lambda: sweep.ended or len(sweep.lines("step")) > before)


def printed(sweep: Sweep) -> str:
    return (sweep.place / "run.log").read_text()


def failures(sweep: Sweep) -> list[str]:
    return [path.read_text() for path in sweep.place.glob("runs/trained/*/failure.json")]


def assert_completed(sweep: Sweep, undisturbed: bytes, fault: str, injected: int = 1) -> None:
    """Assert that the next run completes the study, that no training ran twice at a time, and that no process is
    left."""
    until(lambda: not sweep.processes(), 30)
    sweep.start()
    assert sweep.process.wait() == 0, printed(sweep)
    assert_as_undisturbed(sweep, undisturbed, fault, injected)


def assert_as_undisturbed(sweep: Sweep, undisturbed: bytes, fault: str, injected: int = 1) -> None:
    assert (sweep.place / "runs/mine/table.csv").read_bytes() == undisturbed
    assert not sweep.lines("twice")
    assert not failures(sweep)
    assert "Traceback" not in printed(sweep)
    until(lambda: not sweep.processes(), 30)
    repeated = len(sweep.lines("step")) - TRAININGS * STEPS
    Series(fault, injected, 0, f"{repeated / injected:.1f} steps a time").record()


def to_all(sweep: Sweep, *numbers: int) -> None:
    """Send signals to all processes of a run, as a batch system does."""
    for one in sweep.processes():
        for number in numbers:
            try:
                one.send_signal(number)
            except psutil.Error:
                break


def ends_as_a_batch_job(sweep: Sweep) -> None:
    """Send signals as Slurm does: SIGCONT and SIGTERM to all processes, SIGKILL to those left after a grace time."""
    to_all(sweep, signal.SIGCONT, signal.SIGTERM)
    time.sleep(GRACE)
    to_all(sweep, signal.SIGKILL)
    sweep.process.wait()


def hears_sigterm(sweep: Sweep) -> None:
    """Send SIGTERM to all processes; commands that end by it are interrupted, and have not failed."""
    to_all(sweep, signal.SIGTERM)
    assert sweep.process.wait() == 130, printed(sweep)


def loses_its_terminal(sweep: Sweep) -> None:
    """Send SIGHUP to the process group."""
    os.killpg(sweep.process.pid, signal.SIGHUP)
    assert sweep.process.wait() == 130, printed(sweep)
    assert "SIGHUP: saving and stopping trainings" in printed(sweep)
    assert "interrupted; resume with: ablate run mine.toml" in printed(sweep)


def hears_ctrl_c_twice(sweep: Sweep) -> None:
    """Send SIGINT twice: the second one ends the run at once, though stopped commands do not receive the first one."""
    for one in sweep.processes():
        if "work.py" in one.cmdline():
            one.suspend()
    before = printed(sweep).count("SIGINT: saving")
    os.killpg(sweep.process.pid, signal.SIGINT)
    until(lambda: printed(sweep).count("SIGINT: saving") > before)
    os.killpg(sweep.process.pid, signal.SIGINT)
    assert sweep.process.wait() == 130, printed(sweep)


ENDS = (ends_as_a_batch_job, hears_sigterm, loses_its_terminal, hears_ctrl_c_twice)[:: 1 if WHOLE else 3]


def test_a_run_that_is_ended_by_signals(sweep: Sweep, undisturbed: bytes):
    """A run that ends by several signals has no failed row and leaves no process, and the next run resumes."""
    for _ in range(ROUNDS):
        for end in ENDS:
            started(sweep)
            end(sweep)
            assert not failures(sweep), (end, printed(sweep))
            until(lambda: not sweep.processes(), 30)
    assert_completed(
        sweep, undisturbed, "SIGTERM, SIGHUP, SIGINT twice, SIGKILL after a grace time", ROUNDS * len(ENDS)
    )


def test_ctrl_c_at_any_moment(sweep: Sweep, undisturbed: bytes):
    """The exit code is 130 or 0 at any moment, with no traceback and no failed row: at start, in training, at the
    table."""
    random_ = random.Random(0)
    for n in range(MOMENTS):
        sweep.start()
        time.sleep((n + random_.random()) * LONGEST / MOMENTS)
        os.killpg(sweep.process.pid, signal.SIGINT)
        assert sweep.process.wait() in (130, 0, -signal.SIGINT), printed(sweep)
        assert not failures(sweep), printed(sweep)
        assert not re.search("Traceback|killed|failed", printed(sweep)), printed(sweep)
    assert_completed(sweep, undisturbed, "Ctrl-C at a random moment", MOMENTS)


def stop(sweep: Sweep, processes: list[psutil.Process], seconds: float) -> None:
    for one in processes:
        one.suspend()
    time.sleep(seconds)
    for one in processes:
        one.resume()


@pytest.mark.skipif(not WHOLE, reason=NOT_SHARE)
def test_processes_that_are_stopped_for_a_while(sweep: Sweep, undisturbed: bytes):
    """A laptop sleeps, or a user presses Ctrl-Z: after SIGCONT the run continues, and no training is repeated."""
    started(sweep)
    stop(sweep, workers(sweep), PAUSE)
    stop(sweep, orchestrators(sweep), PAUSE)
    assert sweep.process.wait() == 0, printed(sweep)
    assert len(sweep.lines("start")) == TRAININGS
    assert_as_undisturbed(sweep, undisturbed, f"SIGSTOP of workers and orchestrator, SIGCONT after {PAUSE:.0f} s", 2)


def test_a_worker_that_stays_stopped(sweep: Sweep, undisturbed: bytes):
    """A stopped worker is killed after --timeout, and its row is tried again from the checkpoint."""
    started(sweep, "--timeout", "8s")
    workers(sweep)[0].suspend()
    assert sweep.process.wait() == 0, printed(sweep)
    assert_as_undisturbed(sweep, undisturbed, "SIGSTOP of a worker for ever, with --timeout")


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library by which processes have a clock that a test sets back."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: the clock of this machine is not set back by a test")
    library = tmp_path_factory.mktemp("shim") / "clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, TESTS / "clock_shim.c"], check=True)
    return library


def test_a_clock_that_is_set_back(sweep: Sweep, undisturbed: bytes, shim: Path):
    """A clock that is set back an hour after an attempt was lost does not prolong its failure; no duration is
    negative."""
    behind = sweep.place / "behind"
    sweep.variables = {"LD_PRELOAD": str(shim), "CLOCK_SHIM": str(behind)}
    started(sweep)
    workers(sweep)[0].kill()
    until(lambda: failures(sweep))
    behind.write_text("3600")
    assert sweep.process.wait() == 0, printed(sweep)
    assert_as_undisturbed(sweep, undisturbed, "clock set back an hour")
    for path in sweep.place.glob("runs/trained/*/result-*.json"):
        result = json.loads(path.read_text())
        assert 0 < result["finished"] - result["started"] < 600
    progress = json.loads((sweep.place / "runs/mine/progress.json").read_text())
    assert progress["over"]
    assert progress["updated"] >= progress["started"]
