"""Results of a user's experiment, checked and stored: the last step of a training whose measures follow from them."""

import math
from dataclasses import dataclass, field
from typing import Any

from ablation import clock
from ablation.engine import attempts
from ablation.engine.run import Run
from ablation.errors import AblateError
from ablation.experiments import observation
from ablation.experiments.observation import Columns
from ablation.measures.names import split_of
from ablation.nearest import nearest
from ablation.outcomes import Failure, Status
from ablation.store import result
from ablation.store.result import Result
from ablation.study.experiment_keys import ExperimentKeys
from ablation.study.grid import NOTHING

WHERE = "[experiment]"
Numbers = dict[str, float]


@dataclass
class Results:
    """Results of one training at one milestone.

    `numbers`: val_loss, test_accuracy, ... -> value; costs have no split. `history`: numbers of each step, with
    "epoch"; without those on test. `examples`: val, test -> columns. `memory`: largest memory in bytes. `seconds`:
    duration of the training; None for that of its process.
    """

    numbers: Numbers = field(default_factory=dict)
    history: list[Numbers] = field(default_factory=list)
    examples: dict[str, Columns] = field(default_factory=dict)
    memory: int = 0
    seconds: float | None = None


def diverged(results: Results) -> str:
    """Return the name of a number that is NaN or infinite; "" for none. Numbers on test are not looked at."""
    return next(
        (n for n, value in results.numbers.items() if split_of(n)[0] != "test" and not math.isfinite(value)), ""
    )


def commit(run: Run, results: Results, keys: ExperimentKeys, selects_on: str, step: int) -> Status:
    """Check the results of a milestone, and store them: the result is the last file.

    Args:
        run: the training.
        results: its results.
        keys: keys of [experiment].
        selects_on: number that selects rows, or "none".
        step: the milestone.

    Returns:
        Done, or diverged where a number is NaN or infinite.

    Raises:
        AblateError: the results contradict each other, or the selecting number is missing.
        ValueError: columns are of different lengths, or ids are not unique.
    """
    if wrong := diverged(results):
        return write_diverged(run, step, f"{wrong} is {results.numbers[wrong]}")
    if "val" not in results.examples and not any(split_of(n)[0] == "val" for n in results.numbers):
        _need_selecting(selects_on, {})  # first: the task of other examples is another error
    examples, kinds = observation.coded_splits(results.examples, keys.task, WHERE)
    numbers = results.numbers
    scores = {"val": observation.validation(examples.get("val", {}), kinds, numbers, WHERE)}
    scores["train"] = {split_of(n)[1]: v for n, v in numbers.items() if split_of(n)[0] == "train"}
    _need_selecting(selects_on, scores["val"])
    test: dict[str, Any] = {split_of(n)[1]: v for n, v in numbers.items() if split_of(n)[0] == "test"}
    observation.write(run.folder, kinds, numbers, examples)
    run.result(
        val=examples.get("val"), test={**examples.get("test", {}), **test} or None,
        scores={split: of_split for split, of_split in scores.items() if of_split}, step=step,
        costs={n: v for n, v in numbers.items() if not split_of(n)[0]}, memory=results.memory, seconds=results.seconds,
        history=[{**entry, "time": entry.get("time", clock.now())} for entry in results.history],
    )  # fmt: skip
    shown = sorted(scores["val"], key=lambda name: f"val_{name}" != selects_on)
    run.reach(0, 0, {f"val_{name}": scores["val"][name] for name in shown})  # in place of those of the last step
    return Status.DONE


def _need_selecting(selects_on: str, scores: Numbers) -> None:
    """Raise AblateError where the number that selects rows is missing."""
    split, name = split_of(selects_on)
    if split == "val" and name not in scores:
        numbers = [f"val_{measure}" for measure in scores]
        advice = nearest(selects_on, numbers) if numbers else f'; return "val" too, or set select_on = "{NOTHING}"'
        listed = ", ".join(numbers) or "none on validation"
        raise AblateError(f"select_on: the results have no {selects_on}; they have {listed}{advice}")


def write_diverged(run: Run, step: int, reason: str) -> Status:
    """Store that a training diverged before a milestone."""
    now = clock.now()
    tries = len(attempts.read(run.folder))
    result.write(run.folder, Result(Status.DIVERGED, step, error=reason, attempts=tries, started=now, finished=now))
    return Status.DIVERGED


def broken_contract(error: Exception) -> Failure:
    """Return the failure of a training whose results are wrong, which other trainings would share."""
    return Failure(Status.FAILED, str(error), is_contract=True)


def changed_on_the_way(path: str) -> Failure:
    """Return the failure of a training whose code has changed since the command began: trainings would differ."""
    return Failure(Status.FAILED, f"{path} has changed since this command began; run it again", is_contract=True)
