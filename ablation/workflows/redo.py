"""Repetition of a command's work after a broken file of its workspace was set aside."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ablation.errors import BrokenFile
from ablation.store import broken
from ablation.store.workspace import Workspace

T = TypeVar("T")


def redoing(workspace: Workspace, say: Callable[[str], None], work: Callable[[], T]) -> T:
    """Return the result of `work`, which starts again as often as it meets a broken file that can be set aside.

    Args:
        workspace: workspace of the command, whose lock must be free.
        say: receives a note on each file that is set aside.
        work: reads the files of the workspace, and does the work whose files are missing.

    Raises:
        BrokenFile: a file is broken again, or is not one of this workspace.
        AblateError: another orchestrator holds the workspace, or `work` raised the error.
    """
    moved: set[Path] = set()
    while True:
        try:
            return work()
        except BrokenFile as error:
            if error.path in moved:
                raise
            with workspace.lock():
                places = broken.set_aside(workspace, error.path)
            if places is None:
                raise
            moved.add(error.path)
            say(f"note: {error.path}: {error.reason}; {_moved(*places)}")


def _moved(source: Path, target: Path) -> str:
    subject = "the file" if source.suffix else "its training"
    again = "run `ablate evaluate` again" if source.name == "evaluation.json" else "its work is done again"
    return f"{subject} is moved to {target}, and {again}"
