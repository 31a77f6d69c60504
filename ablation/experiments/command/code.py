"""Code of a command: the text files of its folder that can change what it does, and what its study file states."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from ablation.errors import AblateError
from ablation.experiments.command import arguments
from ablation.store import code
from ablation.study.experiment_keys import ExperimentKeys

SUFFIXES = frozenset({".py", ".jl", ".r", ".R", ".sh", ".bash", ".pl", ".awk", ".lua", ".m"})
STATED = "[experiment]"  # stands for the study file
LARGEST = 10 << 20  # bytes of all files
MOST = 5_000  # files
SKIPPED = frozenset({"node_modules", "site-packages", "__pycache__"})
MARKS = ("pyvenv.cfg", "mlflow.db", "trained")  # what environments and workspaces have in their folder
NOT_CODE = (
    "cwd",
    "grace",
    "name",
    "version",
    "task",
    "settings",
    "inputs",
    "io",
    "artifacts",
)  # keys that change no number by themselves


def texts(keys: ExperimentKeys, rule: str = "") -> dict[str, str]:
    """Return path -> text of the code of a command: relative to its folder.

    They are the files that Git tracks below the folder, without Git those below it, in languages of scripts; the files
    that the command names, and those of `code`; and the keys of [experiment] that can change a result.

    Args:
        keys: keys of [experiment].
        rule: rule for the step whose numbers count, which is no key of [experiment]; "" for none.

    Raises:
        AblateError: they are too large.
    """
    folder = Path(keys.cwd)
    paths = [*_scripts(folder), *(path for pattern in keys.code for path in _matching(folder, pattern))]
    files = {**{str(path): folder / path for path in paths}, **_named(keys, folder)}
    total, read = 0, {}
    for name, path in sorted(files.items()):
        content = code.text_of(path)
        if content is None:
            continue
        total += len(content)
        if total > LARGEST:
            raise AblateError(
                f"{STATED} cwd: {folder} has more than {LARGEST >> 20} MiB of code; choose a smaller folder"
            )
        read[name] = content
    stated = keys.model_dump(mode="json", exclude_defaults=True, exclude=set(NOT_CODE))
    stated |= {"take by": rule} if rule else {}
    return {**read, STATED: json.dumps(stated, indent=1, sort_keys=True) + "\n"}


def _matching(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield the files that a pattern matches, relative to the folder. Raises AblateError where it matches none."""
    paths = sorted(path for path in folder.glob(pattern) if path.is_file())
    if not paths:
        raise AblateError(f"{STATED} code: {pattern!r} matches no file in {folder}")
    yield from (path.relative_to(folder) for path in paths)


def _scripts(folder: Path) -> Iterator[Path]:
    tracked = _tracked(folder)
    paths = _below(folder) if tracked is None else tracked
    yield from islice((path for path in paths if path.suffix in SUFFIXES), MOST)


def _tracked(folder: Path) -> list[Path] | None:
    """Return the files below a folder that Git tracks, relative to it; None where it is in no repository."""
    command = ["git", "-C", str(folder), "ls-files", "-z", "--", "."]
    try:
        listed = subprocess.run(command, capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if listed.returncode:
        return None
    return [Path(os.fsdecode(name)) for name in listed.stdout.split(b"\0") if name] or None


def _below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, relative to it, without hidden folders, environments and workspaces."""
    for place, folders, files in os.walk(folder):
        if any(mark in (*folders, *files) for mark in MARKS) and Path(place) != folder:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in SKIPPED)
        yield from (Path(place, name).relative_to(folder) for name in sorted(files))


def _named(keys: ExperimentKeys, folder: Path) -> Mapping[str, Path]:
    """Return the files that the command names."""
    parts = arguments.tokens(keys.command or (), STATED)
    named = [os.path.normpath(part) for part in parts[:20] if "{" not in part and (folder / part).is_file()]
    return {part: folder / part for part in named}


def changed_since(keys: ExperimentKeys, digests: Mapping[str, str]) -> str:
    """Return the first file that has another text now; "" where there is none. `digests`: path -> digest."""
    return code.first_changed(Path(keys.cwd), {path: sha256 for path, sha256 in digests.items() if path != STATED})
