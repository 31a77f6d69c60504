"""Progress of `ablation.run` in Python: nowhere, on the terminal, or in one display of a notebook."""

import codecs
import html
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ablation.progress import recorder
from ablation.progress.listener import Snapshot
from ablation.store.workspace import Workspace

WIDTH = 24  # characters of a bar
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def last_line(written: bytes | bytearray) -> str:
    """Return the last line that a program has written to a terminal or to a file; "" where there is none."""
    text = ANSI.sub("", written.decode(errors="replace"))
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


class View:
    """Base of all views: shows nothing. `on_terminal`: the child gets a pseudo-terminal for its messages."""

    on_terminal = False

    def receive(self, chunk: bytes) -> None:
        """Receive bytes that the child has written to stderr."""

    def refresh(self, pid: int, started: float, tail: bytes) -> None:
        """Show the progress of the child `pid`, which started at unix time `started`. `tail`: its last messages."""


class TerminalView(View):
    """Messages of the child on stderr, as the command writes them."""

    def __init__(self) -> None:
        self.on_terminal = sys.stderr.isatty()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def receive(self, chunk: bytes) -> None:
        sys.stderr.write(self._decoder.decode(chunk))
        sys.stderr.flush()


class NotebookView(View):
    """One display of a notebook, updated from the progress.json of the study that the child runs."""

    def __init__(self, display: Callable[..., Any], workspace: Path) -> None:
        self._display, self._workspace = display, Workspace(workspace)
        self._handle: Any = None
        self._shown = ""

    def refresh(self, pid: int, started: float, tail: bytes) -> None:
        text = drawn(self._snapshot(pid, started), last_line(tail), time.time())
        if text == self._shown:
            return
        self._shown = text
        content = {"text/plain": text, "text/html": f"<pre>{html.escape(text)}</pre>"}
        if self._handle is None:
            self._handle = self._display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)

    def _snapshot(self, pid: int, started: float) -> Snapshot | None:
        """Return the snapshot of the child's run; None until the run has begun."""
        snapshots = (recorder.read(self._workspace.study(name)) for name in self._workspace.studies())
        return next((s for s in snapshots if s and s.pid == pid and s.started >= started), None)


def drawn(snapshot: Snapshot | None, message: str, now: float) -> str:
    """Return the progress of a run as text: the whole run, the busy slots, and the last message.

    Args:
        snapshot: snapshot of the run; None before the first.
        message: last message of the child.
        now: unix seconds.
    """
    if snapshot is None:
        return message or "starting"
    moment = snapshot.updated if snapshot.over else now
    full = round(WIDTH * (snapshot.done / snapshot.total if snapshot.total else 0))
    slots = [" ".join(filter(None, line.cells(moment))) for line in snapshot.slots if line.key]
    whole = f"{'█' * full}{'░' * (WIDTH - full)} {snapshot.whole(moment)}"
    return "\n".join(filter(None, (whole, snapshot.doing, *slots, message)))


def notebook_display() -> Callable[..., Any] | None:
    """Return IPython's function `display` where a kernel of Jupyter runs this process; None elsewhere."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(sys.modules.get("IPython.display"), "display", None) if hasattr(shell, "kernel") else None


def chosen(progress: bool | None, quiet: bool, workspace: Path) -> View:
    """Return the view of a run.

    Args:
        progress: whether to show progress; None shows it in notebooks, unless the run is quiet.
        quiet: whether the run prints no progress.
        workspace: folder of all results.
    """
    display = notebook_display()
    if progress is False or (progress is None and (quiet or display is None)):
        return View()
    return NotebookView(display, workspace) if display else TerminalView()
