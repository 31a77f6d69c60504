"""Adds up what a study costs: its time on some slots, what fits into a budget, its memory and its disk. Pure sums."""

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ablation.planning.cost import Shape, Speed, checkpoint_bytes, head_bytes, result_bytes
from ablation.planning.plan import Job

BETWEEN = 0.3  # seconds from one training to the next: its results are read, Optuna and MLflow are told


@dataclass(frozen=True)
class Costs:
    """What the pieces cost, in seconds. `once`: whatever is trained. `features`: those that are not there, by key.
    `speeds` and `shapes`: of each training that is left, by key."""

    slots: int
    once: float
    features: Mapping[str, float]
    speeds: Mapping[str, Speed]
    shapes: Mapping[str, Shape]


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
    """Until the missing trials of these rows are answered: features first, then the trainings in order."""
    durations = [(job, of_job(job, rows, costs)) for job in jobs]
    trainings = [(job, duration) for job, duration in durations if duration]
    if not trainings:
        return 0.0
    keys = sorted(costs.features.keys() & {key for job, _ in trainings for key in _features(job)})
    computed = wall((costs.features[key] for key in keys), costs.slots)
    return costs.once + computed + wall((duration for _, duration in trainings), costs.slots)


def _features(job: Job) -> set[str]:
    return {features.key for features in job.training.artifacts().values()}


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
    computed = {row: {key for job in mine for key in _features(job)} for row, mine in users.items()}
    chosen = {reference} & users.keys()
    if seconds(jobs, chosen, costs) > most:
        return frozenset()

    def added(row: int) -> float:
        trainings = sum(of_job(job, chosen | {row}, costs) - of_job(job, chosen, costs) for job in users[row])
        return trainings + sum(costs.features.get(key, 0.0) for key in computed[row] - ready)

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


def memory(jobs: Sequence[Job], costs: Costs, features: int = 0) -> int:
    """Bytes of all workers together at most: the largest trainings side by side. `features`: of computing them."""
    peaks = sorted((costs.speeds[j.training.key].memory for j in jobs if j.missing), reverse=True)
    return max(sum(peaks[: costs.slots]), features)


def disk(jobs: Sequence[Job], costs: Costs, seeds: int, keep: str) -> dict[str, int]:
    """Bytes that results, kept heads and checkpoints take at the peak. `keep`: all, selected or none."""
    left = [(job, costs.shapes[job.training.key]) for job in jobs if job.missing and job.training.key in costs.shapes]
    sizes = sorted((head_bytes(s) for _, s in left), reverse=True)
    states = sorted((checkpoint_bytes(s) for _, s in left), reverse=True)
    trials = [head_bytes(s) for job, s in left for _ in job.missing]
    # With one seed a head that is not the best so far goes at once; with several, a row is known when all are there.
    beside = 2 * sum(sizes[: costs.slots])
    heads = {"all": sum(trials), "selected": min(sum(trials), beside) if seeds == 1 else sum(trials), "none": 0}[keep]
    return {
        "results": sum(result_bytes(s, t.step) for job, s in left for t in job.missing),
        "heads": heads,
        "checkpoints": sum(states[: costs.slots]) + (sum(states) if keep == "all" else 0),
    }
