"""End of a function's training as an outcome, with a reason."""

from pathlib import Path

from ablation.experiments.child.helper import NOT_STARTED
from ablation.experiments.function.session import End
from ablation.outcomes import Failure, Status, is_out_of_memory

SIGNALS = 128
KILLED = 137  # by SIGKILL, the kernel's when memory ends


def status_of(end: End, log: Path) -> Status:
    """Return how a training ended: done, interrupted or diverged. Raises Failure for all other ends."""
    if not end.status:
        return _of_dead(end, log)
    if end.status != Status.FAILED.value:
        return Status(end.status)
    reason = str(end.message["reason"])
    text = f"{end.message.get('kinds', '')} {reason}"
    status = Status.OUT_OF_MEMORY if is_out_of_memory(text) else Status.FAILED
    place = " (while its file was imported)" if end.message.get("place") else ""
    traceback = str(end.message.get("traceback", ""))
    raise Failure(status, f"{traceback}{reason}{place}", is_contract=bool(end.message.get("contract")))


def _of_dead(end: End, log: Path) -> Status:
    """Return how a process died: interrupted where it was asked to stop."""
    if end.asked:
        return Status.INTERRUPTED
    lines = list(end.message.get("last_lines", ()))
    cause = f"signal {end.code - SIGNALS}" if SIGNALS < end.code < SIGNALS + 65 else f"exit code {end.code}"
    is_memory = end.code == KILLED or is_out_of_memory(" ".join(lines))
    printed = f": {lines[-1][:200]}" if lines else ""
    reason = f"the process ended with {cause} before the function returned{printed} (log: {log})"
    status = Status.OUT_OF_MEMORY if is_memory else Status.FAILED
    raise Failure(status, "\n".join([*lines, reason]), is_contract=end.code == NOT_STARTED)
