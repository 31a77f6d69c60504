"""The whole stack on loopback, as the compose file starts it: PostgreSQL, MLflow, Dask, two workers, the run."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import optuna
import pytest
from conftest import in_process, until, write_npz
from mlflow import MlflowClient
from services import SECRET, Stack, postgres
from test_kill import epochs_trained

pytestmark = pytest.mark.services

TOKEN = "hunter2-hunter2"
STUDY = """
[fixed]
fc_units = 256
fc_layers = 3
batch_size = 8
weights = "random"
epochs = {epochs}
[factorial]
learning_rate = [1e-4, {rate}]
dropout = [0.0, 0.5]
"""
EPOCHS = 6


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start all services but MLflow, which a test starts and stops. A password and a token are in every environment."""
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as running:
        database = running.enter_context(postgres())
        services = Stack(tmp_path_factory.mktemp("stack"), database)
        write_npz(services.place / "data.npz", train=400)
        patch.setenv("PGPASSWORD", SECRET)
        for name, service in {"scheduler": "scheduler", "worker-a": "worker", "worker-b": "worker"}.items():
            running.enter_context(services.service(name, service))
        yield services


class Mlflow:
    """MLflow's server, which starts for half a minute: one for all tests, that a test may stop and start."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self._running = stack, contextlib.ExitStack()

    def start(self) -> None:
        self._running.enter_context(self.stack.mlflow_server())

    def stop(self) -> None:
        self._running.close()


@pytest.fixture(scope="module")
def mlflow(stack: Stack) -> Iterator[Mlflow]:
    server = Mlflow(stack)
    server.start()
    yield server
    server.stop()


@contextlib.contextmanager
def sweep(stack: Stack, grid: str, data: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command of the service `ablate`, with another grid and other data."""
    token = {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": TOKEN}
    with stack.service(f"run-{Path(grid).stem}", "ablate", grid=grid, data=data, env=token) as run:
        yield run


def study(stack: Stack, name: str, rate: str) -> str:
    (stack.place / f"{name}.toml").write_text(STUDY.format(epochs=EPOCHS, rate=rate))
    return f"{name}.toml"


def assert_all_is_there_once(stack: Stack, name: str, trials: int) -> None:
    """Assert one COMPLETE trial and one FINISHED run of each, none that runs, and one point an epoch in each curve."""
    trials_of_study = optuna.load_study(study_name=name, storage=stack.storage).get_trials()
    complete = [t.user_attrs["ablate.trial"] for t in trials_of_study if t.state.name == "COMPLETE"]
    assert (len(complete), len(set(complete))) == (trials, trials)
    assert {t.state.name for t in trials_of_study} <= {"COMPLETE", "FAIL"}
    client = MlflowClient(stack.tracking)
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    runs_of_study = [
        run for run in runs if name in (run.data.tags.get("ablate.name"), run.data.tags.get("ablate.study"))
    ]
    assert [run.info.status for run in runs_of_study] == ["FINISHED"] * (trials + 1)
    for run in runs_of_study:
        if "ablate.row" in run.data.tags:
            points = client.get_metric_history(run.info.run_id, "val_accuracy")
            assert sorted(p.step for p in points) == list(range(1, int(run.data.params["epochs"]) + 1))


def wait(stack: Stack, run: subprocess.Popen[str], name: str) -> None:
    assert run.wait(timeout=400) == 0, (stack.place / f"run-{name}.log").read_text()[-3000:]


def test_the_stack_runs_a_study(stack: Stack, mlflow: Mlflow):
    """`ablate run --grid smoke`, on services that were started by the commands of the compose file."""
    with sweep(stack, "smoke", "demo") as run:
        wait(stack, run, "smoke")
        assert_all_is_there_once(stack, "smoke-demo", 4)


def test_a_database_that_is_restarted(stack: Stack, mlflow: Mlflow):
    """PostgreSQL, under Optuna and MLflow, is away in the middle of a run: nothing is missing or there twice."""
    grid, before = study(stack, "database", "1e-3"), epochs_trained(stack.runs)
    with sweep(stack, grid, "data.npz") as run:
        until(lambda: epochs_trained(stack.runs) >= before + 3, 240)
        stack.database.stop()
        until(lambda: epochs_trained(stack.runs) >= before + 9 or run.poll() is not None, 240)
        stack.database.start()
        wait(stack, run, "database")
        assert_all_is_there_once(stack, "database", 4)
    assert epochs_trained(stack.runs) == before + 4 * EPOCHS


def test_mlflow_that_is_stopped(stack: Stack, mlflow: Mlflow):
    """MLflow's server is away for half of a run: training continues; missing messages are sent, late ones by `ablate
    sync`."""
    grid, before = study(stack, "server", "1e-2"), epochs_trained(stack.runs)
    with sweep(stack, grid, "data.npz") as run:
        until(lambda: epochs_trained(stack.runs) >= before + 2, 240)
        mlflow.stop()
        until(lambda: epochs_trained(stack.runs) >= before + 2 + EPOCHS or run.poll() is not None, 240)
        mlflow.start()
        wait(stack, run, "server")
    address = ("--workspace", stack.runs, "--tracking", stack.tracking)
    sent = in_process("sync", "--name", "server", *address, cwd=stack.place)
    assert (sent.returncode, sent.stdout) == (0, "server: Optuna and MLflow are up to date\n"), sent.stderr
    assert_all_is_there_once(stack, "server", 4)
    assert epochs_trained(stack.runs) == before + 2 * EPOCHS  # the other two rows are those of the study before


def test_secrets_are_nowhere(stack: Stack):
    """Neither the database's password nor MLflow's is in any file of the workspace, as it is or quoted."""
    files = [path for path in stack.runs.rglob("*") if path.is_file()]
    assert len(files) > 20
    for path in files:
        content = path.read_bytes()
        assert not any(quote(word).encode() in content for word in (SECRET, TOKEN)), path
