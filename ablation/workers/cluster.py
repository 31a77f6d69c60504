"""Dask: one process a slot on this machine, or workers that `ablate worker` started elsewhere."""

import asyncio
import contextlib
import logging
import os
import queue
import signal
import socket
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Nanny, Scheduler, Security, SpecCluster, WorkerPlugin, get_worker
from distributed.comm import connect
from distributed.gc import disable_gc_diagnosis

from ablation.errors import AblateError
from ablation.loading import loading
from ablation.outcomes import JobOutcome, Status
from ablation.workers import pool
from ablation.workers.interrupts import shielded
from ablation.workers.pool import Ended, Job, Listener, Setup, Task, Tls
from ablation.workers.slots import AT_START, Slot, environment

SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,  # attempts are ours to count
    "distributed.deploy.lost-worker-timeout": "1 day",  # else a nanny that restarts its worker slowly is given up
    "distributed.worker.daemon": False,
    "distributed.worker.memory.terminate": False,
    "distributed.comm.timeouts.connect": "60s",
    "distributed.admin.low-level-log-length": 100,
    "distributed.worker.profile.enabled": False,
    "distributed.nanny.pre-spawn-environ": AT_START,
}
NO_WORKER_SECONDS = 120  # after which a local pool without workers gives up, and a remote one says that it waits
LOADING_SECONDS = 60  # that a job may take until it begins, beside its own time
TICK_SECONDS = 1.0
CONNECT_SECONDS = 20

LOG = logging.getLogger(__name__)

_asked_to_stop: set[str] = set()  # in a worker's process: the keys of jobs that should save and return


def _redirect(log: Path) -> None:
    """Send what this process prints and logs to a file: the terminal belongs to the orchestrator."""
    log.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    logging.Formatter.converter = time.gmtime  # UTC, as in run.log
    logging.basicConfig(stream=sys.stdout, format="%(asctime)sZ %(message)s")
    logging.getLogger("ablation").setLevel(logging.INFO)


class _Wire:
    """The link of a job in a worker's process."""

    def __init__(self, topic: str, key: str) -> None:
        self._worker, self._topic, self._key = get_worker(), topic, key
        self._task = self._worker.get_current_task()

    def _send(self, kind: str, content: Any) -> None:
        self._worker.log_event(self._topic, (kind, self._key, content))

    def placed(self) -> None:
        self._send("placed", self._worker.address)

    def begin(self) -> None:
        self._send("began", str(self._worker.name))

    def report(self, message: dict[str, Any]) -> None:
        self._send("reported", message)

    def stopping(self) -> bool:
        """A task whose client is gone is cancelled by the scheduler, and runs on unless it looks."""
        task = self._worker.state.tasks.get(self._task)
        return self._key in _asked_to_stop or task is None or task.state != "executing"


def _on_worker(
    topic: str, key: str, job: Job, arguments: Sequence[Any], log: str, required: Mapping[str, str]
) -> JobOutcome[Any]:
    """Runs in the worker's process. `required`: the variables that it must have."""
    _asked_to_stop.discard(key)
    link = _Wire(topic, key)
    _redirect(Path(log) / f"worker-{get_worker().name}.log".replace(":", "-"))
    link.placed()
    for name, value in required.items():
        if (other := os.environ.get(name)) != value:
            where, other = socket.gethostname(), other or "not set"
            raise AblateError(f"{name} is {other} on {where}, and {value} here: start its workers with {value}")
    outcome = pool.outcome(job, arguments, link)
    if outcome.error:
        LOG.error("%s: %s: %s", key, outcome.status, outcome.error)
    return outcome


class _Loading(WorkerPlugin):  # type: ignore[misc]  # Dask's classes have no types
    """Each worker loads a module as its process starts, aside: what the first job needs is there, or on its way. What
    that prints is lost; nothing is written before there is a job."""

    def __init__(self, module: str) -> None:
        self._module = module

    def setup(self, worker: Any) -> None:
        _redirect(Path(os.devnull))
        threading.Thread(target=self._load, daemon=True).start()

    def _load(self) -> None:
        with contextlib.suppress(Exception), loading():  # the first job says what is wrong
            import_module(self._module)


def _ask_to_stop(keys: Sequence[str]) -> None:
    _asked_to_stop.update(keys)


@dataclass
class _Flight:
    """A task on its way to a worker that is free. `since`, `placed`: when it was sent, and began there (monotonic)."""

    task: Task
    future: Any
    worker: str
    since: float = field(default_factory=time.monotonic)
    placed: float | None = None
    lost: Status | None = None  # why we gave it up

    def late(self) -> bool:
        if self.task.seconds is None or self.lost:
            return False
        began = self.since + LOADING_SECONDS if self.placed is None else self.placed
        return time.monotonic() - began > self.task.seconds


def _lost(future: Any) -> JobOutcome[Any]:
    """Return the outcome of a job that returned none: a future is cancelled where the scheduler forgets it, as one that
    starts anew does. Raises AblateError where a worker must not work for us: it would be idle, and given all that
    waits."""
    error = None if future.status == "cancelled" else future.exception()
    if isinstance(error, AblateError):
        raise error
    if error is None or "KilledWorker" in repr(error):
        return JobOutcome(Status.KILLED)
    return JobOutcome(Status.FAILED, error=repr(error))


@dataclass
class Dask:
    """Tasks on the workers of one Dask cluster, at most one a slot, and at most `slots` in all.

    Each is sent to a worker that has nothing else to do: Dask would queue some on a busy one, and its death would be
    theirs. `kill` ends the process of a worker, `say` tells a person that no worker is there.
    """

    client: Client
    log: Path
    slots: int | None
    kill: Callable[[str], None]
    say: Callable[[str], None]
    patient: bool  # waits for workers without end
    required: Mapping[str, str] = field(default_factory=dict)  # variables that a worker must have
    _topic: str = field(default_factory=lambda: f"ablate-{uuid.uuid4().hex}")
    _events: "queue.SimpleQueue[tuple[str, str, Any]]" = field(default_factory=queue.SimpleQueue)  # signal-safe
    _flying: dict[str, _Flight] = field(default_factory=dict)
    _next: Task | None = None  # waits for a worker
    _workers: dict[str, int] = field(default_factory=dict)  # address -> slots
    _condemned: set[str] = field(default_factory=set)  # workers that are being killed
    _looked: float = -1e9
    _worker_seen: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.client.subscribe_topic(self._topic, lambda event: self._events.put(event[1]))

    def stop(self) -> None:
        self._events.put(("stop", "", None))

    def run(self, take: Callable[[], Task | None], listener: Listener) -> Iterator[Ended]:
        while True:
            self._look_after()
            while (worker := self._free()) and (task := self._next or take()):
                self._next = None
                self._submit(task, worker)
            if not self._flying:
                self._next = self._next or take()
                if self._next is None:
                    return
            yield from self._event(listener)

    def _free(self) -> str | None:
        """A worker with an empty slot."""
        if self.slots is not None and len(self._flying) >= self.slots:
            return None
        busy = Counter(flight.worker for flight in self._flying.values())
        return next((a for a, n in self._workers.items() if busy[a] < n and a not in self._condemned), None)

    def _submit(self, task: Task, worker: str) -> None:
        arguments = (self._topic, task.key, task.job, task.arguments, str(self.log.absolute()), dict(self.required))
        future = self.client.submit(
            _on_worker, *arguments, workers=[worker], resources={"slot": 1}, retries=0, pure=False
        )
        flight = self._flying[task.key] = _Flight(task, future, worker)
        future.add_done_callback(lambda _: self._events.put(("done", task.key, flight)))

    def _event(self, listener: Listener) -> Iterator[Ended]:
        """Wait for one event, pass it on, and yield the task that it ended."""
        try:
            kind, key, content = self._events.get(timeout=TICK_SECONDS)
        except queue.Empty:
            return
        flight = self._flying.get(key)
        if kind == "stop":
            self._ask_all()
        elif flight is None or (kind == "done" and content is not flight):
            return  # of a task that was given up
        elif kind == "done":
            del self._flying[key]
            yield from self._end(flight)
        elif kind == "placed":
            flight.placed = time.monotonic()
        elif kind == "began":
            listener.began(key, content)
        else:
            listener.reported(key, content)

    def _end(self, flight: _Flight) -> Iterator[Ended]:
        if flight.future.status == "finished":
            yield flight.task.key, flight.future.result()
            return
        self._looked = -1e9  # workers may be gone
        yield flight.task.key, JobOutcome(flight.lost) if flight.lost else _lost(flight.future)

    def _ask_all(self) -> None:
        """Those that run save and return; those that are not there yet are taken back."""
        self._next = None
        for flight in self._flying.values():
            if flight.placed is None:
                self._give_up(flight, Status.KILLED)
        keys = list(self._flying)
        self._aside(lambda: self.client.run(_ask_to_stop, keys, on_error="ignore"))

    @staticmethod
    def _aside(call: Callable[[], object]) -> None:
        """A worker that hangs must not make us hang, and one that is gone by then needs no telling."""

        def quietly() -> None:
            with contextlib.suppress(OSError, TimeoutError):  # Dask's CommClosedError is an OSError
                call()

        threading.Thread(target=quietly, daemon=True).start()

    @staticmethod
    def _give_up(flight: _Flight, reason: Status) -> None:
        flight.lost = reason
        flight.future.cancel(force=True)

    def _look_after(self) -> None:
        """Once a tick: count workers, kill those whose job is late, notice when there are none."""
        now = time.monotonic()
        if now - self._looked < TICK_SECONDS:
            return
        self._looked = now
        if self.client.status in ("closing", "closed"):
            raise AblateError("the scheduler is gone; when it is back, the same command goes on")
        present = self.client.scheduler_info(n_workers=-1).get("workers", {})  # none while it looks for its scheduler
        self._workers = {address: int(w["resources"].get("slot", 0)) for address, w in present.items()}
        self._condemned &= set(self._workers)
        for flight in self._flying.values():
            if flight.late():
                self._condemned.add(flight.worker)
                self._give_up(flight, Status.TIMED_OUT)
                self._aside(partial(self.kill, flight.worker))
            elif flight.placed is None and flight.worker not in self._workers and not flight.lost:
                self._give_up(flight, Status.KILLED)  # nobody would begin it
        self._await_workers(now)

    def _await_workers(self, now: float) -> None:
        if any(self._workers.values()):
            self._worker_seen = now
        elif now - self._worker_seen > NO_WORKER_SECONDS:
            self._worker_seen = now
            if not self.patient:
                raise AblateError(f"no worker could be started in {NO_WORKER_SECONDS} s; see {self.log}")
            self.say("no worker is there; waiting: start some with `ablate worker --scheduler ...`")


def _nanny(slot: Slot, setup: Setup, **more: Any) -> dict[str, Any]:
    return {
        "nthreads": 1,
        "env": {**environment(slot), **setup.environment(slot)},
        "resources": {"slot": 1},
        "memory_limit": 0,
        "dashboard": False,
        "silence_logs": logging.CRITICAL,
        **more,
    }


def _quiet() -> None:
    logging.getLogger("distributed").setLevel(logging.CRITICAL)


def _cannot_start(reason: str) -> AblateError:
    return AblateError(
        f"workers cannot be started on this machine: {reason}; mend that, or train in this process, without workers: "
        "--inline"
    )


def _refuse_without_loopback() -> None:
    """Refuse to start workers that nobody could reach: Dask would wait for minutes. Raises AblateError."""
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname(), timeout=CONNECT_SECONDS),
        ):
            pass
    except OSError as error:
        raise _cannot_start(f"127.0.0.1 cannot be reached ({error.strerror or error})") from None


def _cause(error: BaseException) -> str:
    """Return the first line of the innermost error: Dask wraps what went wrong several times."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextlib.contextmanager
def _starting() -> Iterator[None]:
    """Dask's errors while processes start are the machine's, and no bug. Raises AblateError."""
    try:
        yield
    except (OSError, RuntimeError, TimeoutError) as error:
        raise _cannot_start(_cause(error)) from None


@contextlib.contextmanager
def local(slots: Sequence[Slot], log: Path, say: Callable[[str], None], setup: Setup) -> Generator[Dask]:
    """A Dask cluster on loopback, one process a slot; nothing of it outlives this process. Raises AblateError where no
    processes can be started, or where they cannot be reached."""
    _refuse_without_loopback()
    _quiet()
    workers = {slot.name: {"cls": Nanny, "options": _nanny(slot, setup, host="127.0.0.1")} for slot in slots}
    scheduler = {
        "cls": Scheduler,
        "options": {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"},
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(SETTINGS))
        with _starting(), shielded():
            cluster = SpecCluster(workers=workers, scheduler=scheduler, name="ablate", silence_logs=logging.CRITICAL)
            stack.enter_context(cluster)
            client = stack.enter_context(Client(cluster))
        disable_gc_diagnosis(force=True)  # it is not safe among threads, and its errors land on the terminal
        with _starting():
            client.wait_for_workers(len(slots), timeout=NO_WORKER_SECONDS)
        if setup.loads:
            client.register_plugin(_Loading(setup.loads))

        def kill(address: str) -> None:
            for nanny in cluster.workers.values():
                if nanny.worker_address == address:
                    os.kill(nanny.pid, signal.SIGKILL)

        yield Dask(client, log, None, kill, say, patient=False, required=setup.required)


def _security(tls: Tls) -> Security | None:
    if not tls.ca:
        return None
    ends = {f"tls_{who}_{what}": path for who in ("client", "worker", "scheduler")
            for what, path in (("cert", tls.cert), ("key", tls.key))}  # fmt: skip
    return Security(tls_ca_file=tls.ca, require_encryption=True, **ends)


def _unreachable(address: str, error: Exception) -> AblateError:
    """A time that runs out says nothing of itself: then its name is the reason."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return AblateError(f"--scheduler {address}: cannot be reached ({reason})")


def _sees(path: str) -> tuple[str, bool]:
    return socket.gethostname(), Path(path).is_file()


def _refuse_unshared(client: Client, workspace: Path) -> None:
    """A file written here must be there for every worker. Raises AblateError."""
    token = workspace.absolute() / f".seen-by-all-{uuid.uuid4().hex}"
    token.touch()
    try:
        blind = sorted({host for host, seen in client.run(_sees, str(token)).values() if not seen})
    finally:
        token.unlink()
    if blind:
        raise AblateError(
            f"--workspace {workspace.absolute()}: not seen by the workers on {', '.join(blind)}; "
            "a cluster needs a folder that all machines share, under the same path"
        )


@contextlib.contextmanager
def remote(
    address: str, tls: Tls, workspace: Path, log: Path, say: Callable[[str], None], setup: Setup,
    slots: int | None = None,
) -> Generator[Dask]:  # fmt: skip
    """The workers of a scheduler that runs already; at most `slots` of them at a time.

    Raises AblateError where it, or a shared workspace, is not there.
    """
    _quiet()
    with contextlib.ExitStack() as stack:
        try:
            with shielded():
                client = stack.enter_context(Client(address, security=_security(tls), timeout=CONNECT_SECONDS))
        except (OSError, ValueError, TypeError, RuntimeError) as error:  # the last: TLS to an address that has none
            raise _unreachable(address, error) from None
        if not client.scheduler_info(n_workers=-1)["workers"]:
            say(f"no worker at {address} yet; start some with: ablate worker --scheduler {address}")
            client.wait_for_workers(1)
        _refuse_unshared(client, workspace)

        def kill(address: str) -> None:
            client.restart_workers([address], timeout=30, raise_for_error=False)

        yield Dask(client, log, slots, kill, say, patient=True, required=setup.required)


async def _serve(address: str, slots: Sequence[Slot], security: Security | None, setup: Setup) -> None:
    host = socket.gethostname()
    names = [f"{host}-{os.getpid()}-{slot.name}" for slot in slots]
    arguments = security.get_connection_args("worker") if security else {}
    await (await connect(address, timeout=CONNECT_SECONDS, **arguments)).close()  # while a signal is still heard
    with shielded():
        nannies = [
            Nanny(address, security=security, **_nanny(slot, setup, name=name))
            for name, slot in zip(names, slots, strict=True)
        ]
        await asyncio.gather(*nannies)
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    ends = [asyncio.ensure_future(nanny.finished()) for nanny in nannies]
    await asyncio.wait([*ends, asyncio.ensure_future(asked.wait())], return_when=asyncio.FIRST_COMPLETED)
    await asyncio.gather(*(nanny.close(timeout=5) for nanny in nannies))


def serve(address: str, slots: Sequence[Slot], tls: Tls, setup: Setup) -> None:
    """Work for a scheduler until it ends or a signal comes. Raises AblateError where it cannot be reached."""
    _quiet()
    try:
        with dask.config.set(SETTINGS):
            asyncio.run(_serve(address, slots, _security(tls), setup))
    except (OSError, ValueError, TypeError, RuntimeError) as error:  # the last is Dask's, where a nanny cannot start
        cause = error.__cause__
        raise _unreachable(address, cause if isinstance(cause, Exception) else error) from None
