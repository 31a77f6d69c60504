"""Sender of messages to MLflow, one after the other, each once; and the messages that MLflow refuses for good."""

import errno
import hashlib
import json
import logging
import os
import re
import shlex
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
# This module retries failed messages and checks what has arrived. A library that repeats a request creates a run twice.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException, RestException

from ablation.errors import AblateError
from ablation.store import aliases
from ablation.store.files import TEMPORARY, atomic
from ablation.store.workspace import Workspace
from ablation.trackers import broken_database, databases
from ablation.trackers.databases import is_database_error, sqlite_url
from ablation.trackers.mlflow_messages import KEY, KINDS, NAME, PARAM, PARENT, TAG, Message, is_lost
from ablation.urls import first_line, masked, with_driver

FILES = "files"  # folder of a run's artifacts with the files of its training
EXPERIMENT = "ablate"
STUDY, TRIAL, STATE = "ablate.study", "ablate.trial", "ablate.state"
FINAL = {
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "MALFORMED_REQUEST",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
}  # MLflow's error codes for a fault of the message, not of the server
REQUEST = re.compile(r"API request to (https?://[^/\s]+)")  # of MLflow's client
DATA_ERROR = re.compile(  # errors of a database: SQLAlchemy's text contains the class of the driver
    r"\((?:\w+\.)+(DataError|IntegrityError|StringDataRightTruncation|NumericValueOutOfRange|UntranslatableCharacter"
    r"|CharacterNotInRepertoire|InvalidTextRepresentation|(?:Check|ForeignKey|NotNull|Unique)Violation)\)"
)


def _quiet() -> None:
    """Silence MLflow, which prints each database migration and the URL of each run that ends."""
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # errors are raised too, and shown in one line


def create(path: Path) -> str:
    """Return the URI of the SQLite database at `path`, and create the database where it is missing.

    The database is created atomically, because a database that is half made would never open again.
    """
    if not path.exists():
        _quiet()
        _close_connections(path)  # to a file that was deleted
        # MLflow makes the tables once for each path, so that the path is a new one.
        with atomic(path) as temporary, TemporaryDirectory(prefix=TEMPORARY, dir=path.parent) as folder:
            made = Path(folder) / path.name
            MlflowClient(sqlite_url(made)).search_experiments()
            _close_connections(made)
            made.replace(temporary)
    return sqlite_url(path)


def _close_connections(path: Path) -> None:
    """Close the connections that MLflow keeps to a database of this path. The next ones open the present file."""
    for name in ("tracking", "model_registry"):
        module: Any = sys.modules.get(f"mlflow.store.{name}.sqlalchemy_store")
        engines = getattr(getattr(module, "SqlAlchemyStore", None), "_engine_map", {})
        if engine := engines.get(sqlite_url(path)):
            engine.dispose()


def connect(
    workspace: Workspace, uri: str | None, study: str, say: Callable[[str], None] = lambda text: None
) -> "Sender":
    """Return the sender of a study's messages.

    Args:
        workspace: Workspace of the study.
        uri: Tracking URI of MLflow; None for the workspace's own database.
        study: Name of the study.
        say: Receives a note where the workspace's own database was broken, and is rebuilt.

    Raises:
        AblateError: A user must do something first.
        Exception: Any error of MLflow.
    """
    databases.refuse_foreign_tracking(workspace, uri)
    renamed = aliases.read(workspace)
    if uri:
        return Sender(with_driver(uri), None, study, renamed)
    broken_database.set_aside(workspace.mlflow, say)
    return Sender(create(workspace.mlflow), workspace.artifacts, study, renamed)


def _fit(value: str, max_length: int) -> str:
    """Return a text that every database accepts: PostgreSQL refuses NUL, and all databases refuse invalid Unicode."""
    return value.encode(errors="replace").decode().replace("\0", "\ufffd")[:max_length]


def _title(value: str) -> str:
    """Return the name of a run, cut to the length of its column, which PostgreSQL and MySQL enforce."""
    text = _fit(value, NAME + 1)
    return text if len(text) <= NAME else f"{text[: NAME - 1]}\u2026"


def _key(value: str) -> str:
    """Return a key, cut to the length of its column. A digest distinguishes keys with the same beginning."""
    text = _fit(value, len(value))
    return text if len(text) <= KEY else f"{text[: KEY - 9]}-{hashlib.sha256(value.encode()).hexdigest()[:8]}"


def _tags(tags: dict[str, str]) -> list[RunTag]:
    return [RunTag(_key(k), _fit(v, TAG)) for k, v in tags.items()]


def is_final(error: Exception) -> bool:
    """Return whether a retry of the same message would fail again, because the content of the message is refused.

    Errors of a network, a busy or a full server, a lock or missing rights are not final.
    """
    if isinstance(error, OSError):
        return error.errno == errno.ENAMETOOLONG
    if not isinstance(error, MlflowException):
        kinds = ArithmeticError | AttributeError | LookupError | TypeError | ValueError
        return isinstance(error, kinds) and not isinstance(error, json.JSONDecodeError)
    text = str(error)
    if text.startswith("API request to") and not isinstance(error, RestException):  # response of a network or a proxy
        return "failed with error code 413 " in text  # the message is too long for the proxy
    from_database = "sqlalche.me/" in text or "[SQL: " in text or is_database_error(error)
    coded = error.error_code in FINAL or text.startswith("Invalid artifact path")  # MLflow's client: without a code
    refused = coded or (error.error_code == "BAD_REQUEST" and not from_database)
    return refused or (from_database and DATA_ERROR.search(text) is not None)


class Sender:
    """Client that applies messages to MLflow. Every step can be repeated, because the runs are found by their tags."""

    def __init__(self, uri: str, artifacts: Path | None, study: str, renamed: Mapping[str, str] | None = None) -> None:
        """Connect to MLflow, create the experiment where it is missing, and read the runs of the study.

        Args:
            uri: Tracking URI.
            artifacts: Folder of the artifacts of a new experiment; None where the server chooses it.
            study: Name of the study.
            renamed: Old id -> new id of trainings that MLflow may store under the old id.
        """
        _quiet()
        self._renamed = renamed or {}
        self._client, self.uri = MlflowClient(uri), uri
        self._study = study
        self.experiment = self._find_experiment(artifacts)
        self.runs: dict[str, str] = {}  # key -> MLflow's id
        self.states: dict[str, str] = {}
        self._incomplete: set[str] = set()  # keys of runs of which a file is gone
        self.handled = 0  # number of messages, so that a waiting thread sees progress
        for tracked_run in self._children():
            tags = tracked_run.data.tags
            key = aliases.current(self._renamed, tags[TRIAL])
            self.runs[key] = tracked_run.info.run_id
            self.states[key] = tags.get(STATE, "")

    def _find_experiment(self, artifacts: Path | None) -> str:
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        if experiment and experiment.lifecycle_stage == "deleted":
            raise AblateError(
                f"experiment {EXPERIMENT!r} is in MLflow's trash; restore it: MLFLOW_TRACKING_URI="
                f"{shlex.quote(masked(self.uri))} mlflow experiments restore --experiment-id "
                f"{experiment.experiment_id}; then: ablate sync"
            )
        if experiment:
            folder = Path(unquote(urlsplit(experiment.artifact_location or "").path)).parent
            if artifacts and not folder.is_dir():  # MLflow would write artifacts there
                raise FileNotFoundError(
                    f"mlflow.db belongs to a workspace in {folder}; delete it: it will be rebuilt from files"
                )
            return str(experiment.experiment_id)
        location = artifacts.absolute().as_uri() if artifacts else None
        return str(self._client.create_experiment(EXPERIMENT, artifact_location=location))

    def _children(self, extra_filter: str = "") -> Iterator[Any]:
        """Yield all runs of the study, including the parent. `extra_filter`: text that is appended to the filter."""
        token: str | None = None
        while token != "":
            page = self._client.search_runs(
                [self.experiment], f"tags.`{STUDY}` = '{self._study}'{extra_filter}", max_results=1000, page_token=token
            )
            yield from page
            token = page.token or ""

    def registered(self, name: str, key: str) -> str | None:
        """Return the version of the registered model `name` that was made from trial `key`; None where none was."""
        versions = self._client.search_model_versions(f"name = '{name}'", max_results=1000)
        return next((str(version.version) for version in versions if self._is(version, key)), None)

    def _is(self, version: Any, key: str) -> bool:
        return aliases.current(self._renamed, version.tags.get(TRIAL, "")) == key

    def send(self, messages: Iterable[Message]) -> None:
        """Apply messages to MLflow, in order; metrics are collected and sent in batches."""
        points: dict[str, list[Metric]] = {}
        for message in messages:
            key = aliases.current(self._renamed, message["key"])
            message = {**message, "key": key}
            self.handled += 1
            if message["kind"] not in KINDS:
                content = str(message.get("line") or message["kind"])
                raise ValueError(f"unknown kind of message: {content[:60]!r}")
            if is_lost(message, self.runs):
                continue
            if message["kind"] == "metrics":
                points.setdefault(key, []).extend(
                    Metric(_key(name), value, message["time"], message["step"])
                    for name, value in message["values"].items()
                )
                continue
            self._send_points(key, points.pop(key, []))
            self._apply(message)
        for key, remaining in points.items():
            self._send_points(key, remaining)

    def _apply(self, message: Message) -> None:
        apply = {
            "abandoned": self._abandoned, "run": self._run, "text": self._text, "file": self._file, "end": self._end,
        }  # fmt: skip
        apply[message["kind"]](message)

    def _send_points(self, key: str, points: list[Metric]) -> None:
        for i in range(0, len(points), 1000):  # MLflow's limit for one call
            self._client.log_batch(self.runs[key], metrics=points[i : i + 1000])

    def _run(self, message: Message) -> None:
        key, name = message["key"], _title(message["name"])
        again = key in self.runs
        if not again:
            identity = {STUDY: self._study, TRIAL: key}
            if key != PARENT:
                identity["mlflow.parentRunId"] = self.runs[PARENT]
            created = self._client.create_run(self.experiment, start_time=message["time"], tags=identity, run_name=name)
            self.runs[key] = created.info.run_id
            self.states.setdefault(key, "")
        self._client.update_run(self.runs[key], status="RUNNING", name=name)
        stored = self._client.get_run(self.runs[key]).data.params if again else {}  # MLflow refuses to change a value
        given = {_key(k): _fit(v, PARAM) for k, v in message["params"].items()}
        params = [Param(k, v) for k, v in given.items() if k not in stored]
        self._client.log_batch(self.runs[key], params=params, tags=_tags(message["tags"]))
        if "dataset" in message:
            images = Dataset(**message["dataset"], source_type="local")
            context = InputTag("mlflow.data.context", "train, val, test")
            self._client.log_inputs(self.runs[key], [DatasetInput(images, [context])])

    def _abandoned(self, _: Message) -> None:
        for running in list(self._children(" and attributes.status = 'RUNNING'")):
            self._client.set_terminated(running.info.run_id, "KILLED")

    def _text(self, message: Message) -> None:
        self._client.log_text(self.runs[message["key"]], message["content"], message["file"])

    def _file(self, message: Message) -> None:
        """Send a file. Where it is gone, the run counts as incomplete, so that the run is sent again later."""
        folder = PurePosixPath(FILES, message["name"]).parent
        try:
            self._client.log_artifact(self.runs[message["key"]], message["path"], str(folder))
        except FileNotFoundError:
            self._incomplete.add(message["key"])

    def _end(self, message: Message) -> None:
        key, run_id = message["key"], self.runs[message["key"]]
        self._client.set_terminated(run_id, message["status"], message["time"])
        state = "" if key in self._incomplete else message["state"]
        self._incomplete.discard(key)
        self._client.log_batch(run_id, tags=_tags({**message["tags"], STATE: state}))
        self.states[key] = state


CONNECTING = threading.Lock()  # so that the tables of a new database are created once


def _network_error(error: BaseException) -> str:
    """Return the server and the reason of a request that found no server; "" for other errors.

    The text of such an error has the texts of all errors that it wraps; the innermost is of the operating system.
    """
    request, innermost = REQUEST.match(str(error)), error
    while below := innermost.__cause__ or innermost.__context__:
        innermost = below
    reason = (innermost.strerror or str(innermost)) if isinstance(innermost, OSError) else ""
    return f"{masked(request[1])}: {reason}" if request and reason else ""


def one_line(error: Exception) -> str:
    """Return the description of an error in one line, without a password that a URL may contain.

    The message of an AblateError is complete; the class name is added to other errors.
    """
    if text := _network_error(error):
        return text
    return first_line(error) if isinstance(error, AblateError) else f"{type(error).__name__}: {first_line(error)}"
