"""Upgrade of a workspace: results of version 0.1.0 get current ids, once. No training is repeated.

A renaming by `ablate adopt` that was interrupted is completed here, too.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ablation import experiments
from ablation.model.phrases import plural
from ablation.store import aliases as stored_aliases
from ablation.store.files import read_json, understood, write_json
from ablation.store.record import training_id
from ablation.store.training import Training
from ablation.store.workspace import TrainingFolder, Workspace
from ablation.study.levels import Condition, Schema, schema_of


def opened(root: Path, say: Callable[[str], None] = lambda text: None) -> Workspace:
    """Return the workspace in a folder, with its trainings under the ids of this version.

    Raises AblateError where trainings must be renamed, and another command holds the workspace or it is not writable.
    """
    workspace = Workspace(root)
    if not _is_old(workspace):
        return workspace
    with workspace.lock():
        renamed = _upgrade(workspace)
    if renamed:
        say(f"note: {root}: {plural(renamed, 'training')} got new ids, noted in {workspace.aliases}")
    return workspace


def _is_old(workspace: Workspace) -> bool:
    """Return whether folders must still be renamed. The aliases file, written once, saves reading all trainings."""
    aliases = read_json(workspace.aliases)
    if aliases is None:
        return any(_description(folder) for folder in workspace.trainings())
    return any(workspace.training(old).path.is_dir() for old in aliases)


def _description(folder: TrainingFolder) -> dict[str, Any] | None:
    """Return training.json of version 0.1.0, which has no experiment's name; None for other versions or no file."""
    description = read_json(folder.description)
    return description if description and "experiment" not in description else None


def _upgrade(workspace: Workspace) -> int:
    """Rename the folders of trainings and return the number of renamed folders.

    The aliases are written before the first folder is renamed: the next command completes an interrupted upgrade.
    """
    kind = experiments.load(experiments.DEFAULT)
    schema = schema_of(kind, experiments.DEFAULT)

    def current(folder: TrainingFolder) -> Training | None:
        old_description = _description(folder)
        if old_description is None:
            return None
        with understood(folder.description):
            return _training(old_description, kind.Training, schema)

    aliases = read_json(workspace.aliases)
    if aliases is None:
        olds = ((folder.path.name, current(folder)) for folder in workspace.trainings())
        aliases = {
            name: training_id(schema, old.condition, old.seed, old.identity()) for name, old in olds if old is not None
        }
        write_json(workspace.aliases, aliases)
    for name, key in aliases.items():
        old = workspace.training(name)
        if training := current(old):  # the description is written before the folder gets its id
            description = training.model_copy(update={"key": key}).model_dump(mode="json")
            write_json(old.description, description)
    return stored_aliases.complete(workspace)


def _training(description: dict[str, Any], kind: type[Training], schema: Schema) -> Training:
    """Return a training of version 0.1.0 as one of this version. Raises KeyError or ValueError if invalid."""
    defaults = {factor.name: factor.default for factor in schema.factors}
    identity = {"plugin": schema.plugin, "experiment": schema.experiment, "version": schema.version}
    return kind.model_validate(
        description | identity | {"condition": Condition(description["condition"]), "defaults": defaults}
    )
