"""The MLflow view: what MLflow must be told waits in an outbox, and a thread sends it. Nothing waits for MLflow."""

import contextlib
import errno
import hashlib
import json
import logging
import os
import re
import shlex
import threading
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
# What failed is sent again by this file, which finds what arrived: a library that repeats a request makes a run twice.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException, RestException

from ablation.addresses import first_line, masked, with_driver
from ablation.errors import AblateError
from ablation.results import aliases
from ablation.views import databases
from ablation.views.databases import is_database_error, sqlite_url
from ablation.workspace import Workspace, atomic, cut_torn_end

EXPERIMENT = "ablate"
STUDY, TRIAL, STATE = "ablate.study", "ablate.trial", "ablate.state"
PARENT = ""  # the key of a study's own run
Message = dict[str, Any]
PART = 1 << 20  # bytes of the outbox that are read and sent at a time
RETRY = 30.0  # seconds: where MLflow cannot be reached, each try costs some of the processor
PATIENCE = 30.0  # seconds that the end of a run waits for a server that says nothing: MLflow itself goes on for minutes
NAME, KEY, PARAM, TAG, DATASET = 250, 250, 6000, 5000, 500  # characters that the columns of MLflow's tables take
MOST_NAMED = 3  # messages that MLflow refuses, in the sentence on them
KINDS = ("abandoned", "run", "metrics", "text", "end")  # of messages
FINAL = {
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "MALFORMED_REQUEST",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
}  # MLflow's codes for what is wrong with a message, not with its server
DATA_ERROR = re.compile(  # a database's: SQLAlchemy's text names the driver's class
    r"\((?:\w+\.)+(DataError|IntegrityError|StringDataRightTruncation|NumericValueOutOfRange|UntranslatableCharacter"
    r"|CharacterNotInRepertoire|InvalidTextRepresentation|(?:Check|ForeignKey|NotNull|Unique)Violation)\)"
)


def run(
    key: str, name: str, time: float, params: dict[str, str], tags: dict[str, str], dataset: Message | None = None
) -> Message:
    """A run exists, started at `time` (unix seconds), with these parameters and tags, on these images."""
    known = {"key": key, "name": name, "time": int(time * 1000), "params": params, "tags": tags}
    return {"kind": "run", **known, **({"dataset": dataset} if dataset else {})}


def dataset(name: str, digest: str, source: str, profile: object) -> Message:
    """Images, as a run names them. `profile`: what is known of them."""
    return {
        "name": name[:DATASET],
        "digest": digest,
        "source": json.dumps({"uri": source}),
        "profile": json.dumps(profile),
    }


def abandoned() -> Message:
    """The study's runs that stand as running were left by a process that died: what runs now is told after this."""
    return {"kind": "abandoned", "key": PARENT}


def metrics(key: str, time: float, step: int, values: dict[str, float]) -> Message:
    """Points with a fixed time: sending them again duplicates nothing."""
    return {"kind": "metrics", "key": key, "time": int(time * 1000), "step": step, "values": values}


def text(key: str, file: str, content: str) -> Message:
    return {"kind": "text", "key": key, "file": file, "content": content}


def end(key: str, time: float, status: str, state: str = "", tags: dict[str, str] | None = None) -> Message:
    """A run ends as FINISHED, FAILED or KILLED. `state`: a digest of all it was told; found again, nothing is sent."""
    known = {"key": key, "time": int(time * 1000), "status": status, "state": state}
    return {"kind": "end", **known, "tags": tags or {}}


def _quiet() -> None:
    """It says on the console what it does to its database, and of each run that ends, where it is."""
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)


def create(path: Path) -> str:
    """The URI of an SQLite database at `path`; made at one go, for one that was half made would never open again."""
    if not path.exists():
        _quiet()
        with atomic(path) as temporary:
            MlflowClient(sqlite_url(temporary)).search_experiments()
    return sqlite_url(path)


def connect(workspace: Workspace, uri: str | None, study: str) -> "Sender":
    """What makes MLflow hold a study: at `uri`, else in the workspace's own database. Raises whatever MLflow raises,
    and AblateError where a user must do something first."""
    databases.refuse_foreign_tracking(workspace, uri)
    renamed = aliases.read(workspace)
    if uri:
        return Sender(with_driver(uri), None, study, renamed)
    return Sender(create(workspace.mlflow), workspace.artifacts, study, renamed)


def _decoded(line: bytes) -> Message:
    """Return the message of a line; a line that is none becomes a message that no server takes, so that it is set
    aside as one."""
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if isinstance(message, dict) and isinstance(message.get("kind"), str) and isinstance(message.get("key"), str):
        return message
    return {"kind": "unreadable", "key": PARENT, "line": line.decode(errors="replace").rstrip("\n")}


class Outbox:
    """An append-only file of messages. It is emptied when all of them are sent.

    Messages that MLflow refuses for good are kept in the file `refused` beside it; the next outbox of this path takes
    them up again, for another version of MLflow may accept them.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self.refused = path.with_name(f"{path.stem}-refused{path.suffix}")
        cut_torn_end(path)
        self._take_up()

    def _take_up(self) -> None:
        cut_torn_end(self.refused)
        with contextlib.suppress(FileNotFoundError):
            found = [_decoded(line).get("message") for line in self.refused.read_bytes().splitlines()]
            self.put(message for message in found if message)
            self.refused.unlink()

    def put(self, messages: Iterable[Message]) -> None:
        self._append(self._path, messages)

    def refuse(self, message: Message, reason: str) -> None:
        """Set a message aside, once."""
        refused = {"kind": "refused", "key": message["key"], "reason": reason, "message": message}
        with contextlib.suppress(FileNotFoundError):
            if any(_decoded(line).get("message") == message for line in self.refused.read_bytes().splitlines()):
                return
        self._append(self.refused, [refused])

    def _append(self, path: Path, messages: Iterable[Message]) -> None:
        data = "".join(json.dumps(m) + "\n" for m in messages).encode()
        with self._lock, open(path, "ab", buffering=0) as file:
            start = file.seek(0, os.SEEK_END)
            try:
                while data:
                    data = data[file.write(data) :]
            except OSError:
                file.truncate(start)  # a disk that is full now may have room for the next message
                raise

    def _part(self, start: int) -> list[bytes]:
        """Whole lines from byte `start` on, PART bytes of them or a little more. A torn last line is left out."""
        with self._lock, contextlib.suppress(FileNotFoundError), open(self._path, "rb") as file:
            file.seek(start)
            return [line for line in file.readlines(PART) if line.endswith(b"\n")]
        return []

    def _parts(self, start: int) -> Iterator[list[bytes]]:
        """All lines from byte `start` on, a part at a time: they may be more than the memory holds."""
        while lines := self._part(start):
            yield lines
            start += sum(map(len, lines))

    def read(self, start: int) -> tuple[list[Message], int]:
        """Some messages from byte `start` on, and where the next ones begin; none where there are no more."""
        lines = self._part(start)
        return [_decoded(line) for line in lines], start + sum(map(len, lines))

    def count(self, start: int) -> int:
        """The number of messages from byte `start` on."""
        return sum(map(len, self._parts(start)))

    def states(self, known: Iterable[str], start: int) -> dict[str, str]:
        """What each run will have been told last, once the messages from byte `start` on are sent to a server that has
        the `known` runs."""
        runs, found = set(known), {}
        kinds = (b'{"kind": "run"', b'{"kind": "end"')
        for message in (_decoded(line) for part in self._parts(start) for line in part if line.startswith(kinds)):
            if _is_lost(message, runs):
                continue
            if message["kind"] == "run":
                runs.add(message["key"])
            elif message["kind"] == "end":
                found[message["key"]] = message["state"]
        return found

    def clear(self, size: int) -> bool:
        """Empty the file if nothing came since it had `size` bytes."""
        with self._lock, contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_size != size:
                return False
            self._path.unlink()
        return True


def _is_lost(message: Message, runs: Container[str]) -> bool:
    """Whether it is about a run that a server with these `runs` has not: it was sent to one that is gone. Whoever looks
    what the server lacks tells it all of that run."""
    kind, key = message["kind"], message["key"]
    if kind == "run":
        return key != PARENT and PARENT not in runs
    return kind != "abandoned" and key not in runs


def _fit(value: str, most: int) -> str:
    """Return a text that every database takes: PostgreSQL refuses NUL, and all of them what is no Unicode."""
    return value.encode(errors="replace").decode().replace("\0", "\ufffd")[:most]


def _title(value: str) -> str:
    """Return the name of a run, cut to its column, which PostgreSQL and MySQL enforce."""
    text = _fit(value, NAME + 1)
    return text if len(text) <= NAME else f"{text[: NAME - 1]}\u2026"


def _key(value: str) -> str:
    """Return a key, cut to its column; a digest keeps keys that begin alike apart."""
    text = _fit(value, len(value))
    return text if len(text) <= KEY else f"{text[: KEY - 9]}-{hashlib.sha256(value.encode()).hexdigest()[:8]}"


def _tags(tags: dict[str, str]) -> list[RunTag]:
    return [RunTag(_key(k), _fit(v, TAG)) for k, v in tags.items()]


def is_final(error: Exception) -> bool:
    """Return whether sending the same message again would fail again: its content is refused. What a network, a busy
    or a full server, a lock or missing rights cause is not final."""
    if isinstance(error, OSError):
        return error.errno == errno.ENAMETOOLONG
    if not isinstance(error, MlflowException):
        kinds = ArithmeticError | AttributeError | LookupError | TypeError | ValueError
        return isinstance(error, kinds) and not isinstance(error, json.JSONDecodeError)
    text = str(error)
    if text.startswith("API request to") and not isinstance(error, RestException):  # a network's or a proxy's answer
        return "failed with error code 413 " in text  # the message is too long for the proxy
    from_database = "sqlalche.me/" in text or "[SQL: " in text or is_database_error(error)
    coded = error.error_code in FINAL or text.startswith("Invalid artifact path")  # the client's own, without a code
    known = coded or (error.error_code == "BAD_REQUEST" and not from_database)
    return known or (from_database and DATA_ERROR.search(text) is not None)


class Sender:
    """Makes MLflow hold what the messages say. Every step can be done again: it finds its runs by their tags."""

    def __init__(self, uri: str, artifacts: Path | None, study: str, renamed: Mapping[str, str] | None = None) -> None:
        """`renamed`: ids of trainings that MLflow may know by an older one."""
        _quiet()
        self._renamed = renamed or {}
        self._client, self.uri = MlflowClient(uri), uri
        self._study = study
        self.experiment = self._find_experiment(artifacts)
        self.runs: dict[str, str] = {}  # key -> MLflow's id
        self.states: dict[str, str] = {}
        self.handled = 0  # messages, so that whoever waits sees that something moves
        for found in self._children():
            tags = found.data.tags
            key = aliases.current(self._renamed, tags[TRIAL])
            self.runs[key] = found.info.run_id
            self.states[key] = tags.get(STATE, "")

    def _find_experiment(self, artifacts: Path | None) -> str:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found and found.lifecycle_stage == "deleted":
            raise AblateError(
                f"experiment {EXPERIMENT!r} is in MLflow's trash; restore it: MLFLOW_TRACKING_URI="
                f"{shlex.quote(masked(self.uri))} mlflow experiments restore --experiment-id {found.experiment_id}; "
                "then: ablate sync"
            )
        if found:
            place = Path(unquote(urlsplit(found.artifact_location or "").path)).parent
            if artifacts and not place.is_dir():  # its files would go there
                raise FileNotFoundError(
                    f"mlflow.db is of a workspace in {place}; remove it: it is made anew from files"
                )
            return str(found.experiment_id)
        location = artifacts.absolute().as_uri() if artifacts else None
        return str(self._client.create_experiment(EXPERIMENT, artifact_location=location))

    def _children(self, more: str = "") -> Iterator[Any]:
        """All runs of the study, the parent among them. `more`: of a filter."""
        token: str | None = None
        while token != "":
            page = self._client.search_runs(
                [self.experiment], f"tags.`{STUDY}` = '{self._study}'{more}", max_results=1000, page_token=token
            )
            yield from page
            token = page.token or ""

    def registered(self, name: str, key: str) -> str | None:
        """The version of the registered model that is this trial's."""
        found = self._client.search_model_versions(f"name = '{name}'", max_results=1000)
        return next((str(version.version) for version in found if self._is(version, key)), None)

    def _is(self, version: Any, key: str) -> bool:
        return aliases.current(self._renamed, version.tags.get(TRIAL, "")) == key

    def send(self, messages: Iterable[Message]) -> None:
        points: dict[str, list[Metric]] = {}
        for message in messages:
            key = aliases.current(self._renamed, message["key"])
            message = {**message, "key": key}
            self.handled += 1
            if message["kind"] not in KINDS:
                content = str(message.get("line") or message["kind"])
                raise ValueError(f"no message of this version: {content[:60]!r}")
            if _is_lost(message, self.runs):
                continue
            if message["kind"] == "metrics":
                points.setdefault(key, []).extend(
                    Metric(_key(name), value, message["time"], message["step"])
                    for name, value in message["values"].items()
                )
                continue
            self._send_points(key, points.pop(key, []))
            send = {"abandoned": self._abandoned, "run": self._run, "text": self._text, "end": self._end}
            send[message["kind"]](message)
        for key, some in points.items():
            self._send_points(key, some)

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
        known = self._client.get_run(self.runs[key]).data.params if again else {}  # MLflow takes no other value
        given = {_key(k): _fit(v, PARAM) for k, v in message["params"].items()}
        params = [Param(k, v) for k, v in given.items() if k not in known]
        self._client.log_batch(self.runs[key], params=params, tags=_tags(message["tags"]))
        if "dataset" in message:
            images = Dataset(**message["dataset"], source_type="local")
            context = InputTag("mlflow.data.context", "train, val, test")
            self._client.log_inputs(self.runs[key], [DatasetInput(images, [context])])

    def _abandoned(self, _: Message) -> None:
        for found in list(self._children(" and attributes.status = 'RUNNING'")):
            self._client.set_terminated(found.info.run_id, "KILLED")

    def _text(self, message: Message) -> None:
        self._client.log_text(self.runs[message["key"]], message["content"], message["file"])

    def _end(self, message: Message) -> None:
        run_id = self.runs[message["key"]]
        self._client.set_terminated(run_id, message["status"], message["time"])
        self._client.log_batch(run_id, tags=_tags({**message["tags"], STATE: message["state"]}))
        self.states[message["key"]] = message["state"]


class Tracker:
    """An outbox with a thread that empties it. Where MLflow cannot be reached, messages stay and work goes on."""

    def __init__(self, outbox: Path, connect: Callable[[], Sender]) -> None:
        self._outbox, self._connect = Outbox(outbox), connect
        self._wake, self._closing = threading.Event(), threading.Event()
        self._sender: Sender | None = None
        self._sent, self._patience = 0, PATIENCE
        self._given_up = False
        self.error = ""  # why the last message could not be sent
        self.waits_for_user = False  # whether `error` says what a user must do first: waiting alone changes nothing
        self.refused: list[str] = []  # what was set aside, and why: a sentence a message
        self._thread = threading.Thread(target=self._work, name="mlflow-outbox", daemon=True)
        self._thread.start()

    def tell(self, *messages: Message) -> None:
        self._outbox.put(messages)
        self._wake.set()

    def states(self) -> dict[str, str] | None:
        """What each run was told last, what still waits for it included; None where MLflow cannot be reached now.

        Waits for the connection, but not for ever.
        """
        asking = threading.Thread(target=self._connected, daemon=True)
        asking.start()
        asking.join(self._patience)
        if asking.is_alive():
            self._patience = 0.0  # the end need not wait for it again
            return None
        sender = self._sender
        if sender is None:
            return None
        waiting = self._outbox.states(sender.runs, self._sent)
        return sender.states | waiting  # what was sent meanwhile is in both

    def _connected(self) -> Sender | None:
        with _connecting:
            try:
                self._sender = self._sender or self._connect()
            except Exception as error:  # whatever MLflow, its database driver or the network raises: work goes on
                self._failed(error)
            return self._sender

    def _failed(self, error: Exception) -> None:
        """The next message is sent on another connection."""
        self.error, self._sender = one_line(error), None
        self.waits_for_user = isinstance(error, AblateError | FileNotFoundError)

    def _work(self) -> None:
        while not self._closing.is_set():
            self._drain()
            if self.error:
                self._closing.wait(RETRY)
            else:
                self._wake.wait(RETRY)
            self._wake.clear()
        self._drain()

    def _drain(self) -> None:
        while True:
            messages, end_at = self._outbox.read(self._sent)
            sender = self._connected() if messages else None
            if sender is None or self._given_up:
                return
            if not self._delivered(sender, messages) or self._given_up:
                return
            self.error, self._sent = "", end_at
            if self._outbox.clear(end_at):
                self._sent = 0

    def _delivered(self, sender: Sender, messages: Sequence[Message]) -> bool:
        """Send messages; return whether all of them are sent or set aside."""
        try:
            sender.send(messages)
            return True
        except Exception as error:  # as above
            self._failed(error)
            return is_final(error) and self._delivered_singly(messages)

    def _delivered_singly(self, messages: Sequence[Message]) -> bool:
        """Send each message by itself, and set those aside that are refused. The connection is a new one: it finds an
        experiment in the trash, and no longer knows runs that were deleted meanwhile."""
        sender = self._connected()
        for message in messages:
            if sender is None or self._given_up:
                return False
            try:
                sender.send([message])
            except Exception as error:  # as above
                if not is_final(error):
                    self._failed(error)
                    return False
                self._outbox.refuse(message, one_line(error))
                self.refused.append(f"{_described(message)}: {one_line(error)}")
        return sender is not None

    @property
    def refusal(self) -> str:
        """A sentence on the messages that were set aside; "" where there are none."""
        if not self.refused:
            return ""
        more = f"; and {len(self.refused) - MOST_NAMED} more" if len(self.refused) > MOST_NAMED else ""
        return (
            f"{len(self.refused)} refused, the rest is sent: {'; '.join(self.refused[:MOST_NAMED])}{more}; kept in "
            f"{self._outbox.refused}, and tried again by: ablate sync"
        )

    def _moved(self) -> tuple[int, int]:
        return self._sent, self._sender.handled if self._sender else 0

    def close(self) -> int:
        """Send what is left, once, as long as something moves; the number of messages that could not be sent."""
        self._closing.set()
        self._wake.set()
        before = None
        while self._thread.is_alive() and before != self._moved():
            before = self._moved()
            self._thread.join(self._patience)
        if self._thread.is_alive():
            self._given_up, self.error = True, "it does not answer"
        return self._outbox.count(self._sent)


_connecting = threading.Lock()  # the tables of a new database are made once


def _described(message: Message) -> str:
    """Return what a message is, for a user."""
    what = {"run": "a run", "metrics": "metrics", "text": "a file", "end": "the end of a run"}
    name = message.get("name") or message.get("file") or ", ".join(message.get("values", {}))
    return what.get(message["kind"], "a line of the outbox") + (f" ({name[:60]})" if name else "")


def one_line(error: Exception) -> str:
    """Return what went wrong, without a password that an address may hold. An AblateError says the way out itself."""
    return first_line(error) if isinstance(error, AblateError) else f"{type(error).__name__}: {first_line(error)}"
