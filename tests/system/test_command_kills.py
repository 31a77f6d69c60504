"""Commands whose processes are killed: no row goes missing, nothing runs twice at once, no process is left."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from conftest import in_process, until

ALL = os.environ.get("ABLATE_TEST_KILLS") == "all"
KILLS = 10 if ALL else 2  # of each role
STEPS = 30 if ALL else 10
TRAININGS = 8
MARK = "MARK_OF_KILLS"
WORK = f"""
import json, os, pathlib, signal, subprocess, sys, time
run, width, seed, folder, place, *resumed = sys.argv[1:]
place, folder = pathlib.Path(place), pathlib.Path(folder)

def note(text):
    with open(place / run, "a") as file:
        file.write(text + "\\n")

def is_alive(pid):
    try:
        state = pathlib.Path(f"/proc/{{pid}}/stat").read_text().rpartition(")")[2].split()[0]
        of_sweep = os.environ.get("{MARK}", "").encode() in pathlib.Path(f"/proc/{{pid}}/environ").read_bytes()
        return state not in "ZX" and of_sweep
    except OSError:
        return False

lock = place / f"lock-{{run}}"
try:
    lock.mkdir()
except FileExistsError:  # of a process that was killed, or of one that runs
    for pid in lock.iterdir():
        times = 0
        while is_alive(pid.name):  # the kernel ends a killed process when it gets to it
            if (times := times + 1) > 50:
                note("twice")
                sys.exit("twice")
            time.sleep(0.1)
        pid.unlink()
(lock / str(os.getpid())).touch()
first = int(pathlib.Path(resumed[0]).read_text()) + 1 if resumed else 1
note(f"start {{first}}")
sleeper = subprocess.Popen(["sleep", "1000"], preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN))
(lock / str(sleeper.pid)).touch()
for step in range(first, {STEPS} + 1):
    time.sleep(0.1)
    note(f"step {{step}}")
    (folder / "ckpt.tmp").write_text(str(step))
    (folder / "ckpt.tmp").rename(folder / "ckpt")
(folder / "m.json").write_text(json.dumps({{"val": int(width) + int(seed) / 8, "test": int(width) - int(seed) / 8}}))
note("end")
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
COMMAND = ("run", "mine.toml", "--trackers", "none", "-q")


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


@dataclass
class Sweep:
    """Runs of a study in a folder, one after the other."""

    place: Path
    runs: int = 0

    def start(self) -> None:
        self.runs += 1
        command = [sys.executable, "-m", "ablation", *COMMAND, "--slots", "cpu:2"]
        with open(self.place / "run.log", "a") as log:
            self.process = subprocess.Popen(
                command, cwd=self.place, stdout=log, stderr=log, start_new_session=True,
                env=os.environ | {MARK: str(self.place)},
            )  # fmt: skip

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def processes(self) -> list[psutil.Process]:
        """All processes of these runs, by a variable that they inherit."""
        processes = []
        for one in psutil.process_iter():
            try:
                is_own = one.environ().get(MARK) == str(self.place) and one.status() != psutil.STATUS_ZOMBIE
            except psutil.Error:
                continue
            if is_own:
                processes.append(one)
        return processes

    def lines(self, word: str) -> list[str]:
        """The lines of this kind that the commands have written."""
        return [
            f"{path.name} {line}"
            for path in sorted((self.place / "noted").glob("*[!-]")) if path.is_file()
            for line in path.read_text().splitlines() if line.startswith(word)
        ]  # fmt: skip


def commands(sweep: Sweep) -> list[psutil.Process]:
    return [one for one in sweep.processes() if "work.py" in one.cmdline()]


def grandchildren(sweep: Sweep) -> list[psutil.Process]:
    return [one for one in sweep.processes() if one.name() == "sleep"]


def helpers(sweep: Sweep) -> list[psutil.Process]:
    return [one for one in sweep.processes() if any(part.endswith("child/helper.py") for part in one.cmdline())]


def workers(sweep: Sweep) -> list[psutil.Process]:
    return [parent for helper in helpers(sweep) if (parent := helper.parent()) and parent.pid > 1]


def orchestrators(sweep: Sweep) -> list[psutil.Process]:
    return [psutil.Process(sweep.process.pid)]


VICTIMS: dict[str, Callable[[Sweep], list[psutil.Process]]] = {
    "command": commands, "grandchild": grandchildren, "helper": helpers, "worker": workers,
    "orchestrator": orchestrators,
}  # fmt: skip
TOGETHER = [[role] for role in VICTIMS] if ALL else [["command", "grandchild", "helper", "worker"], ["orchestrator"]]


def kill(sweep: Sweep, victims: Callable[[Sweep], list[psutil.Process]], random_: random.Random) -> bool:
    """Kill one process at a random moment after the next step. Return whether there was one."""
    before = len(sweep.lines("step"))
    until(lambda: sweep.ended or len(sweep.lines("step")) > before)
    time.sleep(random_.uniform(0, 0.3))
    try:
        victim = random_.choice(victims(sweep))
        victim.send_signal(signal.SIGKILL)
    except (IndexError, psutil.Error):
        return False
    return True


@pytest.mark.parametrize("roles", TOGETHER, ids="-".join)
def test_processes_that_are_killed(tmp_path: Path, undisturbed: bytes, roles: list[str]):
    """The study is run again until it is complete, without a pause: its table is that of an undisturbed one.

    At most one attempt of a training runs at a time, and no process is left.
    """
    sweep, random_, kills, left = Sweep(prepare(tmp_path)), random.Random(0), 0, roles * KILLS
    sweep.start()
    while left:
        if kill(sweep, VICTIMS[left[-1]], random_):
            kills += 1
            if left.pop() == "orchestrator":
                sweep.process.wait()
        if sweep.ended:
            if sweep.process.returncode == 0:
                break
            sweep.start()
    while sweep.process.wait() != 0:
        assert sweep.runs < 2 * KILLS + 2, (tmp_path / "run.log").read_text()
        sweep.start()
    starts, steps, ends = (len(sweep.lines(word)) for word in ("start", "step", "end"))
    print(
        f"{', '.join(roles)}: {kills} kills, {sweep.runs} runs; repeated: {starts - TRAININGS} starts, "
        f"{steps - TRAININGS * STEPS} steps, {ends - TRAININGS} ends"
    )
    assert kills > 0
    assert not sweep.lines("twice")
    until(lambda: not sweep.processes(), 30)
    assert (tmp_path / "runs/mine/table.csv").read_bytes() == undisturbed
    assert len({line.split()[0] for line in sweep.lines("end")}) == TRAININGS
    assert len(set(sweep.lines("step"))) == TRAININGS * STEPS
    assert not list(tmp_path.glob("runs/trained/*/failure.json"))
