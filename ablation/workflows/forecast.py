"""The workflow of `ablate plan`: what would run, what is shared, what it costs. Trains nothing and writes nothing."""

import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.metadata import version
from math import prod
from typing import Any, Protocol

import psutil

from ablation.errors import AblateError
from ablation.grids.record import Record
from ablation.planning import cost, plan, schedule
from ablation.planning.cost import FLOAT, Extraction, Shape, Speed
from ablation.planning.plan import Job
from ablation.planning.schedule import Costs
from ablation.planning.upgrade import opened
from ablation.training import features
from ablation.training.jobs import Features, HeadTraining
from ablation.watching.watch import Watch
from ablation.workers import slots
from ablation.workers.slots import Slot
from ablation.workflows.options import Options, check
from ablation.workflows.prepare import Study, prepare
from ablation.workspace import Workspace

COMMAND = 14.0  # seconds of a run beside its workers': libraries, databases, tables; measured on two cores
START = 12.0  # seconds until workers stand with their backend loaded, where it was not measured
DATABASES = 110 * 2**20  # bytes that a run's orchestrator holds beyond a plan's
UNKNOWN = Speed(0.0, 0.0, 0.0, 0)
BUSY = 25.0  # percent of all cores, from which on it is said


class Bench(Protocol):
    """Workers on which to measure; see bench.py, which loads Dask."""

    @property
    def start(self) -> float: ...
    def features(self, wanted: Iterable[Features]) -> dict[str, Extraction]: ...
    def speeds(self, shapes: Sequence[Shape]) -> dict[Shape, Speed]: ...


Benches = Callable[[Sequence[Slot], bool, Watch], AbstractContextManager[Bench]]


@dataclass(frozen=True)
class Forecast:
    """What a plan says. Times in seconds, sizes in bytes. `fits`: the unfinished rows within `budget`, if one is set.

    `timed`: whether anything is known of how long trainings take. `computed`: features that are not there yet, key ->
    images. `disk`: what -> size.
    """

    record: Record
    jobs: tuple[Job, ...]
    costs: Costs
    slots: tuple[Slot, ...]
    computed: Mapping[str, int]
    memory: int
    orchestrator: int
    memory_free: int
    disk: Mapping[str, int]
    disk_free: int
    timed: bool = True
    budget: float | None = None
    fits: frozenset[int] = frozenset()

    @property
    def rows(self) -> frozenset[int]:
        """The rows that are not finished."""
        return frozenset(trial.row for job in self.jobs for trial in job.missing)

    @property
    def seconds(self) -> float:
        return schedule.seconds(self.jobs, self.rows, self.costs)


@dataclass(frozen=True)
class _Measured:
    """What the pieces of a study cost: from past trainings, and from a bench where those say nothing."""

    start: float = START
    extractions: dict[str, Extraction] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)  # by the training's key
    speeds: dict[Shape, Speed] = field(default_factory=dict)


def forecast(options: Options, budget: float | None, benches: Benches, watch: Watch) -> Forecast:
    """What `ablate run` with these options would do. Raises AblateError where the input is wrong, as a run does."""
    if options.scheduler:
        raise AblateError("--scheduler: a plan measures this machine's slots; leave it out, and say --slots")
    began = time.monotonic()
    check(options)
    workspace = opened(options.workspace, watch.say)
    study = prepare(options, watch)
    once = COMMAND + time.monotonic() - began
    found = plan.jobs(workspace, study.record, options.retry)
    left = [job for job in found if job.missing]
    used = slots.parse(options.slots)[: 1 if options.inline else None]
    measured = _measure(workspace, study.record, left, used, lambda: benches(used, options.inline, watch), watch)
    images = sum(study.record.examples(study.record.grid.rows[0]).values())
    others = [job.training.key for job in left if not isinstance(job.training, HeadTraining)]
    steps = cost.of_steps(workspace, study.record.grid.factors.experiment) if others else None
    costs = Costs(
        slots=len(used),
        once=once + measured.start,
        features={key: e.build + images * e.image for key, e in measured.extractions.items()},
        speeds={key: measured.speeds[shape] for key, shape in measured.shapes.items()}
        | dict.fromkeys(others, steps or UNKNOWN),
        shapes=measured.shapes,
    )
    reference = study.record.grid.reference
    return Forecast(
        record=study.record,
        jobs=tuple(found),
        costs=costs,
        slots=tuple(used),
        computed=dict.fromkeys(measured.extractions, images),
        memory=_memory(left, costs, measured),
        orchestrator=cost.peak_memory() + DATABASES,
        memory_free=psutil.virtual_memory().available,
        disk=_disk(study, left, images, costs, measured),
        disk_free=_free(workspace),
        budget=budget,
        timed=not others or steps is not None,
        fits=frozenset() if budget is None else schedule.fitting(found, costs, reference, budget),
    )


def _measure(
    workspace: Workspace,
    record: Record,
    jobs: Sequence[Job],
    used: Sequence[Slot],
    bench: Callable[[], AbstractContextManager[Bench]],
    watch: Watch,
) -> _Measured:
    """Look up what past trainings say; only where they say nothing, workers start and measure."""
    jobs = [job for job in jobs if isinstance(job.training, HeadTraining)]
    if not jobs:
        return _Measured(start=0.0)
    wanted = {features: None for job in jobs for features in job.training.artifacts().values()}
    ready = {f.key: features.shape(workspace, f)[1:] for f in wanted if features.is_ready(workspace, f)}
    shapes = _shapes(record, jobs, ready)
    known = cost.past(workspace, set(shapes.values()), _environment(used[0]))
    if len(ready) == len(wanted) and known.keys() >= set(shapes.values()):
        return _Measured(shapes=shapes, speeds=known)
    _say_if_busy(watch)
    with bench() as found:
        extractions = found.features([f for f in wanted if f.key not in ready])
        shapes = _shapes(record, jobs, ready | {key: e.shape for key, e in extractions.items()})
        known |= cost.past(workspace, set(shapes.values()) - known.keys(), _environment(used[0]))
        unknown = [shape for shape in dict.fromkeys(shapes.values()) if shape not in known]
        return _Measured(found.start, extractions, shapes, known | found.speeds(unknown))


def _say_if_busy(watch: Watch) -> None:
    """Others who work here slow the measurement; it is not the plan's to guess whether they stay."""
    busy = psutil.cpu_percent(interval=1.0)
    if busy > BUSY:
        watch.say(f"note: others use {busy:.0f} % of this machine's processor; the times hold for it as it is now")


def _shapes(record: Record, jobs: Sequence[Job], inputs: Mapping[str, tuple[int, ...]]) -> dict[str, Shape]:
    """The shape of each training whose features' shape is known, by its key."""
    shapes = {}
    for training in (job.training for job in jobs if isinstance(job.training, HeadTraining)):
        computed = training.artifacts()
        size = training.condition.image_size
        one = inputs.get(computed["train"].key) if computed else (size, size, 3)
        if one:
            shapes[training.key] = training.shape(one, **training.examples)
    return shapes


def _environment(slot: Slot) -> dict[str, Any]:
    """What a past training must have had for its speed to be that of the next one."""
    names = ("keras", slots.backend())
    device = slot.gpu.name if slot.gpu else "cpu"
    return {n: version(n) for n in names} | {
        "processor": slots.processor(), "threads": slot.threads, "device": device
    }  # fmt: skip


def _memory(jobs: Sequence[Job], costs: Costs, measured: _Measured) -> int:
    peaks = sorted((e.memory for e in measured.extractions.values()), reverse=True)
    return schedule.memory(jobs, costs, sum(peaks[: costs.slots]))


def _disk(study: Study, jobs: Sequence[Job], images: int, costs: Costs, measured: _Measured) -> dict[str, int]:
    record = study.record
    computed = sum(images * prod(e.shape) * FLOAT for e in measured.extractions.values())
    kept = schedule.disk(jobs, costs, len(record.grid.seeds), record.keep)
    return {"features": computed, "pixels": study.prepared.disk if jobs else 0, **kept}


def _free(workspace: Workspace) -> int:
    root = workspace.root.absolute()
    return shutil.disk_usage(next(p for p in (root, *root.parents) if p.exists())).free
