"""A Slurm cluster of one node on this machine, in a folder of its own: munged, slurmctld, slurmd. It needs root."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import until
from services import free_port, process

DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch")
CONF = """
ClusterName=local
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
AuthType=auth/munge
AuthInfo=socket={place}/munge.sock
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
KillWait=10
NodeName=localhost NodeHostname={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""


def slurm(*command: str) -> str:
    """Run a command of Slurm, and return what it prints; the variable SLURM_CONF names the cluster."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextlib.contextmanager
def cluster() -> Iterator[Path]:
    """Yield the folder of a running cluster. Skips where Slurm is not installed, or this user is not root."""
    sbin = f"{os.environ['PATH']}:/usr/sbin"
    if missing := [name for name in DAEMONS if not shutil.which(name, path=sbin)]:
        pytest.skip(f"no Slurm: {missing[0]} is missing (Debian: apt-get install --no-install-recommends slurm-wlm)")
    if os.geteuid():
        pytest.skip("Slurm's daemons are started as root here")
    with tempfile.TemporaryDirectory(prefix="ablate-slurm-") as folder, contextlib.ExitStack() as daemons:
        place = Path(folder)
        values = {"place": place, "host": socket.gethostname(), "controller": free_port(), "daemon": free_port()}
        (place / "slurm.conf").write_text(CONF.format(**values))
        (place / "key").write_bytes(os.urandom(1024))
        (place / "key").chmod(0o400)
        more = {"SLURM_CONF": str(place / "slurm.conf"), "PATH": sbin}
        munge = [f"--{name}={place}/munge.{name[:4]}" for name in ("log-file", "pid-file", "seed-file")]
        commands = (
            ["munged", "-F", "--force", "-S", f"{place}/munge.sock", f"--key-file={place}/key", *munge],
            ["slurmctld", "-D"],
            ["slurmd", "-D", "-N", "localhost"],
        )
        for command in commands:
            daemons.enter_context(process(place, command[0], *command, more=more))
            until(lambda: (place / "munge.sock").exists(), 30)
        environment = os.environ | more
        until(lambda: "idle" in subprocess.run(["sinfo", "-h"], env=environment, capture_output=True, text=True).stdout)
        yield place
        subprocess.run(["scancel", "--user=root"], env=environment, check=False)
