"""The second Ctrl-C: the run ends at once, and the next run completes the study."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import until
from killed_sweep import Sweep, workers

WORK = """
import time
from pathlib import Path

def train(width: int = 1, seed: int = 0):
    (Path(__file__).parent / f"began-{width}").touch()
    while not (Path(__file__).parent / "go").exists():
        time.sleep(0.05)
    return {"val_score": width}
"""
STUDY = """
select_on = "val_score"
seeds = [0]
[experiment]
function = "work.py:train"
[factorial]
width = [1, 2]
"""


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Sweep]:
    """A study of a function that waits for a file. No process of it is left after the test."""
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "mine.toml").write_text(STUDY)
    sweep = Sweep(tmp_path)
    yield sweep
    for left in sweep.processes():
        left.kill()


def printed(sweep: Sweep) -> str:
    return (sweep.place / "run.log").read_text()


def test_the_second_signal_kills_the_workers(sweep: Sweep):
    """The second SIGINT says that it stops at once; stopped workers do not delay the end, which leaves no process."""
    sweep.start()
    until(lambda: sweep.ended or len(list(sweep.place.glob("began-*"))) == 2)
    running = workers(sweep)
    for worker in running:
        worker.suspend()
    os.kill(sweep.process.pid, signal.SIGINT)
    until(lambda: "SIGINT: saving" in printed(sweep))
    os.kill(sweep.process.pid, signal.SIGINT)
    until(lambda: "SIGINT again: stopping at once" in printed(sweep))
    assert not [worker for worker in running if worker.is_running() and worker.status() == "stopped"]
    assert sweep.process.wait() == 130, printed(sweep)
    assert "interrupted; resume with: ablate run mine.toml" in printed(sweep)
    assert "Traceback" not in printed(sweep)
    until(lambda: not sweep.processes(), 30)
    (sweep.place / "go").touch()
    sweep.start()
    assert sweep.process.wait() == 0, printed(sweep)
    assert not list(sweep.place.glob("runs/trained/*/failure.json"))
