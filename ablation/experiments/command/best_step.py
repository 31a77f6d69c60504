"""The best step of a command, by the number that selects rows: all numbers of a training are read at that step."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ablation.errors import AblateError
from ablation.measures import from_columns, stated
from ablation.measures.names import split_of, undirected
from ablation.study.experiment_keys import ExperimentKeys, PrintedKeys
from ablation.study.table_keys import MeasureKeys

BEST = "best"
Courses = Mapping[str, Sequence[tuple[int, float]]]  # name of a number -> its values, with their steps


@dataclass(frozen=True)
class BestStep:
    """Rule for the step whose numbers count. `number`: name of a number on validation. `lowest`: its best value."""

    number: str
    lowest: bool

    def __str__(self) -> str:
        return f"the {'lowest' if self.lowest else 'highest'} {self.number}"

    def numbers(self, courses: Courses) -> dict[str, float]:
        """Return the value of each number at the best step, the earliest one of several. A cost may have one value.

        Raises AblateError where a number has no value at that step.
        """
        step = self._step(courses)
        numbers = {}
        for name, values in courses.items():
            value = dict(values).get(step)
            if value is None and split_of(name)[0]:
                raise AblateError(
                    f'results.take: "best": {name} has no value at step {step}, which has {self}; write it at each '
                    "step, or write the numbers of the best step alone"
                )
            numbers[name] = values[-1][1] if value is None else value
        return numbers

    def _step(self, courses: Courses) -> int:
        """Return the best step; the last one where no value is finite, so that the training has diverged."""
        values = courses.get(self.number, ())
        if not values:
            listed = ", ".join(name for name in courses if split_of(name)[0] == "val") or "none on validation"
            raise AblateError(f"select_on: the results have no {self.number}; they have {listed}")
        sign = 1 if self.lowest else -1
        finite = [(sign * value, step) for step, value in dict(values).items() if math.isfinite(value)]
        return min(finite)[1] if finite else values[-1][0]


def stated_rule(
    keys: ExperimentKeys | None, select_on: str, measures: Mapping[str, MeasureKeys], where: str
) -> BestStep | None:
    """Return the rule of `take = "best"`; None where the last step counts.

    Args:
        keys: keys of [experiment].
        select_on: number that selects rows.
        measures: keys of [measures].
        where: beginning of an error message, such as the study file.

    Raises:
        AblateError: the number has no steps, is none on validation, or has no direction.
    """
    if keys is None or keys.results.take != BEST:
        return None
    where = f"{where}: experiment.results.take"
    split, name = split_of(select_on)
    if split != "val":
        raise AblateError(f'{where}: "best" needs a number on validation; state select_on = "val_..."')
    _need_steps(keys, select_on, where)
    measure = from_columns.of_numbers({select_on: 0.0}, where)[name]
    own = measures.get(name, MeasureKeys()).model_dump(exclude_none=True)
    measure = stated.applied({name: measure}, {name: own} if own else {}, where)[name]
    if not measure.directed:
        raise undirected(name, where)
    return BestStep(select_on, measure.lowest)


def _need_steps(keys: ExperimentKeys, number: str, where: str) -> None:
    """Raise AblateError where a number has no steps, or where there are examples, which are of no step."""
    results = keys.results
    if results.val or results.test:
        raise AblateError(f'{where}: "best" reads numbers of steps, and examples are of one step; allowed: last')
    source = results.measures.get(number, "")
    if isinstance(source, str) and not results.file.endswith((".jsonl", ".csv")):
        raise AblateError(
            f'{where}: "best" needs steps of {number}; allowed: results.file = a .jsonl or .csv file, or a printed '
            "number with step"
        )
    if isinstance(source, PrintedKeys) and not source.step:
        raise AblateError(f"{where}: \"best\" needs steps of {number}; state step = 'epoch (\\d+)' next to its stdout")
