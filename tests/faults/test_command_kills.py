"""Commands whose processes are killed: no row goes missing, nothing runs twice at once, no process is left."""

from pathlib import Path

import psutil
import pytest
from conftest import until
from fault_series import WHOLE
from killed_sweep import KILLS, VICTIMS, Sweep, killed, undisturbed_table
from stepping_command import prepare

STEPS = 30 if WHOLE else 10
TRAININGS = 8


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the table of the same study without any fault."""
    return undisturbed_table(prepare(tmp_path_factory.mktemp("undisturbed"), STEPS, TRAININGS))


def commands(sweep: Sweep) -> list[psutil.Process]:
    return sweep.processes(lambda one: "work.py" in one.cmdline())


OF_COMMANDS = {"command": commands, **VICTIMS}
TOGETHER = [[role] for role in OF_COMMANDS] if WHOLE else [["command", *list(VICTIMS)[:-1]], ["orchestrator"]]


@pytest.mark.parametrize("roles", TOGETHER, ids="-".join)
def test_processes_that_are_killed(tmp_path: Path, undisturbed: bytes, roles: list[str]):
    """The study is run again until it is complete, without a pause: its table is that of an undisturbed one.

    At most one attempt of a training runs at a time, and no process is left.
    """
    sweep = Sweep(prepare(tmp_path, STEPS, TRAININGS))
    kills = killed(sweep, roles * KILLS, OF_COMMANDS)
    sweep.repeated(f"{', '.join(roles)} of a command", kills, TRAININGS, STEPS)
    assert kills > 0
    assert not sweep.lines("twice")
    until(lambda: not sweep.processes(), 30)
    assert (tmp_path / "runs/mine/table.csv").read_bytes() == undisturbed
    assert len({line.split()[0] for line in sweep.lines("end")}) == TRAININGS
    assert len(set(sweep.lines("step"))) == TRAININGS * STEPS
    assert not list(tmp_path.glob("runs/trained/*/failure.json"))
