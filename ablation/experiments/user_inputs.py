"""Inputs, measures and warnings that commands and functions share: experiments whose code is the user's own."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import Field

from ablation import sizes
from ablation.analysis.check_context import CheckContext
from ablation.engine import slots
from ablation.experiments import folds, kept_code, mixed_code, no_effect, observation, retrained_rows, unchecked
from ablation.experiments.observed import ObservedInputs
from ablation.experiments.protocol import Request
from ablation.experiments.user_code import UserCode
from ablation.measures import from_columns
from ablation.measures.measure import Measure
from ablation.model.diagnostic import Diagnostic
from ablation.store import record, result, retrained
from ablation.store.record import Record
from ablation.store.workspace import Workspace
from ablation.study.grid import NOTHING, Grid
from ablation.study.levels import Condition

BEFORE_RESULTS = ("test_score",)  # measure of a study that names none and has no result
OBSERVED = {"largest", "task", "examples_like", "sizes"}  # fields that results fill


class UserInputs(ObservedInputs):
    """Measures of a study's results, as far as results have shown them.

    `expected`: names of measures that the study file states before there is a result. `code`: path -> digest of the
    user's files that trainings run now.
    """

    expected: tuple[str, ...] = ()
    code: dict[str, str] = Field(default_factory=dict)

    def given(self, condition: Condition) -> dict[str, Any]:
        return {"code": self.code}

    def measures(self, declared: Mapping[str, Measure]) -> Mapping[str, Measure]:
        """Return the measures of the results; before there are any, those that the study file names."""
        of_results = super().measures(declared)
        if self.task or not self.expected:
            return of_results
        return {**from_columns.of_numbers(dict.fromkeys(self.expected, 1.0), self.place), **of_results}

    def has_test(self, measure: str) -> bool:
        """Return whether results have the measure on test, by examples or as a number; True before there are any."""
        if not self.task and not self.largest:
            return True
        return f"test_{measure}" in self.largest or (bool(self.task) and measure in self.detailed)

    def changes(self, new: record.Inputs) -> Iterator[tuple[str, object, object]]:
        """Yield the files that trainings read. The results say what the measures are."""
        yield "inputs", self.digests, new.digests


def refuse_small_slots(request: Request) -> None:
    """Raise AblateError where a slot of this machine has less of a GPU's memory than a training needs."""
    keys = request.grid.experiment_keys
    if keys and keys.memory and request.slots:
        slots.refuse_small(slots.parse(request.slots, keys.io), sizes.parse("[experiment] memory", keys.memory))


def of_study(grid: Grid, earlier: record.Inputs | None) -> dict[str, Any]:
    """Return the fields of `UserInputs` that a study file states, and those that its earlier results have shown."""
    keys = grid.experiment_keys
    declared = keys.results.measures if keys else ()
    stated = (grid.select_on, grid.table.primary, *declared, *(f"test_{name}" for name in grid.measures))
    expected = tuple(dict.fromkeys(name for name in stated if name not in ("", NOTHING)))
    kinds = earlier.model_dump(include=OBSERVED) if isinstance(earlier, UserInputs) else {}
    return {"expected": expected or BEFORE_RESULTS, **kinds}


def observed(workspace: Workspace, record: Record) -> UserInputs:
    """Return the inputs of a study with what its results have shown of its measures.

    Raises AblateError where results contradict each other, or lack a measure that the study file names.
    """
    inputs: UserInputs = record.inputs
    folders = {key: workspace.training(key) for key in map(record.training_key, record.grid.trials())}
    kinds = observation.joined(folder for folder in folders.values() if result.all_of(folder))
    if kinds and record.grid.folds:
        kinds["sizes"] |= _sizes_of_folds(workspace, record)
    return inputs.model_copy(update=kinds) if kinds else inputs


def _sizes_of_folds(workspace: Workspace, record: Record) -> dict[str, int]:
    """Return the number of examples that the folds of one division test together; {} without examples."""
    folds, by_row = record.grid.folds, dict[int, int]()
    for trial in record.grid.trials():
        folder = workspace.training(record.training_key(trial))
        is_first = folds is not None and folds.place(trial.seed)[1] == 0
        if is_first and result.is_done(folder, trial.step):
            by_row[trial.row] = by_row.get(trial.row, 0) + observation.sizes_of(folder).get("test", 0)
    largest = max(by_row.values(), default=0)
    return {"test": largest} if largest else {}


def examine(workspace: Workspace, record: Record) -> UserCode:
    """Return what is stored about the code of the trainings."""
    noted = retrained.read(workspace.study(record.name))
    return UserCode(
        versions=mixed_code.versions(workspace, record),
        kept=kept_code.rows_by_path(workspace, record),
        retrained=retrained_rows.rows(workspace, record),
        studies=noted.studies,
        unchecked=unchecked.promises_of(workspace, record),
    )


def diagnostics() -> dict[str, Callable[[CheckContext], Diagnostic | None]]:
    """Return the warnings of experiments with a user's code: code -> check."""
    return {
        "MIXED_CODE": mixed_code.mixed_code,
        "RETRAINED": retrained_rows.retrained_rows,
        "KEPT_CODE": kept_code.kept_code,
        "FOLDS": folds.overlapping,
        "UNCHECKED": unchecked.unchecked,
        "NO_EFFECT": no_effect.no_effect,
    }
