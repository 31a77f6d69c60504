"""Batch scripts for Slurm: one job runs the study, and submits an array of jobs that train for it."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ablation.engine.pool import Tls
from ablation.errors import AblateError
from ablation.store import files
from ablation.urls import masked

TEMPLATES = Path(__file__).parent / "templates"
MARK = "# Written by: ablate slurm "  # second line of each script
TIME = re.compile(r"(?:(?P<d>\d{1,4})-(?P<dh>\d{1,3})(?::(?P<dm>\d{1,2}))?(?::(?P<ds>\d{1,2}))?"
                  r"|(?P<h>\d{1,4}):(?P<m>\d{1,2}):(?P<s>\d{1,2})|(?P<om>\d{1,6})(?::(?P<os>\d{1,2}))?)")  # fmt: skip
SHORTEST = 300  # seconds of a job: the last two minutes are for saving
WARNING_SECONDS = 120
RUN_CPUS = 2  # cores of the job that runs the study; trainings run in other jobs
CERTIFICATE = """\
(umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 60 -subj /CN=ablate \\
    -keyout "$private/key.pem" -out "$private/cert.pem" 2> "$private/openssl.log") || {
    echo "no certificate could be made: openssl is missing or failed; see ablate slurm --help on --tls-ca" >&2
    cat "$private/openssl.log" >&2
    exit 2
}"""


@dataclass(frozen=True)
class SlurmJobs:
    """Values of the batch scripts of one study.

    `name`: the study. `run`: options of `ablate run`. `command`: words after `ablate`, for a comment. `folder`: where
    the scripts and their logs are. `cwd`: folder in which relative paths are meant. `time`: limit of each job, as Slurm
    writes it. `sbatch` and `run_sbatch`: further options of the workers' jobs and of the job that runs the study.
    `setup`: lines of shell that each job runs first. `restarts`: how often the job is queued again at its time limit.
    """

    name: str
    run: Sequence[str]
    command: Sequence[str]
    folder: Path
    cwd: Path
    workers: int = 1
    gpus: int = 1
    cpus: int = 8
    time: str = "12:00:00"
    partition: str | None = None
    account: str | None = None
    sbatch: Sequence[str] = ()
    run_sbatch: Sequence[str] = ()
    setup: Sequence[str] = ()
    restarts: int = 10
    slots: str = "auto"
    tls: Tls = field(default_factory=Tls)
    insecure: bool = False

    @property
    def run_script(self) -> Path:
        return self.folder / f"{self.name}.sh"

    @property
    def workers_script(self) -> Path:
        return self.folder / f"{self.name}-workers.sh"


def seconds(time: str) -> int:
    """Return the seconds of a time limit as Slurm writes it: 90 (minutes), 12:00:00, 2-12:00. Raises AblateError."""
    if not (match := TIME.fullmatch(time)):
        raise AblateError(f"--time {time}: is no time of Slurm; allowed: 12:00:00, 2-12:00 (days-hours:minutes), 90")
    part = {name: int(text or 0) for name, text in match.groupdict().items()}
    minutes = (part["d"] * 24 + part["dh"] + part["h"]) * 60 + part["dm"] + part["m"] + part["om"]
    return minutes * 60 + part["ds"] + part["s"] + part["os"]


def check(jobs: SlurmJobs) -> None:
    """Raise AblateError where an option cannot be written into a script, or would be unsafe there."""
    if seconds(jobs.time) < SHORTEST:
        raise AblateError(f"--time {jobs.time}: is shorter than 5 minutes, of which 2 are for saving")
    for option, value in (("--partition", jobs.partition), ("--account", jobs.account)):
        if value is not None and not re.fullmatch(r"[\w.,@+-]+", value):
            raise AblateError(f"{option} {value!r}: is not allowed; letters, digits and . , @ + - _ are")
    for option, values in (("--sbatch", jobs.sbatch), ("--run-sbatch", jobs.run_sbatch)):
        for value in values:
            if not value.startswith("-") or not value.isprintable():
                raise AblateError(f"{option} {value!r}: expected one option of sbatch, such as --constraint=a100")
    for line in jobs.setup:
        if not line.isprintable():
            raise AblateError(f"--setup {line!r}: expected one line of shell")
    if re.search(r"[%\\]", str(jobs.folder)) or not str(jobs.folder).isprintable():
        raise AblateError(f"--output {jobs.folder}: Slurm replaces % and \\ in names of logs; choose another folder")
    for word in jobs.run:
        if masked(word) != word:
            raise AblateError(f"{masked(word)}: a script must not have a password; set PGPASSWORD where you submit it")
    if jobs.insecure and jobs.tls.ca:
        raise AblateError("--insecure and --tls-ca are both stated; state one")


def _filled(template: str, values: Mapping[str, str]) -> str:
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    filled = re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], text)
    return re.sub(r"\n{3,}", "\n\n", filled)


def _directives(options: Sequence[str]) -> str:
    return "\n".join(f"#SBATCH {option}" for option in options)


def _log(path: Path) -> str:
    """Return --output of sbatch. Slurm reads quotes as a shell does, and expands no variables."""
    return '--output="' + str(path).replace('"', '\\"') + '"'


def _common(jobs: SlurmJobs) -> list[str]:
    partition = [f"--partition={jobs.partition}"] if jobs.partition else []
    account = [f"--account={jobs.account}"] if jobs.account else []
    return [f"--time={jobs.time}", "--nodes=1", "--ntasks=1", "--requeue", "--open-mode=append", *partition, *account]


def _security(jobs: SlurmJobs) -> tuple[str, str]:
    """Return the options of encryption for `dask scheduler`, and for `ablate`."""
    if jobs.insecure:
        return "--protocol tcp", "--insecure"
    ca, cert, key = '"$private/cert.pem"', '"$private/cert.pem"', '"$private/key.pem"'
    if jobs.tls.ca and jobs.tls.cert and jobs.tls.key:
        ca, cert, key = map(shlex.quote, (jobs.tls.ca, jobs.tls.cert, jobs.tls.key))
    files_of_both = f"--tls-cert {cert} --tls-key {key}"
    return f"--protocol tls --tls-ca-file {ca} {files_of_both}", f"--tls-ca {ca} {files_of_both}"


def _values(jobs: SlurmJobs) -> dict[str, str]:
    scheduler_security, security = _security(jobs)
    own = bool(jobs.insecure or jobs.tls.ca)
    return {
        "command": f"ablate {_one_line(masked(shlex.join(jobs.command)))}",
        "cwd": shlex.quote(str(jobs.cwd)),
        "bin": shlex.quote(str(Path(sys.executable).parent)),
        "setup": "\n".join(jobs.setup),
        "name": jobs.name,
        "folder": shlex.quote(str(jobs.folder)),
        "workers_script": shlex.quote(str(jobs.workers_script)),
        "certificate": "" if own else CERTIFICATE,
        "run": shlex.join(jobs.run),
        "restarts": str(jobs.restarts),
        "slots": shlex.quote(jobs.slots),
        "scheduler_security": scheduler_security,
        "security": security,
    }


def _one_line(text: str) -> str:
    """Return a text for a comment, which a line feed would end."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def run_script(jobs: SlurmJobs) -> str:
    """Return the script of the job that runs the study, which `sbatch` takes."""
    directives = [
        f"--job-name={jobs.name}", _log(jobs.folder / f"{jobs.name}-%j.log"), *_common(jobs),
        f"--cpus-per-task={RUN_CPUS}", f"--signal=B:USR1@{WARNING_SECONDS}", *jobs.run_sbatch,
    ]  # fmt: skip
    return _filled("slurm_run.sh", _values(jobs) | {"directives": _directives(directives)})


def workers_script(jobs: SlurmJobs) -> str:
    """Return the script of an array of jobs, each of which trains for the study."""
    gpus = [f"--gres=gpu:{jobs.gpus}"] if jobs.gpus else []
    directives = [
        f"--array=1-{jobs.workers}", _log(jobs.folder / f"{jobs.name}-workers-%A-%a.log"), *_common(jobs),
        f"--cpus-per-task={jobs.cpus}", *gpus, *jobs.sbatch,
    ]  # fmt: skip
    return _filled("slurm_workers.sh", _values(jobs) | {"directives": _directives(directives)})


def write(jobs: SlurmJobs) -> None:
    """Write both scripts. Raises AblateError for a file of another origin in their place."""
    for path in (jobs.run_script, jobs.workers_script):
        if path.exists() and f"\n{MARK}" not in path.read_text(encoding="utf-8", errors="replace"):
            raise AblateError(f"{path}: was not written by `ablate slurm`; choose another --output")
    jobs.folder.mkdir(parents=True, exist_ok=True)
    files.write_text(jobs.run_script, run_script(jobs))
    files.write_text(jobs.workers_script, workers_script(jobs))


def need_sbatch() -> None:
    """Raise AblateError where this machine cannot submit jobs."""
    if not shutil.which("sbatch"):
        raise AblateError(
            "--submit: no command sbatch on this machine; leave out --submit, and run sbatch on a cluster"
        )


def submit(script: Path) -> str:
    """Submit a script, and return the number of its job. Raises AblateError with the reason of Slurm."""
    done = subprocess.run(["sbatch", "--parsable", str(script)], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise AblateError(f"sbatch {script}: {reason}")
    return done.stdout.strip().partition(";")[0]
