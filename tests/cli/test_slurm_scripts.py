"""`ablate slurm`: the scripts that it writes are valid, quote what they are given, and hold no secret."""

import itertools
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from command_study import STUDY

from ablation import cli
from ablation.errors import AblateError
from ablation.workflows.slurm_scripts import seconds


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study file, whose name is hostile to a shell."""
    folder = tmp_path / "a $(touch spoilt) 'b\" c"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (folder / "mine.toml").write_text(
        STUDY.replace("[experiment.results]", 'tag = { default = "a" }\n[experiment.results]')
    )
    return folder


def slurm(*options: str) -> int:
    return cli.run(["slurm", "mine.toml", *options])


def texts(place: Path) -> tuple[str, str]:
    return (place / "slurm/mine.sh").read_text(), (place / "slurm/mine-workers.sh").read_text()


def directives(text: str) -> list[str]:
    """Return the options that sbatch reads from a script: those before its first command."""
    head = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
    return [line.removeprefix("#SBATCH ") for line in head if line.startswith("#SBATCH ")]


def test_the_scripts_state_the_jobs(place: Path, capsys: pytest.CaptureFixture[str]):
    """Resources are those of the options; each job can be queued again, and the run is warned before its end."""
    resources = ["--workers", "4", "--gpus", "2", "--cpus", "6", "--time", "2-00:30", "--partition", "gpu"]
    more = ["--account", "me", "--sbatch=--constraint=a100", "--run-sbatch=--partition=cpu", "--restarts", "3"]
    assert slurm(*resources, *more, "--setup", "module load cuda", "--slots", "gpu:0x3,1") == 0
    run, workers = texts(place)
    common = {"--time=2-00:30", "--requeue", "--account=me", "--partition=gpu", "--nodes=1", "--ntasks=1"}
    assert common | {"--signal=B:USR1@120", "--cpus-per-task=2", "--job-name=mine"} <= set(directives(run))
    assert directives(run)[-1] == "--partition=cpu"  # the last one counts
    assert common | {"--array=1-4", "--gres=gpu:2", "--cpus-per-task=6"} <= set(directives(workers))
    assert directives(workers)[-1] == "--constraint=a100"
    assert "-lt 3 ]" in run
    assert "\nmodule load cuda\n" in run
    assert "\nmodule load cuda\n" in workers
    assert "ablate worker --slots gpu:0x3,1 " in workers
    assert "submit it: sbatch slurm/mine.sh\n" in capsys.readouterr().out


def test_without_gpus_none_is_asked_for(place: Path):
    """A cluster without GPUs would refuse the option."""
    assert slurm("--gpus", "0") == 0
    assert not [line for line in directives(texts(place)[1]) if line.startswith("--g")]


def test_both_scripts_are_valid_and_quote_every_value(place: Path):
    """Hostile paths and levels reach `ablate run` as they are, and run nothing."""
    hostile = "$(touch spoilt);`touch spoilt` 'x\" {{run}}\n#SBATCH --uid=0"
    tag = "`touch spoilt`; 'x"
    assert slurm("--workspace", hostile, "--seeds", "0,1", "--option", "x=y") == 2  # the study takes no options
    assert slurm("--workspace", hostile, "--seeds", "0,1", "--set", f"tag={tag}", "--strict", "NO_EFFECT") == 0
    for path in sorted((place / "slurm").iterdir()):
        checked = subprocess.run(["bash", "-n", path], capture_output=True, text=True)
        assert (checked.returncode, checked.stderr) == (0, "")
    fake = place.parent / "bin"
    fake.mkdir()
    (fake / "ablate").write_text('#!/bin/bash\nprintf "%s\\0" "$@" > "$PRINTED"\n')
    (fake / "ablate").chmod(0o755)
    line = re.search(r"^ablate run .*? &$", texts(place)[0], re.M | re.S)
    assert line
    printed = place.parent / "printed"
    environment = {"PATH": f"{fake}:/usr/bin:/bin", "PRINTED": str(printed)}
    subprocess.run(["bash", "-c", f"{line[0]}\nwait"], env=environment, cwd=place, check=True)
    words = printed.read_text().split("\0")
    expected = ["--workspace", hostile, "--seeds", "0,1", "--set", f"tag={tag}", "--strict", "NO_EFFECT"]
    assert words[:10] == ["run", "mine.toml", *expected]
    assert shlex.quote(str(place)) in texts(place)[0]
    assert not list(place.parent.rglob("spoilt"))
    assert not [line for text in texts(place) for line in directives(text) if "uid" in line]


def test_connections_are_encrypted_unless_told_otherwise(place: Path, capsys: pytest.CaptureFixture[str]):
    """The certificate is the job's own or the user's; encryption is left out only where that is stated."""
    assert slurm() == 0
    run, workers = texts(place)
    assert "openssl req" in run
    assert "--protocol tls" in run
    assert '--tls-key "$private/key.pem"' in workers
    assert "--insecure" not in run + workers
    assert slurm("--insecure") == 0
    run, workers = texts(place)
    assert "--protocol tcp" in run
    assert "openssl" not in run
    assert "--insecure" in workers.splitlines()[-1]
    own = ["--tls-ca", "ca.pem", "--tls-cert", "me.pem", "--tls-key", "me.key"]
    assert slurm(*own) == 2
    assert "ca.pem: no such file" in capsys.readouterr().err
    for name in ("ca.pem", "me.pem", "me.key"):
        (place / name).touch()
    assert slurm(*own[:2]) == 2
    assert "give all three, or none" in capsys.readouterr().err
    assert slurm(*own) == 0
    run, workers = texts(place)
    assert "--tls-ca-file ca.pem --tls-cert me.pem --tls-key me.key" in run
    assert "openssl" not in run
    assert workers.splitlines()[-1].endswith("--tls-ca ca.pem --tls-cert me.pem --tls-key me.key")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--time", "tomorrow"], "--time tomorrow: is no time of Slurm"),
        (["--time", "4"], "shorter than 5 minutes"),
        (["--partition", "a b"], "--partition 'a b': is not allowed"),
        (["--sbatch", "constraint"], "expected one option of sbatch"),
        (["--sbatch", "--x\n#SBATCH --uid=0"], "expected one option of sbatch"),
        (["--setup", "a\nb"], "expected one line of shell"),
        (["--output", "50%"], "Slurm replaces %"),
        (["--storage", "postgresql://ablate:secret@db/optuna"], "a script must not have a password"),
        (["--tracking", "http://me:secret@mlflow"], "pass credentials in the environment"),
        (["--scheduler", "tls://head:8786"], "starts a scheduler of its own"),
        (["--inline"], "starts a scheduler of its own"),
        (["--set", "widht=2"], "widht"),
        (["--strict", "NO_SUCH"], "no such warning"),
        (["--name", "../x"], "is not allowed"),
        (["--workers", "0"], "--workers"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused_before_anything_is_written(
    options: list[str], message: str, place: Path, capsys: pytest.CaptureFixture[str]
):
    """One line names the option; a password is not repeated in it."""
    assert slurm(*options) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
    assert "secret" not in printed
    assert [path.name for path in place.iterdir()] == ["mine.toml"]


def test_a_file_of_the_user_is_not_replaced(place: Path, capsys: pytest.CaptureFixture[str]):
    """Scripts of the command are written anew; another file of this name is kept."""
    assert slurm() == 0
    assert slurm("--workers", "7") == 0
    assert "--array=1-7" in directives(texts(place)[1])
    (place / "slurm/mine.sh").write_text("#!/bin/bash\necho mine\n")
    assert slurm() == 2
    assert "slurm/mine.sh: was not written by `ablate slurm`" in capsys.readouterr().err
    assert texts(place)[0] == "#!/bin/bash\necho mine\n"


def test_submit_hands_the_script_to_sbatch(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The job's number is printed, or the reason of Slurm where it refuses; without Slurm nothing is written."""
    monkeypatch.setenv("PATH", str(place))
    assert slurm("--submit") == 2
    assert "no command sbatch on this machine" in capsys.readouterr().err
    assert not (place / "slurm").exists()
    (place / "sbatch").write_text('#!/bin/sh\n[ -f "$2" ] && echo "12;cluster"\n')
    (place / "sbatch").chmod(0o755)
    assert slurm("--submit") == 0
    assert "submitted job 12; its log: slurm/mine-12.log" in capsys.readouterr().out
    (place / "sbatch").write_text('#!/bin/sh\necho "sbatch: error: invalid partition specified: gpu" >&2; exit 1\n')
    assert slurm("--submit") == 2
    assert "mine.sh: sbatch: error: invalid partition specified: gpu" in capsys.readouterr().err


@pytest.mark.unit
def test_times_are_those_of_slurm():
    """Minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes, and with seconds."""
    times = {"10": 600, "10:30": 630, "1:00:00": 3600, "1-0": 86400, "1-2:03": 93780, "1-02:03:04": 93784}
    assert {time: seconds(time) for time in times} == times
    for wrong in ("", "1h", "1-", "-1", "1:2:3:4"):
        with pytest.raises(AblateError):
            seconds(wrong)


@pytest.mark.unit
def test_the_scripts_use_this_interpreter(place: Path):
    """The jobs find the commands of the environment that wrote the scripts, whatever their own PATH is."""
    assert slurm() == 0
    assert all(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"' in text for text in texts(place))


@pytest.mark.parametrize(("data", "is_noted"), [("faces", True), (".", False), ("demo", False)])
def test_missing_data_are_noted(place: Path, capsys: pytest.CaptureFixture[str], data: str, is_noted: bool):
    """The nodes may have data that this machine has not, so that the scripts are written."""
    assert cli.run(["slurm", "smoke", "--data", data]) == 0
    note = f"note: --data {data}: no such file or folder on this machine; the job needs it"
    assert (note in capsys.readouterr().err) == is_noted
    assert (place / "slurm" / f"{'smoke-demo' if data == 'demo' else 'smoke'}.sh").is_file()
