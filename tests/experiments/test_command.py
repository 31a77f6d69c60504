"""Commands as trainings: real processes whose ends, results and leftovers are looked at."""

import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import until
from job_channel import Channel

from ablation.engine import job, pool
from ablation.engine.run import JobSettings
from ablation.experiments.child import process
from ablation.experiments.child.process import Ended, Start
from ablation.experiments.command.experiment import Training
from ablation.outcomes import JobOutcome, Status
from ablation.store import result
from ablation.store.result import Result
from ablation.store.workspace import TrainingFolder, Workspace
from ablation.study.experiment_keys import ExperimentKeys

METRICS = """echo '{"val_score": 0.5, "test_score": 0.25}' > {folder}/m.json"""


@dataclass
class Place:
    """A workspace with one training of a command."""

    root: Path

    @property
    def folder(self) -> TrainingFolder:
        return Workspace(self.root / "runs").training("one")

    @property
    def child(self) -> Path:
        return self.folder.child

    @property
    def result(self) -> Result | None:
        return result.read(self.folder, 1)

    def train(self, script: str, asks: Callable[[], bool] = lambda: False, **more: Any) -> JobOutcome[None]:
        """Run a shell script as the command of the training."""
        results = {"file": "{folder}/m.json", "measures": {"val_score": "val_score", "test_score": "test_score"}}
        content = {"command": ["sh", "-c", script], "cwd": str(self.root), "results": results, **more}
        training = Training(
            key="one", plugin="command", experiment="t", version=1, condition={"c": 1}, defaults={"c": 1}, seed=0,
            milestones=(1,), keys=ExperimentKeys.model_validate(content),
        )  # fmt: skip
        arguments = (self.root / "runs", training, JobSettings(str(id(content)), "selected"))
        return pool.outcome(job.train, arguments, Channel(asks))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[], list[psutil.Process]]]:
    """A function that returns the processes which this test has left; they are ended after it."""
    monkeypatch.setenv("MARK_OF_TEST", str(tmp_path))

    def left() -> list[psutil.Process]:
        processes = []
        for one in psutil.process_iter():
            try:
                is_left = one.pid != os.getpid() and one.environ().get("MARK_OF_TEST") == str(tmp_path)
            except psutil.Error:
                continue
            if is_left:
                processes.append(one)
        return processes

    yield left
    for one in left():
        one.kill()


def test_a_command_that_writes_its_results(place: Place):
    """The result file of a command is read and deleted; the log and run.json, which describes its training, stay."""
    outcome = place.train(f"cat {{folder}}/run.json; echo $ABLATE_RUN; {METRICS}")
    assert outcome == JobOutcome(Status.DONE)
    assert place.result
    assert place.result.scores["val"] == {"score": 0.5}
    assert place.result.memory > 0
    assert sorted(path.name for path in place.child.iterdir()) == ["log", "run.json"]
    assert '"levels"' in (place.child / "log").read_text()
    assert str(place.child / "run.json") in (place.child / "log").read_text()


ENDS: dict[str, tuple[str, Status, str]] = {
    "exit code": ("echo oh; exit 3", Status.FAILED, "exit code 3: oh (log: "),
    "silent": ("exit 3", Status.FAILED, "exit code 3, and it printed nothing (log: "),
    "no metrics": ("exit 0", Status.FAILED, "results.file: the command ended well and did not write "),
    "metrics and exit 1": (f"{METRICS}; echo oh; exit 1", Status.FAILED, "exit code 1: oh (log: "),
    "interrupted": (f"{METRICS}; exit 75", Status.INTERRUPTED, ""),
    "killed": (f"{METRICS}; kill -9 $$", Status.OUT_OF_MEMORY, "signal 9"),
    "137": ("exit 137", Status.OUT_OF_MEMORY, "signal 9"),
    "signal": ("kill -SEGV $$", Status.FAILED, "signal 11"),
    "ended by itself": ("kill -TERM $$", Status.FAILED, "signal 15"),
    "message": ("echo 'torch.OutOfMemoryError: CUDA out of memory. Tried'; exit 1", Status.OUT_OF_MEMORY, "CUDA out"),
    "full disk": (f"head -c 9 /dev/zero > /dev/full || exit 1; {METRICS}", Status.FAILED, "No space left on device"),
    "NaN": ("""echo '{"val_score": NaN, "test_score": 1}' > {folder}/m.json""", Status.DIVERGED, "val_score is nan"),
    "127": ("exit 127", Status.FAILED, "exit code 127"),
    "metrics folder": ("mkdir {folder}/m.json", Status.FAILED, "m.json is not a regular file"),
    "bytes": (r"printf '\377\376 bad'; exit 1", Status.FAILED, "exit code 1: \ufffd\ufffd bad"),
}


@pytest.mark.parametrize("end", ENDS)
def test_how_a_command_ends(place: Place, end: str):
    """The status follows from the exit code and the results; the reason is one line. A failure leaves no result."""
    script, status, reason = ENDS[end]
    outcome = place.train(script)
    assert outcome.status is status
    assert outcome.is_contract == (end in ("no metrics", "127", "metrics folder"))
    if status is Status.DIVERGED:
        assert place.result
        assert place.result.reason == reason
    else:
        assert place.result is None
        assert reason in outcome.reason
    assert place.train(METRICS).status is (Status.DONE if end != "metrics folder" else Status.FAILED)


def test_a_number_on_test_that_is_not_finite(place: Place):
    """A number on test that is not finite is no divergence: no decision depends on test before it is unsealed."""
    outcome = place.train("""echo '{"val_score": 1, "test_score": NaN}' > {folder}/m.json""")
    assert outcome == JobOutcome(Status.DONE)


def test_stated_ends(place: Place):
    """`ends` states what an exit code means, also one that has a meaning already."""
    ends = {"3": "diverged", "4": "interrupted", "5": "out of memory", "75": "failed", "6": "done"}
    assert place.train("exit 4", ends=ends).status is Status.INTERRUPTED
    assert place.train("exit 5", ends=ends).status is Status.OUT_OF_MEMORY
    assert place.train("exit 75", ends=ends).status is Status.FAILED
    assert place.train("exit 3", ends=ends).status is Status.DIVERGED
    assert place.train(f"{METRICS}; exit 6", ends=ends).status is Status.DONE


def test_a_command_that_cannot_be_started(place: Place):
    """The program is missing, the folder is missing, an argument holds a zero byte: all trainings would fail so."""
    gone = place.root / "gone"
    for command, cwd, reason in (
        (["no-such-program"], place.root, "No such file or directory: no-such-program"),
        (["sh"], gone, f"No such file or directory: {gone}"),
        (["sh", "a\0b"], place.root, "embedded null byte"),
        ([str(place.root)], place.root, f"Permission denied: {place.root}"),
    ):
        outcome = place.train("", command=command, cwd=str(cwd))
        assert (outcome.status, outcome.is_contract) == (Status.FAILED, True)
        assert f"exit code 127: {command[0]}: cannot be started: {reason} (log: " in outcome.reason


def test_an_old_file_of_results_is_not_believed(place: Place):
    """The attempt that wrote it failed; the next one writes none. A message of the old attempt is not its reason."""
    assert place.train(f"{METRICS}; echo out of memory; exit 1").status is Status.OUT_OF_MEMORY
    assert (place.child / "m.json").exists()
    outcome = place.train("exit 0")
    assert "did not write" in outcome.reason
    outcome = place.train("exit 1")
    assert outcome.status is Status.FAILED
    assert "and it printed nothing" in outcome.reason
    assert "out of memory" in (place.child / "log").read_text()


def test_a_folder_that_cannot_be_written(place: Place):
    """A folder that cannot be written is a failure of this training."""
    assert place.train("exit 1").status is Status.FAILED
    place.child.chmod(0o500)
    if os.access(place.child, os.W_OK):
        pytest.skip("this user may write everywhere")
    assert place.train(METRICS).status is Status.FAILED
    place.child.chmod(0o700)
    assert place.train(METRICS).status is Status.DONE


def test_a_file_in_place_of_the_folder(place: Place):
    """A file in place of the folder is a failure that names the file."""
    place.folder.path.mkdir(parents=True)
    place.child.write_text("")
    outcome = place.train(METRICS)
    assert outcome.status is Status.FAILED
    assert str(place.child) in outcome.reason


def start(folder: Path, *argv: str, grace: float = 60, lock: int | None = None) -> Start:
    return Start(argv, folder, folder, {}, grace, lock)


def run(given: Start, stopping: Callable[[], bool] = lambda: False) -> Ended:
    return process.run(given, lambda line: None, stopping)


def test_the_output_of_a_command_is_bounded(tmp_path: Path):
    """200 MB fill neither the memory of the worker nor the disk; a long line and small writes do not either."""
    code = "import os\nfor _ in range(200): os.write(1, (b'x' * 63 + b'\\n') * 16384)\nos.write(1, b'the end')"
    before = psutil.Process().memory_info().rss
    ended = run(start(tmp_path, sys.executable, "-c", code))
    assert ended.code == 0
    assert ended.last_lines[-1] == "the end"
    assert (tmp_path / "log").stat().st_size <= 9 << 20
    assert psutil.Process().memory_info().rss - before < 100 << 20
    assert (tmp_path / "log").read_bytes().endswith(b"the end")


def test_an_error_while_output_is_read(tmp_path: Path, marked: Callable[[], list[psutil.Process]]):
    """An error while output is read is raised: the command would wait forever for a reader."""

    def fail(line: str) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        process.run(start(tmp_path, "sh", "-c", "while echo x; do :; done"), fail, lambda: False)
    until(lambda: not marked())
    assert not (tmp_path / "start.json").exists()


def test_memory_is_the_commands_own(tmp_path: Path):
    """The memory is that of the command, not that of the worker, from which the helper was forked."""
    code = f"x = b'x' * {64 << 20}; print(len(x))"
    large = process.run(start(tmp_path, sys.executable, "-c", code), print, lambda: False).memory
    small = process.run(start(tmp_path, "sh", "-c", "true"), print, lambda: False).memory
    assert 0 < small < 16 << 20 < 64 << 20 < large < 200 << 20


def test_a_command_that_closes_its_output(place: Place):
    """A command that closes its output continues, and its results count."""
    assert place.train(f"exec >&- 2>&-; sleep 0.5; {METRICS}").status is Status.DONE


def test_a_command_has_no_input(place: Place):
    """A question is answered with the end of the input: no one sits there."""
    assert place.train(f"read line; {METRICS}").status is Status.DONE


STUBBORN_FOR_SH = 'trap "" TERM; while :; do sleep 0.1; done'
STUBBORN = "trap '' TERM; while :; do sleep 0.1; done"


@pytest.mark.parametrize(
    "script", ["sleep 1000", STUBBORN, f"nohup sh -c '{STUBBORN}'", "(sleep 1000 & sleep 1000) & wait"]
)
def test_what_a_command_leaves_behind_is_ended(place: Place, marked: Callable[[], list[psutil.Process]], script: str):
    """No process of its group outlives it, and its result counts."""
    assert place.train(f"({script}) & {METRICS}").status is Status.DONE
    until(lambda: not marked())


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no setsid command")
def test_a_daemon_ends_with_its_command(place: Place, marked: Callable[[], list[psutil.Process]]):
    """A process with a session of its own, which lost its parent, and hears no signal: no lock is left with it."""
    daemon = "(setsid sh -c 'trap \"\" PIPE TERM; while :; do echo still here; sleep 0.01; done' &) ;"
    assert place.train(f"{daemon} sleep 0.5; exit 1").status is Status.FAILED
    until(lambda: not marked())
    assert place.train(METRICS).status is Status.DONE


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no setsid command")
def test_a_daemon_ends_after_the_grace_time(place: Place, marked: Callable[[], list[psutil.Process]]):
    """A daemon of a command that ignores a request to stop ends after the grace time too."""
    times = itertools.count()
    script = f"trap '' TERM; (setsid sh -c '{STUBBORN_FOR_SH}' &); while :; do sleep 0.1; done"
    assert place.train(script, lambda: next(times) > 3).status is Status.INTERRUPTED
    until(lambda: not marked())


def test_the_lock_is_free_when_the_training_has_ended(place: Place):
    """Neither the helper nor the command holds it longer."""
    assert place.train(f"sleep 1000 & {METRICS}").status is Status.DONE
    with place.folder.lock(give_up=lambda: True) as held:
        assert held


def test_a_command_that_ignores_the_request_to_stop_is_killed(
    tmp_path: Path, marked: Callable[[], list[psutil.Process]]
):
    """A command that ignores the request to stop is killed after the grace time, with all of its processes."""
    given = start(tmp_path, "sh", "-c", f"({STUBBORN}) & echo begun; {STUBBORN}", grace=0.3)
    ended = run(given, lambda: b"begun" in given.log.read_bytes())
    assert (ended.code, ended.asked) == (128 + signal.SIGKILL, True)
    until(lambda: not marked())


def test_a_command_within_its_grace_time(tmp_path: Path):
    """A command is not killed within its grace time; the signal reaches its children too."""
    script = "trap 'sleep 1; echo saved; exit 75' TERM; echo begun; sleep 1000 & wait"
    given = start(tmp_path, "sh", "-c", script)
    ended = run(given, lambda: b"begun" in given.log.read_bytes())
    assert (ended.code, ended.asked, ended.last_lines[-1]) == (75, True, "saved")


RESUMED = """
import json, os, pathlib, signal, sys, time
folder, start = pathlib.Path(sys.argv[1]), 0
if sys.argv[2:]:
    assert sys.argv[2] == "--resume"
    start = int(pathlib.Path(sys.argv[3]).read_text())
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
for step in range(start + 1, 7):
    with open(folder / "steps", "a") as file:
        file.write(f"{step}\\n")
    while step == 3 and not start and not asked:
        time.sleep(0.01)
    (folder / f"{step}.ckpt").write_text(str(step))
    if asked:
        sys.exit(75)
(folder / "m.json").write_text(json.dumps({"val_score": step, "test_score": 1}))
"""


def test_a_command_that_saves_and_stops_resumes(place: Place):
    """A command that resumes is given its newest checkpoint, and no step is done twice."""
    (place.root / "work.py").write_text(RESUMED)
    more: dict[str, Any] = {
        "command": f"{sys.executable} work.py {{folder}}", "resume": "--resume {checkpoint}",
        "checkpoint": "{folder}/*.ckpt",
    }  # fmt: skip
    steps = place.child / "steps"
    outcome = place.train("", lambda: steps.exists() and len(steps.read_text()) == 6, **more)
    assert outcome.status is Status.INTERRUPTED
    assert place.train("", **more).status is Status.DONE
    assert steps.read_text().split() == ["1", "2", "3", "4", "5", "6"]


def test_a_request_before_the_start(place: Place):
    """The command is asked at once; a result that it writes nevertheless is not taken."""
    assert place.train(f"sleep 0.5; {METRICS}", lambda: True).status is Status.INTERRUPTED
    assert place.result is None


def test_signals_reach_the_command(tmp_path: Path):
    """Workers block signals, and children inherit that: the command has no blocked and no ignored signal."""
    code = (
        "import signal\nprint(signal.pthread_sigmask(signal.SIG_BLOCK, []), [n for n in signal.valid_signals() "
        "if signal.getsignal(n) == signal.SIG_IGN and n not in (signal.SIGPIPE, signal.SIGXFSZ)])"
    )
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
    try:
        ended = run(start(tmp_path, sys.executable, "-c", code))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert ended.last_lines == ("set() []",)


def test_no_descriptor_is_left(tmp_path: Path):
    """A worker runs thousands of children."""
    run(start(tmp_path, "true"))
    before = psutil.Process().num_fds()
    for _ in range(3):
        run(start(tmp_path, "true"))
    assert psutil.Process().num_fds() == before


def test_an_interrupted_worker_ends_its_command(tmp_path: Path, marked: Callable[[], list[psutil.Process]]):
    """An exception in the worker, such as a second Ctrl-C, leaves no process and no descriptor."""
    given, before = start(tmp_path, "sh", "-c", f"({STUBBORN}) & echo begun; {STUBBORN}"), psutil.Process().num_fds()

    def interrupt() -> bool:
        if b"begun" in given.log.read_bytes():
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        run(given, interrupt)
    until(lambda: not marked())
    assert psutil.Process().num_fds() == before
