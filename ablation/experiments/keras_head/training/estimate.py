"""Cost of the remaining trainings of a study: from past trainings, otherwise measured on the slots."""

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from math import prod
from typing import Any

import psutil

from ablation.engine import slots
from ablation.engine.cost import ArtifactCost, Bench, Estimate, EstimateRequest, Speed
from ablation.engine.pool import Task
from ablation.engine.slots import Slot
from ablation.experiments.keras_head.training import cost, devices, features, worker
from ablation.experiments.keras_head.training.cost import FLOAT, Extraction, Shape
from ablation.experiments.keras_head.training.jobs import Features, HeadTraining
from ablation.progress.listener import ProgressListener
from ablation.store.record import Record

START = 12.0  # seconds until workers have loaded their backend, where this was not measured
BUSY = 25.0  # percent of all cores; a higher load is reported


def estimate(request: EstimateRequest) -> Estimate:
    """Return the cost of the remaining trainings. Workers start and measure where past trainings give no speed."""
    workspace, record = request.workspace, request.record
    trainings = [training for training in request.trainings if isinstance(training, HeadTraining)]
    required = {features: None for training in trainings for features in training.artifacts().values()}
    ready = {f.key: features.shape(workspace, f)[1:] for f in required if features.is_ready(workspace, f)}
    shapes, current_environment = shapes_of(trainings, ready), environment(request.slots[0])
    speeds = cost.measured_speeds(workspace, set(shapes.values()), current_environment)
    if len(ready) == len(required) and speeds.keys() >= set(shapes.values()):
        return _estimate(record, START, {}, shapes, speeds)
    _warn_if_busy(request.watch)
    with request.bench() as bench:
        extractions = measure_features(bench, [f for f in required if f.key not in ready])
        shapes = shapes_of(trainings, ready | {key: e.shape for key, e in extractions.items()})
        speeds |= cost.measured_speeds(workspace, set(shapes.values()) - speeds.keys(), current_environment)
        unknown = [shape for shape in dict.fromkeys(shapes.values()) if shape not in speeds]
        return _estimate(record, bench.start, extractions, shapes, speeds | measure_speeds(bench, unknown))


def _estimate(
    record: Record,
    start: float,
    extractions: Mapping[str, Extraction],
    shapes: Mapping[str, Shape],
    speeds: Mapping[Shape, Speed],
) -> Estimate:
    images = sum(record.examples(record.grid.rows[0]).values())
    artifact_costs = {key: ArtifactCost(e.build + images * e.image, e.memory, images * prod(e.shape) * FLOAT, images)
            for key, e in extractions.items()}  # fmt: skip
    sizes = {key: cost.size(shape) for key, shape in shapes.items()}
    return Estimate(start, artifact_costs, {key: speeds[shape] for key, shape in shapes.items()}, sizes)


def _warn_if_busy(watch: ProgressListener) -> None:
    """Report a busy CPU: other processes slow the measurement, and the plan cannot know how long they run."""
    busy = psutil.cpu_percent(interval=1.0)
    if busy > BUSY:
        watch.say(f"note: the CPU is {busy:.0f} % busy with other work; the estimates assume this load")


def shapes_of(trainings: Iterable[HeadTraining], inputs: Mapping[str, tuple[int, ...]]) -> dict[str, Shape]:
    """Return the shapes of trainings by key, without trainings whose features' shape is unknown.

    Args:
        trainings: Trainings to describe.
        inputs: Shapes of one image's features, by the key of the features.
    """
    shapes = {}
    for training in trainings:
        artifacts = training.artifacts()
        size = training.condition.image_size
        input_shape = inputs.get(artifacts["train"].key) if artifacts else (size, size, 3)
        if input_shape:
            shapes[training.key] = training.shape(input_shape, **training.examples)
    return shapes


def environment(slot: Slot) -> dict[str, Any]:
    """Return the environment that a past training must share for its speed to hold on `slot`."""
    names = ("keras", devices.backend())
    device = slot.gpu.name if slot.gpu else "cpu"
    return {n: version(n) for n in names} | {
        "processor": slots.processor(), "threads": slot.threads, "device": device
    }  # fmt: skip


def measure_features(bench: Bench, wanted: Iterable[Features]) -> dict[str, Extraction]:
    """Return the cost of features by key. Several are measured at the same time, as in a run."""
    tasks = [Task(f.key, worker.measure_features, (f,)) for f in wanted]
    return bench.run("measuring backbones", tasks, Extraction)


def measure_speeds(bench: Bench, shapes: Sequence[Shape]) -> dict[Shape, Speed]:
    """Return the speed of each shape: the mean of the measurements on all slots at the same time."""
    tasks = [
        Task(f"{number} {slot}", worker.measure, (shape,))
        for number, shape in enumerate(shapes)
        for slot in range(bench.slots)
    ]
    speeds = bench.run("measuring trainings", tasks, Speed)
    return {s: _mean([speeds[f"{i} {slot}"] for slot in range(bench.slots)]) for i, s in enumerate(shapes)}


def _mean(speeds: Sequence[Speed]) -> Speed:
    n = len(speeds)
    return Speed(
        start=sum(s.start for s in speeds) / n,
        epoch=sum(s.epoch for s in speeds) / n,
        milestone=sum(s.milestone for s in speeds) / n,
        memory=max(s.memory for s in speeds),
    )
