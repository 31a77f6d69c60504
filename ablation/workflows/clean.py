"""Files of a workspace that can be deleted, and the cost of deleting them. No table depends on these files."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ablation.analysis import retention
from ablation.store import outputs, result
from ablation.store import record as records
from ablation.store.files import TEMPORARY
from ablation.store.workspace import Workspace

KINDS = {
    "checkpoints": "of interrupted trainings, which would restart from the beginning",
    "heads": "of rows that no study keeps; evaluating such a row would retrain it",
    "outputs": "files of your experiment in trainings of rows that no study keeps",
    "features": "and decoded images, which the next `ablate run` computes again",
    "trainings": "that no study here uses",
    "set-aside": "broken files, whose work was done again",
    "superseded": "trainings that were repeated, because their code had changed",
    "leftovers": "unfinished files of processes that died",
}


@dataclass(frozen=True)
class Item:
    """File or folder that can be deleted. `size` is in bytes."""

    kind: str
    path: Path
    size: int

    def delete(self) -> None:
        outputs.delete_path(self.path)


def _size(path: Path) -> int:
    """Return the bytes of a file, or of all files of a folder; links count by themselves."""
    is_folder = path.is_dir() and not path.is_symlink()
    return sum(p.lstat().st_size for p in path.rglob("*") if not p.is_dir()) if is_folder else path.lstat().st_size


def _trainings(workspace: Workspace) -> Iterator[tuple[str, Path]]:
    used, heads, kept, unfinished = set(), set(), set(), set()
    for name in workspace.studies():
        if record := records.read(workspace.study(name)):
            keys = {record.training_key(trial) for trial in record.grid.trials()}
            used |= keys
            heads |= retention.wanted(workspace, record)
            unfinished |= retention.unfinished(workspace, record)
            kept |= keys if record.keep == "all" else set()
    with_files = {key for key, _ in heads | unfinished}
    for training in workspace.trainings():
        key = training.path.name
        if key not in used:
            yield "trainings", training.path
            continue
        yield from (("heads", path) for epochs, path in training.heads().items() if (key, epochs) not in heads)
        if key not in with_files:
            yield from (("outputs", path) for path in training.outputs())
        finished = any(result.is_done(training, e) for e in training.checkpoints())
        if not (finished and key in kept):
            yield from (("checkpoints", path) for path in training.checkpoints().values())


def _paths(workspace: Workspace) -> Iterator[tuple[str, Path]]:
    yield from _trainings(workspace)
    yield from (("set-aside", p) for p in sorted(workspace.set_aside.glob("*")))
    yield from (("superseded", p) for p in sorted(workspace.superseded.glob("*")))
    yield from (("features", p) for p in sorted(workspace.root.glob("cache/features/*.*")))
    yield from (("features", p) for p in sorted(workspace.root.glob("cache/images/*/pixels-*.npy")))
    yield from (("leftovers", p) for p in sorted(workspace.root.rglob(f"{TEMPORARY}*")))


def find(workspace: Workspace, kinds: Iterable[str] = tuple(KINDS)) -> list[Item]:
    """Return the files of these kinds that can be deleted. Raises AblateError where a study's record is broken.

    What lies behind a link that leads out of the workspace is left out: another workspace may use it.
    """
    root = workspace.root.resolve()
    inside = ((kind, path) for kind, path in _paths(workspace) if path.parent.resolve().is_relative_to(root))
    return [Item(kind, path, _size(path)) for kind, path in inside if kind in set(kinds)]


def megabytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def draw(items: Iterable[Item], workspace: Workspace) -> str:
    """Return one line per kind: number of files, size, and the cost of deleting them."""
    items = list(items)
    groups = {kind: [i for i in items if i.kind == kind] for kind in KINDS}
    lines = [
        f"{kind:<12} {len(group):>6}  {megabytes(sum(i.size for i in group)):>14}  {KINDS[kind]}"
        for kind, group in groups.items()
        if group
    ]
    return "\n".join(lines) or f"{workspace.root}: nothing to delete"
