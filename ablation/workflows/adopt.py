"""Workflow of `ablate adopt`: trainings from before a factor was added get the level that they had, and their new ids.

The steps are ordered so that an interruption loses nothing: levels are written first, aliases next, folders are renamed
last. The same command, and renaming by any other one, completes what was interrupted.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablation import experiments
from ablation.errors import AblateError
from ablation.store import aliases
from ablation.store.files import read_json, understood, write_json
from ablation.store.record import training_id
from ablation.store.training import Training
from ablation.store.workspace import TrainingFolder, Workspace
from ablation.study.grid import Grid
from ablation.study.levels import Condition, Level, Schema, text

OPTION = "--factor"


@dataclass(frozen=True)
class AdoptedTraining:
    """Training with the level that it had of a new factor.

    `folder`: its folder before it is renamed. `training`: its description, with all levels and the new id. `rows`:
    numbers of the rows of the study that it answers.
    """

    folder: TrainingFolder
    training: Training
    rows: tuple[int, ...]

    @property
    def is_renamed(self) -> bool:
        """True where the level changes the id."""
        return self.folder.path.name != self.training.key


def adopt(workspace: Workspace, grid: Grid, levels: Mapping[str, Level]) -> list[AdoptedTraining]:
    """Note the levels that earlier trainings of a study's experiment had of new factors, and rename their folders.

    Args:
        workspace: workspace with the trainings.
        grid: the study, whose experiment has the new factors.
        levels: factor -> level of all trainings that have none.

    Raises:
        AblateError: a factor cannot be adopted, or two trainings would have the same levels; nothing is changed then.
    """
    _refuse_factors(grid.factors, levels)
    if not workspace.root.is_dir():
        raise AblateError(f"--workspace {workspace.root}: no such folder")
    with workspace.lock():
        adopted = list(_adopted(workspace, grid, levels))
        _refuse_doubles(workspace, adopted)
        for one in adopted:
            write_json(one.folder.description, one.training.model_dump(mode="json"))
        if renamed := {one.folder.path.name: one.training.key for one in adopted if one.is_renamed}:
            aliases.add(workspace, renamed)
        aliases.complete(workspace)
    return adopted


def _refuse_factors(schema: Schema, levels: Mapping[str, Level]) -> None:
    """Raise AblateError for a factor whose level in earlier trainings is no question."""
    for name in levels:
        factor = schema.by_name[name]
        if name == schema.shared:
            raise AblateError(f"{OPTION} {name}: trainings share this factor, and are not stored by its levels")
        if factor.since is not None:
            raise AblateError(
                f"{OPTION} {name}: experiment {schema.experiment!r} declares since = {factor.since}: trainings "
                f"without the factor count as {text(factor.default)}"
            )


def _adopted(workspace: Workspace, grid: Grid, levels: Mapping[str, Level]) -> Iterator[AdoptedTraining]:
    """Yield the trainings that lack a factor, and those of an adoption that was interrupted before folders moved."""
    schema, renamed = grid.factors, aliases.read(workspace)
    for folder in workspace.trainings():
        description: Any = read_json(folder.description)
        if description is None or not _is_of(schema, description):
            continue
        with understood(folder.description):
            stored, is_started = description["condition"], description["key"] != folder.path.name
            if levels.keys() <= stored.keys() and not is_started:
                continue
            condition = Condition({**levels, **stored})
            training = _training(schema, description, condition)
        if is_started:
            _refuse_other_levels(folder, stored, levels)
        if name := next((f for f in levels if f in training.identity()), ""):
            raise AblateError(f"{OPTION} {name}: the level names an input of the training, which is not stored")
        key = training_id(schema, condition, training.seed, training.identity())
        training = training.model_copy(update={"key": aliases.unused(renamed, key)})
        yield AdoptedTraining(folder, training, tuple(_rows(grid, training)))


def _is_of(schema: Schema, description: Mapping[str, Any]) -> bool:
    """Return whether a training is of this experiment and version, without a factor that the experiment has lost."""
    is_same = [description.get(name) for name in ("experiment", "version")] == [schema.experiment, schema.version]
    return is_same and set(description.get("condition", ())) <= set(schema.names)


def _training(schema: Schema, description: Mapping[str, Any], condition: Condition) -> Training:
    kind: type[Training] = getattr(experiments.load(schema.plugin), "Training", Training)
    defaults = {factor.name: factor.default for factor in schema.factors if factor.name in condition}
    training = kind.model_validate_json(json.dumps(description))
    return training.model_copy(update={"condition": condition, "defaults": {**defaults, **description["defaults"]}})


def _refuse_other_levels(folder: TrainingFolder, stored: Mapping[str, Level], levels: Mapping[str, Level]) -> None:
    for name, level in levels.items():
        if name in stored and text(stored[name]) != text(level):
            raise AblateError(
                f"{folder.path}: `ablate adopt` was interrupted after it noted {name} = {text(stored[name])}; "
                f"complete that first: {OPTION} {name}={text(stored[name])}"
            )


def _rows(grid: Grid, training: Training) -> Iterator[int]:
    """Yield the rows of a study that a training answers, by its levels."""
    others = {grid.factors.shared, *training.identity()}
    for row, condition in enumerate(grid.rows, start=1):
        is_seed = training.seed in grid.seeds or (row == grid.reference and training.seed in grid.replicates)
        if is_seed and all(text(condition[f]) == text(v) for f, v in training.condition.items() if f not in others):
            yield row


def _refuse_doubles(workspace: Workspace, adopted: Sequence[AdoptedTraining]) -> None:
    """Raise AblateError where two trainings have the same levels, or a training is still running."""
    first: dict[str, TrainingFolder] = {}
    for one in adopted:
        target = workspace.training(one.training.key)
        other = target if one.is_renamed and target.path.exists() else first.setdefault(one.training.key, one.folder)
        if other is not one.folder:
            raise AblateError(
                f"{one.folder.path} would have the levels of {other.path}, which has results of its own; move one of "
                "the two folders away"
            )
        with one.folder.lock(lambda: True) as held:
            if held is None:
                raise AblateError(f"{one.folder.path}: a training is still running here; wait for its end")
