"""Costs of trainings: the seconds of their parts, their memory, their files. Each experiment estimates its own."""

import itertools
import resource
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ablation.engine.pool import Task
from ablation.engine.slots import Slot
from ablation.progress.listener import ProgressListener
from ablation.store import result
from ablation.store.files import read_json
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.store.training import Training
from ablation.store.workspace import Workspace

T = TypeVar("T")
MOST_PAST = 200  # past results that are read before a run


@dataclass(frozen=True)
class Speed:
    """Seconds of the parts of a training, and the peak resident memory of its process in bytes.

    `start`: until the model is built, plus the extra time of the first step. `epoch`: steps and validation.
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
    """Bytes that a training takes on disk.

    `kept`: its weights or other kept files. `checkpoint`: its checkpoint. `result`: each result, without the history.
    """

    kept: int = 0
    checkpoint: int = 0
    result: int = 0


@dataclass(frozen=True)
class ArtifactCost:
    """Cost of an artifact, which trainings share, for `examples` examples. `memory` and `disk` are in bytes."""

    seconds: float
    memory: int
    disk: int
    examples: int


@dataclass(frozen=True)
class Estimate:
    """Costs of the parts of a study.

    `start`: seconds until workers are ready. `artifacts`: those not made yet, by key. `speeds` and `sizes`: of
    trainings, by key; a training without an estimate is missing.
    """

    start: float = 0.0
    artifacts: Mapping[str, ArtifactCost] = field(default_factory=dict)
    speeds: Mapping[str, Speed] = field(default_factory=dict)
    sizes: Mapping[str, Size] = field(default_factory=dict)


class Bench(Protocol):
    """Workers, `slots` of them, on which an experiment takes measurements. `start`: seconds until they were ready."""

    slots: int

    @property
    def start(self) -> float: ...
    def run(self, title: str, tasks: Iterable[Task], kind: type[T]) -> dict[str, T]: ...


@dataclass(frozen=True)
class EstimateRequest:
    """Request to an experiment for an estimate.

    `trainings`: the unfinished trainings. `slots`: where the trainings would run. `bench`: starts workers for
    measurements, where past trainings give no information.
    """

    workspace: Workspace
    record: Record
    trainings: Sequence[Training]
    slots: Sequence[Slot]
    bench: Callable[[], AbstractContextManager[Bench]]
    watch: ProgressListener


@dataclass(frozen=True)
class PastTrainings:
    """Past trainings of an experiment, whose levels are ignored.

    `seconds`: their mean duration; None where there is none. `steps`: their number of steps, where all had as many;
    otherwise 0.
    """

    seconds: float | None = None
    steps: int = 0


def past_trainings(workspace: Workspace, experiment: str) -> PastTrainings:
    """Return the past trainings of an experiment in a workspace."""
    results = list(itertools.islice(_past_results(workspace, experiment), MOST_PAST))
    if not results:
        return PastTrainings()
    steps = {int(past.history[-1]["epoch"]) if past.history else 0 for past in results}
    return PastTrainings(sum(past.seconds for past in results) / len(results), steps.pop() if len(steps) == 1 else 0)


def _past_results(workspace: Workspace, experiment: str) -> Iterator[Result]:
    for folder in workspace.trainings():
        description: Any = read_json(folder.description)
        if description and description.get("experiment") == experiment:
            yield from (past for past in result.all_of(folder) if past.done)


def from_past(request: EstimateRequest) -> Estimate:
    """Return the mean speed of the experiment's past trainings in this workspace, for every unfinished training.

    The mean ignores the levels of the past trainings.
    """
    results = list(_past_results(request.workspace, request.record.grid.factors.experiment))
    if not results:
        return Estimate()
    step = sum(past.seconds for past in results) / sum(past.epochs for past in results)
    speed = Speed(0.0, step, 0.0, max(past.memory for past in results))
    return Estimate(speeds={training.key: speed for training in request.trainings})


def peak_memory() -> int:
    """Return the peak resident memory of this process, in bytes.

    On Linux, getrusage would count the memory of the parent process too.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
