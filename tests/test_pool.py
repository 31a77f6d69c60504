"""Jobs on slots: real Dask workers, one of them really killed."""

import os
import signal
import sys
from pathlib import Path

import pytest

from ablation import pool, slots
from ablation.errors import AblateError
from ablation.pool import Listener, Lost, Task


def double(x: int, report: object) -> int:
    report({"seen": x})  # type: ignore[operator]
    return 2 * x


def die(report: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail(report: object) -> None:
    raise ValueError("no")


def surroundings(report: object) -> dict[str, str]:
    print("a line that must not reach the terminal")
    at_start = Path("/proc/self/environ").read_text().split("\0") if sys.platform == "linux" else []
    return dict(os.environ) | {"at_start": " ".join(at_start)}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log")


@pytest.fixture(scope="module")
def workers(log: Path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))  # the workers import this file's jobs
        patch.setenv("TF_SET_ONEDNN_FPMATH_MODE", "BF16")
        patch.setenv("MLFLOW_RUN_ID", "somebody-else")
        with pool.local([slots.Slot("cpu:0", 1), slots.Slot("cpu:1", 1)], log) as found:
            yield found


def test_each_job_reports_and_returns(workers: pool.Dask):
    """Every job ends once with its value; starts and reports reach the listener, in the orchestrator's thread."""
    started, reported = [], []
    listener = Listener(lambda key, slot: started.append((key, slot)), lambda key, m: reported.append((key, m)))
    found = dict(workers.run([Task(str(i), double, (i,)) for i in range(6)], listener))
    assert found == {str(i): 2 * i for i in range(6)}
    assert sorted(key for key, _ in started) == sorted(found)
    assert {slot for _, slot in started} == {"cpu:0", "cpu:1"}
    assert ("3", {"seen": 3}) in reported


def test_a_killed_worker_costs_its_own_job_alone(workers: pool.Dask):
    """SIGKILL loses one job; the others end, and the slot works again."""
    tasks = [Task("0", double, (0,)), Task("dies", die), *(Task(str(i), double, (i,)) for i in range(1, 5))]
    found = dict(workers.run(tasks, Listener()))
    assert found.pop("dies") == Lost("killed")
    assert found == {str(i): 2 * i for i in range(5)}


def test_an_exception_is_data(workers: pool.Dask):
    """What a job raises does not travel as an exception."""
    found = dict(workers.run([Task("bad", fail), Task("good", double, (1,))], Listener()))
    assert found["good"] == 2
    assert isinstance(found["bad"], Lost)
    assert "no" in found["bad"].reason


def test_a_worker_sees_its_slots_environment(workers: pool.Dask, log: Path):
    """Threads, backend and cleared precision variables stand before a backend could be loaded; output goes to a log."""
    (_, env), *_ = workers.run([Task("env", surroundings)], Listener())
    assert env["TF_NUM_INTRAOP_THREADS"] == "1"
    assert env["KERAS_BACKEND"] == slots.backend()
    assert env["TF_SET_ONEDNN_FPMATH_MODE"] == ""
    assert env["MLFLOW_RUN_ID"] == ""
    if sys.platform == "linux":  # what glibc reads when a process starts cannot be set later
        assert "GLIBC_TUNABLES=glibc.malloc.hugetlb=1" in env["at_start"]
        assert "MALLOC_TRIM_THRESHOLD_" not in env["at_start"]
    assert any("must not reach the terminal" in f.read_text() for f in log.iterdir())


def test_inline_runs_here(monkeypatch: pytest.MonkeyPatch):
    """--inline needs no process: the same jobs, one after the other."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    reported = []
    with pool.inline(slots.Slot("cpu:0", 2)) as here:
        found = dict(here.run([Task("a", double, (1,))], Listener(reported=lambda key, m: reported.append((key, m)))))
    assert (found, reported) == ({"a": 2}, [("a", {"seen": 1})])


def test_slots():
    """auto is one slot with all cores; cpu:N shares them; anything else is refused."""
    cores = slots.parse("auto")[0].threads
    assert [s.threads for s in slots.parse(f"cpu:{cores}")] == [1] * cores
    for text in ("", "cpu", "cpu:0", "gpu:0", "4"):
        with pytest.raises(AblateError, match="cpu:N"):
            slots.parse(text)
