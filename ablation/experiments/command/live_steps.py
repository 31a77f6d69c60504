"""Steps of a command while it runs: the last one that its file of results or its output shows."""

import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablation.experiments.command.followed_file import FollowedFile
from ablation.experiments.command.printed import Printed
from ablation.experiments.command.step_fields import STEPS, all_numbers, as_number, step_number
from ablation.experiments.command.step_lines import StepLines
from ablation.experiments.commit import Numbers
from ablation.measures.names import split_of
from ablation.study.experiment_keys import ExperimentKeys

LOOK = 0.5  # seconds between two looks at the file
WORDS = re.compile(r"[^a-z]+")


@dataclass(frozen=True)
class LiveStep:
    """Step that a running command has reached.

    `number`: number of the step. `total`: number of all steps, 0 where unknown. `numbers`: numbers of the step, never
    those on test.
    """

    number: int
    total: int = 0
    numbers: Numbers = field(default_factory=dict)


def stated_total(levels: Mapping[str, Any], unit: str) -> int:
    """Return the number of all steps, as a level or a setting states it: `epochs` or `max_epochs` for the unit epoch.

    Args:
        levels: name of a factor or a setting -> its value.
        unit: "epoch", "step" or "iteration"; "" for any.

    Returns:
        The number; 0 where no name, or several names, have the unit as a word.
    """
    units = [unit] if unit else STEPS
    words = {word for one in units for word in (one, f"{one}s")}
    totals = [
        value
        for name, value in levels.items()
        if words & set(WORDS.split(name.lower())) and isinstance(value, int) and not isinstance(value, bool)
    ]
    return max(0, totals[0]) if len(totals) == 1 else 0


class _FileSteps:
    """Steps of a .jsonl or .csv file that a command appends to.

    Args:
        path: path of the file.
        wanted: name -> field of the stated measures; {} for all numbers.
    """

    def __init__(self, path: Path, wanted: Mapping[str, str]) -> None:
        self._file, self._wanted, self._is_csv = FollowedFile(path), wanted, path.suffix == ".csv"
        self._lines, self._n_lines = StepLines(self._is_csv), 0
        self.unit = ""
        self.last: tuple[int, Numbers] | None = None

    def look(self) -> None:
        """Read the lines that were completed since the last call."""
        lines = self._file.lines()
        if lines and self._file.restarted:
            self._lines, self._n_lines, self.last = StepLines(self._is_csv), 0, None
        for line in lines:
            if (fields := self._lines.fields(line)) is not None:
                self._add(fields)

    def _add(self, fields: Mapping[str, Any]) -> None:
        self._n_lines += 1
        self.unit = next((name for name in STEPS if as_number(fields.get(name)) is not None), "")
        step = step_number(fields, self._n_lines)
        wanted = self._wanted or all_numbers([fields])
        numbers = {name: value for name, key in wanted.items() if (value := as_number(fields.get(key))) is not None}
        is_same = self.last is not None and self.last[0] == step
        self.last = step, {**(self.last[1] if is_same and self.last else {}), **numbers}


class LiveSteps:
    """Steps of a running command, each of which is reported once.

    Args:
        keys: keys of [experiment].
        path: path of the file of results; None where it has no steps.
        printed: numbers that the command prints, as they come.
        levels: levels and settings, which may state the number of all steps.
        report: receives each new step.
    """

    def __init__(
        self, keys: ExperimentKeys, path: Path | None, printed: Printed, levels: Mapping[str, Any],
        report: Callable[[LiveStep], None],
    ) -> None:  # fmt: skip
        wanted = {name: source for name, source in keys.results.measures.items() if isinstance(source, str)}
        self._file = _FileSteps(path, wanted) if path else None
        self._printed, self._levels, self._report = printed, levels, report
        self._last: LiveStep | None = None
        self._looked = -math.inf

    def look(self) -> None:
        """Report the last step, where it is new. Calls within LOOK seconds of another one do nothing."""
        if time.monotonic() - self._looked < LOOK:
            return
        self._looked = time.monotonic()
        if (step := self._step()) != self._last:
            self._last = step
            self._report(step)

    def _step(self) -> LiveStep:
        """Return the last step of the file, otherwise that of the output; step 0 before there is one."""
        if self._file:
            self._file.look()
            if self._file.last:
                return self._live(*self._file.last, self._file.unit, 0)
        printed = self._printed
        if printed.step is None:
            return LiveStep(0)
        return self._live(printed.step, dict(printed.steps.get(printed.step, {})), printed.unit, printed.total)

    def _live(self, step: int, numbers: Numbers, unit: str, total: int) -> LiveStep:
        total = total or stated_total(self._levels, unit)
        shown = {n: value for n, value in numbers.items() if split_of(n)[0] != "test" and math.isfinite(value)}
        return LiveStep(step, total if step <= total else 0, shown)
