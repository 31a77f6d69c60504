"""Workflow of `ablate plan`: the trainings of a run, and their costs. Trains nothing and writes nothing."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import psutil

from ablation.engine import cost, plan, total_cost
from ablation.engine.cost import Bench, Estimate, EstimateRequest, Speed
from ablation.engine.plan import Job
from ablation.engine.slots import Slot
from ablation.engine.total_cost import Costs
from ablation.errors import AblateError
from ablation.progress.listener import ProgressListener
from ablation.store.record import Record
from ablation.store.workspace import Workspace
from ablation.workflows.checked_options import checked
from ablation.workflows.prepare import PreparedStudy, prepare
from ablation.workflows.run_options import RunOptions

COMMAND = 14.0  # seconds of a run outside its workers: libraries, databases, tables; measured on two cores
DATABASES = 110 * 2**20  # bytes of memory that the orchestrator of a run needs in addition to that of a plan
UNKNOWN = Speed(0.0, 0.0, 0.0, 0)

Benches = Callable[
    [RunOptions, Sequence[Slot], ProgressListener], AbstractContextManager[Bench]
]  # from bench.py, which loads Dask


@dataclass(frozen=True)
class Forecast:
    """Content of a plan. Times are in seconds, sizes in bytes.

    Args:
        record: Record of the study.
        jobs: Trainings of the study, in the order in which they run.
        costs: Costs of the study.
        slots: Slots of the run.
        made: Key of each artifact that is not made yet -> number of examples.
        memory: Memory of the workers.
        orchestrator: Memory of the orchestrator.
        memory_free: Available memory.
        disk: Kind of file -> size.
        disk_free: Available disk space.
        timed: Whether the speed of every training is estimated.
        budget: Time limit, if one is set.
        fits: Unfinished rows that end within `budget`.
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
        """Numbers of the rows that are not finished."""
        return frozenset(trial.row for job in self.jobs for trial in job.missing)

    @property
    def seconds(self) -> float:
        return total_cost.seconds(self.jobs, self.rows, self.costs)


def forecast(options: RunOptions, budget: float | None, benches: Benches, watch: ProgressListener) -> Forecast:
    """Return what `ablate run` would do with the same options.

    Args:
        options: Options of the command.
        budget: Time limit in seconds; None for no limit.
        benches: Function that starts workers for measurements.
        watch: Listener for progress and notes.

    Raises:
        AblateError: The input is wrong, for the same reasons as in a run.
    """
    if options.scheduler:
        raise AblateError("--scheduler: `ablate plan` measures slots of this machine only; pass --slots instead")
    began = time.monotonic()
    ready = checked(options, watch.say)
    workspace, study = ready.workspace, prepare(ready, watch)
    once = COMMAND + time.monotonic() - began
    jobs = plan.jobs(workspace, study.record, options.retry)
    unfinished = [job for job in jobs if job.missing]
    used = options.used_slots[: 1 if options.inline else None]
    trainings = [job.training for job in unfinished]
    request = EstimateRequest(
        workspace, study.record, trainings, used, lambda: benches(options, used, watch), watch
    )  # fmt: skip
    estimated = getattr(options.experiment, "estimate", cost.from_past)(request) if unfinished else Estimate()
    costs = Costs(
        slots=len(used),
        once=once + estimated.start,
        artifacts={key: artifact.seconds for key, artifact in estimated.artifacts.items()},
        speeds=dict.fromkeys((t.key for t in trainings), UNKNOWN) | dict(estimated.speeds),
        sizes=estimated.sizes,
    )
    reference = study.record.grid.reference
    return Forecast(
        record=study.record,
        jobs=tuple(jobs),
        costs=costs,
        slots=tuple(used),
        made={key: artifact.examples for key, artifact in estimated.artifacts.items()},
        memory=_memory(unfinished, costs, estimated),
        orchestrator=cost.peak_memory() + DATABASES,
        memory_free=psutil.virtual_memory().available,
        disk=_disk(study, unfinished, costs, estimated),
        disk_free=_free(workspace),
        budget=budget,
        timed=all(training.key in estimated.speeds for training in trainings),
        fits=frozenset() if budget is None else total_cost.fit_budget(jobs, costs, reference, budget),
    )


def _memory(jobs: Sequence[Job], costs: Costs, estimated: Estimate) -> int:
    peaks = sorted((artifact.memory for artifact in estimated.artifacts.values()), reverse=True)
    return total_cost.memory(jobs, costs, sum(peaks[: costs.slots]))


def _disk(study: PreparedStudy, jobs: Sequence[Job], costs: Costs, estimated: Estimate) -> dict[str, int]:
    """Return the bytes that a run would write, by kind of file; the experiment names its own kinds."""
    record, experiment = study.record, study.record.experiment
    made = {experiment.made: sum(m.disk for m in estimated.artifacts.values())} if hasattr(experiment, "made") else {}
    prepared = {name: size if jobs else 0 for name, size in study.prepared.disk.items()}
    return made | prepared | total_cost.disk(jobs, costs, len(record.grid.seeds), record.keep, record.kept)


def _free(workspace: Workspace) -> int:
    root = workspace.root.absolute()
    return shutil.disk_usage(next(p for p in (root, *root.parents) if p.exists())).free
