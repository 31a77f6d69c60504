"""Pools, which run jobs on slots: each job gets a channel to the orchestrator, and its outcome is returned."""

import contextlib
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ablation.engine.slots import Slot, environment
from ablation.errors import AblateError
from ablation.outcomes import JobOutcome, raised


class Channel(Protocol):
    """Connection between a job and its orchestrator."""

    def begin(self) -> None:
        """Report that the job has work to do, and starts."""

    def report(self, message: dict[str, Any]) -> None: ...

    def stopping(self) -> bool:
        """Return whether the job should save its state and return.

        That is so after a request to stop, or when the orchestrator is gone.
        """


Job = Callable[..., JobOutcome[Any]]  # called as job(*arguments, channel)
Ended = tuple[str, JobOutcome[Any]]  # key and outcome of a task


def outcome(job: Job, arguments: Sequence[Any], channel: Channel) -> JobOutcome[Any]:
    """Run a job in this process; an exception of the job becomes its outcome."""
    try:
        return job(*arguments, channel)
    except Exception as error:
        return raised(error)


@dataclass(frozen=True)
class Task:
    """Job with its arguments.

    `key` identifies the task in calls of the listener. A worker that takes longer than `seconds` is killed.
    """

    key: str
    job: Job
    arguments: tuple[Any, ...] = field(default=())
    seconds: float | None = None


@dataclass(frozen=True)
class ProcessSetup:
    """Requirements of an experiment for its worker processes.

    `environment` returns the variables of a process on a slot, in addition to those of every worker. `required` holds
    the variables that a worker must have wherever the worker was started. `loads` is a module that each process imports
    at its start, "" for none.
    """

    environment: Callable[[Slot], Mapping[str, str]] = lambda slot: {}
    required: Mapping[str, str] = field(default_factory=dict)
    loads: str = ""


@dataclass(frozen=True)
class Tls:
    """Paths of the PEM files that encrypt the traffic between machines.

    Raises AblateError where a file is missing.
    """

    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        paths = [self.ca, self.cert, self.key]
        if any(paths) and not all(paths):
            raise AblateError("--tls-ca, --tls-cert and --tls-key: give all three, or none")
        for path in paths:
            if path and not Path(path).is_file():
                raise AblateError(f"{path}: no such file; --tls-ca, --tls-cert and --tls-key take PEM files")


@dataclass(frozen=True)
class Listener:
    """Callbacks in the orchestrator's own thread.

    `began` gets the key of a task and the slot on which the task starts. `reported` gets the key and the message of a
    task.
    """

    began: Callable[[str, str], None] = lambda key, slot: None
    reported: Callable[[str, dict[str, Any]], None] = lambda key, message: None


class Pool(Protocol):
    """Executor that takes tasks as slots become free, until none remains; yields key and outcome of each ended task."""

    def run(self, take: Callable[[], Task | None], listener: Listener) -> Iterator[Ended]: ...

    def stop(self) -> None:
        """Ask the running jobs to save and return. A signal handler may call this method."""

    def end(self) -> None:
        """Kill the worker processes of this machine at once. A signal handler may call this method."""


class Inline:
    """Pool that runs one task after the other in this process, for debugging and tests. No task is timed out."""

    def __init__(self) -> None:
        self._stopping = False

    def run(self, take: Callable[[], Task | None], listener: Listener) -> Iterator[Ended]:
        while task := take():
            channel = _Direct(task.key, listener, lambda: self._stopping)
            yield task.key, outcome(task.job, task.arguments, channel)

    def stop(self) -> None:
        self._stopping = True

    def end(self) -> None:
        """Return at once: the jobs run in this process, which the signal ends."""


@dataclass(frozen=True)
class _Direct:
    """Channel of a job in the orchestrator's own process."""

    key: str
    listener: Listener
    stopping: Callable[[], bool]

    def begin(self) -> None:
        self.listener.began(self.key, "inline")

    def report(self, message: dict[str, Any]) -> None:
        self.listener.reported(self.key, message)


@contextlib.contextmanager
def inline(slot: Slot, setup: ProcessSetup) -> Generator[Inline]:
    os.environ.update({**environment(slot), **setup.environment(slot)})
    yield Inline()
