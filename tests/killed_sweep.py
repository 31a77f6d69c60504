"""Runs of a study whose processes tests kill: the study is run again until it is complete."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from conftest import in_process, until
from fault_series import WHOLE, Series

KILLS = 10 if WHOLE else 1  # of each role
MARK = "MARK_OF_KILLS"
COMMAND = ("run", "mine.toml", "--trackers", "none", "-q")
# Python that notes lines for `Sweep.lines`, and finds out whether another process runs the same training.
NOTES = f"""
import os, pathlib, signal, subprocess, sys, time

def note(place, run, text):
    with open(place / run, "a") as file:
        file.write(text + "\\n")

def is_alive(pid):
    try:
        state = pathlib.Path(f"/proc/{{pid}}/stat").read_text().rpartition(")")[2].split()[0]
        of_sweep = os.environ.get("{MARK}", "").encode() in pathlib.Path(f"/proc/{{pid}}/environ").read_bytes()
        return state not in "ZX" and of_sweep
    except OSError:
        return False

def begin(place, run, first):
    lock = place / f"lock-{{run}}"
    try:
        lock.mkdir()
    except FileExistsError:  # of a process that was killed, or of one that runs
        for pid in lock.iterdir():
            times = 0
            while pid.name != str(os.getpid()) and is_alive(pid.name):  # the kernel ends it when it gets to it
                if (times := times + 1) > 50:
                    note(place, run, "twice")
                    sys.exit("twice")
                time.sleep(0.1)
            pid.unlink()
    (lock / str(os.getpid())).touch()
    note(place, run, f"start {{first}}")
    sleeper = subprocess.Popen(["sleep", "1000"], preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN))
    (lock / str(sleeper.pid)).touch()
    return sleeper
"""


@dataclass
class Sweep:
    """Runs of a study in a folder, one after the other."""

    place: Path
    runs: int = 0
    variables: Mapping[str, str] = field(default_factory=dict)  # of their environment

    def start(self, *more: str) -> None:
        """Start the next run. `more`: options."""
        self.runs += 1
        command = [sys.executable, "-m", "ablation", *COMMAND, "--slots", "cpu:2", *more]
        with open(self.place / "run.log", "a") as log:
            self.process = subprocess.Popen(
                command, cwd=self.place, stdout=log, stderr=log, start_new_session=True,
                env=os.environ | dict(self.variables) | {MARK: str(self.place)},
            )  # fmt: skip

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def processes(self, is_wanted: Callable[[psutil.Process], bool] = lambda process: True) -> list[psutil.Process]:
        """Return all wanted processes of these runs, by a variable that they inherit; without those that end
        meanwhile."""
        processes = []
        for one in psutil.process_iter():
            try:
                is_own = one.environ().get(MARK) == str(self.place) and one.status() != psutil.STATUS_ZOMBIE
                is_own = is_own and is_wanted(one)
            except psutil.Error:
                continue
            if is_own:
                processes.append(one)
        return processes

    def lines(self, word: str) -> list[str]:
        """Return the lines of this kind that the commands have written."""
        return [
            f"{path.name} {line}"
            for path in sorted((self.place / "noted").glob("*[!-]")) if path.is_file()
            for line in path.read_text().splitlines() if line.startswith(word)
        ]  # fmt: skip

    def repeated(self, title: str, kills: int, trainings: int, steps: int) -> int:
        """Record how many steps and ends were repeated, and return the number of steps.

        Args:
            title: the processes that were killed, in words.
            kills: their number.
            trainings: number of trainings of the study.
            steps: number of steps of each training.
        """
        all_steps, ends = (len(self.lines(word)) for word in ("step", "end"))
        repeated = all_steps - trainings * steps
        lost = trainings - len({line.split()[0] for line in self.lines("end")})
        text = f"{repeated / max(kills, 1):.1f} steps of 0.1 s a kill, {ends - trainings} ends"
        Series(f"SIGKILL, {title}", kills, lost, text).record()
        return repeated


def undisturbed_table(place: Path) -> bytes:
    """Run the study of a folder without a disturbance, and return its table."""
    done = in_process(*COMMAND, "--inline", cwd=place)
    assert done.returncode == 0, done.stderr
    return (place / "runs/mine/table.csv").read_bytes()


def helpers(sweep: Sweep) -> list[psutil.Process]:
    return sweep.processes(lambda one: any(part.endswith("child/helper.py") for part in one.cmdline()))


def grandchildren(sweep: Sweep) -> list[psutil.Process]:
    return sweep.processes(lambda one: one.name() == "sleep")


def workers(sweep: Sweep) -> list[psutil.Process]:
    return [parent for helper in helpers(sweep) if (parent := helper.parent()) and parent.pid > 1]


def orchestrators(sweep: Sweep) -> list[psutil.Process]:
    return [psutil.Process(sweep.process.pid)]


Victims = Callable[[Sweep], list[psutil.Process]]
VICTIMS: dict[str, Victims] = {
    "grandchild": grandchildren, "helper": helpers, "worker": workers, "orchestrator": orchestrators,
}  # fmt: skip


def kill(sweep: Sweep, victims: Victims, random_: random.Random) -> bool:
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


def killed(sweep: Sweep, roles: list[str], victims: dict[str, Victims]) -> int:
    """Run a study until it is complete, and kill one process of each role on the way. Return the number of kills."""
    random_, kills, left = random.Random(0), 0, list(roles)
    sweep.start()
    while left:
        if kill(sweep, victims[left[-1]], random_):
            kills += 1
            if left.pop() == "orchestrator":
                sweep.process.wait()
        if sweep.ended:
            if sweep.process.returncode == 0:
                break
            sweep.start()
    while sweep.process.wait() != 0:
        assert sweep.runs < 2 * len(roles) + 2, (sweep.place / "run.log").read_text()
        sweep.start()
    return kills
