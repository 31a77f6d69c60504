"""Jobs on slots: real Dask workers, some of them really killed, some on faked GPUs."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import TESTS, until
from worker_jobs import SAVED, die, done, double, each, fail, getpid, hang, has, occupy, patient, surroundings

from ablation.engine import dask_cluster, dask_pool, job, pool, slots
from ablation.engine.pool import Listener, ProcessSetup, Task
from ablation.errors import AblateError
from ablation.experiments.keras_head.training import devices
from ablation.outcomes import JobOutcome, Status
from ablation.store.workspace import Workspace

KERAS = job.setup("keras_head")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log")


@pytest.fixture(scope="module")
def workers(log: Path) -> Iterator[dask_pool.DaskPool]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(TESTS))  # the workers import `worker_jobs`
        patch.setenv("TF_SET_ONEDNN_FPMATH_MODE", "BF16")
        patch.setenv("MLFLOW_RUN_ID", "somebody-else")
        with dask_cluster.local([slots.Slot("cpu:0", 1), slots.Slot("cpu:1", 1)], log, print, KERAS) as pool:
            yield pool


def test_each_job_reports_and_returns(workers: dask_pool.DaskPool):
    """Every job ends once with its outcome; starts and reports reach the listener, in the orchestrator's thread."""
    began, reported = [], []
    listener = Listener(lambda key, slot: began.append((key, slot)), lambda key, m: reported.append((key, m)))
    outcomes = list(workers.run(each(*(Task(str(i), double, (i,)) for i in range(6))), listener))
    assert sorted(outcomes) == [(str(i), done(2 * i)) for i in range(6)]
    assert sorted(key for key, _ in began) == sorted(key for key, _ in outcomes)
    assert {slot for _, slot in began} == {"cpu:0", "cpu:1"}
    assert ("3", {"seen": 3}) in reported


def test_a_killed_worker_costs_its_own_job_alone(workers: dask_pool.DaskPool):
    """SIGKILL loses one job; the others end, and the slot works again."""
    tasks = [Task("0", double, (0,)), Task("dies", die), *(Task(str(i), double, (i,)) for i in range(1, 5))]
    outcomes = dict(workers.run(each(*tasks), Listener()))
    assert outcomes.pop("dies") == JobOutcome(Status.KILLED)
    assert outcomes == {str(i): done(2 * i) for i in range(5)}


@pytest.mark.parametrize("how", [0, signal.SIGSTOP])
def test_a_job_that_hangs_is_killed(workers: dask_pool.DaskPool, how: int):
    """A job that exceeds its time is lost, even where its process is stopped; the slot works again."""
    tasks = [Task("hangs", hang, (how,), seconds=1), *(Task(str(i), double, (i,)) for i in range(4))]
    outcomes = dict(workers.run(each(*tasks), Listener()))
    assert outcomes.pop("hangs") == JobOutcome(Status.TIMED_OUT)
    assert outcomes == {str(i): done(2 * i) for i in range(4)}


def test_workers_load_what_they_are_told_to(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """Each process loads a module as it starts, the one that takes the place of a killed one too. What that prints
    does not reach the terminal."""
    with dask_cluster.local([slots.Slot("cpu:0", 1)], tmp_path, print, ProcessSetup(loads="this")) as workers:
        for _ in range(2):
            until(lambda: dict(workers.run(each(Task("asks", has, ("this",))), Listener()))["asks"].value)
            assert dict(workers.run(each(Task("dies", die)), Listener())) == {"dies": JobOutcome(Status.KILLED)}
    assert "Zen" not in capfd.readouterr().out


def test_what_cannot_be_loaded_is_for_the_jobs_to_say(tmp_path: Path):
    """A worker whose module is not there works."""
    with dask_cluster.local([slots.Slot("cpu:0", 1)], tmp_path, print, ProcessSetup(loads="no_such_module")) as workers:
        assert dict(workers.run(each(Task("a", double, (4,))), Listener())) == {"a": done(8)}


def test_jobs_are_asked_to_stop(workers: dask_pool.DaskPool):
    """Running jobs save and return. The next run of the pool is not asked to stop."""
    running = set()

    def began(key: str, slot: str) -> None:
        running.add(key)
        if len(running) == 2:  # who has not begun would be taken back
            workers.stop()

    listener = Listener(began=began)
    assert dict(workers.run(each(Task("a", patient), Task("b", patient)), listener)) == {"a": SAVED, "b": SAVED}
    assert dict(workers.run(each(Task("a", double, (4,))), Listener())) == {"a": done(8)}


def test_an_exception_is_data(workers: dask_pool.DaskPool, log: Path):
    """An exception of a job does not travel as one: the outcome holds its traceback, and so does the log."""
    outcomes = dict(workers.run(each(Task("bad", fail), Task("good", double, (1,))), Listener()))
    assert outcomes["good"] == done(2)
    assert (outcomes["bad"].status, outcomes["bad"].reason) == (Status.FAILED, "ValueError: no")
    assert 'raise ValueError("no")' in outcomes["bad"].error
    assert any('raise ValueError("no")' in f.read_text() for f in log.iterdir())


def test_a_worker_sees_its_slots_environment(workers: dask_pool.DaskPool, log: Path):
    """Threads, backend and cleared precision variables stand before a backend could be loaded; output goes to a log."""
    env = dict(workers.run(each(Task("env", surroundings)), Listener()))["env"].value
    assert env["TF_NUM_INTRAOP_THREADS"] == "1"
    assert env["KERAS_BACKEND"] == devices.backend()
    assert env["TF_SET_ONEDNN_FPMATH_MODE"] == ""
    assert env["MLFLOW_RUN_ID"] == ""
    assert env["CUDA_VISIBLE_DEVICES"] == "-1"
    if sys.platform == "linux":  # what glibc reads when a process starts cannot be set later
        assert "GLIBC_TUNABLES=glibc.malloc.hugetlb=1" in env["at_start"]
        assert "MALLOC_TRIM_THRESHOLD_" not in env["at_start"]
    assert any("must not reach the terminal" in f.read_text() for f in log.iterdir())


def test_a_signal_to_the_process_group_reaches_no_worker(workers: dask_pool.DaskPool):
    """Ctrl-C goes to all processes of a terminal: jobs continue until the orchestrator asks them."""
    pid = dict(workers.run(each(Task("pid", getpid)), Listener()))["pid"].value
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGTERM)
    again = dict(workers.run(each(Task("pid", getpid)), Listener()))["pid"].value
    assert again in {pid, *others(pid, workers)}
    os.kill(pid, 0)


def others(pid: int, workers: dask_pool.DaskPool) -> set[int]:
    return set(workers.client.run(os.getpid).values()) - {pid}


GPUS = [slots.Gpu(f"GPU-{i}", f"Fake {i}", 1000 * (i + 1)) for i in range(2)]


def test_jobs_on_faked_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each job sees its slot's device, threads and share of memory; no slot runs two at once; packing splits memory."""
    monkeypatch.setattr(slots, "gpus", lambda: GPUS)
    monkeypatch.setattr(slots, "cores", lambda: 8)
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    setup = replace(KERAS, environment=lambda slot: KERAS.environment(slot) | {"TEST_SLOT": slot.name})
    faked = slots.parse("gpu:0x3,1")
    assert [slot.name for slot in faked] == ["gpu:0.0", "gpu:0.1", "gpu:0.2", "gpu:1"]
    with dask_cluster.local(faked, tmp_path / "log", print, setup) as workers:
        ran = list(workers.run(each(*(Task(str(i), occupy, (str(tmp_path),)) for i in range(24))), Listener()))
    environments = [outcome.value for _, outcome in ran]
    assert len(environments) == 24
    assert {env["slot"] for env in environments} == {slot.name for slot in faked}
    for env in environments:
        gpu, packed = env["slot"][4], "." in env["slot"]
        assert env["CUDA_VISIBLE_DEVICES"] == f"GPU-{gpu}"
        assert env["TF_NUM_INTRAOP_THREADS"] == "2"
        assert env.get(slots.MEMORY_LIMIT) == (str(int(1000 * slots.GPU_MEMORY / 3)) if packed else None)
        assert env.get("TF_FORCE_GPU_ALLOW_GROWTH") == (None if packed else "true")


def test_workers_with_another_backend_are_refused(workers: dask_pool.DaskPool, monkeypatch: pytest.MonkeyPatch):
    """A training's id holds the orchestrator's backend: another one's numbers must not lie under it."""
    monkeypatch.setattr(workers, "required", {"KERAS_BACKEND": "theano"})
    with pytest.raises(AblateError, match=r"KERAS_BACKEND is .*; start the workers there with KERAS_BACKEND=theano"):
        dict(workers.run(each(Task("a", double, (1,))), Listener()))
    monkeypatch.undo()
    assert dict(workers.run(each(Task("a", double, (4,))), Listener())) == {"a": done(8)}


def test_a_worker_without_a_scheduler_says_so(monkeypatch: pytest.MonkeyPatch):
    """A wrong address is the user's to mend, and no bug."""
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(AblateError, match=r"--scheduler tcp://127\.0\.0\.1:9: cannot be reached"):
        dask_cluster.serve("tcp://127.0.0.1:9", [slots.Slot("cpu:0", 1)], pool.Tls(), ProcessSetup())


def test_inline_runs_here(monkeypatch: pytest.MonkeyPatch):
    """--inline needs no process: the same jobs, one after the other; it can be asked to stop."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    reported = []
    with pool.inline(slots.Slot("cpu:0", 2), ProcessSetup()) as here:
        listener = Listener(reported=lambda key, m: reported.append((key, m)))
        outcomes = dict(here.run(each(Task("a", double, (1,))), listener))
        stopped = dict(here.run(each(Task("b", patient)), Listener(began=lambda key, slot: here.stop())))
        failed = dict(here.run(each(Task("bad", fail)), Listener()))["bad"]
    assert (failed.status, failed.reason) == (Status.FAILED, "ValueError: no")
    assert (outcomes, reported, stopped) == ({"a": done(2)}, [("a", {"seen": 1})], {"b": SAVED})


def test_tls_files_are_looked_at(tmp_path: Path):
    """All three files or none, and each must be there."""
    assert pool.Tls() == pool.Tls(None, None, None)
    with pytest.raises(AblateError, match="give all three"):
        pool.Tls(ca="a.pem")
    with pytest.raises(AblateError, match="no such file"):
        pool.Tls(*[str(tmp_path / "none.pem")] * 3)


def test_a_scheduler_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A wrong address is the user's to mend."""
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 1)
    for address in ("tcp://127.0.0.1:9", "nonsense"):
        opened: Any = dask_cluster.remote(address, pool.Tls(), Workspace(tmp_path), print, ProcessSetup())
        with pytest.raises(AblateError, match=f"--scheduler {address}: cannot be reached"), opened:
            pass


def test_workers_that_cannot_be_reached_are_said_at_once(tmp_path: Path, study_file: Path, npz: Path):
    """A machine without a loopback interface gets one line with the address and the way out, and no process stays."""
    if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
        pytest.skip("no network namespaces for this user")
    command = [sys.executable, "-m", "ablation", "run", "--grid", study_file, "--data", npz, "--slots", "cpu:1"]
    place = ["--workspace", tmp_path / "runs"]
    done = subprocess.run(["unshare", "-n", *map(str, [*command, *place])], capture_output=True, text=True, timeout=100)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert "127.0.0.1 cannot be reached (Network is unreachable)" in done.stderr
    assert "without workers: --inline" in done.stderr


def group(pid: int) -> int | None:
    with contextlib.suppress(ProcessLookupError):
        return os.getpgid(pid)
    return None


def test_workers_that_cannot_start_are_no_bug(tmp_path: Path, study_file: Path, npz: Path):
    """Workers that end at once (here: as they load the site's settings) give one line, exit code 2, and no process
    stays."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'spawn_main' in ' '.join(sys.orig_argv):\n    os._exit(1)\n"
    )
    command = [sys.executable, "-m", "ablation", "run", "--grid", study_file, "--data", npz, "--slots", "cpu:2"]
    env = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    run = subprocess.Popen([*map(str, command), "--workspace", str(tmp_path / "runs")], env=env, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)  # fmt: skip
    _, error = run.communicate(timeout=200)
    assert (run.returncode, len(error.splitlines())) == (2, 1), error
    assert "workers cannot be started on this machine: Nanny failed to start" in error
    until(lambda: not [p for p in psutil.process_iter() if group(p.pid) == run.pid], 30)
