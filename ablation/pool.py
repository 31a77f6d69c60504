"""Run jobs on slots: in this process, or on Dask workers, one process a slot. Hands each job a `report` callable."""

import contextlib
import logging
import os
import queue
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import dask
from distributed import Client, Nanny, Scheduler, SpecCluster, get_worker

from ablation.slots import AT_START, Slot, environment

TOPIC = "ablate"
SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,  # attempts are ours to count
    "distributed.worker.daemon": False,
    "distributed.worker.memory.terminate": False,
    "distributed.comm.timeouts.connect": "60s",
    "distributed.admin.low-level-log-length": 100,
    "distributed.worker.profile.enabled": False,
    "distributed.nanny.pre-spawn-environ": AT_START,
}

Job = Callable[..., Any]  # called as job(*arguments, report)


@dataclass(frozen=True)
class Lost:
    """What stands in place of a job's value when its worker died."""

    reason: str


@dataclass(frozen=True)
class Task:
    """A job with its arguments; `key` says which, to whoever listens."""

    key: str
    job: Job
    arguments: tuple[Any, ...] = field(default=())


@dataclass(frozen=True)
class Listener:
    """Who is told, in the orchestrator's own thread: that a task starts on a slot, and what it reports."""

    started: Callable[[str, str], None] = lambda key, slot: None
    reported: Callable[[str, dict[str, Any]], None] = lambda key, message: None


class Pool(Protocol):
    """Runs tasks, in order, as slots become free; yields (key, value or Lost) as each ends."""

    def run(self, tasks: Iterable[Task], listener: Listener) -> Iterator[tuple[str, Any]]: ...


class Inline:
    """One task after the other, in this process: for debugging, and for tests."""

    def run(self, tasks: Iterable[Task], listener: Listener) -> Iterator[tuple[str, Any]]:
        for task in tasks:
            listener.started(task.key, "inline")

            def report(message: dict[str, Any], key: str = task.key) -> None:
                listener.reported(key, message)

            yield task.key, task.job(*task.arguments, report)


def _redirect(log: Path) -> None:
    """Send what this process and its libraries print to a file: the terminal belongs to the orchestrator."""
    log.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)


def _on_worker(key: str, job: Job, arguments: Sequence[Any], log: str) -> Any:
    """Runs in the worker's process."""
    worker = get_worker()
    _redirect(Path(log) / f"worker-{worker.name}.log".replace(":", "-"))
    worker.log_event(TOPIC, {"key": key, "started": str(worker.name)})
    return job(*arguments, lambda message: worker.log_event(TOPIC, {"key": key, "report": message}))


class Dask:
    """Tasks on the workers of one Dask cluster, at most one a slot."""

    def __init__(self, client: Client, slots: int, log: Path) -> None:
        self._client, self._slots, self._log = client, slots, log
        self._events: queue.Queue[tuple[str, Any]] = queue.Queue()
        client.subscribe_topic(TOPIC, lambda event: self._events.put(("event", event[1])))

    def run(self, tasks: Iterable[Task], listener: Listener) -> Iterator[tuple[str, Any]]:
        waiting = iter(tasks)
        flying: dict[str, Any] = {}
        while True:
            while len(flying) < self._slots and (task := next(waiting, None)):
                flying[task.key] = self._submit(task)
            if not flying:
                return
            kind, event = self._events.get()
            if kind == "done":
                future = flying.pop(event)
                yield event, self._value(future)
            elif "report" in event:
                listener.reported(event["key"], event["report"])
            else:
                listener.started(event["key"], event["started"])

    def _submit(self, task: Task) -> Any:
        future = self._client.submit(
            _on_worker,
            task.key,
            task.job,
            task.arguments,
            str(self._log.absolute()),
            resources={"slot": 1},
            retries=0,
            pure=False,
        )
        future.add_done_callback(lambda _: self._events.put(("done", task.key)))
        return future

    @staticmethod
    def _value(future: Any) -> Any:
        if future.status == "finished":
            return future.result()
        return Lost("killed" if "KilledWorker" in repr(future.exception()) else repr(future.exception()))


@contextlib.contextmanager
def inline(slot: Slot) -> Generator[Inline]:
    os.environ.update(environment(slot))
    yield Inline()


@contextlib.contextmanager
def local(slots: Sequence[Slot], log: Path) -> Generator[Dask]:
    """A Dask cluster on loopback, one process a slot; nothing of it outlives this process."""
    quiet = logging.getLogger("distributed")
    quiet.setLevel(logging.CRITICAL)
    workers = {
        slot.name: {
            "cls": Nanny,
            "options": {
                "nthreads": 1,
                "host": "127.0.0.1",
                "env": environment(slot),
                "resources": {"slot": 1},
                "memory_limit": 0,
                "dashboard": False,
                "silence_logs": logging.CRITICAL,
            },
        }
        for slot in slots
    }
    scheduler = {
        "cls": Scheduler,
        "options": {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"},
    }
    with (
        dask.config.set(SETTINGS),
        SpecCluster(workers=workers, scheduler=scheduler, name="ablate", silence_logs=logging.CRITICAL) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(len(slots), timeout=120)
        yield Dask(client, len(slots), log)
