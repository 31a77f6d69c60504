"""Run jobs on slots: a pool gives each job a link to its orchestrator, and returns its outcome."""

import contextlib
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ablation.errors import AblateError
from ablation.outcomes import JobOutcome, raised
from ablation.workers.slots import Slot, environment


class Link(Protocol):
    """What connects a job with its orchestrator."""

    def begin(self) -> None:
        """The job has something to do, and starts."""

    def report(self, message: dict[str, Any]) -> None: ...

    def stopping(self) -> bool:
        """Whether the job should save what it has and return: it was asked to, or its orchestrator is gone."""


Job = Callable[..., JobOutcome[Any]]  # called as job(*arguments, link)
Ended = tuple[str, JobOutcome[Any]]  # the key of a task, and its outcome


def outcome(job: Job, arguments: Sequence[Any], link: Link) -> JobOutcome[Any]:
    """Run a job here; what it raises becomes its outcome."""
    try:
        return job(*arguments, link)
    except Exception as error:
        return raised(error)


@dataclass(frozen=True)
class Task:
    """A job with its arguments; `key` says which, to whoever listens. `seconds`: after which it is killed."""

    key: str
    job: Job
    arguments: tuple[Any, ...] = field(default=())
    seconds: float | None = None


@dataclass(frozen=True)
class Setup:
    """What an experiment needs of the processes of its workers.

    `environment`: the variables of one on a slot, beside those of every worker. `required`: the variables that a worker
    must have wherever it was started. `loads`: a module that each imports as it starts, "" for none.
    """

    environment: Callable[[Slot], Mapping[str, str]] = lambda slot: {}
    required: Mapping[str, str] = field(default_factory=dict)
    loads: str = ""


@dataclass(frozen=True)
class Tls:
    """Paths of the PEM files that encrypt what goes between machines. Raises AblateError where one is missing."""

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
    """Who is told, in the orchestrator's own thread: that a task begins on a slot, and what it reports."""

    began: Callable[[str, str], None] = lambda key, slot: None
    reported: Callable[[str, dict[str, Any]], None] = lambda key, message: None


class Pool(Protocol):
    """Takes tasks as slots become free, until there is none; yields its key and outcome as each ends."""

    def run(self, take: Callable[[], Task | None], listener: Listener) -> Iterator[Ended]: ...

    def stop(self) -> None:
        """Ask the jobs that run to save and return. May be called by a signal's handler."""


class Inline:
    """One task after the other, in this process: for debugging, and for tests. Nothing times a task out."""

    def __init__(self) -> None:
        self._stopping = False

    def run(self, take: Callable[[], Task | None], listener: Listener) -> Iterator[Ended]:
        while task := take():
            link = _Direct(task.key, listener, lambda: self._stopping)
            yield task.key, outcome(task.job, task.arguments, link)

    def stop(self) -> None:
        self._stopping = True


@dataclass(frozen=True)
class _Direct:
    """The link of a job in the orchestrator's own process."""

    key: str
    listener: Listener
    stopping: Callable[[], bool]

    def begin(self) -> None:
        self.listener.began(self.key, "inline")

    def report(self, message: dict[str, Any]) -> None:
        self.listener.reported(self.key, message)


@contextlib.contextmanager
def inline(slot: Slot, setup: Setup) -> Generator[Inline]:
    os.environ.update({**environment(slot), **setup.environment(slot)})
    yield Inline()
