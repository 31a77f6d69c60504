"""Workflow of `ablate run`: check the options, start workers, and meanwhile load what the other steps need."""

from ablation.fast_imports import loading
from ablation.model.run_summary import RunSummary
from ablation.progress.listener import ProgressListener
from ablation.signals import Interrupts
from ablation.workflows.checked_options import checked
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
        ready = checked(options, watch.say)
        ready.workspace.refuse_locked()
        with WarmPool(ready, watch) as warm_pool:
            with loading():  # the workers import at the same time
                from ablation.workflows import sweep

            return sweep.sweep(ready, warm_pool, watch, interrupts)
