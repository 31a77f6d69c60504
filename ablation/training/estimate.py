"""What the trainings that are left of a study cost: looked up in past ones, else measured on the slots themselves."""

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from math import prod
from typing import Any

import psutil

from ablation.grids.record import Record
from ablation.planning.cost import Bench, Estimate, EstimateRequest, Making, Speed
from ablation.training import cost, devices, features, worker
from ablation.training.cost import FLOAT, Extraction, Shape
from ablation.training.jobs import Features, HeadTraining
from ablation.watching.watch import Watch
from ablation.workers import slots
from ablation.workers.pool import Task
from ablation.workers.slots import Slot

START = 12.0  # seconds until workers are ready with their backend loaded, where it was not measured
BUSY = 25.0  # percent of all cores, from which on it is said


def estimate(request: EstimateRequest) -> Estimate:
    """Look up what past trainings say; only where they say nothing, workers start and measure."""
    workspace, record = request.workspace, request.record
    left = [training for training in request.trainings if isinstance(training, HeadTraining)]
    wanted = {features: None for training in left for features in training.artifacts().values()}
    ready = {f.key: features.shape(workspace, f)[1:] for f in wanted if features.is_ready(workspace, f)}
    shapes, here = shapes_of(left, ready), environment(request.slots[0])
    known = cost.past(workspace, set(shapes.values()), here)
    if len(ready) == len(wanted) and known.keys() >= set(shapes.values()):
        return _estimate(record, START, {}, shapes, known)
    _say_if_busy(request.watch)
    with request.bench() as bench:
        extractions = measure_features(bench, [f for f in wanted if f.key not in ready])
        shapes = shapes_of(left, ready | {key: e.shape for key, e in extractions.items()})
        known |= cost.past(workspace, set(shapes.values()) - known.keys(), here)
        unknown = [shape for shape in dict.fromkeys(shapes.values()) if shape not in known]
        return _estimate(record, bench.start, extractions, shapes, known | measure_speeds(bench, unknown))


def _estimate(
    record: Record,
    start: float,
    extractions: Mapping[str, Extraction],
    shapes: Mapping[str, Shape],
    speeds: Mapping[Shape, Speed],
) -> Estimate:
    images = sum(record.examples(record.grid.rows[0]).values())
    made = {key: Making(e.build + images * e.image, e.memory, images * prod(e.shape) * FLOAT, images)
            for key, e in extractions.items()}  # fmt: skip
    sizes = {key: cost.size(shape) for key, shape in shapes.items()}
    return Estimate(start, made, {key: speeds[shape] for key, shape in shapes.items()}, sizes)


def _say_if_busy(watch: Watch) -> None:
    """Others who work here slow the measurement; it is not the plan's to guess whether they stay."""
    busy = psutil.cpu_percent(interval=1.0)
    if busy > BUSY:
        watch.say(f"note: others use {busy:.0f} % of this machine's processor; the times hold for it as it is now")


def shapes_of(trainings: Iterable[HeadTraining], inputs: Mapping[str, tuple[int, ...]]) -> dict[str, Shape]:
    """Return the shape of each training whose features' shape is known, by its key. `inputs`: those, by their key."""
    shapes = {}
    for training in trainings:
        computed = training.artifacts()
        size = training.condition.image_size
        one = inputs.get(computed["train"].key) if computed else (size, size, 3)
        if one:
            shapes[training.key] = training.shape(one, **training.examples)
    return shapes


def environment(slot: Slot) -> dict[str, Any]:
    """Return what a past training must have had for its speed to be that of the next one."""
    names = ("keras", devices.backend())
    device = slot.gpu.name if slot.gpu else "cpu"
    return {n: version(n) for n in names} | {
        "processor": slots.processor(), "threads": slot.threads, "device": device
    }  # fmt: skip


def measure_features(bench: Bench, wanted: Iterable[Features]) -> dict[str, Extraction]:
    """Return what each of these features costs, by key; several are measured at a time, as in a run."""
    tasks = [Task(f.key, worker.measure_features, (f,)) for f in wanted]
    return bench.run("measuring backbones", tasks, Extraction)


def measure_speeds(bench: Bench, shapes: Sequence[Shape]) -> dict[Shape, Speed]:
    """Return the speed of each shape: the mean of what all slots measure at the same time."""
    tasks = [
        Task(f"{number} {slot}", worker.measure, (shape,))
        for number, shape in enumerate(shapes)
        for slot in range(bench.slots)
    ]
    speeds = bench.run("measuring trainings", tasks, Speed)
    return {s: _mean([speeds[f"{i} {slot}"] for slot in range(bench.slots)]) for i, s in enumerate(shapes)}


def _mean(found: Sequence[Speed]) -> Speed:
    n = len(found)
    return Speed(
        start=sum(s.start for s in found) / n,
        epoch=sum(s.epoch for s in found) / n,
        milestone=sum(s.milestone for s in found) / n,
        memory=max(s.memory for s in found),
    )
