"""Deletion of the files that a user's experiment left in the folder of a training. The log stays."""

import shutil
from pathlib import Path

from ablation.store.files import write_json
from ablation.store.workspace import TrainingFolder


def delete(folder: TrainingFolder) -> None:
    """Delete the outputs of a training, and note their names."""
    paths = folder.outputs()
    if not paths:
        return
    write_json(folder.deleted, {"names": [path.name for path in paths]})
    for path in paths:
        delete_path(path)


def delete_path(path: Path) -> None:
    """Delete a file, a folder, or a link but not its target."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
