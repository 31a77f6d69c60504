"""Where a command's jobs run: its pool of workers, opened when it is needed, or ahead of that."""

import contextlib
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from ablation.datasets import is_demo
from ablation.engine import job
from ablation.grids import record as records
from ablation.planning import plan
from ablation.planning.upgrade import opened
from ablation.watching.watch import Watch
from ablation.workers import cluster, pool, slots
from ablation.workflows.options import Options, check
from ablation.workspace import Workspace


def open_pool(options: Options, watch: Watch, alone: bool = False) -> AbstractContextManager[pool.Pool]:
    """`alone`: no two jobs share a device."""
    workspace = Workspace(options.workspace)
    log, setup = workspace.log("").parent, job.setup(options.grid.factors.plugin)
    if options.scheduler:
        one = 1 if alone else None
        return cluster.remote(options.scheduler, options.tls, workspace.root, log, watch.say, setup, one)
    found = slots.parse(options.slots)
    found = slots.alone(found) if alone else found
    return pool.inline(found[0], setup) if options.inline else cluster.local(found, log, watch.say, setup)


class Ahead:
    """A pool that is open before its orchestrator has loaded its own libraries and read images: its workers load their
    backend meanwhile. None is opened where nothing seems to be missing; one that is not taken is closed at the end.

    Raises AblateError, when entered, where a run would at once.
    """

    def __init__(self, options: Options, watch: Watch) -> None:
        self._options, self._watch = options, watch
        self._open = ExitStack()
        self._workers: pool.Pool | None = None

    def __enter__(self) -> "Ahead":
        Workspace(self._options.workspace).refuse_locked()
        check(self._options)
        opened(self._options.workspace, self._watch.say)
        if _is_worthwhile(self._options):
            self._workers = self._open.enter_context(open_pool(self._options, self._watch))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @contextlib.contextmanager
    def pool(self, watch: Watch) -> Generator[pool.Pool]:
        """Once: the workers that are there, else others; they end with it."""
        with self._open.pop_all() as held:
            yield self._workers or held.enter_context(open_pool(self._options, watch))


def _is_worthwhile(options: Options) -> bool:
    """Whether workers of this machine are likely to be needed: as far as the study's last record says."""
    missing = options.data and not is_demo(options.data) and not Path(options.data).exists()
    if options.inline or options.scheduler or missing:
        return False
    workspace = Workspace(options.workspace)
    old = records.read(workspace.study(options.name))
    wanted = options.grid.replicated(options.replicates or 0)
    return not (old and old.grid == wanted and not plan.missing(workspace, old, wanted.trials(), options.retry))
