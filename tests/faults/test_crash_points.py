"""Wherever a run dies, the same command completes it: one dies at every operation that changes the disk.

ABLATE_TEST_CRASHES=all dies once in each state of the disk, which takes an hour; a number in so many of them, the same
each time. Two deaths between which the disk does not change are one.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import STUDY, TESTS, write_npz
from crash_points import DIED

from ablation.engine import attempts
from ablation.store import record, result
from ablation.store.training import Training, trainings
from ablation.store.workspace import Workspace

CRASHES = os.environ.get("ABLATE_TEST_CRASHES", "5")  # states in each test, or all
COMMAND = ["run", "--grid", "tiny.toml", "--inline", "--slots", "cpu:1", "--data"]


@dataclass(frozen=True)
class Server:
    """A process that forks a child for each run; `place`: where runs get a folder each."""

    process: subprocess.Popen[str]
    place: Path

    def ask(self, **request: Any) -> int:
        """The exit code of the child that did it."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "the server died"
        return int(answer)

    def run(self, name: str, die: str | None = None, told: str = "at once") -> int:
        """The command in the folder `name`; dies at that point."""
        place = self.place / name
        (place / "tmp").mkdir(parents=True, exist_ok=True)
        (place / "tiny.toml").write_text(STUDY.replace("1e-3", "0.1"))
        template = str(self.place / "mlflow.db")
        return self.ask(
            do="run",
            place=str(place),
            arguments=[*COMMAND, str(self.place / "tiny.npz")],
            die=die,
            told=told,
            template=template,
        )

    def look(self, name: str) -> dict[str, Any]:
        assert self.ask(do="look", place=str(self.place / name)) == 0
        found: dict[str, Any] = json.loads((self.place / name / "look.json").read_text())
        return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("crashes")
    write_npz(place / "tiny.npz")
    command = [sys.executable, str(TESTS / "crash_points.py")]
    one = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
    env = os.environ | one  # what has threads must not be forked
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        found = Server(process, place)
        assert found.ask(do="template", path=str(place / "mlflow.db")) == 0
        yield found
        assert process.stdin
        process.stdin.close()


@dataclass(frozen=True)
class Undisturbed:
    """A run that did not die. `points`: where one can, and whether the disk changes from the one before to it."""

    points: list[tuple[str, bool]]
    left: dict[str, Any]


def undisturbed(server: Server, told: str) -> Undisturbed:
    name = f"undisturbed, told {told}"
    assert server.run(name, told=told) == 0, (server.place / name / "said.log").read_text()
    found = json.loads((server.place / name / "points.json").read_text())
    assert server.ask(do="load", modules=found["modules"]) == 0, "a process with threads is not forked"
    left = server.look(name)
    assert (left["verify"], left["half-written"]) == ([], {})
    return Undisturbed([(n, changed) for n, changed in found["points"]], left)


def finished(workspace: Workspace, training: Training) -> list[Path]:
    """The files of its results."""
    folder = workspace.training(training.key)
    done = [epochs for epochs in training.milestones if result.is_done(folder, epochs)]
    return [p for n in done for p in (folder.result(n), *(folder.predictions(s, n) for s in ("val", "test")))]


def untrained(workspace: Workspace, training: Training) -> list[str]:
    """The epochs that are lacking, as the trainer notes them."""
    folder = workspace.training(training.key)
    if all(result.is_done(folder, epochs) for epochs in training.milestones):
        return []
    first, last = attempts.progress_of(folder, training.milestones)[0] + 1, training.milestones[-1]
    return [f"{training.condition.dropout} {epoch}" for epoch in range(first, last + 1)]


def identities(paths: list[Path]) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def differences(a: Any, b: Any, name: str = "") -> Iterator[str]:
    """Where two looks differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            yield from differences(a.get(key, "nothing"), b.get(key, "nothing"), f"{name}/{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for n, pair in enumerate(zip(a, b, strict=True)):
            yield from differences(*pair, f"{name}/{n}")
    elif a != b:
        yield f"{name}: {str(a)[:300]} in place of {str(b)[:300]}"


def crash(server: Server, name: str, point: str, told: str, whole: Undisturbed) -> list[str]:
    """Die at a point and run the command again; what is wrong then."""
    place = server.place / name
    code = server.run(name, die=point, told=told)
    if code != DIED:
        return [f"it ended with {code} in place of death", (place / "said.log").read_text()[-2000:]]
    workspace = Workspace(place / "runs")
    known = record.read(workspace.study("tiny"))
    each = trainings(known, known.grid.trials()) if known else []
    done = identities([path for training in each for path in finished(workspace, training)])
    lacking = [line for training in each for line in untrained(workspace, training)]
    epochs = place / "epochs"
    before = epochs.read_text().splitlines() if epochs.exists() else []
    code = server.run(name, told=told)
    if code != 0:
        return [f"the next run ended with {code}", (place / "said.log").read_text()[-2000:]]
    trained = epochs.read_text().splitlines()[len(before) :]
    found = list(differences(server.look(name) | {"half-written": {}}, whole.left))
    if known and trained != lacking:
        found.append(f"trained: {trained} in place of {lacking}")
    if identities(list(done)) != done:
        found.append("a result that was there was written again")
    shutil.rmtree(place)
    return found


@pytest.mark.parametrize("told", ["at once", "at the end"])
def test_a_run_that_dies_anywhere_is_completed_by_the_next(server: Server, told: str):
    """It ends with the same files, byte for byte, and both databases hold each trial once; no result is made twice, and
    no test prediction is opened before a selection is sealed. MLflow is told at once, or after all else."""
    whole = undisturbed(server, told)
    points = [name for name, _ in whole.points]
    apart = [name for name, changed in whole.points if changed]
    chosen = apart if CRASHES == "all" else apart[:: max(1, len(apart) // int(CRASHES))]
    wrong = {}
    for n, point in enumerate(chosen):
        if found := crash(server, str(n), point, told, whole):
            wrong[point] = found
        if n % 50 == 0:
            print(f"{n} of {len(chosen)} tried, {len(wrong)} wrong", flush=True)
    print(f"{len(points)} points, {len(apart)} states of the disk, {len(chosen)} tried, {len(wrong)} wrong")
    assert not wrong, json.dumps(wrong, indent=1)
