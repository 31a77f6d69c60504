"""Functions as trainings: real processes in which a user's function runs, and what they leave."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import psutil
import pytest
from conftest import until
from job_channel import Channel

from ablation.engine import job, pool
from ablation.engine.run import JobSettings
from ablation.experiments.function import experiment
from ablation.experiments.function.experiment import Training
from ablation.outcomes import JobOutcome, Status
from ablation.store import code, result
from ablation.store.examples import Examples
from ablation.store.result import Result
from ablation.store.workspace import TrainingFolder, Workspace
from ablation.study.experiment_keys import ExperimentKeys

LOOP = """
import json, os, pathlib, random, sys
HERE = pathlib.Path(__file__).parent

def train(run, *, width: int = 1, epochs: int = 6):
    state = {"total": 0.0}
    def save(path):
        pathlib.Path(path).write_text(json.dumps(state))
    def load(path):
        state.update(json.loads(pathlib.Path(path).read_text()))
    run.state(save, load)
    for epoch in run.steps(epochs):
        state["total"] += width * random.random()
        with open(HERE / "steps.txt", "a") as file:
            file.write(f"{epoch}\\n")
        run.report(loss=state["total"])
        if run.milestone:
            run.result(val={"score": state["total"]}, test={"score": -state["total"]})
        if (HERE / f"die-{epoch}").exists():
            (HERE / f"die-{epoch}").unlink()
            save(os.path.join(run.folder, "..", f"checkpoint-{epoch}"))
            os.kill(os.getpid(), 9)
"""


@dataclass
class Place:
    """A workspace with one training of a function."""

    root: Path

    @property
    def folder(self) -> TrainingFolder:
        return Workspace(self.root / "runs").training("one")

    @property
    def log(self) -> str:
        return (self.folder.child / "log").read_text()

    @property
    def steps(self) -> list[int]:
        """Steps that the function took, over all attempts."""
        return [int(line) for line in (self.root / "steps.txt").read_text().split()]

    def result(self, step: int = 1) -> Result:
        read = result.read(self.folder, step)
        assert read
        return read

    def examples(self, split: str, step: int = 1) -> Examples:
        return Examples.read(self.folder.predictions(split, step), self.result(step).predictions[split])

    def train(
        self, source: str, levels: dict[str, Any] | None = None, asks: Callable[[], bool] = lambda: False,
        milestones: tuple[int, ...] = (1,), keep: str = "selected", run: str = "",
        channel: Channel | None = None, stop_after: int = 0,
        **keys: Any,
    ) -> JobOutcome[None]:  # fmt: skip
        """Run `train` of a file with this source."""
        file = self.root / "mine.py"
        file.write_text(dedent(source))
        stated = {"function": f"{file}:train", "python": sys.executable, "cwd": str(self.root), "grace": "20s", **keys}
        parsed = ExperimentKeys.model_validate(stated)
        training = Training(
            key="one", plugin="function", experiment="t", version=1, condition=levels or {}, defaults={}, seed=3,
            milestones=milestones, keys=parsed, shared=parsed.shares,
            code={"mine.py": code.digest(file.read_text())},
        )  # fmt: skip
        arguments = (self.root / "runs", training, JobSettings(run or str(id(training)), keep, stop_after))
        return pool.outcome(job.train, arguments, channel or Channel(asks))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    yield Place(tmp_path)
    experiment.SESSIONS.close()


def returned(text: str) -> str:
    """Return the source of a function that returns an expression."""
    return f"import numpy\ndef train(**_):\n    return {text}\n"


def test_a_function_returns_columns_and_numbers(place: Place) -> None:
    """Columns become examples, test numbers stay closed, and numbers without a split are costs."""
    source = """
    def train(seed, width=1):
        val = {"label": [0, 1, 1], "predicted": [0, 1, 0]}
        return {"val": val, "test": {"label": ["a", "b"], "predicted": ["b", "b"]}, "latency": width + seed}
    """
    source = source.replace('["a", "b"], "predicted": ["b", "b"]', '[0, 1], "predicted": [1, 1]')
    outcome = place.train(source, {"width": 2}, task="classes")
    assert outcome.status is Status.DONE, outcome.error
    assert place.result().costs == {"latency": 5.0}
    assert place.result().scores["val"]["accuracy"] == pytest.approx(2 / 3)
    assert "test" not in place.result().scores
    test = place.examples("test").columns
    assert test["id"].tolist() == ["0", "1"]
    assert test["predicted"].tolist() == [1, 1]


def test_arrays_and_lists_give_the_same_examples(place: Path, tmp_path: Path) -> None:
    """A function need not load NumPy: lists of numbers, truth values and texts are stored as arrays are."""
    columns = {"id": ["b", "a"], "score": [0.5, 0.25], "correct": [True, False], "group": ["x", "y"]}
    read = {}
    for name in ("lists", "arrays"):
        here = Place(tmp_path / name)
        here.root.mkdir()
        head = "import numpy as np\n" if name == "arrays" else ""
        of = "{k: np.array(v) for k, v in C.items()}" if name == "arrays" else "C"
        outcome = here.train(f"{head}C = {columns}\ndef train():\n    return {{'test': {of}, 'val_x': 1.0}}\n")
        assert outcome.status is Status.DONE, outcome.error
        read[name] = here.examples("test").columns
        assert not list(here.folder.child.glob("test-*"))  # the raw files are gone
    for name, column in read["lists"].items():
        assert np.array_equal(column, read["arrays"][name])


def test_an_interrupted_training_resumes_and_equals_an_undisturbed_one(place: Place, tmp_path: Path) -> None:
    """Generators are seeded from (seed, step), so a training in two parts gives the same bits."""
    n_asked = 0

    def asks() -> bool:
        nonlocal n_asked
        n_asked += 1
        return (place.root / "steps.txt").exists() and len(place.steps) >= 2

    slow = LOOP.replace("run.report(", "__import__('time').sleep(0.3); run.report(")
    assert place.train(slow, asks=asks).status is Status.INTERRUPTED
    interrupted = len(place.steps)
    assert 2 <= interrupted < 6
    assert place.train(slow).status is Status.DONE
    assert place.steps == [1, 2, 3, 4, 5, 6]  # no step is repeated
    undisturbed = Place(tmp_path / "other")
    undisturbed.root.mkdir()
    assert undisturbed.train(slow).status is Status.DONE
    assert place.result().scores == undisturbed.result().scores
    history = [[step["loss"] for step in p.result().history] for p in (place, undisturbed)]
    assert history[0] == history[1]
    assert len(history[0]) == 6


def test_a_killed_training_resumes_from_its_checkpoint(place: Place) -> None:
    """A process that dies is killed, and the next attempt starts after its newest checkpoint."""
    (place.root / "die-4").touch()
    outcome = place.train(LOOP)
    assert outcome.status is Status.OUT_OF_MEMORY  # SIGKILL: the kernel's when memory ends
    assert "signal 9" in outcome.reason
    assert place.train(LOOP).status is Status.DONE
    assert place.steps == [1, 2, 3, 4, 5, 6]


def test_one_training_answers_all_levels_of_the_shared_factor(place: Place, tmp_path: Path) -> None:
    """The result at step 2 of 6 equals that of a training of 2 steps, and each has the history up to its step."""
    outcome = place.train(LOOP, {"epochs": 6}, milestones=(2, 6), shares="epochs")
    assert outcome.status is Status.DONE, outcome.error
    alone = Place(tmp_path / "alone")
    alone.root.mkdir()
    assert alone.train(LOOP, {"epochs": 2}, milestones=(2,), shares="epochs").status is Status.DONE
    assert place.result(2).scores == alone.result(2).scores
    assert [step["epoch"] for step in place.result(2).history] == [1, 2]
    assert len(place.result(6).history) == 6


def test_a_longer_training_continues_from_a_kept_state(place: Place) -> None:
    """The last checkpoint stays with `--keep all`, so that rows of more epochs resume from it."""
    assert place.train(LOOP, {"epochs": 2}, milestones=(2,), shares="epochs", keep="all").status is Status.DONE
    longer = place.train(LOOP, {"epochs": 4}, milestones=(2, 4), shares="epochs", keep="all")
    assert longer.status is Status.DONE, longer.error
    assert place.steps == [1, 2, 3, 4]
    assert place.result(4).done


def test_a_result_may_follow_the_loop(place: Place) -> None:
    """A result is still expected after the last step, by call or by return."""
    body = "def train(run):\n    for _ in run.steps(3):\n        run.report(loss=0.5)\n"
    assert place.train(body + "    run.result(val={'score': 1.0})\n").status is Status.DONE
    assert len(place.result().history) == 3


def test_answers_are_stored_at_once(place: Place) -> None:
    """An evaluation that dies after some answers asks only the remaining questions, and gives all of them."""
    source = """
    import os, pathlib
    HERE = pathlib.Path(__file__).parent
    def train(run):
        for question in run.each([{"id": f"q{n}"} for n in range(5)]):
            with open(HERE / "steps.txt", "a") as file:
                file.write(question["id"][1:] + "\\n")
            run.answer(correct=question["id"] != "q1", cost=0.5)
            if question["id"] == "q2" and not (HERE / "again").exists():
                (HERE / "again").touch()
                os._exit(1)
        return {"val_score": 1.0}
    """
    assert place.train(source).status is Status.FAILED
    assert place.train(source).status is Status.DONE
    assert place.steps == [0, 1, 2, 3, 4]
    test = place.examples("test").columns
    assert test["id"].tolist() == ["q0", "q1", "q2", "q3", "q4"]
    assert test["correct"].tolist() == [1, 0, 1, 1, 1]


def test_a_loss_that_is_not_finite_ends_the_training(place: Place) -> None:
    """A handler of the function for all exceptions does not hide it."""
    source = """
    def train(run):
        for _ in run.steps(3):
            try:
                run.report(val_loss=float("nan"))
            except Exception:
                pass
    """
    assert place.train(source).status is Status.DIVERGED
    failure = result.failure(place.folder)
    assert failure
    assert failure.reason == "val_loss is nan at step 1"


def test_a_number_on_validation_that_is_not_finite_is_a_divergence(place: Place) -> None:
    """A number on validation that is not finite is a divergence in a returned result too."""
    assert place.train(returned("{'val_loss': float('inf')}")).status is Status.DIVERGED


CONTRACT = {
    "nothing": ("None", "returned nothing"),
    "a number": ("3", "returned a value of type int; return a dict"),
    "an empty dict": ("{}", "the result is empty"),
    "a text": ("{'val_loss': 'low'}", "val_loss is a value of type str"),
    "an array": ("{'val_loss': numpy.zeros(3)}", "val_loss is a value of type ndarray"),
    "a number as split": ("{'val': 0.5}", "val is a value of type float; give columns"),
    "unequal columns": ("{'val': {'label': [1, 2], 'predicted': [1]}}", "unequal lengths (label 2, predicted 1)"),
    "no examples": ("{'val': {'score': []}}", "the columns are empty"),
    "objects": ("{'val': {'score': numpy.array([{}, {}])}}", "val.score holds objects"),
    "two labels": ("{'val': {'id': [1, 1], 'label': [0, 1], 'predicted': [0, 1]}}", "val: id '1' occurs twice"),
    "too many": ("{'val': {'score': numpy.zeros(3_000_000)}}", "3,000,000 examples; allowed: 2,000,000"),
    "no label": ("{'val': {'labels': [0, 1], 'predicted': [0, 1]}}", 'task = "classes" needs a column label'),
    "a key": ("{1: 0.5}", "the result has the key 1"),
    "a generator": ("(_ for _ in ())", "returned a generator"),
}


@pytest.mark.parametrize(("text", "message"), CONTRACT.values(), ids=CONTRACT)
def test_wrong_results_break_the_contract(place: Place, text: str, message: str) -> None:
    """Other trainings would share the error, which names what is allowed."""
    outcome = place.train(returned(text), task="classes")
    assert outcome.status is Status.FAILED
    assert outcome.is_contract
    assert message in outcome.reason
    assert not place.folder.result(1).exists()


CALLS = {
    "twice": ("run.result(val_x=1); run.result(val_x=1)", "called twice"),
    "returned too": ("run.result(val_x=1); return {'val_x': 1}", "do one of them"),
    "two loops": ("list(run.steps(2)); list(run.steps(2))", "run.steps is called twice"),
    "test in a report": ("[run.report(test_acc=1) for _ in run.steps(1)]", "numbers on test are results"),
    "a report outside": ("run.report(loss=1)", "outside run.steps"),
    "an unknown library": ("run.bridge('mxnet')", "allowed: keras, transformers, lightning"),
    "an answer outside": ("run.answer(correct=1)", "belongs into a loop over run.each"),
}


@pytest.mark.parametrize(("text", "message"), CALLS.values(), ids=CALLS)
def test_wrong_calls_break_the_contract(place: Place, text: str, message: str) -> None:
    """Each message says what to do instead."""
    outcome = place.train(f"def train(run):\n    {text}\n")
    assert outcome.status is Status.FAILED
    assert outcome.is_contract
    assert message in outcome.reason


ENDS = {
    "an exception": ("raise ValueError('no')", Status.FAILED, "ValueError: no"),
    "an exit": ("import sys; sys.exit(2)", Status.FAILED, "called sys.exit(2)"),
    "an exit at once": ("import os; os._exit(0)", Status.FAILED, "ended with exit code 0 before the function"),
    "a crash": ("import faulthandler; faulthandler._sigsegv()", Status.FAILED, "signal 11"),
    "memory": ("raise MemoryError", Status.OUT_OF_MEMORY, "MemoryError"),
    "a message of memory": ("raise RuntimeError('CUDA out of memory')", Status.OUT_OF_MEMORY, "CUDA out of memory"),
}


@pytest.mark.parametrize(("body", "status", "message"), ENDS.values(), ids=ENDS)
def test_the_end_of_a_function_is_an_outcome(place: Place, body: str, status: Status, message: str) -> None:
    """The reason of a function's end is one line; its traceback begins in the user's own file."""
    outcome = place.train(f"def train():\n    {body}\n")
    assert outcome.status is status
    assert message in outcome.reason
    assert "ablate_child" not in outcome.error


def test_a_function_without_a_handle_ends_when_asked(place: Place) -> None:
    """A function without a handle, which knows nothing of ablate, ends by SIGTERM."""
    source = (
        "import pathlib, time\ndef train():\n    pathlib.Path(__file__).with_name('on').touch()\n    time.sleep(60)\n"
    )
    assert place.train(source, asks=(place.root / "on").exists).status is Status.INTERRUPTED


def test_a_function_that_ignores_the_request_is_killed_after_its_grace(place: Place) -> None:
    """A function that ignores the request is killed with its processes."""
    source = """
    import pathlib, signal, subprocess, time
    def train(run):
        here = pathlib.Path(__file__)
        child = subprocess.Popen(["sleep", "1000"], preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN))
        here.with_name("on").write_text(str(child.pid))
        while True:
            time.sleep(0.1)
    """
    on = place.root / "on"
    outcome = place.train(source, asks=lambda: on.exists() and bool(on.read_text()), grace="1s")
    assert outcome.status is Status.INTERRUPTED
    until(lambda: not is_running(int(on.read_text())))


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_kept_process_runs_many_trainings(place: Place) -> None:
    """The file is imported once, and each training gives what it gives in a fresh process."""
    source = """
    import os, random
    AT_IMPORT = random.random()
    def train():
        return {"val_draw": random.random(), "val_import": AT_IMPORT, "pid": os.getpid()}
    """
    results = {}
    for process in ("fresh", "kept"):
        for n in (1, 2):
            assert place.train(source, process=process).status is Status.DONE
            results[process, n] = place.result()
            place.folder.result(1).unlink()
    draws = [r.scores["val"] for r in results.values()]
    assert all(draw == draws[0] for draw in draws)
    pids = {key: r.costs["pid"] for key, r in results.items()}
    assert pids["kept", 1] == pids["kept", 2]
    assert pids["fresh", 1] != pids["fresh", 2]


def test_a_failure_ends_a_kept_process(place: Place) -> None:
    """The next training starts in a clean one."""
    source = "import os\ndef train(fail):\n    assert not fail\n    return {'val_x': 1.0, 'pid': os.getpid()}\n"
    assert place.train(source, {"fail": False}, process="kept").status is Status.DONE
    first = place.result().costs["pid"]
    place.folder.result(1).unlink()
    assert place.train(source, {"fail": True}, process="kept").status is Status.FAILED
    assert place.train(source, {"fail": False}, process="kept").status is Status.DONE
    assert place.result().costs["pid"] != first


def test_levels_arrive_as_they_are_annotated(place: Place) -> None:
    """A list becomes a tuple, and levels with dots a dataclass."""
    source = """
    from __future__ import annotations
    import dataclasses
    @dataclasses.dataclass(frozen=True)
    class Model:
        width: int = 8
        layers: tuple[int, ...] = (1,)
    def train(sizes: tuple[int, int], model: Model = Model(), rate: float = 1.0):
        assert sizes == (1, 2) and isinstance(rate, float)
        return {"val_width": model.width, "val_layers": sum(model.layers), "kind": isinstance(model.layers, tuple)}
    """
    levels = {"sizes": (1, 2), "model.width": 4, "model.layers": (2, 3), "rate": 2.0}
    outcome = place.train(source, levels)
    assert outcome.status is Status.DONE, outcome.error
    assert place.result().scores["val"] == {"width": 4.0, "layers": 5.0}
    assert place.result().costs == {"kind": 1.0}


def test_a_secret_reaches_the_function_and_no_file(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting "$NAME" is read from the environment by the function's process."""
    monkeypatch.setenv("MY_KEY", "hunter2")
    source = "def train(key, n):\n    return {'val_length': len(key) + n}\n"
    outcome = place.train(source, settings={"key": "$MY_KEY", "n": 3})
    assert outcome.status is Status.DONE, outcome.error
    assert place.result().scores["val"]["length"] == 10
    written = [path for path in place.root.rglob("*") if path.is_file()]
    assert not [path for path in written if b"hunter2" in path.read_bytes()]


def test_a_missing_secret_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """No training begins without a secret; the missing variable is named."""
    monkeypatch.delenv("MY_KEY", raising=False)
    outcome = place.train("def train(key):\n    return {}\n", settings={"key": "$MY_KEY"})
    assert outcome.is_contract
    assert "settings] key: the environment has no variable MY_KEY" in outcome.reason


def test_the_code_of_a_training_is_all_that_it_loaded(place: Place) -> None:
    """Modules that the function imports late are recorded, installed packages are not."""
    (place.root / "late.py").write_text("VALUE = 2\n")
    source = "import numpy\ndef train():\n    import late\n    return {'val_x': late.VALUE}\n"
    assert place.train(source).status is Status.DONE
    assert sorted(code.of_training(place.folder)) == ["late.py", "mine.py"]


def test_output_is_logged(place: Place) -> None:
    """The output of a function is in the log of its training, in order, whatever its bytes."""
    source = """
    import os, sys
    def train():
        print("first")
        os.write(1, b"\\xff second\\n")
        sys.stderr.write("third")
        return {"val_x": 1.0}
    """
    assert place.train(source).status is Status.DONE
    lines = (place.folder.child / "log").read_bytes().splitlines()
    assert lines == [b"first", b"\xff second", b"third"]


def test_libraries_that_are_loaded_late_are_seeded(place: Place) -> None:
    """NumPy's draws are the same whether it is imported by the file or by the function."""
    late = "def train():\n    import numpy\n    return {'val_draw': numpy.random.random()}\n"
    early = "import numpy\ndef train():\n    return {'val_draw': numpy.random.random()}\n"
    draws = []
    for source in (late, early):
        assert place.train(source).status is Status.DONE
        draws.append(place.result().scores["val"]["draw"])
        place.folder.result(1).unlink()
    assert draws[0] == draws[1]


def test_a_script_that_runs_at_import_says_what_failed(place: Place) -> None:
    """An exit or an error at import ends the training with the line of the file."""
    outcome = place.train("raise RuntimeError('at import')\n")
    assert outcome.status is Status.FAILED
    assert outcome.is_contract
    assert "RuntimeError: at import (while its file was imported)" in outcome.reason
    assert "mine.py" in outcome.error


def test_a_training_of_a_dead_worker_leaves_no_process(place: Place) -> None:
    """A worker that is killed takes the function's processes with it."""
    source = """
    import os, pathlib, time
    def train():
        pathlib.Path(__file__).with_name('on').write_text(str(os.getpid()))
        time.sleep(100)
    """
    pid = os.fork()
    if not pid:
        place.train(source)
        os._exit(0)
    on = place.root / "on"
    until(lambda: on.exists() and bool(on.read_text()))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    until(lambda: not is_running(int(on.read_text())))


def test_steps_are_reported_while_the_function_runs(place: Place) -> None:
    """The progress line knows the step, how many there are, and its numbers, none of them on test."""
    source = LOOP.replace("run.report(", "__import__('time').sleep(0.3); run.report(")
    channel = Channel()
    assert place.train(source, channel=channel).status is Status.DONE
    *reports, last = channel.reports
    steps = [report["step"] for report in reports]
    assert [report["steps"] for report in reports] == [6] * len(steps)
    assert last["step"].keys() == {"epoch", "val_score", "time"}  # the numbers that count
    assert steps[0].keys() == {"epoch", "loss", "time"}
    assert [step["epoch"] for step in steps] == sorted({step["epoch"] for step in steps})


def test_a_training_that_gets_further_has_new_attempts(place: Place) -> None:
    """Five kills, each after a new checkpoint: none of them uses up the three attempts of one command."""
    for step in range(1, 6):
        (place.root / f"die-{step}").touch()
        assert place.train(LOOP, run="one").status is Status.OUT_OF_MEMORY
    assert place.train(LOOP, run="one").status is Status.DONE
    assert place.steps == [1, 2, 3, 4, 5, 6]


def test_a_training_that_stays_uses_up_its_attempts(place: Place) -> None:
    """Three deaths without progress are enough."""
    source = "import os\ndef train():\n    os.kill(os.getpid(), 9)\n"
    statuses = [place.train(source, run="one").status for _ in range(4)]
    assert statuses == [Status.OUT_OF_MEMORY] * 3 + [Status.KILLED]


def test_code_that_changes_while_it_runs_is_recorded_as_it_was_loaded(place: Place) -> None:
    """The text on disk at the end is not what the training ran."""
    late = place.root / "late.py"
    late.write_text("VALUE = 2\n")
    source = f"""
    def train():
        import late
        open({str(late)!r}, "w").write("VALUE = 3")
        return {{"val_x": late.VALUE}}
    """
    assert place.train(source).status is Status.DONE
    assert place.result().scores["val"]["x"] == 2
    assert code.of_training(place.folder)["late.py"] == code.digest("VALUE = 2\n")


@pytest.mark.parametrize("write", ["numpy.savez(path, total=1)", "open(path, 'w').close()", "os.mkdir(path)"])
def test_a_state_may_have_a_suffix_or_be_a_folder(place: Place, write: str) -> None:
    """numpy.savez adds .npz to the path that it is given."""
    source = f"""
    import numpy, os
    def train(run, epochs: int = 3):
        loads = []
        def save(path):
            {write}
        run.state(save, loads.append)
        for epoch in run.steps(epochs):
            run.report(loss=1.0)
        return {{"val_x": len(loads), "where": bool(loads) and os.path.exists(loads[0])}}
    """
    assert place.train(source, stop_after=1).status is Status.INTERRUPTED
    assert (place.folder.child / "checkpoint-1").exists()
    assert place.train(source).status is Status.DONE
    assert place.result().scores["val"]["x"] == 1


def test_a_state_that_is_not_written_is_named(place: Place) -> None:
    """A state that is not written is named, in place of an error of a file that the user never named."""
    source = "def train(run):\n    run.state(lambda path: None, print)\n    list(run.steps(3))\n"
    outcome = place.train(source, stop_after=1)
    assert outcome.is_contract
    assert "save wrote nothing at the path that it was given" in outcome.reason


def test_answers_may_be_repeated(place: Place) -> None:
    """Each repeat of a question is one answer, and an interrupted evaluation asks for those that are missing."""
    source = """
    import os, pathlib
    HERE = pathlib.Path(__file__).parent
    def train(run):
        for question, repeat in run.each(["a", "b"], id=str, repeats=3):
            with open(HERE / "steps.txt", "a") as file:
                file.write(f"{repeat}\\n")
            run.answer(correct=repeat > 0)
            if (question, repeat) == ("a", 1) and not (HERE / "again").exists():
                (HERE / "again").touch()
                os._exit(1)
    """
    assert place.train(source).status is Status.FAILED
    assert place.train(source).status is Status.DONE
    assert place.steps == [0, 1, 2, 0, 1, 2]
    test = place.examples("test").columns
    assert test["id"].tolist() == ["a", "a", "a", "b", "b", "b"]
    assert test["repeat"].tolist() == [0, 1, 2, 0, 1, 2]


def test_the_duration_is_that_of_the_steps_that_count(place: Place) -> None:
    """An interruption takes nothing off it, and importing the file adds nothing."""
    source = (
        LOOP.replace("run.report(", "__import__('time').sleep(0.2); run.report(") + "\n__import__('time').sleep(1.5)\n"
    )
    assert place.train(source, stop_after=3).status is Status.INTERRUPTED
    assert place.train(source).status is Status.DONE
    assert 1.2 <= place.result().seconds < 2.6


def test_an_exception_names_its_line(place: Place) -> None:
    """The line of an exception is in the reason, which is one line of a table."""
    outcome = place.train("def train():\n    x = 1\n    return {'val_x': x / 0}\n")
    assert outcome.reason == "ZeroDivisionError: division by zero (mine.py:3)"


def test_code_that_changes_on_the_way_is_noted(place: Place) -> None:
    """A training that resumes with other code has both versions."""
    assert place.train(LOOP, stop_after=2).status is Status.INTERRUPTED
    changed = LOOP.replace("random.random()", "2 * random.random()")
    assert place.train(changed).status is Status.DONE
    assert [code.digest(LOOP)] == [version["mine.py"] for version in code.earlier(place.folder)]
    assert code.of_training(place.folder)["mine.py"] == code.digest(changed)
