"""Outcomes of jobs: typed values, which cross the process boundary in place of exceptions."""

import traceback
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)

# Out-of-memory messages of Keras' backends (TensorFlow, JAX, torch, CUDA, Python, the C++ library).
MEMORY_MESSAGES = (
    "resourceexhausted", "resource_exhausted", "resource exhausted", "outofmemory", "out of memory", "out_of_memory",
    "oom when allocating", "memoryerror", "failed to allocate memory", "unable to allocate", "bad_alloc",
)  # fmt: skip


class Status(StrEnum):
    """Ways in which a job can end. The values are stored in files, tables and trackers: they never change."""

    DONE = "done"
    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out of memory"
    KILLED = "killed"
    TIMED_OUT = "timed out"
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # asked to stop: no result, the training is resumed from its checkpoint
    PRUNED = "pruned"  # stopped by a search, which is no failure; of imported results alone


STOPPED = (Status.KILLED, Status.INTERRUPTED, Status.PRUNED)  # of imported runs: they did not fail by themselves


@dataclass(frozen=True)
class JobOutcome(Generic[T_co]):
    """Outcome of a job.

    `value`: return value of a job that is done. `error`: error of a job that is not, with the traceback if there is
    one. `is_contract`: whether the error is one of the experiment's contract, which other trainings would share.
    """

    status: Status
    value: T_co | None = None
    error: str = ""
    is_contract: bool = False

    @property
    def reason(self) -> str:
        """Reason why the job gave no value, in one line: the last line of a traceback."""
        return (self.error.strip().splitlines() or [self.status.value])[-1]


class Failure(Exception):
    """End of a training in a way that is known: its status, and its reason without a traceback.

    `is_contract`: see `JobOutcome`.
    """

    def __init__(self, status: Status, reason: str, is_contract: bool = False) -> None:
        super().__init__(reason)
        self.status, self.is_contract = status, is_contract


def is_out_of_memory(text: str) -> bool:
    """Return whether a text holds a message of a backend, or of Python, that memory ran out."""
    return any(message in text.lower() for message in MEMORY_MESSAGES)


def status_of(error: BaseException) -> Status:
    """Return the status of a job that raised an exception: out of memory, or failed."""
    text = " ".join([*(kind.__name__ for kind in type(error).__mro__), str(error)])
    return Status.OUT_OF_MEMORY if is_out_of_memory(text) else Status.FAILED


def raised(error: Exception) -> JobOutcome[None]:
    """Return the outcome of a job that raised `error`."""
    if isinstance(error, Failure):
        return JobOutcome(error.status, error=str(error), is_contract=error.is_contract)
    return JobOutcome(status_of(error), error="".join(traceback.format_exception(error)))
