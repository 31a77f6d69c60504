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
    one.
    """

    status: Status
    value: T_co | None = None
    error: str = ""

    @property
    def reason(self) -> str:
        """Reason why the job gave no value, in one line: the last line of a traceback."""
        return (self.error.strip().splitlines() or [self.status.value])[-1]


def status_of(error: BaseException) -> Status:
    """Return the status of a job that raised an exception: out of memory, or failed."""
    text = " ".join([*(kind.__name__ for kind in type(error).__mro__), str(error)]).lower()
    return Status.OUT_OF_MEMORY if any(message in text for message in MEMORY_MESSAGES) else Status.FAILED


def raised(error: Exception) -> JobOutcome[None]:
    """Return the outcome of a job that raised `error`."""
    return JobOutcome(status_of(error), error="".join(traceback.format_exception(error)))
