"""Messages that MLflow refuses: they are cut to its columns, or set aside and named, and nothing waits behind them."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos import databricks_pb2
from requests.exceptions import ConnectionError as Unreachable
from services import SECRET, postgres
from synthetic import published, sealed, study

from ablation import cli
from ablation.store.workspace import Workspace
from ablation.study import study_file
from ablation.trackers import mlflow_messages, mlflow_sender
from ablation.trackers.mlflow_messages import PARENT
from ablation.trackers.mlflow_sender import Sender
from ablation.trackers.mlflow_tracker import Tracker
from ablation.urls import first_line
from ablation.workflows import sync

PARENT_RUN = mlflow_messages.run(PARENT, "s", 1.0, {}, {})
LONG = {
    "name": mlflow_messages.run(
        "t", "L" * 300, 1.0, {"weights": "w" * 9000}, {"ablate.reason": "r" * 9000, "t" * 300: "x"}
    ),
    "nul": mlflow_messages.run("t", "a\0b", 1.0, {"weights": "a\0b"}, {"ablate.reason": "\udcff\0"}),
    "key": mlflow_messages.metrics(
        "t", 2.0, 1, {f"production/{'x' * 300}/{score}": 0.5 for score in ("loss", "accuracy")}
    ),
}
BAD = {  # what MLflow refuses of a server and of a database alike
    "metrics": mlflow_messages.metrics("t", 2.0, 1, {"no: such * key": 0.5}),
    "text": mlflow_messages.text("t", "../page.html", "x"),
    "file": mlflow_messages.text("t", "x" * 300, "x"),
    "run": mlflow_messages.run("u", "name", 1.0, {"no * key": "x"}, {}),
    "value": mlflow_messages.metrics("t", 2.0, 1, {"loss": "no number"}),  # type: ignore[dict-item]
    "kind": {"kind": "of a later version", "key": PARENT},
    "line": "no JSON",
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """MLflow's own tables on a real PostgreSQL, which enforces the lengths of columns."""
    with pytest.MonkeyPatch.context() as patch, postgres() as database:
        patch.setenv("PGPASSWORD", SECRET)
        yield f"postgresql+psycopg://ablate@127.0.0.1:{database.port}/mlflow"


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database in SQLite, each test with a study of its own in it."""
    return mlflow_sender.create(tmp_path_factory.mktemp("mlflow") / "m.db")


@pytest.fixture
def connect(empty: str, artifacts: Path, tmp_path: Path) -> Callable[[], Sender]:
    return lambda: Sender(empty, artifacts, tmp_path.name)


def put(path: Path, *messages: Any) -> None:
    path.write_text("".join((m if isinstance(m, str) else json.dumps(m)) + "\n" for m in messages))


def stored_run(sender: Sender, key: str = "t") -> Any:
    return MlflowClient(sender.uri).get_run(sender.runs[key])


def test_names_and_values_are_cut_to_their_columns(server: str, artifacts: Path, tmp_path: Path):
    """A label of 300 letters, long values, NUL and what is no Unicode arrive, cut; PostgreSQL refuses all of them."""
    outbox = tmp_path / "outbox.jsonl"
    for kind in ("nul", "name", "key"):
        put(outbox, PARENT_RUN, *([LONG["name"]] if kind == "key" else []), LONG[kind])
        tracker = Tracker(outbox, lambda: Sender(server, artifacts, "s"))
        assert (tracker.close(), tracker.refusal) == (0, ""), tracker.error
    run = stored_run(Sender(server, artifacts, "s"))
    assert run.info.run_name == "L" * 249 + "\u2026"
    assert {key: len(value) for key, value in run.data.tags.items() if "reason" in key} == {"ablate.reason": 5000}
    keys = [key for key in run.data.metrics if key.startswith("production/")]
    assert (len(keys), {len(key) for key in keys}) == (2, {250})


@pytest.mark.parametrize("kind", BAD)
def test_what_is_refused_for_good_is_set_aside_and_the_rest_goes_on(
    connect: Callable[[], Sender], tmp_path: Path, kind: str
):
    """A message that is refused for good is named with its reason, kept in a file, and tried again by the next
    sender."""
    outbox = tmp_path / "outbox.jsonl"
    child, end = (
        mlflow_messages.run("t", "lr 1e-3", 1.0, {"epochs": "2"}, {}),
        mlflow_messages.end("t", 4.0, "FINISHED", "digest"),
    )
    points = mlflow_messages.metrics("t", 2.0, 1, {"val_loss": 0.25})
    put(outbox, PARENT_RUN, child, BAD[kind], points, end)
    for _ in range(2):
        tracker = Tracker(outbox, connect)
        assert tracker.close() == 0
        assert not outbox.exists()
        (kept,) = map(json.loads, (tmp_path / "outbox-refused.jsonl").read_text().splitlines())
        assert kept["message"] == (BAD[kind] if kind != "line" else kept["message"])
        assert tracker.refusal.startswith("1 messages refused, the others sent: ")
        assert str(tmp_path / "outbox-refused.jsonl") in tracker.refusal
    sender = connect()
    assert sender.states["t"] == "digest"
    assert (stored_run(sender).data.metrics["val_loss"], stored_run(sender).info.status) == (0.25, "FINISHED")
    kept["message"] = mlflow_messages.text("t", "page.html", "taken by a later version")
    put(tmp_path / "outbox-refused.jsonl", kept)
    assert (Tracker(outbox, connect).close(), [p.name for p in tmp_path.glob("outbox*")]) == (0, [])


def error(code: str, text: str = "no", kind: type[MlflowException] = MlflowException) -> MlflowException:
    return (
        kind({"error_code": code, "message": text})
        if kind is RestException
        else kind(text, getattr(databricks_pb2, code))
    )


SQL = "({}) text\n[SQL: INSERT]\n(Background on this error at: https://sqlalche.me/e/20/e3q8)"


@pytest.mark.parametrize(
    "trouble",
    [
        Unreachable("no"), ConnectionRefusedError("no"), TimeoutError("no"), PermissionError("no"), OSError(28, "full"),
        error("TEMPORARILY_UNAVAILABLE", SQL.format("sqlite3.OperationalError")), error("INTERNAL_ERROR"),
        error("REQUEST_LIMIT_EXCEEDED", kind=RestException), error("PERMISSION_DENIED", kind=RestException),
        error("INTERNAL_ERROR", kind=RestException), error("UNAUTHENTICATED"), error("ENDPOINT_NOT_FOUND"),
        error("BAD_REQUEST", "API request to endpoint /x failed with error code 400 != 200. Response body: 'proxy'"),
        error("BAD_REQUEST", SQL.format("psycopg.errors.ReadOnlySqlTransaction")),
        error("BAD_REQUEST", "QueuePool limit reached (Background on this error at: https://sqlalche.me/e/20/3o7r)"),
        error("BAD_REQUEST", "BAD_REQUEST: " + SQL.format("psycopg.errors.InsufficientPrivilege"), RestException),
    ],
    ids=lambda trouble: f"{type(trouble).__name__}-{getattr(trouble, 'error_code', '')}",
)  # fmt: skip
def test_what_may_pass_later_waits(
    connect: Callable[[], Sender], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception
):
    """Networks, locks, full and busy servers, missing rights: nothing is set aside, and all of it waits."""
    path = tmp_path / "outbox.jsonl"
    put(path, PARENT_RUN, mlflow_messages.end(PARENT, 2.0, "FINISHED", "digest"))

    def fail(*_: object) -> None:
        raise trouble

    with monkeypatch.context() as patch:
        patch.setattr(Sender, "_end", fail)
        tracker = Tracker(path, connect)
        assert tracker.close() == 2
        assert (tracker.refusal, list(tmp_path.glob("*refused*"))) == ("", [])
    assert Tracker(path, connect).close() == 0


def test_errors_of_databases_are_told_apart(server: str):
    """The error of PostgreSQL for a text that is too long is final, and the reason shown is its own."""
    client = MlflowClient(server)
    with pytest.raises(MlflowException) as refused:
        client.create_run("0", run_name="L" * 300)
    assert mlflow_sender.is_final(refused.value)
    assert "autoflush" not in first_line(refused.value)
    assert "value too long for type character varying(250)" in first_line(refused.value)


@pytest.mark.parametrize(
    "name",
    ["psycopg.errors.StringDataRightTruncation", "psycopg2.errors.NotNullViolation", "psycopg.DataError",
     "pymysql.err.DataError", "sqlite3.IntegrityError", "MySQLdb.DataError"],
)  # fmt: skip
@pytest.mark.parametrize("kind", [MlflowException, RestException])
def test_what_a_database_says_of_data_is_final(name: str, kind: type[MlflowException]):
    """Whichever driver raises it, here or on MLflow's server."""
    assert mlflow_sender.is_final(error("BAD_REQUEST", SQL.format(name), kind))


def test_runs_that_were_deleted_meanwhile_stop_nothing(connect: Callable[[], Sender], tmp_path: Path):
    """A user deletes a run in MLflow's page while messages for it are on their way."""
    path, sender = tmp_path / "outbox.jsonl", connect()
    sender.send(
        [PARENT_RUN, mlflow_messages.run("t", "one", 1.0, {}, {}), mlflow_messages.run("u", "two", 1.0, {}, {})]
    )
    sender._client.delete_run(sender.runs["t"])
    put(path, mlflow_messages.metrics("t", 2.0, 1, {"loss": 0.5}), mlflow_messages.end("u", 2.0, "FINISHED", "digest"))
    senders = iter([sender, connect()])
    tracker = Tracker(path, lambda: next(senders))
    assert (tracker.close(), tracker.refusal) == (0, "")
    assert connect().states == {PARENT: "", "u": "digest"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that was sent to MLflow."""
    place, grid = tmp_path_factory.mktemp("trash"), study_file.read("paper")
    sealed(place, study(place, grid, published(grid), support=(20, 30), classes=("a", "b")))
    assert sync.sync(Workspace(place), "paper", None).waiting == 0
    return place


def test_an_experiment_in_the_trash_is_restored_by_the_command_that_is_said(
    place: Path, capsys: pytest.CaptureFixture[str]
):
    """All messages wait; the sentence holds the whole command, after which `sync` sends what waits."""
    workspace = Workspace(place)
    client = MlflowClient(mlflow_sender.create(workspace.mlflow))
    client.delete_experiment(client.get_experiment_by_name("ablate").experiment_id)
    at = ["--workspace", str(place)]
    assert cli.run(["sync", *at]) == 1
    printed = capsys.readouterr().err
    assert "experiment 'ablate' is in MLflow's trash; restore it: MLFLOW_TRACKING_URI=" in printed
    assert ("then: ablate sync" in printed, "try again later" in printed) == (True, False)
    assert (list(place.glob("*/*refused*")), workspace.study("paper").outbox.is_file()) == ([], True)
    assert cli.run(["ui", "--no-open", *at]) == 2
    assert "mlflow experiments restore --experiment-id" in capsys.readouterr().err
    variable, *command = shlex.split(re.search(r"(MLFLOW_TRACKING_URI=.* restore --experiment-id \d+);", printed)[1])
    name, _, uri = variable.partition("=")
    subprocess.run([sys.executable, "-m", *command], env={"PATH": "/usr/bin:/bin", name: uri}, check=True)
    assert cli.run(["sync", *at]) == 0
    assert not workspace.study("paper").outbox.exists()


def test_sync_names_what_was_set_aside_and_exits_with_1(place: Path, capsys: pytest.CaptureFixture[str]):
    """The command `sync` exits with 1 until MLflow takes a refused message, or the file of it is removed."""
    outbox = Workspace(place).study("paper").outbox
    put(outbox, mlflow_messages.metrics(PARENT, 2.0, 1, {"no: such * key": 0.5}))
    for _ in range(2):
        assert cli.run(["sync", "--workspace", str(place)]) == 1
        printed = capsys.readouterr().err
        assert re.match(
            r"paper: 1 messages refused, the others sent: metrics \(no: such \* key\): MlflowException: .*Invalid",
            printed,
        )
    outbox.with_name("outbox-refused.jsonl").unlink()
    assert cli.run(["sync", "--workspace", str(place)]) == 0
