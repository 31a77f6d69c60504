"""The workflow of `ablate plan`: what would run, what is shared, what it costs. Trains nothing and writes nothing."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import psutil

from ablation.errors import AblateError
from ablation.grids.record import Record
from ablation.planning import cost, plan, schedule
from ablation.planning.cost import Bench, Estimate, EstimateRequest, Speed
from ablation.planning.plan import Job
from ablation.planning.schedule import Costs
from ablation.planning.upgrade import opened
from ablation.watching.watch import Watch
from ablation.workers import slots
from ablation.workers.slots import Slot
from ablation.workflows.options import Options, check
from ablation.workflows.prepare import Study, prepare
from ablation.workspace import Workspace

COMMAND = 14.0  # seconds of a run beside its workers': libraries, databases, tables; measured on two cores
DATABASES = 110 * 2**20  # bytes that a run's orchestrator holds beyond a plan's
UNKNOWN = Speed(0.0, 0.0, 0.0, 0)

Benches = Callable[[Options, Sequence[Slot], Watch], AbstractContextManager[Bench]]  # bench.py, which loads Dask


@dataclass(frozen=True)
class Forecast:
    """What a plan says. Times in seconds, sizes in bytes. `fits`: the unfinished rows within `budget`, if one is set.

    `timed`: whether anything is known of how long trainings take. `made`: artifacts that are not there yet, key -> of
    how many examples. `disk`: what -> size.
    """

    record: Record
    jobs: tuple[Job, ...]
    costs: Costs
    slots: tuple[Slot, ...]
    made: Mapping[str, int]
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
    trainings = [job.training for job in left]
    request = EstimateRequest(
        workspace, study.record, trainings, used, lambda: benches(options, used, watch), watch
    )  # fmt: skip
    estimated = getattr(options.experiment, "estimate", cost.from_past)(request) if left else Estimate()
    costs = Costs(
        slots=len(used),
        once=once + estimated.start,
        artifacts={key: each.seconds for key, each in estimated.artifacts.items()},
        speeds=dict.fromkeys((t.key for t in trainings), UNKNOWN) | dict(estimated.speeds),
        sizes=estimated.sizes,
    )
    reference = study.record.grid.reference
    return Forecast(
        record=study.record,
        jobs=tuple(found),
        costs=costs,
        slots=tuple(used),
        made={key: each.examples for key, each in estimated.artifacts.items()},
        memory=_memory(left, costs, estimated),
        orchestrator=cost.peak_memory() + DATABASES,
        memory_free=psutil.virtual_memory().available,
        disk=_disk(study, left, costs, estimated),
        disk_free=_free(workspace),
        budget=budget,
        timed=all(training.key in estimated.speeds for training in trainings),
        fits=frozenset() if budget is None else schedule.fitting(found, costs, reference, budget),
    )


def _memory(jobs: Sequence[Job], costs: Costs, estimated: Estimate) -> int:
    peaks = sorted((each.memory for each in estimated.artifacts.values()), reverse=True)
    return schedule.memory(jobs, costs, sum(peaks[: costs.slots]))


def _disk(study: Study, jobs: Sequence[Job], costs: Costs, estimated: Estimate) -> dict[str, int]:
    """Return the bytes of what a run would write, in the experiment's own words."""
    record, experiment = study.record, study.record.experiment
    made = {experiment.made: sum(m.disk for m in estimated.artifacts.values())} if hasattr(experiment, "made") else {}
    prepared = {name: size if jobs else 0 for name, size in study.prepared.disk.items()}
    return made | prepared | schedule.disk(jobs, costs, len(record.grid.seeds), record.keep, record.kept)


def _free(workspace: Workspace) -> int:
    root = workspace.root.absolute()
    return shutil.disk_usage(next(p for p in (root, *root.parents) if p.exists())).free
