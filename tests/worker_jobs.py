"""Jobs that tests give to workers, which import this module, and what tests do with them."""

import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ablation.engine import slots
from ablation.engine.pool import Channel, Task
from ablation.outcomes import JobOutcome, Status

SAVED = JobOutcome(Status.INTERRUPTED, "saved")
WATCHED = ("CUDA_VISIBLE_DEVICES", "TF_NUM_INTRAOP_THREADS", "TF_FORCE_GPU_ALLOW_GROWTH", slots.MEMORY_LIMIT)


def double(x: int, link: Channel) -> JobOutcome[int]:
    link.begin()
    link.report({"seen": x})
    return JobOutcome(Status.DONE, 2 * x)


def die(link: Channel) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail(link: Channel) -> None:
    raise ValueError("no")


def hang(signal_number: int, link: Channel) -> None:
    if signal_number:
        time.sleep(0.5)  # until the orchestrator knows that the job began
        os.kill(os.getpid(), signal_number)
    time.sleep(600)


def patient(link: Channel) -> JobOutcome[str]:
    link.begin()
    while not link.stopping():
        time.sleep(0.05)
    return SAVED


def surroundings(link: Channel) -> JobOutcome[dict[str, str]]:
    print("a line that must not reach the terminal")
    at_start = Path("/proc/self/environ").read_text().split("\0") if sys.platform == "linux" else []
    return JobOutcome(Status.DONE, dict(os.environ) | {"at_start": " ".join(at_start)})


def occupy(folder: str, link: Channel) -> JobOutcome[dict[str, str]]:
    """Hold the slot's GPU share for a moment; a file that must be nobody else's says so."""
    name = os.environ["TEST_SLOT"]
    held = Path(folder) / name
    held.touch(exist_ok=False)
    time.sleep(0.1)
    held.unlink()
    return JobOutcome(Status.DONE, {"slot": name} | {k: v for k, v in os.environ.items() if k in WATCHED})


def has(module: str, link: Channel) -> JobOutcome[bool]:
    return JobOutcome(Status.DONE, module in sys.modules)


def getpid(link: Channel) -> JobOutcome[int]:
    return JobOutcome(Status.DONE, os.getpid())


def done(value: object) -> JobOutcome[object]:
    return JobOutcome(Status.DONE, value)


def each(*tasks: Task) -> Callable[[], Task | None]:
    """A source of these tasks."""
    return partial(next, iter(tasks), None)
