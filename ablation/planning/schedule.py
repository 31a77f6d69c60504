"""Adds up what a study costs: its time on some slots, what fits into a budget, its memory and its disk. Pure sums."""

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ablation.planning.cost import Size, Speed
from ablation.planning.plan import Job

EPOCH_BYTES = 330  # of one step in a result file
BETWEEN = 0.3  # seconds from one training to the next: its results are read, Optuna and MLflow are told


@dataclass(frozen=True)
class Costs:
    """What the pieces cost, in seconds. `once`: whatever is trained. `artifacts`: those that are not made yet, by key.
    `speeds` and `sizes`: of each training that is left, by key."""

    slots: int
    once: float
    artifacts: Mapping[str, float]
    speeds: Mapping[str, Speed]
    sizes: Mapping[str, Size]


def wall(durations: Iterable[float], slots: int) -> float:
    """Until the last of these jobs ends, when each in turn goes to the slot that is free first."""
    ends = [0.0] * slots
    for seconds in durations:
        heapq.heapreplace(ends, ends[0] + seconds)
    return max(ends)


def of_job(job: Job, rows: Collection[int], costs: Costs) -> float:
    """Seconds on a slot to answer the missing trials of these rows with this training; 0 where it has none of them."""
    mine = [trial for trial in job.missing if trial.row in rows]
    return costs.speeds[job.training.key].seconds(job.epochs(mine), len(mine)) + BETWEEN if mine else 0.0


def seconds(jobs: Sequence[Job], rows: Collection[int], costs: Costs) -> float:
    """Until the missing trials of these rows are answered: artifacts first, then the trainings in order."""
    durations = [(job, of_job(job, rows, costs)) for job in jobs]
    trainings = [(job, duration) for job, duration in durations if duration]
    if not trainings:
        return 0.0
    keys = sorted(costs.artifacts.keys() & {key for job, _ in trainings for key in _artifacts(job)})
    computed = wall((costs.artifacts[key] for key in keys), costs.slots)
    return costs.once + computed + wall((duration for _, duration in trainings), costs.slots)


def _artifacts(job: Job) -> set[str]:
    return {artifact.key for artifact in job.training.artifacts().values()}


def _users(jobs: Iterable[Job]) -> dict[int, list[Job]]:
    """The trainings that each unfinished row needs."""
    users: dict[int, list[Job]] = {}
    for job in jobs:
        for row in {trial.row for trial in job.missing}:
            users.setdefault(row, []).append(job)
    return users


def fitting(jobs: Sequence[Job], costs: Costs, reference: int, most: float) -> frozenset[int]:
    """The unfinished rows that end within `most` seconds: the reference, then again and again the row that adds least.

    A row comes with all its seeds. Nothing fits where the reference does not.
    """
    users = _users(jobs)
    computed = {row: {key for job in mine for key in _artifacts(job)} for row, mine in users.items()}
    chosen = {reference} & users.keys()
    if seconds(jobs, chosen, costs) > most:
        return frozenset()

    def added(row: int) -> float:
        trainings = sum(of_job(job, chosen | {row}, costs) - of_job(job, chosen, costs) for job in users[row])
        return trainings + sum(costs.artifacts.get(key, 0.0) for key in computed[row] - ready)

    ready = set().union(*(computed[row] for row in chosen))
    gains = {row: added(row) for row in users.keys() - chosen}
    while gains:
        row = min(gains, key=lambda row: (gains[row], row))
        del gains[row]
        if seconds(jobs, chosen | {row}, costs) > most:
            continue
        chosen.add(row)
        beside = {trial.row for job in users[row] for trial in job.missing}
        touched = gains.keys() if computed[row] - ready else gains.keys() & beside
        ready |= computed[row]
        gains |= {other: added(other) for other in touched}
    return frozenset(chosen)


def memory(jobs: Sequence[Job], costs: Costs, artifacts: int = 0) -> int:
    """Bytes of all workers together at most: the largest trainings side by side. `artifacts`: of making them."""
    peaks = sorted((costs.speeds[j.training.key].memory for j in jobs if j.missing), reverse=True)
    return max(sum(peaks[: costs.slots]), artifacts)


def disk(jobs: Sequence[Job], costs: Costs, seeds: int, keep: str, kept: str) -> dict[str, int]:
    """Bytes that results, what is kept and checkpoints take at the peak. `keep`: all, selected or none; `kept`: what,
    in a word."""
    left = [(job, costs.sizes[job.training.key]) for job in jobs if job.missing and job.training.key in costs.sizes]
    sizes = sorted((size.kept for _, size in left), reverse=True)
    states = sorted((size.checkpoint for _, size in left), reverse=True)
    trials = [size.kept for job, size in left for _ in job.missing]
    # With one seed what is not the best so far goes at once; with several, a row is known when all are there.
    beside = 2 * sum(sizes[: costs.slots])
    all_kept = {"all": sum(trials), "selected": min(sum(trials), beside) if seeds == 1 else sum(trials), "none": 0}
    return {
        "results": sum(size.result + EPOCH_BYTES * t.step for job, size in left for t in job.missing),
        f"{kept}s" if kept else "kept": all_kept[keep],
        "checkpoints": sum(states[: costs.slots]) + (sum(states) if keep == "all" else 0),
    }
