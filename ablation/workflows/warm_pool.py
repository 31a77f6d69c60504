"""Pool of workers for the jobs of a command, opened on demand or early."""

import contextlib
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack

from ablation.engine import job, pool, slots
from ablation.progress.listener import ProgressListener
from ablation.store.workspace import Workspace
from ablation.workflows.checked_options import CheckedOptions
from ablation.workflows.run_options import RunOptions


def open_pool(options: RunOptions, watch: ProgressListener, alone: bool = False) -> AbstractContextManager[pool.Pool]:
    """Return a pool for the jobs of a command. `alone`: whether no two jobs share a device."""
    workspace = Workspace(options.workspace)
    setup = job.setup(options.grid.factors.plugin)
    if not options.inline:
        from ablation.engine import dask_cluster  # loads Dask
    if options.scheduler:
        one = 1 if alone else None
        return dask_cluster.remote(options.scheduler, options.tls, workspace, watch.say, setup, one)
    used = options.used_slots
    used = slots.one_job_per_device(used) if alone else used
    if options.inline:
        return pool.inline(used[0], setup)
    return dask_cluster.local(used, workspace.log("").parent, watch.say, setup)


class WarmPool:
    """Pool that is opened before the orchestrator loads its own libraries and reads images.

    The workers load their backend meanwhile. No pool is opened where nothing seems to be missing. A pool that is not
    used is closed at the end.

    """

    def __init__(self, checked: CheckedOptions, watch: ProgressListener) -> None:
        self._checked, self._options, self._watch = checked, checked.options, watch
        self._open = ExitStack()
        self._workers: pool.Pool | None = None

    def __enter__(self) -> "WarmPool":
        if _is_worthwhile(self._checked):
            self._workers = self._open.enter_context(open_pool(self._options, self._watch))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @contextlib.contextmanager
    def pool(self, watch: ProgressListener) -> Generator[pool.Pool]:
        """Yield the open pool, otherwise a new pool; close the pool at the end. To be called once."""
        with self._open.pop_all() as held:
            yield self._workers or held.enter_context(open_pool(self._options, watch))


def _is_worthwhile(checked: CheckedOptions) -> bool:
    """Return whether workers of this machine are likely to be needed, according to the study's last record."""
    options = checked.options
    return checked.missing != () and not (options.inline or options.scheduler or options.is_data_missing)
