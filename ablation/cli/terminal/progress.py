"""Progress of a run: one line per slot and one for the whole run on a terminal, plain lines otherwise."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich import live
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ablation.cli.terminal import consoles
from ablation.progress.listener import SlotState, Snapshot

QUIET_SECONDS = 15  # between plain lines that only show progress
LONGEST = 300  # characters of a reason; the file of the failure has the full text
OTHER_LINES = 4  # lines of the terminal for other things: preparation, hidden slots, the whole run, the cursor
BAR_WIDTH = 24
GAP = 2  # between columns


def end_line(line: SlotState | None, key: str, outcome: str, reason: str) -> str:
    """Return the line for a training that ended, as in "rows 2, 5: done, val 93.1 %".

    Args:
        line: Last state of the slot, if known.
        key: Key of the training, shown where the state is unknown.
        outcome: How the training ended.
        reason: Why the training failed; "" for none.
    """
    label = line.label if line else key
    detail = reason[:LONGEST] if reason else (line.score if line and outcome == "done" else "")
    if not detail:
        return f"{label}: {outcome}"
    return f"{label}: {outcome}: {detail}" if reason else f"{label}: {outcome}, {detail}"


class Plain:
    """Lines for a log: each start and end, and the progress at intervals.

    `snapshot`: last snapshot of the run; None before its work starts.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.time) -> None:
        self._console, self._clock, self._last = console, clock, 0.0
        self.snapshot: Snapshot | None = None

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def _due(self) -> bool:
        now = self._clock()
        due = now - self._last >= QUIET_SECONDS
        self._last = now if due else self._last
        return due

    def _line(self, key: str) -> SlotState | None:
        return self.snapshot.of(key) if self.snapshot else None

    def show(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def step(self, title: str, done: int, total: int) -> None:
        if done >= total or self._due():
            self.say(f"{title}: {done:,} of {total:,}")

    def started(self, key: str, label: str, slot: str) -> None:
        self.say(f"{label}: started on {slot}")

    def epoch(self, key: str, epoch: dict[str, float], epochs: int) -> None:
        line = self._line(key)
        if self.snapshot and line and self._due():
            now = self._clock()
            _, label, *columns = line.cells(now)
            self.say(f"{label}: {', '.join(filter(None, columns))}; all: {self.snapshot.whole(now)}")

    def ended(self, key: str, outcome: str, reason: str = "") -> None:
        self.say(end_line(self._line(key), key, outcome, reason))

    def trials(self, done: int, failed: int, total: int) -> None: ...
    def work(self, share: float, before: float = 0.0) -> None: ...


class Quiet(Plain):
    """Minimal output: notes, and trainings that did not end well."""

    def step(self, title: str, done: int, total: int) -> None: ...
    def started(self, key: str, label: str, slot: str) -> None: ...
    def epoch(self, key: str, epoch: dict[str, float], epochs: int) -> None: ...

    def ended(self, key: str, outcome: str, reason: str = "") -> None:
        if outcome != "done":
            super().ended(key, outcome, reason)


class Notes(Quiet):
    """Notes alone, for a command that prints itself how its trainings end."""

    def ended(self, key: str, outcome: str, reason: str = "") -> None: ...


class Verbose(Plain):
    """Plain lines, with a line for every epoch."""

    def epoch(self, key: str, epoch: dict[str, float], epochs: int) -> None:
        line = self._line(key)
        if not epoch["epoch"]:
            return
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in epoch.items() if name not in ("epoch", "time"))
        position = line.position if line else f"epoch {int(epoch['epoch'])}" + (f" of {epochs}" if epochs else "")
        self.say(f"{line.label if line else key}: {position}" + (f": {metrics}" if metrics else ""))


def _bar(total: float, done: float, width: int) -> RenderableType:
    return ProgressBar(total=total, completed=done, width=width) if width else ""


def _slots(lines: tuple[SlotState, ...], now: float, width: int) -> Table:
    """Return a line per slot, each at a fixed position.

    On a narrow terminal the bar is dropped first, then the end of the rows.
    """
    cells = [line.cells(now) for line in lines]
    slot, label, *widths = (max(map(len, column)) for column in zip(*cells, strict=True))
    room = width - slot - sum(widths) - GAP * 5
    bar = max(0, min(BAR_WIDTH, room - label))
    grid = Table.grid(padding=(0, GAP, 0, 0))
    for column in (slot, max(1, min(label, room - bar)), bar, *widths):
        grid.add_column(no_wrap=True, overflow="ellipsis", width=column)
    for line, (name, rows, *words) in zip(lines, cells, strict=True):
        grid.add_row(
            Text(name),
            Text(rows),
            _bar(line.epochs, line.epoch, bar) if line.epoch and line.epochs else "",
            *map(Text, words),
        )
    return grid


def _whole(snapshot: Snapshot, now: float, width: int) -> Table:
    text = snapshot.whole(now)
    bar = max(0, min(BAR_WIDTH, width - len(text) - len("all") - GAP * 2))
    grid = Table.grid(padding=(0, GAP, 0, 0))
    grid.add_row(Text("all"), *([_bar(1.0, snapshot.share, bar)] if bar else []), _short(text))
    return grid


def _short(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")


def drawn(snapshot: Snapshot | None, doing: str, now: float, width: int, height: int) -> RenderableType:
    """Return the block at the bottom of a terminal. The last line, for the whole run, always fits.

    Args:
        snapshot: Snapshot of the run, if there is one.
        doing: Text of the preparation under way; "" for none.
        now: Unix seconds.
        width, height: Size of the terminal, in characters.
    """
    parts: list[RenderableType] = [_short(doing)] if doing else []
    if snapshot and snapshot.at_work:
        shown = snapshot.slots[: max(1, height - OTHER_LINES)]
        hidden = snapshot.slots[len(shown) :]
        if shown:
            parts.append(_slots(shown, now, width))
        if hidden:
            parts.append(_short(f"and {len(hidden)} more slots, {sum(bool(line.key) for line in hidden)} of them busy"))
        parts.append(_whole(snapshot, now, width))
    return Group(*parts)


class Live:
    """Display of the snapshot on a terminal, redrawn four times a second; messages scroll above it.

    `snapshot`: None before the work of the run starts.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.time) -> None:
        self._console, self._clock = console, clock
        self.snapshot: Snapshot | None = None
        self._doing: dict[str, str] = {}

    def __rich__(self) -> RenderableType:
        return drawn(self.snapshot, "; ".join([*self._doing.values()]), self._clock(), *self._console.size)

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, emoji=False)

    def show(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def step(self, title: str, done: int, total: int) -> None:
        self._doing[title] = f"{title}: {done:,} of {total:,}"
        if done >= total:
            del self._doing[title]

    def ended(self, key: str, outcome: str, reason: str = "") -> None:
        self.say(end_line(self.snapshot.of(key) if self.snapshot else None, key, outcome, reason))

    def started(self, key: str, label: str, slot: str) -> None: ...
    def epoch(self, key: str, epoch: dict[str, float], epochs: int) -> None: ...
    def trials(self, done: int, failed: int, total: int) -> None: ...
    def work(self, share: float, before: float = 0.0) -> None: ...


@contextlib.contextmanager
def watch(quiet: bool = False, verbose: bool = False) -> Iterator[Plain | Live]:
    """Yield a display for progress: lines in place where stderr is a terminal, plain lines otherwise.

    With `quiet`, only notes and failures are shown. With `verbose`, there is a line per epoch.
    """
    console = consoles.console(stderr=True)
    if quiet or verbose:
        yield Quiet(console) if quiet else Verbose(console)
        return
    if not console.is_terminal or console.is_dumb_terminal:
        yield Plain(console)
        return
    watching = Live(console)
    with live.Live(watching, console=console, transient=True, redirect_stdout=False):
        yield watching


def _end_of(text: str, height: int) -> Text:
    """Return the end of the text that fits on a terminal, which shows the state of the run."""
    return _short("\n".join(text.splitlines()[-max(1, height - 1) :]))


def repeat(draw: Callable[[], tuple[str, bool]], seconds: float = 2.0) -> None:
    """Show the text of `draw` again and again, in place on a terminal, while `draw` returns True as its second value.

    `seconds` is the time between two calls.
    """
    console = consoles.console()
    if not console.is_terminal or console.is_dumb_terminal:
        _repeat(draw, print, seconds)
        return
    with live.Live(console=console, auto_refresh=False) as shown:
        _repeat(draw, lambda text: shown.update(_end_of(text, console.height), refresh=True), seconds)


def _repeat(draw: Callable[[], tuple[str, bool]], show: Callable[[str], None], seconds: float) -> None:
    running = True
    while running:
        text, running = draw()
        show(text)
        if running:
            time.sleep(seconds)
