"""Wherever a command dies, the same command completes its work: one dies at every operation that changes the disk.

ABLATE_TEST_FAULTS=all dies once in each state of the disk, which takes hours; ABLATE_TEST_CRASHES=N in so many of them,
the same each time. Two deaths between which the disk does not change are one.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import TESTS
from crash_points import DIED
from crash_workflows import NAME, WORKFLOWS, Workflow
from fault_series import WHOLE, Series

from ablation.engine import attempts
from ablation.store import record, result
from ablation.store.training import Training, trainings
from ablation.store.workspace import Workspace

CRASHES = int(os.environ.get("ABLATE_TEST_CRASHES", "0"))  # states in each test; 0: all, or a few of them
IN_PARTS = re.compile(r"/child/log #(?!1\Z)")  # output comes in more parts on a busy machine
FEW = {"keras": 2, "command, full": 2}  # states of a workflow by default; of the others one


@dataclass(frozen=True)
class Server:
    """A process that forks a child for each command; `place`: where all of them run, one after the other."""

    process: subprocess.Popen[str]
    place: Path
    template: Path

    def ask(self, **request: Any) -> int:
        """Return the exit code of the child that did the request."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "the server died"
        return int(answer)

    def run(
        self, arguments: Sequence[str], die: str | None = None, sending: str = "at once", full: bool = False
    ) -> int:
        """Return the exit code of a command that dies at a point, or at none. `full`: the disk is full from there
        on."""
        place, template = str(self.place), str(self.template)
        return self.ask(
            do="run", place=place, arguments=list(arguments), die=die, sending=sending, template=template, full=full
        )

    def runs(self, commands: Sequence[Sequence[str]], sending: str = "at once") -> list[str]:
        """Run commands, and return an error where one ends otherwise than with 0."""
        for command in commands:
            if code := self.run(command, sending=sending):
                return [f"{' '.join(command)} ended with {code}", self.printed()[-2000:]]
        return []

    def printed(self) -> str:
        return (self.place / "output.log").read_text()

    def look(self, workflow: Workflow) -> dict[str, Any]:
        assert self.ask(do="look", place=str(self.place), database=workflow.database) == 0
        left: dict[str, Any] = json.loads((self.place / "look.json").read_text())
        return left

    def restore(self, start: Path) -> None:
        """Put the folder into the state before the command that dies; times of its files stay."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(start, self.place, symlinks=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("crashes")
    command = [sys.executable, str(TESTS / "crash_points.py")]
    one = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # studies name `python`
    env = os.environ | one | {"PATH": path}  # what has threads must not be forked
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        server = Server(process, place / "place", place / "mlflow.db")
        assert server.ask(do="template", path=str(server.template)) == 0
        yield server
        assert process.stdin
        process.stdin.close()


@dataclass(frozen=True)
class Undisturbed:
    """A workflow that did not die. `start`: its folder before the command that can die. `points`: where that can die,
    and whether the disk changes from the one before to it."""

    start: Path
    points: list[tuple[str, bool]]
    left: dict[str, Any]


def undisturbed(server: Server, workflow: Workflow, sending: str, start: Path) -> Undisturbed:
    shutil.rmtree(server.place, ignore_errors=True)
    (server.place / "tmp").mkdir(parents=True)
    workflow.write(server.place)
    assert not server.runs(workflow.before), server.printed()
    workflow.change(server.place)
    shutil.copytree(server.place, start, symlinks=True)
    assert not server.runs([workflow.dies], sending), server.printed()
    reached = json.loads((server.place / "points.json").read_text())
    assert server.ask(do="load", modules=reached["modules"]) == 0, "a process with threads is not forked"
    assert not server.runs(workflow.after), server.printed()
    left = server.look(workflow)
    assert (left["verify"], left["half-written"]) == ([], {})
    return Undisturbed(start, [(name, changed) for name, changed in reached["points"]], left)


def finished(workspace: Workspace, training: Training, since: float) -> list[Path]:
    """Return the files of a training's results that were written since then."""
    folder = workspace.training(training.key)
    done = [n for n in training.milestones if result.is_done(folder, n) and folder.result(n).stat().st_mtime > since]
    paths = [p for n in done for p in (folder.result(n), *(folder.predictions(s, n) for s in ("val", "test")))]
    return [path for path in paths if path.exists()]


def untrained(workspace: Workspace, training: Training, since: float) -> list[str]:
    """Return the missing lines of `epochs`: of a training of the Keras experiment one for each epoch, of others one for
    each start."""
    folder = workspace.training(training.key)
    done = {path for path in finished(workspace, training, since) if path.name.startswith("result-")}
    if len(done) == len(training.milestones):
        return []
    if "width" in training.condition:
        return [f"{training.condition['width']} {training.seed}"]
    first, last = attempts.progress_of(folder, training.milestones)[0] + 1, training.milestones[-1]
    return [f"{training.condition.dropout} {epoch}" for epoch in range(first, last + 1)]


def identities(paths: list[Path]) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def differences(a: Any, b: Any, name: str = "") -> Iterator[str]:
    """Yield the places in which two states of a folder differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            yield from differences(a.get(key, "nothing"), b.get(key, "nothing"), f"{name}/{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for n, pair in enumerate(zip(a, b, strict=True)):
            yield from differences(*pair, f"{name}/{n}")
    elif str(a) != str(b):  # NaN equals NaN here
        yield f"{name}: {str(a)[:300]} in place of {str(b)[:300]}"


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@dataclass(frozen=True)
class Crash:
    """Errors after a death, the number of trainings or epochs that the next run repeated, and the first exit code."""

    wrong: list[str]
    repeated: int = 0
    code: int = DIED


def crash(
    server: Server, workflow: Workflow, point: str, sending: str, whole: Undisturbed, full: bool = False
) -> Crash:
    """Die at a point and run the command again. `full`: the disk is full from there on in place of the death."""
    server.restore(whole.start)
    begun, epochs = time.time(), server.place / "epochs"
    code = server.run(workflow.dies, point, sending, full)
    if full and (code not in (0, 1, 2) or "Traceback" in server.printed()):
        return Crash([f"it ended with {code}", server.printed()[-3000:]])
    if full and code == 0 and not (server.place / "runs" / NAME / "table.csv").exists():
        return Crash(["it ended with 0, and there is no table"])
    if not full and code != DIED:
        return Crash([f"it ended with {code} in place of death", server.printed()[-2000:]])
    workspace = Workspace(server.place / "runs")
    recorded = record.read(workspace.study(NAME)) if workflow.trains else None
    started = trainings(recorded, recorded.grid.trials()) if recorded else []
    done = identities([path for training in started for path in finished(workspace, training, begun)])
    lacking = [line for training in started for line in untrained(workspace, training, begun)]
    before = lines_of(epochs)
    if wrong := server.runs([workflow.dies], sending) or server.runs(workflow.after):
        return Crash(wrong)
    trained = lines_of(epochs)[len(before) :]
    wrong = list(differences(server.look(workflow) | {"half-written": {}}, whole.left))
    if (recorded or not workflow.trains) and Counter(trained) != Counter(lacking):
        wrong.append(f"trained: {trained} in place of {lacking}")
    if identities(list(done)) != done:
        wrong.append("a result that was there was written again")
    repeated = Counter(lines_of(epochs)[len(lines_of(whole.start / "epochs")) :])
    return Crash(wrong, sum(repeated.values()) - len(repeated), code)


def chosen(name: str, whole: Undisturbed) -> list[str]:
    """Return the points at which the workflow dies."""
    apart = [point for point, changed in whole.points if changed and not IN_PARTS.search(point)]
    if WHOLE and not CRASHES:
        return apart
    n = min(len(apart), CRASHES or FEW.get(name, 1))
    return [apart[(2 * i + 1) * len(apart) // (2 * n)] for i in range(n)]


FULL = [name for name in WORKFLOWS if name != "keras"] if WHOLE else ["command"]
OTHERS = (
    [name for name in WORKFLOWS if name != "keras"] if WHOLE or CRASHES else ["second import", "function", "retrain"]
)
EACH = [("keras", "at once"), ("keras", "at the end"), *((name, "at once") for name in OTHERS)]


@pytest.mark.parametrize(("name", "sending"), EACH, ids=[", ".join(one) for one in EACH])
def test_a_command_that_dies_anywhere_is_completed_by_the_next(server: Server, tmp_path: Path, name: str, sending: str):
    """The next command ends with the same files, byte for byte, and both databases hold each trial once; no result is
    made twice, and no test prediction is opened before a selection is sealed. MLflow gets its messages at once, or
    after everything else."""
    workflow = WORKFLOWS[name]
    whole = undisturbed(server, workflow, sending, tmp_path / "start")
    points, wrong, repeated = chosen(name, whole), {}, 0
    for n, point in enumerate(points):
        crashed = crash(server, workflow, point, sending, whole)
        repeated += crashed.repeated
        if crashed.wrong:
            wrong[point] = crashed.wrong
        if n % 50 == 49:
            print(f"{n + 1} of {len(points)} tried, {len(wrong)} wrong: {json.dumps(wrong)[:2000]}", flush=True)
    n_states = sum(changed for _, changed in whole.points)
    print(f"{len(whole.points)} points, {n_states} states of the disk, {len(points)} tried, {len(wrong)} wrong")
    fault = f"death of the orchestrator at a change of the disk, {name}, MLflow {sending}"
    Series(fault, len(points), len(wrong), f"{repeated} starts or epochs in all").record()
    assert not wrong, json.dumps(wrong, indent=1)


@pytest.mark.parametrize("name", FULL)
def test_a_disk_that_is_full_from_anywhere_on(server: Server, tmp_path: Path, name: str):
    """Results, caches, both databases, the outbox and the report: one line says so, or a note where only views lack
    something. With room, the same command completes the study as after a death."""
    workflow = WORKFLOWS[name]
    whole = undisturbed(server, workflow, "at once", tmp_path / "start")
    points, wrong, codes = chosen(f"{name}, full", whole), {}, Counter[int]()
    for point in points:
        crashed = crash(server, workflow, point, "at once", whole, full=True)
        codes[crashed.code] += 1
        if crashed.wrong:
            wrong[point] = crashed.wrong
    ends = ", ".join(f"{n} runs ended with exit code {code}" for code, n in sorted(codes.items()))
    Series(f"disk full from a change of the disk on, {name}", len(points), len(wrong), ends).record()
    assert not wrong, json.dumps(wrong, indent=1)
