"""Opens a workspace: results of version 0.1.0 get the ids of today, once. Nothing is trained anew for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ablation import experiments
from ablation.grids.levels import Condition, Schema, schema_of
from ablation.grids.record import training_id
from ablation.planning.plan import Training
from ablation.workspace import TrainingFolder, Workspace, read_json, understood, write_json


def opened(root: Path, say: Callable[[str], None] = lambda text: None) -> Workspace:
    """Return the workspace in a folder, its trainings under the ids of this version.

    Raises AblateError where another command works there, or where it cannot be written though it is to be renamed.
    """
    workspace = Workspace(root)
    if not _is_old(workspace):
        return workspace
    with workspace.lock():
        renamed = _upgrade(workspace)
    if renamed:
        say(f"note: {root}: {renamed} trainings of version 0.1.0 have the ids of this one now ({workspace.aliases})")
    return workspace


def _is_old(workspace: Workspace) -> bool:
    """Whether folders wait to be renamed. Looks at few files: whether a workspace was opened before says a file."""
    aliases = read_json(workspace.aliases)
    if aliases is None:
        return any(_description(folder) for folder in workspace.trainings())
    return any(workspace.training(old).path.is_dir() for old in aliases)


def _description(folder: TrainingFolder) -> dict[str, Any] | None:
    """Return training.json where it is one of version 0.1.0, which did not name its experiment."""
    found = read_json(folder.description)
    return found if found and "experiment" not in found else None


def _upgrade(workspace: Workspace) -> int:
    """Rename folders; how many. What was meant is written before the first is renamed: a command that dies here is
    gone on with by the next."""
    kind = experiments.load(experiments.DEFAULT)
    schema = schema_of(kind, experiments.DEFAULT)

    def current(folder: TrainingFolder) -> Training | None:
        found = _description(folder)
        if found is None:
            return None
        with understood(folder.description):
            return _training(found, kind.Training, schema)

    aliases = read_json(workspace.aliases)
    if aliases is None:
        olds = ((folder.path.name, current(folder)) for folder in workspace.trainings())
        aliases = {
            name: training_id(schema, old.condition, old.seed, old.identity()) for name, old in olds if old is not None
        }
        write_json(workspace.aliases, aliases)
    for name, key in aliases.items():
        old, new = workspace.training(name), workspace.training(str(key))
        if old.path.is_dir() and not new.path.exists():
            if training := current(old):  # says what it is now, before it is found under its id
                description = training.model_copy(update={"key": key}).model_dump(mode="json")
                write_json(old.description, description)
            old.path.rename(new.path)
    return len(aliases)


def _training(found: dict[str, Any], kind: type[Training], schema: Schema) -> Training:
    """Return a training of version 0.1.0 as one of this version. Raises KeyError or ValueError where it is none."""
    defaults = {factor.name: factor.default for factor in schema.factors}
    own = {"plugin": schema.plugin, "experiment": schema.experiment, "version": schema.version}
    return kind.model_validate(found | own | {"condition": Condition(found["condition"]), "defaults": defaults})
