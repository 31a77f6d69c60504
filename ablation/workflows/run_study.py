"""Workflow of `ablate run`: check the options, start workers, and meanwhile load what the other steps need.

A broken file of the workspace is set aside, and the command starts again.
"""

from ablation.fast_imports import loading
from ablation.model.run_summary import RunSummary
from ablation.progress.listener import ProgressListener
from ablation.signals import Interrupts
from ablation.store.workspace import Workspace
from ablation.workflows.checked_options import checked
from ablation.workflows.redo import redoing
from ablation.workflows.run_options import RunOptions
from ablation.workflows.warm_pool import WarmPool


def run_study(options: RunOptions, watch: ProgressListener) -> RunSummary:
    """Run a study: train the missing trials, select a row on validation, and draw the table.

    Args:
        options: Options of the command.
        watch: Listener for progress and notes.

    Raises:
        AblateError: The input is wrong; raised before anything is written.
        KeyboardInterrupt: A signal arrived.
    """
    with Interrupts(watch.say) as interrupts:
        return redoing(Workspace(options.workspace), watch.say, lambda: _run(options, watch, interrupts))


def _run(options: RunOptions, watch: ProgressListener, interrupts: Interrupts) -> RunSummary:
    ready = checked(options, watch.say)
    ready.workspace.refuse_locked()
    with WarmPool(ready, watch) as warm_pool:
        with loading():  # the workers import at the same time
            from ablation.workflows import sweep

        return sweep.sweep(ready, warm_pool, watch, interrupts)
