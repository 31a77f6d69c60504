"""Steps of a command's earlier attempts: a command that resumes writes those after its checkpoint alone."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ablation.experiments.command.step_fields import STEPS, as_number
from ablation.experiments.command.step_lines import StepLines

NAME = "earlier-steps.jsonl"  # in the training's own folder
LARGEST = 256 << 20  # bytes of a file whose steps are kept
Steps = Sequence[Mapping[str, Any]]


def keep(path: Path, folder: Path) -> None:
    """Keep the steps of a file of results, before it is deleted for the next attempt.

    Args:
        path: path of the file, which may be missing, and whose last line may be incomplete.
        folder: the training's own folder.
    """
    steps = joined(read(folder), _complete(path))
    (folder / NAME).write_text("".join(f"{json.dumps(step)}\n" for step in steps), encoding="utf-8")


def forget(folder: Path) -> None:
    """Delete the steps of earlier attempts."""
    (folder / NAME).unlink(missing_ok=True)


def read(folder: Path) -> Steps:
    """Return the steps of earlier attempts; [] where there are none."""
    return _complete(folder / NAME)


def joined(earlier: Steps, later: Steps) -> Steps:
    """Return the earlier steps before the first later one, then the later ones.

    Steps without a number are not joined: those of two attempts would be counted alike.
    """
    numbers = [number for step in later if (number := _number(step)) is not None]
    if later and not numbers:
        return later
    first = min(numbers, default=math.inf)
    return [*(step for step in earlier if (number := _number(step)) is not None and number < first), *later]


def _number(step: Mapping[str, Any]) -> float | None:
    return next((number for name in STEPS if (number := as_number(step.get(name))) is not None), None)


def _complete(path: Path) -> Steps:
    """Return the steps of a file whose lines are complete; [] where it cannot be read."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return []
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return []
    lines = StepLines(path.suffix == ".csv")
    complete = text[: text.rfind("\n") + 1].split("\n")
    return [dict(fields) for line in complete if line.strip() and (fields := lines.fields(line)) is not None]
