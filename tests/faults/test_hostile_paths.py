"""Any name in any option that takes a path: one line or the work, and nothing is written elsewhere."""

import shutil
from pathlib import Path

import pytest
from command_study import STUDY
from conftest import in_process
from fault_series import WHOLE, Series

MEMORY = "/proc/self/mem"
NAMES = [
    "../x",
    "/proc/nonexistent/x",
    "/dev/full",
    "/dev/zero",
    MEMORY,
    "a?b",
    "a#b",
    "a%b",
    "a%00b",
    " ",
    "a\nb",
    "-x",
    "--",
    "'",
    '"',
    "$(touch pwned)",
    "`touch pwned`; touch pwned",
    "\udcff",
    "a\0b",
    "n" * 300,
    "~root/x",
    "~nobody-at-all/x",
    ".",
    "..",
    "[",
    "*",
    "{folder}",
    "\u202e",
    "a:b",
    "http://[::1",
    "sqlite:///x",
    "file:///etc/passwd",
]
WRITES = ("--examples", "--xlsx", "--write", "--output")  # options that name a file or folder to write
COMMANDS: dict[str, list[str]] = {
    "run STUDY": ["run", "{}", "--inline", "--trackers", "none"],
    "run --grid": ["run", "--grid={}.toml", "--inline", "--trackers", "none"],
    "run --data": ["run", "paper", "--inline", "--trackers", "none", "--data={}"],
    "run --name": ["run", "s.toml", "--inline", "--trackers", "none", "--name={}"],
    "run --storage": ["run", "s.toml", "--inline", "--storage={}"],
    "run --tracking": ["run", "s.toml", "--inline", "--tracking={}"],
    "run --scheduler": ["run", "s.toml", "--scheduler={}"],
    "run --tls-ca": [
        "run",
        "s.toml",
        "--scheduler",
        "tls://127.0.0.1:1",
        "--tls-ca={0}",
        "--tls-cert={0}",
        "--tls-key={0}",
    ],
    "plan STUDY": ["plan", "{}"],
    "plan --workspace": ["plan", "s.toml", "--workspace={}"],
    "check STUDY": ["check", "{}"],
    "try STUDY": ["try", "{}"],
    "status STUDY": ["status", "{}"],
    "status --workspace": ["status", "--workspace={}"],
    "table STUDY": ["table", "{}"],
    "table --workspace": ["table", "s", "--workspace={}"],
    "table --output": ["table", "s", "--output={}"],
    "table --examples": ["table", "s", "--examples={}"],
    "table --xlsx": ["table", "s", "--xlsx={}"],
    "report STUDY": ["report", "{}"],
    "report --output": ["report", "s", "--output={}"],
    "verify FILE": ["verify", "{}"],
    "verify --workspace": ["verify", "runs/s/table.csv", "--workspace={}"],
    "compare --workspace": ["compare", "1", "2", "--workspace={}"],
    "import SOURCE": ["import", "{}"],
    "import csv:": ["import", "csv:{}"],
    "import json:": ["import", "json:{}"],
    "import wandb:": ["import", "wandb:{}"],
    "import mlflow:": ["import", "mlflow:{}"],
    "import optuna:": ["import", "optuna:{}"],
    "import folders:": ["import", "folders:hydra:{}"],
    "import --name": ["import", "r.csv", "--guess", "--name={}"],
    "import --write": ["import", "r.csv", "--guess", "--write={}"],
    "data PATH": ["data", "{}"],
    "evaluate STUDY": ["evaluate", "{}", "--data", "demo", "--inline"],
    "evaluate --workspace": ["evaluate", "s", "--data", "demo", "--inline", "--workspace={}"],
    "predict --workspace": ["predict", "demo", "--grid", "s", "--workspace={}"],
    "sync STUDY": ["sync", "{}"],
    "sync --workspace": ["sync", "--workspace={}"],
    "sync --storage": ["sync", "s", "--storage={}"],
    "register NAME": ["register", "{}", "--grid", "s"],
    "ui --tracking": ["ui", "--tracking={}", "--workspace", "none"],
    "adopt STUDY": ["adopt", "{}", "--factor", "a=1"],
    "clean --workspace": ["clean", "--workspace={}"],
    "doctor --workspace": ["doctor", "--workspace={}"],
    "explain": ["explain", "{}"],
    "new FILE": ["new", "{}"],
    "worker --scheduler": ["worker", "--scheduler={}"],
    "worker --tls-ca": [
        "worker",
        "--scheduler",
        "tls://127.0.0.1:1",
        "--tls-ca={0}",
        "--tls-cert={0}",
        "--tls-key={0}",
    ],
}
TRAIN = """
import json, sys
folder, width, seed = sys.argv[1:]
json.dump({"val_score": float(width) / 10, "test_score": 0.5}, open(folder + "/metrics.json", "w"))
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study of a command that was run, and a table to import."""
    place = tmp_path_factory.mktemp("ran") / "here"
    place.mkdir()
    (place / "s.toml").write_text(STUDY)
    (place / "train.py").write_text(TRAIN)
    (place / "r.csv").write_text("norm,seed,val_acc\na,0,0.5\nb,0,0.6\n")
    done = in_process("run", "s.toml", "--inline", "--trackers", "none", cwd=place)
    assert done.returncode == 0, done.stderr
    return place


def tree(folder: Path) -> set[str]:
    """Return the names of all files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def outside(here: Path) -> set[str]:
    """Return the names of the files around a folder."""
    return {name for name in tree(here.parent) if name.partition("/")[0] != here.name}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_hostile_name_ends_in_one_line(ran: Path, tmp_path: Path, command: str):
    """No name is a bug of ablate, none runs as code, and none writes outside the folder that it names."""
    here = tmp_path / "around" / "here"
    shutil.copytree(ran, here)
    names = [name for name in NAMES if not (name == MEMORY and any(word in command for word in WRITES))]
    for name in names if WHOLE or command in QUICK else names[len(command) % 6 :: 6]:
        before = outside(here)
        done = in_process(*(word.format(name) if "{" in word else word for word in COMMANDS[command]), cwd=here)
        assert done.returncode in (0, 1, 2), (name, (here / "runs/log/crash.log").read_text())
        if done.returncode == 2:
            errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
            assert len(errors) == 1, (name, done.stderr)
            assert len(errors[0]) < 2_100, (name, errors)
        new = outside(here) - before
        assert not (here / "pwned").exists(), name
        assert not new or name in ("../x", ".."), (name, new)
    Series(f"hostile names: {command}", len(NAMES)).record()


QUICK = {"plan STUDY", "status --workspace", "verify FILE", "import SOURCE", "new FILE", "run --name", "table --output"}
