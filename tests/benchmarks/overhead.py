"""Cost of a trial that does nothing: a command or a function, compared with loops that people write by hand.

    python tests/benchmarks/overhead.py [--trials 300]

Each trial starts one interpreter, which writes one number into a file of its own. floor: the same processes one after
the other, without anything around them. `inline` runs them one after the other in the foreground, `workers` on two
slots. `function`: a function that returns the number, in a fresh process each, and in a kept one. start, table: what of
it a second start takes, which has nothing to do but the table of all rows; the columns before it are without. Ray Tune
takes part where it is installed.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import optuna

WRITE = "import sys; open(sys.argv[1] + '/metrics.json', 'w').write('{\"val_score\": ' + sys.argv[2] + '}')"
PYTHON = (sys.executable, "-I", "-S")
COMMAND = """
command = {command}
[experiment.factors]
level = {{ default = 1, from = 1 }}
[experiment.results]
file = "{{folder}}/metrics.json"
"""
FUNCTION = """
function = "nothing.py:train"
process = "{process}"
"""
TRAIN = "def train(*, level: int = 1):\n    return {'val_score': float(level)}\n"
STUDY = """
select_on = "val_score"
[experiment]
name = "nothing"
{experiment}
[measures]
score = {{ best = "high" }}
[factorial]
level = {levels}
"""


def _one(folder: Path, level: int) -> float:
    """Run one trial by hand, and return its number."""
    folder.mkdir(parents=True)
    subprocess.run([*PYTHON, str(folder.parent / "write.py"), str(folder), str(level)], check=True)
    return float(json.loads((folder / "metrics.json").read_text())["val_score"])


def _floor(place: Path, trials: int) -> float:
    for level in range(trials):
        _one(place / f"floor-{level}", level)
    return 0.0


def _joblib(place: Path, trials: int) -> float:
    joblib.Parallel(n_jobs=2)(joblib.delayed(_one)(place / f"joblib-{level}", level) for level in range(trials))
    return 0.0


def _optuna(place: Path, trials: int) -> float:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.GridSampler({"level": list(range(trials))})
    study = optuna.create_study(storage=f"sqlite:///{place / 'optuna.db'}", sampler=sampler, direction="maximize")
    study.optimize(lambda t: _one(place / f"optuna-{t.number}", t.suggest_int("level", 0, trials)), n_trials=trials)
    return 0.0


def _ray(place: Path, trials: int) -> float:
    from ray import tune  # noqa: PLC0415  # no dependency of this project

    def trainable(config: dict[str, Any]) -> dict[str, float]:
        return {"score": _one(place / f"ray-{config['level']}", config["level"])}

    tune.Tuner(trainable, param_space={"level": tune.grid_search(list(range(trials)))}).fit()
    return 0.0


def _ablate(process: str, *options: str) -> Callable[[Path, int], float]:
    """Return a loop of a command, or of a function in a "fresh" or "kept" process. `options`: of `ablate run`."""

    def run(place: Path, trials: int) -> float:
        command = [*PYTHON, str(place / "write.py"), "{folder}", "{level}"]
        levels = list(range(1, trials + 1))
        experiment = FUNCTION.format(process=process) if process else COMMAND.format(command=json.dumps(command))
        (place / "nothing.py").write_text(TRAIN)
        (place / "many.toml").write_text(STUDY.format(experiment=experiment, levels=levels))
        workspace = place / "-".join(("runs", process, *options)).replace(":", "")
        more = ["--workspace", str(workspace), "--trackers", "none", "--quiet", *options]
        command_line = [sys.executable, "-m", "ablation", "run", "many.toml", *more]
        subprocess.run(command_line, cwd=place, check=True)
        assert len(list(workspace.glob("trained/*/result-*.json"))) == trials
        began = time.perf_counter()
        subprocess.run(command_line, cwd=place, check=True)
        return time.perf_counter() - began

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=300)
    trials = parser.parse_args().trials
    loops = {
        "floor": _floor, "ablate, inline": _ablate("", "--inline"), "ablate, workers": _ablate("", "--slots", "cpu:2"),
        "function, fresh": _ablate("fresh", "--inline"), "function, kept": _ablate("kept", "--inline"),
        "joblib, 2 jobs": _joblib, "Optuna, SQLite": _optuna,
    }  # fmt: skip
    if importlib.util.find_spec("ray"):
        loops["Ray Tune"] = _ray
    print(f"{'loop':<18}{'all, s':>10}{'a trial, ms':>14}{'of floor, ms':>14}{'start, table, s':>18}")
    floor = 0.0
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "write.py").write_text(WRITE)
        for name, loop in loops.items():
            began = time.perf_counter()
            again = loop(place, trials)
            seconds = time.perf_counter() - began - 2 * again
            floor = floor or seconds
            ms = 1000 * seconds / trials
            more = 1000 * (seconds - floor) / trials
            line = f"{name:<18}{seconds:>10.1f}{ms:>14.1f}{more:>+14.1f}{again:>18.1f}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
