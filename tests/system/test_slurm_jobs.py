"""`ablate slurm` on a real Slurm of one node: a study is trained, and survives the end of its job's time."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_study import STUDY
from conftest import rows, until
from slurm_cluster import cluster, slurm

pytestmark = [pytest.mark.services, pytest.mark.slow]

TRAIN = """
import json, sys, time
from pathlib import Path
folder, width, seed = sys.argv[1:4]
with open("trained", "a") as file:
    print(width, seed, file=file)
time.sleep(SECONDS)
numbers = {"val_score": int(width) + int(seed) / 10, "test_score": int(width)}
Path(folder, "metrics.json").write_text(json.dumps(numbers))
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a study, and a cluster whose commands are on the PATH."""
    with cluster() as folder:
        monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        place = tmp_path / "a 'folder"
        place.mkdir()
        (place / "mine.toml").write_text(STUDY.replace("[experiment]\n", '[experiment]\ngrace = "1s"\n'))
        monkeypatch.chdir(place)
        yield place


def submitted(place: Path, seconds: int, *options: str) -> str:
    """Submit the study with trainings of so many seconds, and return the number of the job."""
    (place / "train.py").write_text(TRAIN.replace("SECONDS", str(seconds)))
    command = [sys.executable, "-m", "ablation", "slurm", "mine.toml", "--gpus", "0", "--cpus", "1", "--time", "30"]
    done = subprocess.run([*command, "--trackers", "none", "--submit", *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("submitted job ")[2].partition(";")[0]


def jobs() -> str:
    """Return the names and states of the jobs in the queue."""
    return slurm("squeue", "-h", "-o", "%j %T")


def log(place: Path, job: str) -> str:
    path = place / "slurm" / f"mine-{job}.log"
    return path.read_text() if path.exists() else ""


def test_a_study_is_trained_by_an_array_of_workers(place: Path):
    """Connections are encrypted; at the end nothing is left in the queue, and no key on the disk."""
    job = submitted(place, 0, "--workers", "2")
    until(lambda: not jobs(), 300)
    assert "trained 6 trials" in log(place, job)
    assert "tls://" in "".join(path.read_text() for path in place.glob("slurm/mine-workers-*.log"))
    assert len(rows(place / "runs" / "mine")) == 3
    assert not [path.name for path in (place / "slurm").iterdir() if path.suffix not in (".sh", ".log")]


def test_a_job_whose_time_ends_is_queued_again_and_resumes(place: Path):
    """The job saves, is queued under its number, and trains what is missing; finished trials are not trained again."""
    job = submitted(place, 6)
    until(lambda: "row 2, seed 0: started" in log(place, job), 300)
    slurm("scontrol", "update", f"JobId={job}", "TimeLimit=1")  # less than the two minutes of the warning
    until(lambda: "mine PENDING" in jobs(), 300)
    assert "time limit: queued again" in log(place, job)
    slurm("scontrol", "update", f"JobId={job}", "StartTime=now", "TimeLimit=30")
    until(lambda: not jobs(), 300)
    assert len(rows(place / "runs" / "mine")) == 3, log(place, job)
    assert (place / "trained").read_text().splitlines().count("1 0") == 1


def test_a_job_that_is_killed_is_queued_again_and_resumes(place: Path):
    """The workers of the first start are cancelled, and its files are replaced, as after the end of a node."""
    job = submitted(place, 3)
    until(lambda: "row 1, seed 0: done" in log(place, job), 300)
    slurm("scontrol", "requeue", job)
    until(lambda: "mine PENDING" in jobs(), 300)
    slurm("scontrol", "update", f"JobId={job}", "StartTime=now")
    until(lambda: not jobs(), 300)
    assert len(rows(place / "runs" / "mine")) == 3, log(place, job)
    assert (place / "trained").read_text().splitlines().count("1 0") == 1


def test_the_scripts_are_valid_for_shellcheck(place: Path):
    """The scripts have no unquoted value and no unused name."""
    if not shutil.which("shellcheck"):
        pytest.skip("no shellcheck")
    submitted(place, 0)
    done = subprocess.run(["shellcheck", *place.glob("slurm/*.sh")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
