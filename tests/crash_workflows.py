"""Workflows that change a workspace, with the files and the commands that each needs, for tests that let them die."""

import contextlib
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import command_study
import function_study
from conftest import OLD, STUDY, write_npz

NAME = "tiny"  # of each study
INLINE = ("--inline", "--slots", "cpu:1")
RUN = ("run", "--grid", "tiny.toml", *INLINE)
RUN_KERAS = (*RUN, "--data", "tiny.npz")
IMPORT = ("import", "tiny.csv", "--factors", "arm", "--seed", "seed", "--metric", "test_acc,val_acc")
Prepare = Callable[[Path], object]


def _nothing(place: Path) -> None:
    """Change nothing."""


@dataclass(frozen=True)
class Workflow:
    """Commands in one folder, of which one dies.

    Args:
        write: Writes the files of the user.
        dies: The command that dies, and that is run again.
        before: Commands that leave the workspace in which it starts.
        change: Changes the files of the user after `before`.
        after: Commands after the one that was run again.
        trains: Whether `dies` trains. Its file `epochs` has a line for each training.
        database: Whether Optuna and MLflow are sent the study.
    """

    write: Prepare
    dies: Sequence[str]
    before: Sequence[Sequence[str]] = ()
    change: Prepare = _nothing
    after: Sequence[Sequence[str]] = ()
    trains: bool = True
    database: bool = True


def keras(place: Path) -> None:
    (place / "tiny.toml").write_text(STUDY.replace("1e-3", "0.1"))
    write_npz(place / "tiny.npz")


COMMAND = """
import json, sys
folder, width, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
FACTOR = 2
open("epochs", "a").write(f"{width} {seed}\\n")
print("epoch 1 loss 0.5")
json.dump({"val_score": width * FACTOR + seed, "test_score": width - seed}, open(folder + "/metrics.json", "w"))
"""
FACTOR = "width = { default = 1, from = 1 }\n"


def command(place: Path) -> None:
    (place / "train.py").write_text(COMMAND)
    (place / "tiny.toml").write_text(command_study.STUDY.replace("width = [2, 3]", "width = [2]"))


def _with_other_code(place: Path) -> None:
    (place / "train.py").write_text(COMMAND.replace("FACTOR = 2", "FACTOR = 3"))


def _with_factor(place: Path) -> None:
    """Add a factor to the study, which all rows have at the level that they had without it."""
    text = (place / "tiny.toml").read_text().replace("{seed}", "{seed} {mixup}")
    new = f'{FACTOR}mixup = {{ default = true, true = "--mixup", false = "" }}\n'
    (place / "tiny.toml").write_text(text.replace(FACTOR, new) + "[fixed]\nmixup = false\n")


FUNCTION = function_study.LOOP.replace(
    "    state =", '    open("epochs", "a").write(f"{width} {run.seed}\\n")\n    state =', 1
)


def function(place: Path) -> None:
    (place / "loop.py").write_text(FUNCTION)
    (place / "tiny.toml").write_text(function_study.STUDY)


def results(place: Path) -> None:
    lines = [f"{arm},{seed},{0.8 + gain + seed / 50},{0.81 + gain}" for arm, gain in ARMS for seed in range(3)]
    (place / "tiny.csv").write_text("\n".join(["arm,seed,test_acc,val_acc", *lines]) + "\n")


ARMS = (("baseline", 0.0), ("wide", 0.05), ("deep", 0.07))


def _other_results(place: Path) -> None:
    """Change the numbers of one arm, leave another one out, and add a third one."""
    text = (place / "tiny.csv").read_text()
    (place / "tiny.csv").write_text(text.replace("deep,", "narrow,").replace("wide,0,0.85", "wide,0,0.86"))


def old(place: Path) -> None:
    """Unpack the workspace of version 0.1.0 here."""
    with tarfile.open(OLD) as packed:
        packed.extractall(place, filter="data")
    shutil.rmtree(place / "runs" / "log", ignore_errors=True)
    with contextlib.closing(sqlite3.connect(place / "runs" / "mlflow.db")) as database, database:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            database.execute(f"UPDATE {table} SET {column} = replace({column}, 'file:///data', ?)", [place.as_uri()])


WORKFLOWS = {
    "keras": Workflow(keras, RUN_KERAS),
    "import": Workflow(results, IMPORT, trains=False, database=False),
    "second import": Workflow(results, IMPORT, [IMPORT], _other_results, trains=False, database=False),
    "command": Workflow(command, RUN),
    "function": Workflow(function, RUN),
    "adopt": Workflow(
        command, ("adopt", "tiny.toml", "--factor", "mixup=false"), [RUN], _with_factor,
        [(*RUN, "--code", "keep")], trains=False,
    ),
    "retrain": Workflow(command, (*RUN, "--code", "retrain"), [RUN], _with_other_code),
    "old workspace": Workflow(old, ("status",), after=[RUN_KERAS], trains=False),
}  # fmt: skip
