"""Commands whose processes are killed: no row goes missing, nothing runs twice at once, no process is left."""

import sys
from pathlib import Path

import psutil
import pytest
from conftest import in_process, until
from fault_series import WHOLE
from killed_sweep import COMMAND, KILLS, NOTES, VICTIMS, Sweep, killed

STEPS = 30 if WHOLE else 10
TRAININGS = 8
WORK = f"""
{NOTES}
import json
run, width, seed, folder, place, *resumed = sys.argv[1:]
place, folder = pathlib.Path(place), pathlib.Path(folder)
first = int(pathlib.Path(resumed[0]).read_text()) + 1 if resumed else 1
begin(place, run, first)
for step in range(first, {STEPS} + 1):
    time.sleep(0.1)
    note(place, run, f"step {{step}}")
    (folder / "ckpt.tmp").write_text(str(step))
    (folder / "ckpt.tmp").rename(folder / "ckpt")
(folder / "m.json").write_text(json.dumps({{"val": int(width) + int(seed) / 8, "test": int(width) - int(seed) / 8}}))
note(place, run, "end")
"""
STUDY = """
select_on = "val_score"
seeds = [0, 1]
[experiment]
command = "PYTHON -S work.py {run} {width} {seed} {folder} PLACE"
resume = "{checkpoint}"
checkpoint = "{folder}/ckpt"
[experiment.results]
file = "{folder}/m.json"
[experiment.results.measures]
val_score = "val"
test_score = "test"
[factorial]
width = [1, 2, 3, 4]
"""


def prepare(place: Path) -> Path:
    (place / "noted").mkdir()
    (place / "work.py").write_text(WORK)
    text = STUDY.replace("PYTHON", sys.executable).replace("PLACE", str(place / "noted"))
    (place / "mine.toml").write_text(text)
    return place


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The table of the same study that nobody disturbed."""
    place = prepare(tmp_path_factory.mktemp("undisturbed"))
    done = in_process(*COMMAND, "--inline", cwd=place)
    assert done.returncode == 0, done.stderr
    return (place / "runs/mine/table.csv").read_bytes()


def commands(sweep: Sweep) -> list[psutil.Process]:
    return [one for one in sweep.processes() if "work.py" in one.cmdline()]


OF_COMMANDS = {"command": commands, **VICTIMS}
TOGETHER = [[role] for role in OF_COMMANDS] if WHOLE else [["command", *list(VICTIMS)[:-1]], ["orchestrator"]]


@pytest.mark.parametrize("roles", TOGETHER, ids="-".join)
def test_processes_that_are_killed(tmp_path: Path, undisturbed: bytes, roles: list[str]):
    """The study is run again until it is complete, without a pause: its table is that of an undisturbed one.

    At most one attempt of a training runs at a time, and no process is left.
    """
    sweep = Sweep(prepare(tmp_path))
    kills = killed(sweep, roles * KILLS, OF_COMMANDS)
    sweep.repeated(f"{', '.join(roles)} of a command", kills, TRAININGS, STEPS)
    assert kills > 0
    assert not sweep.lines("twice")
    until(lambda: not sweep.processes(), 30)
    assert (tmp_path / "runs/mine/table.csv").read_bytes() == undisturbed
    assert len({line.split()[0] for line in sweep.lines("end")}) == TRAININGS
    assert len(set(sweep.lines("step"))) == TRAININGS * STEPS
    assert not list(tmp_path.glob("runs/trained/*/failure.json"))
