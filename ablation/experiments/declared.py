"""Experiment as a study file declares it: its name, its factors, its keys, and the number that selects rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from ablation.errors import AblateError
from ablation.measures.measure import Measure
from ablation.study.experiment_keys import ExperimentKeys
from ablation.study.grid import NOTHING
from ablation.study.study_keys import StudyKeys


@dataclass(frozen=True, kw_only=True)
class Declared:
    """Experiment as a study file declares it. Its measures are known with the first result.

    `keys`: [experiment] of the study file, with absolute paths.
    """

    name: str
    version: int
    factors: type[BaseModel]
    keys: ExperimentKeys
    takes_folds: bool = True
    measures: Mapping[str, Measure] = field(default_factory=dict)
    measures_from_results: bool = True

    def needs_selection(self) -> bool:
        """Return whether the study file must state what rows are selected on."""
        return True

    def selects_on(self, path: Path, file: StudyKeys) -> str:
        """Return the number that selects rows, or none. Raises AblateError where it is missing or not of validation."""
        stated = str(file.select_on)
        split = stated.partition("_")[0]
        if not stated and self.needs_selection():
            raise AblateError(
                f'{path}: select_on: missing; state the number on validation that selects a row, as in "val_accuracy", '
                f'or "{NOTHING}"'
            )
        if split not in ("", "val", NOTHING) and not (split == "test" and file.select_on_test):
            raise AblateError(
                f'{path}: select_on: {stated!r} is not allowed; allowed: "{NOTHING}", or val_ and the name of a measure'
            )
        return stated or NOTHING
