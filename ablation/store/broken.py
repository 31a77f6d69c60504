"""Broken files of a workspace, which are set aside, so that the work that they hold is done again."""

from pathlib import Path

from ablation.store.workspace import Workspace

JOINT = (".json", ".npz")  # files of a training that rest on each other, but for its failure


def set_aside(workspace: Workspace, path: Path) -> tuple[Path, Path] | None:
    """Move a broken file to the workspace's folder for such files. Return its place before and its place now.

    The files of a training rest on each other: a broken one moves the whole training, which is trained again. Return
    None where the file is not in the workspace, or is missing.
    """
    if not path.is_relative_to(workspace.root) or not path.exists():
        return None
    source = _unit(workspace, path)
    target = _free(workspace.set_aside / source.relative_to(workspace.root))
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)
    return source, target


def _unit(workspace: Workspace, path: Path) -> Path:
    """Return what is moved for a broken file: its training's folder, or the file alone."""
    parts = path.relative_to(workspace.root).parts
    if parts[0] != "trained" or len(parts) < 3 or path.suffix not in JOINT or path.name == "failure.json":
        return path
    return workspace.root.joinpath(*parts[:2])


def _free(path: Path) -> Path:
    """Return the path, with a number where it exists already."""
    numbered = (path.with_name(f"{path.name}-{n}") for n in range(2, 1_000_000))
    return path if not path.exists() else next(p for p in numbered if not p.exists())
