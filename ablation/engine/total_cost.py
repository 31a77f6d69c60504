"""Arithmetic for the cost of a study: its time on a number of slots, what fits into a budget, its memory and disk."""

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ablation.engine.cost import Size, Speed
from ablation.engine.plan import Job

EPOCH_BYTES = 330  # bytes of one step in a result file
BETWEEN = 0.3  # seconds between two trainings: results are read, and sent to Optuna and MLflow


@dataclass(frozen=True)
class Costs:
    """Costs of the parts of a study, in seconds.

    `once` is spent in every case. `artifacts` are those not made yet, by key. `speeds` and `sizes` are those of each
    unfinished training, by key.
    """

    slots: int
    once: float
    artifacts: Mapping[str, float]
    speeds: Mapping[str, Speed]
    sizes: Mapping[str, Size]


def makespan(durations: Iterable[float], slots: int) -> float:
    """Return the seconds until the last job ends, when each job in turn goes to the slot that is free first."""
    ends = [0.0] * slots
    for seconds in durations:
        heapq.heapreplace(ends, ends[0] + seconds)
    return max(ends)


def of_job(job: Job, rows: Collection[int], costs: Costs) -> float:
    """Return the seconds on a slot for the missing trials of these rows that this training answers; 0 for none.

    Args:
        job: The training.
        rows: Numbers of the rows of the study.
        costs: Costs of the study.
    """
    trials = [trial for trial in job.missing if trial.row in rows]
    return costs.speeds[job.training.key].seconds(job.epochs(trials), len(trials)) + BETWEEN if trials else 0.0


def seconds(jobs: Sequence[Job], rows: Collection[int], costs: Costs) -> float:
    """Return the seconds until the missing trials of these rows have results.

    Artifacts are computed first, then the trainings run in order.

    Args:
        jobs: Trainings of the study, in the order in which they run.
        rows: Numbers of the rows of the study.
        costs: Costs of the study.
    """
    durations = [(job, of_job(job, rows, costs)) for job in jobs]
    trainings = [(job, duration) for job, duration in durations if duration]
    if not trainings:
        return 0.0
    keys = sorted(costs.artifacts.keys() & {key for job, _ in trainings for key in _artifacts(job)})
    computed = makespan((costs.artifacts[key] for key in keys), costs.slots)
    return costs.once + computed + makespan((duration for _, duration in trainings), costs.slots)


def _artifacts(job: Job) -> set[str]:
    return {artifact.key for artifact in job.training.artifacts().values()}


def _users(jobs: Iterable[Job]) -> dict[int, list[Job]]:
    """Return the trainings that each unfinished row needs, by row."""
    users: dict[int, list[Job]] = {}
    for job in jobs:
        for row in {trial.row for trial in job.missing}:
            users.setdefault(row, []).append(job)
    return users


def fit_budget(jobs: Sequence[Job], costs: Costs, reference: int, limit: float) -> frozenset[int]:
    """Return the unfinished rows that end within `limit` seconds.

    The reference is chosen first, then repeatedly the row that adds the least time. A row comes with all its seeds. No
    row fits where the reference does not.

    Args:
        jobs: Trainings of the study, in the order in which they run.
        costs: Costs of the study.
        reference: Number of the reference row.
        limit: Budget in seconds.
    """
    users = _users(jobs)
    computed = {row: {key for job in row_jobs for key in _artifacts(job)} for row, row_jobs in users.items()}
    chosen = {reference} & users.keys()
    if seconds(jobs, chosen, costs) > limit:
        return frozenset()

    def added(row: int) -> float:
        trainings = sum(of_job(job, chosen | {row}, costs) - of_job(job, chosen, costs) for job in users[row])
        return trainings + sum(costs.artifacts.get(key, 0.0) for key in computed[row] - ready)

    ready = set().union(*(computed[row] for row in chosen))
    gains = {row: added(row) for row in users.keys() - chosen}
    while gains:
        row = min(gains, key=lambda row: (gains[row], row))
        del gains[row]
        if seconds(jobs, chosen | {row}, costs) > limit:
            continue
        chosen.add(row)
        sharing = {trial.row for job in users[row] for trial in job.missing}
        touched = gains.keys() if computed[row] - ready else gains.keys() & sharing
        ready |= computed[row]
        gains |= {other: added(other) for other in touched}
    return frozenset(chosen)


def memory(jobs: Sequence[Job], costs: Costs, artifacts: int = 0) -> int:
    """Return the peak memory of all workers together, in bytes: the largest trainings at the same time.

    `artifacts` is the memory, in bytes, that making the artifacts takes.
    """
    peaks = sorted((costs.speeds[j.training.key].memory for j in jobs if j.missing), reverse=True)
    return max(sum(peaks[: costs.slots]), artifacts)


def disk(jobs: Sequence[Job], costs: Costs, seeds: int, keep: str, kept: str) -> dict[str, int]:
    """Return the bytes of results, kept files and checkpoints at the peak, by kind.

    Args:
        jobs: Trainings of the study.
        costs: Costs of the study.
        seeds: Number of seeds.
        keep: Retention of the weights: all, selected or none.
        kept: Noun for what is kept, which names its entry in the returned dict; "" for none.
    """
    unfinished = [
        (job, costs.sizes[job.training.key]) for job in jobs if job.missing and job.training.key in costs.sizes
    ]
    sizes = sorted((size.kept for _, size in unfinished), reverse=True)
    states = sorted((size.checkpoint for _, size in unfinished), reverse=True)
    trials = [size.kept for job, size in unfinished for _ in job.missing]
    # With one seed, weights that are not the best so far are deleted at once. With several seeds, a row can be compared
    # only when all its seeds have results.
    transient = 2 * sum(sizes[: costs.slots])
    all_kept = {"all": sum(trials), "selected": min(sum(trials), transient) if seeds == 1 else sum(trials), "none": 0}
    return {
        "results": sum(size.result + EPOCH_BYTES * t.step for job, size in unfinished for t in job.missing),
        f"{kept}s" if kept else "kept": all_kept[keep],
        "checkpoints": sum(states[: costs.slots]) + (sum(states) if keep == "all" else 0),
    }
