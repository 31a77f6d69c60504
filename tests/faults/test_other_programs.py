"""Rows that four faults cost: here, with the ablation recipe of Optuna's tutorial, and with Ray Tune's restore.

Each program runs the same six trials of four steps, one at a time. After the fault its command is repeated, once. A row
is lost where the program holds no outcome then: a number, or that it was not one. Ray Tune is no dependency of this
project: ABLATE_TEST_RAY names a Python that has it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from conftest import rows, until
from fault_series import WHOLE, Series

RAY = os.environ.get("ABLATE_TEST_RAY", "")
ROWS, STEPS = 6, 4
CELL = "2-1"  # the row that is hit
FAULTS = {
    "a row that fails once": "fail", "a worker that is killed": "kill", "a loss that is not a number": "nan",
    "an orchestrator that is killed": "",
}  # fmt: skip
WORK = f"""
import math, os, pathlib, signal, time

HERE = pathlib.Path(__file__).parent

def work(a, b):
    name, fault = f"{{a}}-{{b}}", (HERE / "fault").read_text()
    steps = HERE / "steps" / name
    is_first = not steps.exists()
    for step in range({STEPS}):
        if step == 2 and name == "{CELL}" and is_first and fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if step == 2 and name == "{CELL}" and is_first and fault == "fail":
            raise RuntimeError("a fault that is over the next time")
        time.sleep(0.1)
        with open(steps, "a") as file:
            file.write("step\\n")
    return math.nan if name == "{CELL}" and fault == "nan" else a + b / 10
"""
ABLATE = """
select_on = "val_score"
[experiment]
function = "experiment.py:train"
[measures]
score = { best = "high" }
[factorial]
a = [1, 2, 3]
b = [0, 1]
"""
EXPERIMENT = """
from work import work

def train(run, *, a: int = 1, b: int = 0):
    score = work(a, b)
    return {"val": {"score": score}, "test": {"score": score}}
"""
RECIPE = """
import json, optuna
from work import work

def objective(trial):
    return work(trial.suggest_categorical("a", [1, 2, 3]), trial.suggest_categorical("b", [0, 1]))

study = optuna.create_study(study_name="mine", storage=STORAGE, load_if_exists=True, direction="maximize",
                            sampler=optuna.samplers.BruteForceSampler(seed=0))
study.optimize(objective, catch=(Exception,))
"""
JOURNAL = 'optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend("journal.log"))'
HEARTBEAT = """optuna.storages.RDBStorage("sqlite:///optuna.db", heartbeat_interval=1, grace_period=2,
    heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=3))"""
OUTCOMES = """
trials = optuna.load_study(study_name="mine", storage=STORAGE).get_trials()
rows = {f"{t.params['a']}-{t.params['b']}" for t in trials if t.state.name == "COMPLETE"}
print(json.dumps(sorted(rows)))
"""
TUNE = """
import json, os, sys
from ray import tune
from work import HERE, work

def trial(config):
    tune.report({"score": work(config["a"], config["b"])})

place, is_result = os.path.join(HERE, "ray", "mine"), sys.argv[1:] == ["outcomes"]
trainable = tune.with_resources(trial, {"cpu": 1})
if tune.Tuner.can_restore(place):
    tuner = tune.Tuner.restore(place, trainable, resume_errored=not is_result, resume_unfinished=not is_result)
else:
    tuner = tune.Tuner(
        trainable, param_space={"a": tune.grid_search([1, 2, 3]), "b": tune.grid_search([0, 1])},
        tune_config=tune.TuneConfig(metric="score", mode="max", max_concurrent_trials=1),
        run_config=tune.RunConfig(name="mine", storage_path=os.path.join(HERE, "ray"), verbose=0),
    )
results = tuner.get_results() if is_result else tuner.fit()
rows = {f"{r.config['a']}-{r.config['b']}" for r in results if r.error is None and "score" in (r.metrics or {})}
print(json.dumps(sorted(rows)))
"""


@dataclass(frozen=True)
class Program:
    """A program in a folder. `run`: its command, which is repeated; `outcomes`: prints the rows that it holds.

    `pause`: seconds after which the command is repeated, where it takes time until it gives up a killed process.
    """

    name: str
    files: dict[str, str]
    run: tuple[str, ...]
    outcomes: tuple[str, ...] = ()
    pause: float = 0.0

    def held(self, place: Path) -> set[str]:
        """Return the rows of which the program holds an outcome, as "a-b"."""
        if not self.outcomes:
            return {
                f"{row['a']}-{row['b']}" for row in rows(place / "runs/mine") if row["outcome"] in ("done", "diverged")
            }
        printed = subprocess.run(self.outcomes, cwd=place, capture_output=True, text=True)
        assert printed.returncode == 0, printed.stderr
        return set(json.loads(printed.stdout.splitlines()[-1]))


def _recipe(name: str, storage: str, pause: float) -> Program:
    code = {
        "recipe.py": RECIPE.replace("STORAGE", storage),
        "outcomes.py": f"import json, optuna\n{OUTCOMES.replace('STORAGE', storage)}",
    }
    return Program(name, code, (sys.executable, "recipe.py"), (sys.executable, "outcomes.py"), pause)


PROGRAMS = [
    Program(
        "ablate", {"mine.toml": ABLATE, "experiment.py": EXPERIMENT},
        (sys.executable, "-m", "ablation", "run", "mine.toml", "-q", "--slots", "cpu:1", "--trackers", "none"),
    ),
    _recipe("Optuna, journal", JOURNAL, 0),
    _recipe("Optuna, heartbeat", HEARTBEAT, 3),
    Program("Ray Tune", {"tune_.py": TUNE},
            (RAY, "tune_.py"), (RAY, "tune_.py", "outcomes")),
]  # fmt: skip


def steps(place: Path) -> int:
    return sum(len(path.read_text().splitlines()) for path in (place / "steps").iterdir())


def start(program: Program, place: Path) -> subprocess.Popen[str]:
    log = open(place / "log", "a")  # noqa: SIM115 (the child's)
    return subprocess.Popen(program.run, cwd=place, stdout=log, stderr=log, text=True, start_new_session=True)


def left(place: Path) -> list[psutil.Process]:
    """Return the processes whose command or folder is of this place."""
    processes = []
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(str(place)) or str(place) in " ".join(process.cmdline()):
                processes.append(process)
        except psutil.Error:
            continue
    return processes


@pytest.mark.parametrize("fault", FAULTS if WHOLE else ["an orchestrator that is killed"])
@pytest.mark.parametrize("program", PROGRAMS if WHOLE else PROGRAMS[:1], ids=lambda program: program.name)
def test_rows_that_are_lost(tmp_path: Path, program: Program, fault: str):
    """A program holds an outcome of each row after the command was repeated once."""
    if program.name == "Ray Tune" and not RAY:
        pytest.skip("ABLATE_TEST_RAY names no Python with Ray Tune")
    (tmp_path / "steps").mkdir()
    for name, text in {"work.py": WORK, "fault": FAULTS[fault], **program.files}.items():
        (tmp_path / name).write_text(text)
    process = start(program, tmp_path)
    if not FAULTS[fault]:
        until(lambda: steps(tmp_path) >= 2 * STEPS + 2 or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
    first = process.wait(timeout=120)
    time.sleep(program.pause)
    second = start(program, tmp_path).wait(timeout=120)
    held = program.held(tmp_path)
    in_vain = steps(tmp_path) - len(held) * STEPS
    print(f"{program.name}: {fault}: exit codes {first}, {second}; processes left: {left(tmp_path)}")
    Series(fault, 1, ROWS - len(held), f"{in_vain} steps", program.name).record()
    for process_left in left(tmp_path):
        process_left.kill()
    if program.name == "ablate":
        assert len(held) == ROWS, (tmp_path / "log").read_text()
