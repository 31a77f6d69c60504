"""End of a command: its exit code as the outcome of a training, with a reason."""

from pathlib import Path

from ablation.experiments.child.helper import NOT_STARTED
from ablation.experiments.child.process import Ended
from ablation.outcomes import Failure, Status, is_out_of_memory
from ablation.study.experiment_keys import ExperimentKeys

ENDS = {
    0: Status.DONE,
    75: Status.INTERRUPTED,
    137: Status.OUT_OF_MEMORY,
}  # 137: SIGKILL, the kernel's when memory ends
SIGNALS = 128


def status_of(ended: Ended, keys: ExperimentKeys, log: Path) -> Status:
    """Return how a command ended: done, interrupted or diverged.

    Raises Failure with the last lines of the log for all other ends.
    """
    stated = {int(code): Status(word) for code, word in keys.ends.items()}
    status = {**ENDS, **stated}.get(ended.code, Status.FAILED)
    if ended.asked:
        return Status.INTERRUPTED
    if status in (Status.DONE, Status.INTERRUPTED, Status.DIVERGED):
        return status
    lines = list(ended.last_lines)
    if status is Status.FAILED and is_out_of_memory(" ".join(lines)):
        status = Status.OUT_OF_MEMORY
    raise Failure(status, "\n".join([*lines, _reason(ended.code, lines, log)]), ended.code == NOT_STARTED)


def _reason(code: int, lines: list[str], log: Path) -> str:
    """Return why a command failed, in one line."""
    end = f"signal {code - SIGNALS}" if SIGNALS < code < SIGNALS + 65 else f"exit code {code}"
    printed = f": {lines[-1][:200]}" if lines else ", and it printed nothing"
    return f"{end}{printed} (log: {log})"
