"""Whatever dies, no row goes missing: real sweeps whose workers and orchestrators are really killed."""

import contextlib
import itertools
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import optuna
import psutil
import pytest
from conftest import until, write_npz
from fault_series import NOT_SHARE, WHOLE, Series
from mlflow import MlflowClient
from services import process, run_on, scheduler, serve

from ablation.store import checkpoint
from ablation.trackers.databases import sqlite_url

KILLS = 10 if WHOLE else 1  # ten take a quarter of an hour
PAUSE = 4 * KILLS / 5  # seconds until a kill, at most
SHORT = 6 * KILLS  # epochs of the first row
STUDY = f"""
[fixed]
fc_units = 256
fc_layers = 3
batch_size = 8
learning_rate = 1e-4
weights = "random"

[[rows]]
epochs = {SHORT}
[[rows]]
epochs = {2 * SHORT}
[[rows]]
dropout = 0.5
epochs = {2 * SHORT}
"""
EPOCHS = 4 * SHORT  # of an undisturbed sweep: the first row is read off the second


def command(place: Path, *more: str) -> list[str]:
    arguments = ["run", "--grid", "long.toml", "--data", "data.npz", "--slots", "cpu:1", *more]
    return [sys.executable, "-m", "ablation", *arguments]


def start(place: Path, *more: str) -> subprocess.Popen[str]:
    log = open(place / "output.log", "a")  # noqa: SIM115 (the child's)
    return subprocess.Popen(command(place, *more), cwd=place, stdout=log, stderr=log, text=True, start_new_session=True)


def prepare(place: Path) -> Path:
    (place / "long.toml").write_text(STUDY)
    write_npz(place / "data.npz", train=600 if WHOLE else 200)
    return place


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the workspace of the same sweep without any fault."""
    place = prepare(tmp_path_factory.mktemp("undisturbed"))
    assert start(place).wait() == 0, (place / "output.log").read_text()
    return place / "runs"


def family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def trainers(pid: int) -> list[psutil.Process]:
    """Return the processes that train: those that Dask's nannies started."""
    processes = []
    for child in family(pid):
        with contextlib.suppress(psutil.Error):
            processes += [child] * ("spawn_main" in " ".join(child.cmdline()))
    return processes


def attempts(runs: Path) -> list[dict[str, object]]:
    return [json.loads(line) for p in runs.glob("trained/*/attempts.jsonl") for line in p.read_text().splitlines()]


def epochs_trained(runs: Path) -> int:
    """Return the number of epochs that were trained, from the lines of the workers' logs."""
    return sum(" epoch " in line for p in runs.glob("log/worker-*.log") for line in p.read_text().splitlines())


def assert_little_twice(runs: Path, kills: int, role: str) -> None:
    """Assert that a kill costs the training since the last checkpoint, here about 5 s."""
    seconds = max(seconds_an_epoch(p) for p in runs.glob(f"trained/*/result-{2 * SHORT}.json"))
    trained, allowed = epochs_trained(runs), 1.1 * EPOCHS + kills * (checkpoint.SECONDS / seconds + 1)
    repeated = f"{(trained - EPOCHS) / kills:.1f} epochs of {seconds:.2f} s a kill"
    Series(f"SIGKILL, {role} of the Keras experiment", kills, 0, repeated).record()
    assert EPOCHS <= trained <= allowed


def seconds_an_epoch(path: Path) -> float:
    times = [epoch["time"] for epoch in json.loads(path.read_text())["history"]]
    return statistics.median(b - a for a, b in itertools.pairwise(times))


def assert_as_undisturbed(place: Path, undisturbed: Path) -> None:
    """Assert the same table, byte for byte, one finished run a row in both databases, and that no process is left."""
    runs = place / "runs"
    assert (runs / "long/table.csv").read_bytes() == (undisturbed / "long/table.csv").read_bytes()
    trials = optuna.load_study(study_name="long", storage=sqlite_url(runs / "optuna.db")).get_trials()
    states = [t.state.name for t in trials]
    assert states.count("COMPLETE") == 3
    assert set(states) <= {"COMPLETE", "FAIL"}
    client = MlflowClient(sqlite_url(runs / "mlflow.db"))
    parents = client.search_runs([client.get_experiment_by_name("ablate").experiment_id])
    assert [r.info.status for r in parents] == ["FINISHED"] * 4
    assert not list(runs.glob("trained/*/checkpoint-*"))


def test_workers_that_are_killed(tmp_path: Path, undisturbed: Path):
    """Workers die at random moments; the sweep ends as if they had not, and little is trained twice."""
    place, random_ = prepare(tmp_path), random.Random(0)
    sweep, kills = start(place), 0
    while sweep.poll() is None and kills < KILLS:
        before = epochs_trained(place / "runs")
        until(lambda before=before: sweep.poll() is not None or epochs_trained(place / "runs") > before)
        time.sleep(random_.uniform(0, PAUSE))
        for trainer in trainers(sweep.pid)[:1]:
            trainer.kill()
            kills += 1
    if sweep.wait() == 1:  # three times in a row at the same place: the table says so, and the next run resumes
        sweep = start(place)
    assert sweep.wait() == 0, (place / "output.log").read_text()
    assert kills > 0
    assert_as_undisturbed(place, undisturbed)
    assert_little_twice(place / "runs", kills, "worker")


def test_orchestrators_that_are_killed(tmp_path: Path, undisturbed: Path):
    """The orchestrator dies at random moments and is started again until done; no process outlives it for long."""
    place, random_ = prepare(tmp_path), random.Random(1)
    for _ in range(KILLS):
        sweep, before = start(place), epochs_trained(place / "runs")
        if random_.random() < 0.7:  # the others die while they start
            until(
                lambda before=before, sweep=sweep: sweep.poll() is not None or epochs_trained(place / "runs") > before
            )
        time.sleep(random_.uniform(0, PAUSE))
        left = family(sweep.pid)
        sweep.send_signal(signal.SIGKILL)
        sweep.wait()
        _, alive = psutil.wait_procs(left, timeout=20)
        assert not alive
    assert start(place).wait() == 0, (place / "output.log").read_text()
    assert_as_undisturbed(place, undisturbed)
    assert_little_twice(place / "runs", KILLS, "orchestrator")


@pytest.mark.skipif(not WHOLE, reason=NOT_SHARE)
def test_a_cluster_that_loses_a_worker_and_the_orchestrator(tmp_path: Path, undisturbed: Path):
    """One worker dies for good, the orchestrator is killed and started again: complete, and nothing trained twice."""
    place = prepare(tmp_path)
    runs = place / "runs"
    with (
        scheduler(place) as address,
        process(place, "worker-a", *serve(address)) as doomed,
        process(place, "worker-b", *serve(address)),
    ):
        with process(place, "run", *run_on(address, "long.toml")):
            until(lambda: epochs_trained(runs) >= 4, 240)
            os.killpg(doomed.pid, signal.SIGKILL)
            before = epochs_trained(runs)
            until(lambda: epochs_trained(runs) > before + 2, 240)
        with process(place, "run-again", *run_on(address, "long.toml")) as again:
            assert again.wait(timeout=400) == 0, (place / "run-again.log").read_text()
        assert_as_undisturbed(place, undisturbed)
        assert epochs_trained(runs) <= 2 * EPOCHS
        assert_never_two_at_once(runs)


def assert_never_two_at_once(runs: Path) -> None:
    """Assert that the epochs of a training, as its processes log them, never run in two processes at a time."""
    for training in {path.parent for path in runs.glob("trained/*/*")}:
        lines = [
            (line[:23], path.name)
            for path in runs.glob("log/worker-*.log")
            for line in path.read_text().splitlines()
            if f"{training.name} epoch" in line
        ]
        order = [name for _, name in sorted(lines)]
        changes = sum(a != b for a, b in itertools.pairwise(order))
        started = [json.loads(line) for line in (training / "attempts.jsonl").read_text().splitlines()]
        assert changes < len(started)


@pytest.mark.skipif(not WHOLE, reason=NOT_SHARE)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_sweep_that_is_asked_to_stop(tmp_path: Path, undisturbed: Path, number: int):
    """Trainings save and stop, the exit code is 130, the command that resumes is printed, and it completes the
    study."""
    place = prepare(tmp_path)
    sweep = start(place)
    until(lambda: list((place / "runs").glob(f"trained/*/result-{SHORT}.json")))
    os.killpg(sweep.pid, number)  # as a terminal does: to all processes
    assert sweep.wait() == 130
    printed = (place / "output.log").read_text()
    assert f"{signal.Signals(number).name}: saving and stopping trainings" in printed
    assert "interrupted; resume with: ablate run --grid long.toml" in printed
    assert "Traceback" not in printed
    assert len(list((place / "runs").glob("trained/*/checkpoint-*"))) == 1
    assert start(place).wait() == 0, (place / "output.log").read_text()
    assert_as_undisturbed(place, undisturbed)
    assert len({a["run"] for a in attempts(place / "runs")}) == 2
    assert max(a["epoch"] for a in attempts(place / "runs")) >= SHORT  # type: ignore[type-var]


@pytest.mark.slow
def test_a_second_run_is_refused(tmp_path: Path):
    """Two orchestrators on one workspace: the second names the first, which continues. By default
    test_sweep.py::test_a_workspace_in_use_is_refused proves it, whose lock is held without a sweep."""
    place = prepare(tmp_path)
    (place / "long.toml").write_text(STUDY.replace("epochs = ", "epochs = 1"))  # long enough for the other to start
    first = start(place)
    until(lambda: (place / "runs/long/study.json").exists())
    second = subprocess.run(command(place), cwd=place, capture_output=True, text=True)
    assert (second.returncode, f"pid {first.pid}); wait for it" in second.stderr) == (2, True)
    assert first.poll() is None
    first.send_signal(signal.SIGINT)
    assert first.wait() == 130
