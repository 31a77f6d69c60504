"""Pool on Dask: one process per slot on this machine, or workers that `ablate worker` started on other machines."""

import contextlib
import queue
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from distributed import Client

from ablation.engine.dask_worker import ask_to_stop, run_on_worker
from ablation.engine.pool import Ended, Listener, Task
from ablation.errors import AblateError
from ablation.outcomes import JobOutcome, Status

NO_WORKER_SECONDS = 120  # after which a local pool without workers fails, and a remote pool reports that it waits
LOADING_SECONDS = 60  # allowed until a job begins, in addition to the job's own time limit
TICK_SECONDS = 1.0


@dataclass
class _InFlight:
    """Task that was sent to a free worker.

    `since` is when the task was sent, `placed` when it began there, both on the monotonic clock.
    """

    task: Task
    future: Any
    worker: str
    since: float = field(default_factory=time.monotonic)
    placed: float | None = None
    lost: Status | None = None  # why the pool gave the task up

    def late(self) -> bool:
        """Return whether the task has exceeded its time limit."""
        if self.task.seconds is None or self.lost:
            return False
        began = self.since + LOADING_SECONDS if self.placed is None else self.placed
        return time.monotonic() - began > self.task.seconds


def _lost(future: Any) -> JobOutcome[Any]:
    """Return the outcome of a job that returned none.

    A future is cancelled where the scheduler forgets the future, as a restarted scheduler does. Raises AblateError
    where the worker must not run this study's jobs: such a worker would be idle, and get all waiting tasks.
    """
    error = None if future.status == "cancelled" else future.exception()
    if isinstance(error, AblateError):
        raise error
    if error is None or "KilledWorker" in repr(error):
        return JobOutcome(Status.KILLED)
    return JobOutcome(Status.FAILED, error=repr(error))


@dataclass
class DaskPool:
    """Pool that runs tasks on the workers of one Dask cluster, at most one per slot, and at most `slots` in all.

    Each task is sent to a worker that has no other task. Dask would queue several tasks on a busy worker, and the death
    of the worker would end all of them. `kill` ends the process of a worker. `say` shows a message to the user, where
    no worker is available.
    """

    client: Client
    log: Path
    slots: int | None
    kill: Callable[[str], None]
    say: Callable[[str], None]
    patient: bool  # waits for workers without a time limit
    end: Callable[[], None] = lambda: None  # kills the workers that this process started
    required: Mapping[str, str] = field(default_factory=dict)  # environment variables that a worker must have
    _topic: str = field(default_factory=lambda: f"ablate-{uuid.uuid4().hex}")
    _events: "queue.SimpleQueue[tuple[str, str, Any]]" = field(default_factory=queue.SimpleQueue)  # signal-safe
    _flying: dict[str, _InFlight] = field(default_factory=dict)
    _next: Task | None = None  # task that waits for a worker
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
        """Return the address of a worker with a free slot, or None."""
        if self.slots is not None and len(self._flying) >= self.slots:
            return None
        busy = Counter(flight.worker for flight in self._flying.values())
        return next((a for a, n in self._workers.items() if busy[a] < n and a not in self._condemned), None)

    def _submit(self, task: Task, worker: str) -> None:
        arguments = (self._topic, task, str(self.log.absolute()), dict(self.required))
        future = self.client.submit(
            run_on_worker, *arguments, workers=[worker], resources={"slot": 1}, retries=0, pure=False
        )
        flight = self._flying[task.key] = _InFlight(task, future, worker)
        future.add_done_callback(lambda _: self._events.put(("done", task.key, flight)))

    def _event(self, listener: Listener) -> Iterator[Ended]:
        """Wait for one event, pass it to the listener, and yield the task that it ended."""
        try:
            kind, key, content = self._events.get(timeout=TICK_SECONDS)
        except queue.Empty:
            return
        flight = self._flying.get(key)
        if kind == "stop":
            self._ask_all()
        elif flight is None or (kind == "done" and content is not flight):
            return  # the event of a task that was given up
        elif kind == "done":
            del self._flying[key]
            yield from self._end(flight)
        elif kind == "placed":
            flight.placed = time.monotonic()
        elif kind == "began":
            listener.began(key, content)
        else:
            listener.reported(key, content)

    def _end(self, flight: _InFlight) -> Iterator[Ended]:
        if flight.future.status == "finished":
            yield flight.task.key, flight.future.result()
            return
        self._looked = -1e9  # workers may be gone
        yield flight.task.key, JobOutcome(flight.lost) if flight.lost else _lost(flight.future)

    def _ask_all(self) -> None:
        """Ask the running tasks to save and return, and take back the tasks that no worker has begun."""
        self._next = None
        for flight in self._flying.values():
            if flight.placed is None:
                self._give_up(flight, Status.INTERRUPTED)
        keys = list(self._flying)
        self._aside(lambda: self.client.run(ask_to_stop, keys, on_error="ignore"))

    @staticmethod
    def _aside(call: Callable[[], object]) -> None:
        """Run `call` in a thread.

        A worker that hangs must not block the orchestrator. A worker that is gone by then needs no message.
        """

        def quietly() -> None:
            with contextlib.suppress(OSError, TimeoutError):  # Dask's CommClosedError is an OSError
                call()

        threading.Thread(target=quietly, daemon=True).start()

    @staticmethod
    def _give_up(flight: _InFlight, reason: Status) -> None:
        flight.lost = reason
        flight.future.cancel(force=True)

    def _look_after(self) -> None:
        """Count the workers, kill those whose job is late, and handle the lack of workers; at most once a tick."""
        now = time.monotonic()
        if now - self._looked < TICK_SECONDS:
            return
        self._looked = now
        if self.client.status in ("closing", "closed"):
            raise AblateError("the scheduler has ended; start it again and run the same command to resume")
        present = self.client.scheduler_info(n_workers=-1).get("workers", {})  # empty while the client reconnects
        self._workers = {address: int(w["resources"].get("slot", 0)) for address, w in present.items()}
        self._condemned &= set(self._workers)
        for flight in self._flying.values():
            if flight.late():
                self._condemned.add(flight.worker)
                self._give_up(flight, Status.TIMED_OUT)
                self._aside(partial(self.kill, flight.worker))
            elif flight.placed is None and flight.worker not in self._workers and not flight.lost:
                self._give_up(flight, Status.KILLED)  # no worker would begin the task
        self._await_workers(now)

    def _await_workers(self, now: float) -> None:
        if any(self._workers.values()):
            self._worker_seen = now
        elif now - self._worker_seen > NO_WORKER_SECONDS:
            self._worker_seen = now
            if not self.patient:
                raise AblateError(f"no worker could be started in {NO_WORKER_SECONDS} s; see {self.log}")
            self.say("waiting for workers; start one with `ablate worker --scheduler ...`")
