"""Workers on which an experiment measures its speed, on all slots at the same time, as in a run."""

import tempfile
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from ablation.engine import dask_cluster, job, pool
from ablation.engine.pool import Task
from ablation.engine.slots import Slot
from ablation.errors import AblateError
from ablation.progress.listener import ProgressListener
from ablation.workflows.run_options import RunOptions

T = TypeVar("T")


class Bench:
    """Workers of an experiment, `slots` in number. `start`: seconds until the workers had loaded their backend."""

    def __init__(self, workers: pool.Pool, slots: int, watch: ProgressListener) -> None:
        self.slots, self.start = slots, 0.0
        self._workers, self._watch = workers, watch

    def run(self, title: str, tasks: Iterable[Task], kind: type[T]) -> dict[str, T]:
        """Run tasks on all slots, and return key -> value.

        Args:
            title: Name of the tasks for users.
            tasks: Tasks to run.
            kind: Type of the values.

        Raises:
            AblateError: A task fails.
        """
        tasks, values = list(tasks), {}
        for key, outcome in self._workers.run(partial(next, iter(tasks), None), pool.Listener()):
            if not isinstance(outcome.value, kind):
                reason = outcome.reason[:200]
                raise AblateError(f"{title} failed: {reason}; `ablate run` would fail in the same way")
            values[key] = outcome.value
            self._watch.step(title, len(values), len(tasks))
        return values


@contextmanager
def bench(options: RunOptions, slots: Sequence[Slot], watch: ProgressListener) -> Generator[Bench]:
    """Start workers as in a run, and yield a bench; the output of the workers is deleted.

    With `--inline`, tasks run on one slot in this process.
    """
    plugin = options.grid.factors.plugin
    setup = job.setup(plugin)
    with tempfile.TemporaryDirectory(prefix="ablate-") as log:
        began = time.monotonic()
        local = (
            pool.inline(slots[0], setup) if options.inline else dask_cluster.local(slots, Path(log), watch.say, setup)
        )
        with local as workers:
            started = Bench(workers, len(slots), watch)
            started.run("starting workers", [Task(str(i), job.load, (plugin,)) for i in range(len(slots))], str)
            started.start = time.monotonic() - began
            yield started
