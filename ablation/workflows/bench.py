"""Workers on which an experiment measures how quick it is there, all slots at the same time as in a run."""

import tempfile
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from ablation.engine import job
from ablation.errors import AblateError
from ablation.watching.watch import Watch
from ablation.workers import cluster, pool
from ablation.workers.pool import Task
from ablation.workers.slots import Slot
from ablation.workflows.options import Options

T = TypeVar("T")


class Bench:
    """Workers of an experiment, `slots` of them. `start`: seconds until they were ready, with their backend loaded."""

    def __init__(self, workers: pool.Pool, slots: int, watch: Watch) -> None:
        self.slots, self.start = slots, 0.0
        self._workers, self._watch = workers, watch

    def run(self, title: str, tasks: Iterable[Task], kind: type[T]) -> dict[str, T]:
        """Run these tasks on all slots, and return the value of each, by key. Raises AblateError where one fails."""
        tasks, values = list(tasks), {}
        for key, outcome in self._workers.run(partial(next, iter(tasks), None), pool.Listener()):
            if not isinstance(outcome.value, kind):
                reason = outcome.reason[:200]
                raise AblateError(f"{title} failed: {reason}; a run would fail here too")
            values[key] = outcome.value
            self._watch.step(title, len(values), len(tasks))
        return values


@contextmanager
def bench(options: Options, slots: Sequence[Slot], watch: Watch) -> Generator[Bench]:
    """Start workers as a run has them (`--inline`: on one slot, in this process). What they print is deleted."""
    plugin = options.grid.factors.plugin
    setup = job.setup(plugin)
    with tempfile.TemporaryDirectory(prefix="ablate-") as log:
        began = time.monotonic()
        local = pool.inline(slots[0], setup) if options.inline else cluster.local(slots, Path(log), watch.say, setup)
        with local as workers:
            found = Bench(workers, len(slots), watch)
            found.run("starting workers", [Task(str(i), job.load, (plugin,)) for i in range(len(slots))], str)
            found.start = time.monotonic() - began
            yield found
