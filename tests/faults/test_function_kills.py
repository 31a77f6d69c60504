"""Functions whose processes are killed, fresh and kept: as for commands, and bit for bit."""

from pathlib import Path

import psutil
import pytest
from conftest import until
from fault_series import WHOLE
from killed_sweep import KILLS, NOTES, VICTIMS, Sweep, grandchildren, killed, undisturbed_table

STEPS = 30 if WHOLE else 12
MANY = {"worker": 200, "orchestrator": 50}  # kills of the whole series, of functions in a kept process
MANY_STEPS = 600  # a study that is long enough for them
TRAININGS = 4  # of 8 trials
INTERVAL = 1.2  # seconds between two checkpoints, and one step
SECONDS = 0.1  # of a step
WORK = f"""
{NOTES}
import json, random
HERE = pathlib.Path(__file__).parent

def train(run, *, width: int = 1, epochs: int = 2):
    state = {{"step": 0, "total": 0.0}}
    run.state(
        lambda path: pathlib.Path(path).write_text(json.dumps(state)),
        lambda path: state.update(json.loads(pathlib.Path(path).read_text())),
    )
    name = f"{{width}}-{{run.seed}}"
    sleeper = begin(HERE / "noted", name, state["step"] + 1) if (HERE / "noted").is_dir() else None
    for step in run.steps(epochs):
        if (HERE / "noted").is_dir():  # otherwise undisturbed
            time.sleep({SECONDS})
            note(HERE / "noted", name, f"step {{step}}")
        state.update(step=step, total=state["total"] + width * random.random())
        run.report(loss=state["total"])
        if run.milestone:
            run.result(val={{"score": state["total"]}}, test={{"score": -state["total"]}})
    if sleeper:
        note(HERE / "noted", name, "end")
        sleeper.kill()
        sleeper.wait()
"""
STUDY = """
select_on = "val_score"
seeds = [0, 1]
[experiment]
function = "work.py:train"
process = "PROCESS"
shares = "epochs"
[measures]
score = { best = "high" }
[factorial]
width = [1, 2]
epochs = EPOCHS
"""


def prepare(place: Path, process: str, steps: int) -> Path:
    place.mkdir(exist_ok=True)
    (place / "work.py").write_text(WORK)
    study = STUDY.replace("PROCESS", process).replace("EPOCHS", str([steps // 2, steps]))
    (place / "mine.toml").write_text(study)
    return place


def undisturbed(place: Path, steps: int) -> bytes:
    """Return the table of the same study that nobody disturbed. Its steps take no time."""
    return undisturbed_table(prepare(place, "fresh", steps))


def children(sweep: Sweep) -> list[psutil.Process]:
    """Return the processes that run the function: the parents of its own child."""
    return [parent for one in grandchildren(sweep) if (parent := one.parent())]


OF_FUNCTIONS = {"child": children, **VICTIMS}
TOGETHER = [[role] for role in OF_FUNCTIONS] if WHOLE else [list(OF_FUNCTIONS)]


@pytest.mark.parametrize("roles", TOGETHER, ids="-".join)
@pytest.mark.parametrize("process", ["fresh", "kept"])
def test_processes_that_are_killed(tmp_path: Path, process: str, roles: list[str]) -> None:
    """The table equals the undisturbed one, byte for byte, and at most one checkpoint interval is repeated a kill."""
    n_kills = MANY.get(roles[0]) if WHOLE and process == "kept" else None
    steps = MANY_STEPS if n_kills else STEPS
    table = undisturbed(tmp_path / "undisturbed", steps)
    sweep = Sweep(prepare(tmp_path, process, steps))
    (tmp_path / "noted").mkdir()
    kills = killed(sweep, roles * (n_kills or KILLS), OF_FUNCTIONS)
    repeated = sweep.repeated(f"{', '.join(roles)} of a function, {process} process", kills, TRAININGS, steps)
    assert kills > 0
    assert not sweep.lines("twice")
    until(lambda: not sweep.processes(), 30)
    assert (tmp_path / "runs/mine/table.csv").read_bytes() == table
    assert len({line.split()[0] for line in sweep.lines("end")}) == TRAININGS
    assert repeated <= 2 * kills * INTERVAL / SECONDS  # a worker's death ends the trainings of both slots
    assert not list(tmp_path.glob("runs/trained/*/failure.json"))
