"""Trainings that fail in their own ways, among others that do not: each row ends once, with its reason, and no process
or lock is left."""

import csv
import json
import re
import sys
from pathlib import Path

import pytest
from conftest import until
from fault_series import WHOLE, Series
from killed_sweep import Sweep

RUNS = 2 if WHOLE else 1
BODY = """
import ctypes, json, os, resource, signal, subprocess, sys, time
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)"

def work(mode, report):
    loss = 1.0
    if mode == "nan":
        loss = float("nan")
    if mode == "infinite":
        loss = float("inf")
    if mode == "explodes":
        for step in range(1, 12):
            loss = loss * loss * 1e30
            report(step, loss)
    if mode == "memory":
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
        held = [bytearray(64 << 20) for _ in range(100)]
    if mode == "crashes":
        ctypes.string_at(0)
    if mode == "leaves":
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(1000)
            os._exit(0)
        subprocess.Popen([sys.executable, "-S", "-c", DEAF], start_new_session=True)
        subprocess.Popen([sys.executable, "-S", "-c", DEAF])
    return loss
"""
COMMAND = """
folder, mode = sys.argv[1:]
loss = work(mode, lambda step, loss: print(f"step {step} loss {loss}", flush=True))
json.dump({"val_loss": loss, "test_loss": 2.0}, open(folder + "/metrics.json", "w"))
"""
FUNCTION = """
def train(run, *, mode: str = "fine"):
    loss = work(mode, lambda step, loss: run.report(step=step, loss=loss))
    return {"val": {"loss": loss}, "test": {"loss": 2.0}}
"""
OF_COMMAND = """
select_on = "val_loss"
[experiment]
command = "PYTHON -S work.py {folder} {mode}"
[experiment.factors]
mode = { default = "fine" }
[experiment.results]
file = "{folder}/metrics.json"
"""
OF_FUNCTION = """
select_on = "val_loss"
[experiment]
function = "work.py:train"
process = "KEPT"
"""
ROWS = """
[measures]
loss = { best = "low" }
[one_at_a_time]
mode = ["nan", "infinite", "explodes", "memory", "crashes", "leaves"]
"""
ENDS = {"fine": "done", "nan": "diverged", "infinite": "diverged", "explodes": "diverged", "memory": "out of memory",
        "crashes": "failed", "leaves": "done"}  # fmt: skip
ATTEMPTS = {"memory": 2}  # of one run; the others have one


def write(place: Path, kind: str) -> None:
    (place / "noted").mkdir()
    study = OF_COMMAND if kind == "command" else OF_FUNCTION.replace("KEPT", kind)
    (place / "work.py").write_text(BODY + (COMMAND if kind == "command" else FUNCTION))
    (place / "mine.toml").write_text(study.replace("PYTHON", sys.executable) + ROWS)


def outcomes(place: Path) -> dict[str, str]:
    with open(place / "runs/mine/table.csv", newline="") as file:
        return {row["mode"]: row["outcome"] for row in csv.DictReader(file)}


def attempts(place: Path) -> dict[str, int]:
    folders = list(place.glob("runs/trained/*/training.json"))
    levels = {path.parent: json.loads(path.read_text())["condition"]["mode"] for path in folders}
    return {mode: len((path / "attempts.jsonl").read_text().splitlines()) for path, mode in levels.items()}


@pytest.mark.parametrize("kind", ["command", "fresh", "kept"] if WHOLE else ["kept"])
def test_rows_that_fail_beside_rows_that_do_not(tmp_path: Path, kind: str):
    """NaN and infinity diverge; memory that ends is tried once more; a crash fails its row alone; what a training
    leaves running is ended. The exit code is 1, also of the next run, which tries again what may succeed."""
    write(tmp_path, kind)
    sweep = Sweep(tmp_path)
    for times in range(1, RUNS + 1):
        sweep.start()
        assert sweep.process.wait() == 1, (tmp_path / "run.log").read_text()
        until(lambda: not sweep.processes(), 30)
        assert outcomes(tmp_path) == ENDS
        again = {mode for mode, end in ENDS.items() if end not in ("done", "diverged")}
        assert attempts(tmp_path) == {m: ATTEMPTS.get(m, 1) * (times if m in again else 1) for m in ENDS}
    printed = (tmp_path / "run.log").read_text()
    assert "Traceback" not in printed
    assert re.search("row 6.*: failed: .*signal 11", printed), printed
    Series(
        f"NaN, infinity, explosion, end of memory, crash, processes that stay: {kind}", RUNS * (len(ENDS) - 1)
    ).record()
