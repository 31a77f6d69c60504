"""What trainings cost: the seconds of their pieces, their memory, their files. An experiment estimates its own."""

import resource
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ablation.grids.record import Record
from ablation.planning.plan import Training
from ablation.results import result
from ablation.watching.watch import Watch
from ablation.workers.pool import Task
from ablation.workers.slots import Slot
from ablation.workspace import Workspace, read_json

T = TypeVar("T")


@dataclass(frozen=True)
class Speed:
    """Seconds of the pieces of a training, and the peak resident bytes of its process.

    `start`: until the model stands, and what its first step takes beyond another. `epoch`: steps and validation.
    `milestone`: predictions of train and test, and the files of a result.
    """

    start: float
    epoch: float
    milestone: float
    memory: int

    def seconds(self, epochs: int, milestones: int) -> float:
        return self.start + epochs * self.epoch + milestones * self.milestone


@dataclass(frozen=True)
class Size:
    """Bytes that a training takes on disk: `kept` of it, its `checkpoint`, and each `result` beside its history."""

    kept: int = 0
    checkpoint: int = 0
    result: int = 0


@dataclass(frozen=True)
class Making:
    """What it costs to make what trainings share, of so many `examples`. `memory` and `disk` in bytes."""

    seconds: float
    memory: int
    disk: int
    examples: int


@dataclass(frozen=True)
class Estimate:
    """What the pieces of a study cost. `start`: seconds until workers are ready. `artifacts`: those that are not made
    yet, by key. `speeds` and `sizes`: of trainings, by key; those that nothing is known of are missing."""

    start: float = 0.0
    artifacts: Mapping[str, Making] = field(default_factory=dict)
    speeds: Mapping[str, Speed] = field(default_factory=dict)
    sizes: Mapping[str, Size] = field(default_factory=dict)


class Bench(Protocol):
    """Workers on which an experiment measures; `slots` of them. `start`: seconds until they were ready."""

    slots: int

    @property
    def start(self) -> float: ...
    def run(self, title: str, tasks: Iterable[Task], kind: type[T]) -> dict[str, T]: ...


@dataclass(frozen=True)
class EstimateRequest:
    """What an experiment is asked to estimate. `trainings`: those that are left. `slots`: where they would run.
    `bench`: starts workers on which to measure, where past trainings say nothing."""

    workspace: Workspace
    record: Record
    trainings: Sequence[Training]
    slots: Sequence[Slot]
    bench: Callable[[], AbstractContextManager[Bench]]
    watch: Watch


def from_past(request: EstimateRequest) -> Estimate:
    """Return the mean speed of the experiment's past trainings here, whatever their levels, for all that are left."""
    ran = []
    for folder in request.workspace.trainings():
        description: Any = read_json(folder.description)
        if description and description.get("experiment") == request.record.grid.factors.experiment:
            ran += [each for each in result.all_of(folder) if each.done]
    if not ran:
        return Estimate()
    step = sum(each.seconds for each in ran) / sum(each.epochs for each in ran)
    speed = Speed(0.0, step, 0.0, max(each.memory for each in ran))
    return Estimate(speeds={training.key: speed for training in request.trainings})


def peak_memory() -> int:
    """Bytes that this process has held in memory at most. Linux' getrusage would count those of its parent too."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
