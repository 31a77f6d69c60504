"""Outcome of `ablate try` as text."""

from ablation.durations import duration
from ablation.workflows.try_trial import Tried


def draw(tried: Tried) -> str:
    """Return the outcome of a trial: its numbers, and which columns it returned."""
    lines = [f"{tried.status} in {duration(tried.seconds)}" + (f": {tried.reason}" if tried.reason else "")]
    for split, numbers in tried.scores.items():
        lines += [f"{split}_{name} = {value:.6g}" for name, value in numbers.items()]
    lines += [f"{name} = {value:.6g}" for name, value in tried.costs.items()]
    if tried.steps:
        lines.append(f"steps with numbers: {tried.steps}")
    for split, columns in tried.examples.items():
        closed = ", not opened" if split == "test" else ""
        lines.append(f"{split}{closed}: " + "; ".join(f"{name} ({kind})" for name, kind in columns.items()))
    return "\n".join(lines)
