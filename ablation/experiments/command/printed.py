"""Numbers that a command prints, and the regular expressions that find them."""

import math
import re
from collections.abc import Iterable, Mapping

from ablation.errors import AblateError
from ablation.experiments.command.step_fields import STEPS, as_number
from ablation.experiments.commit import Numbers
from ablation.study.experiment_keys import PrintedKeys, Source


class Printed:
    """Numbers that a command prints, found by regular expressions line by line.

    `steps`: step -> name -> value. `texts`: name -> last match that is no number. `step`: the last step; None before
    the first. `total`: number of all steps, as a second group states it, otherwise 0. `unit`: "step", "epoch" or
    "iteration", where an expression of steps has this word. `names`: numbers that this attempt has printed.
    """

    def __init__(self, measures: Mapping[str, Source]) -> None:
        stated = {name: keys for name, keys in measures.items() if isinstance(keys, PrintedKeys)}
        self._values = {name: re.compile(keys.stdout) for name, keys in stated.items()}
        self._steps = {keys.step: re.compile(keys.step) for keys in stated.values() if keys.step}
        self.step: int | None = None
        self.total = 0
        self.unit = next((unit for unit in STEPS if any(unit in text.lower() for text in self._steps)), "")
        self._is_resumed = False
        self.names: set[str] = set()
        self.steps: dict[int, Numbers] = {}
        self.texts: dict[str, str] = {}

    def read(self, line: str) -> None:
        """Find the numbers of a line, and of which step they are."""
        for expression in self._steps.values():
            match = expression.search(line)
            step, total = (_whole(match, group) for group in (1, 2))
            if step is not None:
                self.step, self.total = step, total or 0
                self._drop_from(step)
        for name, expression in self._values.items():
            for match in expression.finditer(line):
                text = match["value"] if "value" in expression.groupindex else match[1]
                if (number := as_number(_bare(text))) is None:
                    self.texts[name] = str(text)
                else:
                    self.names.add(name)
                    self.steps.setdefault(self.step or 0, {})[name] = number

    def resume(self, earlier: Iterable[str]) -> None:
        """Read the lines of earlier attempts: their steps count up to the first one that this attempt prints."""
        for line in earlier:
            self.read(line)
        self._is_resumed, self.step = True, None
        self.names.clear()
        self.texts.clear()

    def _drop_from(self, step: int) -> None:
        """Drop the steps that this attempt repeats, at its first step."""
        if self._is_resumed:
            self._is_resumed = False
            self.steps = {n: numbers for n, numbers in self.steps.items() if n < step}


def _whole(match: re.Match[str] | None, group: int) -> int | None:
    """Return the whole number of a group; None where there is none."""
    value = as_number(_bare(match[group])) if match and group <= match.re.groups else None
    return int(value) if value is not None and math.isfinite(value) else None


def _bare(text: str | None) -> str:
    """Return a match without the punctuation after it: `0.5,` of `loss: 0.5, accuracy: 0.9`."""
    return (text or "").rstrip(",;:.)]}")


def check_expressions(measures: Mapping[str, Source], where: str) -> None:
    """Raise AblateError for a regular expression that is none, or has no group."""
    for name, keys in measures.items():
        if not isinstance(keys, PrintedKeys):
            continue
        for key, text in (("stdout", keys.stdout), ("step", keys.step)):
            try:
                n_groups = re.compile(text).groups
            except re.error as error:
                raise AblateError(f"{where}.{name}.{key}: not a regular expression: {error}") from None
            if text and not n_groups:
                raise AblateError(f"{where}.{name}.{key}: {text!r} has no group; put the number in brackets: (\\S+)")
