"""Opens a workspace: results of version 0.1.0 get the ids of today, once. Nothing is trained anew for it."""

from collections.abc import Callable, Iterator
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
    aliases = read_json(workspace.aliases)
    if aliases is None:
        kind = experiments.load(experiments.DEFAULT)
        schema = schema_of(kind, experiments.DEFAULT)
        aliases = dict(_ids(workspace, kind.Training, schema))
        write_json(workspace.aliases, aliases)
    for old, new in aliases.items():
        _rename(workspace.training(old), workspace.training(str(new)))
    return len(aliases)


def _ids(workspace: Workspace, kind: type[Training], schema: Schema) -> Iterator[tuple[str, str]]:
    """Yield the old and the new id of each training of version 0.1.0."""
    for folder in workspace.trainings():
        if found := _description(folder):
            with understood(folder.description):
                training = _training(found, kind, schema)
            key = training_id(schema, training.condition, training.seed, training.identity())
            yield folder.path.name, key


def _training(found: dict[str, Any], kind: type[Training], schema: Schema) -> Training:
    """Return a training of version 0.1.0 as one of this version. Raises KeyError or ValueError where it is none."""
    condition = Condition({factor: found["condition"][factor] for factor in found["condition"]})
    defaults = {factor.name: factor.default for factor in schema.factors}
    own = {"plugin": schema.plugin, "experiment": schema.experiment, "version": schema.version}
    return kind.model_validate(found | own | {"condition": condition, "defaults": defaults})


def _rename(old: TrainingFolder, new: TrainingFolder) -> None:
    """Say in training.json what it is now, then rename the folder."""
    found = read_json(old.description)
    if found is None or new.path.exists():
        return
    if "experiment" not in found:
        kind = experiments.load(experiments.DEFAULT)
        training = _training(found, kind.Training, schema_of(kind, experiments.DEFAULT))
        write_json(old.description, training.model_copy(update={"key": new.path.name}).model_dump(mode="json"))
    old.path.rename(new.path)
