"""Measures on the slots themselves how quick trainings are there, all slots at the same time as in a run."""

import tempfile
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ablation.errors import AblateError
from ablation.outcomes import JobOutcome
from ablation.planning.cost import Extraction, Shape, Speed
from ablation.training import worker
from ablation.training.jobs import Features
from ablation.watching.watch import Watch
from ablation.workers import cluster, pool
from ablation.workers.slots import Slot

T = TypeVar("T")


class Bench:
    """Workers on which to measure. `start`: seconds until they stood, with their backend loaded."""

    def __init__(self, workers: pool.Pool, slots: int, watch: Watch, began: float) -> None:
        self._workers, self._slots, self._watch = workers, slots, watch
        self._run("starting workers", [pool.Task(str(i), worker.begin) for i in range(slots)])
        self.start = time.monotonic() - began

    def features(self, wanted: Iterable[Features]) -> dict[str, Extraction]:
        """What each of these features costs, by key; several at a time, as in a run."""
        tasks = [pool.Task(f.key, worker.measure_features, (f,)) for f in wanted]
        found = self._run("measuring backbones", tasks)
        return {key: _checked("features", outcome, Extraction) for key, outcome in found.items()}

    def speeds(self, shapes: Sequence[Shape]) -> dict[Shape, Speed]:
        """The speed of each shape: the mean of what all slots measure at the same time."""
        tasks = [
            pool.Task(f"{number} {slot}", worker.measure, (shape,))
            for number, shape in enumerate(shapes)
            for slot in range(self._slots)
        ]
        found = self._run("measuring trainings", tasks)
        speeds = {key: _checked("a training", outcome, Speed) for key, outcome in found.items()}
        return {s: _mean([speeds[f"{i} {slot}"] for slot in range(self._slots)]) for i, s in enumerate(shapes)}

    def _run(self, what: str, tasks: Sequence[pool.Task]) -> dict[str, JobOutcome[Any]]:
        found = {}
        for key, outcome in self._workers.run(partial(next, iter(tasks), None), pool.Listener()):
            found[key] = outcome
            self._watch.step(what, len(found), len(tasks))
        return found


def _checked(what: str, outcome: JobOutcome[Any], kind: type[T]) -> T:
    if isinstance(outcome.value, kind):
        return outcome.value
    raise AblateError(f"{what} could not be measured: {outcome.reason[:200]}; a run would fail here too")


def _mean(found: Sequence[Speed]) -> Speed:
    n = len(found)
    return Speed(
        start=sum(s.start for s in found) / n,
        epoch=sum(s.epoch for s in found) / n,
        milestone=sum(s.milestone for s in found) / n,
        memory=max(s.memory for s in found),
    )


@contextmanager
def bench(slots: Sequence[Slot], inline: bool, watch: Watch) -> Generator[Bench]:
    """Workers as a run has them (`inline`: on one slot, in this process); what they print goes away with them."""
    with tempfile.TemporaryDirectory(prefix="ablate-") as log:
        began = time.monotonic()
        with pool.inline(slots[0]) if inline else cluster.local(slots, Path(log), watch.say) as workers:
            yield Bench(workers, len(slots), watch, began)
