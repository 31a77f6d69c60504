"""Text of `ablate` without a command: where to begin, and the next command for each study of the workspace.

Only files are read that need no large library, so that the text comes at once.
"""

import csv
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ablation.outcomes import Status
from ablation.store.workspace import StudyFolder, Workspace

MOST = 8  # studies that are listed
FIRST = {
    "ablate run --grid smoke": "a first study, which takes seconds",
    "ablate import results.csv --guess": "results that exist: propose a study file",
    'ablate new --command "python train.py --lr 0.1"': "a study file of your own program",
    "ablate new mine.toml": "a commented study file of the built-in experiment",
}
ALL = "all commands: ablate --help"


def text(workspace: Workspace) -> str:
    """Return where to begin, in a folder without studies; otherwise the studies with their next commands."""
    names = workspace.studies()
    if not names:
        return "\n".join([f"No study in {workspace.root} yet. Begin with one of:", *_aligned(list(FIRST.items())), ALL])
    lines = [_line(workspace, name) for name in names[:MOST]]
    more = [f"and {len(names) - MOST:,} more: ablate status"] if len(names) > MOST else []
    return "\n".join([f"Studies in {workspace.root}:", *_aligned(lines), *more, ALL])


def _aligned(lines: Sequence[tuple[str, ...]]) -> list[str]:
    """Return lines of cells with two blanks between columns."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  " + "  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def _line(workspace: Workspace, name: str) -> tuple[str, str, str]:
    """Return the name of a study, its progress, and the next command."""
    folder = workspace.study(name)
    snapshot = _content(folder.progress)
    done, total = _counts(folder, snapshot)
    progress = f"{done:,} of {total:,} trials done" if total else "no trial yet"
    return name, progress, _next(workspace, name, snapshot, is_complete=0 < total <= done)


def _next(workspace: Workspace, name: str, snapshot: dict[str, Any], is_complete: bool) -> str:
    study, holder = shlex.quote(name), workspace.holder()
    if holder and not snapshot.get("over") and snapshot.get("pid") == holder.pid:
        return f"running: ablate status {study} --watch"
    command = snapshot.get("command")
    if not is_complete and isinstance(command, list) and command:
        return f"resume: {shlex.join(['ablate', *map(str, command)])}"
    if workspace.study(name).table("md").is_file():
        return f"ablate report {study} --open"
    return f"ablate table {study}" if is_complete else f"ablate status {study}"


def _counts(folder: StudyFolder, snapshot: dict[str, Any]) -> tuple[int, int]:
    """Return the numbers of done trials and of all trials, from the newer one of trials.csv and the last snapshot."""
    if _time(folder.trials) > _time(folder.progress):
        try:
            with open(folder.trials, encoding="utf-8", newline="") as file:
                outcomes = [line.get("outcome") for line in csv.DictReader(file)]
        except (OSError, ValueError, csv.Error):
            outcomes = []
        return outcomes.count(Status.DONE), len(outcomes)
    done, total = (snapshot.get(key) for key in ("done", "total"))
    return (done, total) if isinstance(done, int) and isinstance(total, int) else (0, 0)


def _time(path: Path) -> float:
    return path.stat().st_mtime if path.is_file() else 0.0


def _content(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file, {} where it cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
