"""How far the work is: a line a slot and one for the whole on a terminal, plain lines elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from rich import live
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ablation.watching.watch import Board, Line

QUIET_SECONDS = 15  # between plain lines that only say how far something is
LONGEST = 300  # characters of a reason; its file has all of it
OTHER_LINES = 4  # a terminal's lines that no slot gets: what is prepared, the slots left out, the whole, the cursor
BAR_WIDTH = 24
GAP = 2  # between columns


def end_line(line: Line | None, key: str, outcome: str, reason: str) -> str:
    """rows 2, 5: done, val 93.1 %"""
    label = line.label if line else key
    detail = reason[:LONGEST] if reason else (line.score if line and outcome == "done" else "")
    if not detail:
        return f"{label}: {outcome}"
    return f"{label}: {outcome}: {detail}" if reason else f"{label}: {outcome}, {detail}"


class Plain:
    """Lines for a log: each start and end, and now and then how far it is."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.time) -> None:
        self._console, self._clock, self._last = console, clock, 0.0
        self._board: Board | None = None

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _due(self) -> bool:
        now = self._clock()
        due = now - self._last >= QUIET_SECONDS
        self._last = now if due else self._last
        return due

    def _line(self, key: str) -> Line | None:
        return self._board.of(key) if self._board else None

    def show(self, board: Board) -> None:
        self._board = board

    def step(self, what: str, done: int, total: int) -> None:
        if done >= total or self._due():
            self.say(f"{what}: {done:,} of {total:,}")

    def started(self, key: str, label: str, slot: str) -> None:
        self.say(f"{label}: started on {slot}")

    def epoch(self, key: str, epoch: dict[str, float], epochs: int) -> None:
        line = self._line(key)
        if self._board and line and self._due():
            now = self._clock()
            _, label, *rest = line.cells(now)
            self.say(f"{label}: {', '.join(filter(None, rest))}; all: {self._board.whole(now)}")

    def ended(self, key: str, outcome: str, reason: str = "") -> None:
        self.say(end_line(self._line(key), key, outcome, reason))

    def trials(self, done: int, failed: int, total: int) -> None: ...
    def work(self, share: float, before: float = 0.0) -> None: ...


class Quiet(Plain):
    """Nothing but what somebody must know: notes, and what did not end well."""

    def step(self, what: str, done: int, total: int) -> None: ...
    def started(self, key: str, label: str, slot: str) -> None: ...
    def epoch(self, key: str, epoch: dict[str, float], epochs: int) -> None: ...

    def ended(self, key: str, outcome: str, reason: str = "") -> None:
        if outcome != "done":
            super().ended(key, outcome, reason)


class Verbose(Plain):
    """A line for every epoch."""

    def epoch(self, key: str, epoch: dict[str, float], epochs: int) -> None:
        line = self._line(key)
        seen = ", ".join(f"{name} {value:.4g}" for name, value in epoch.items() if name not in ("epoch", "time"))
        self.say(f"{line.label if line else key}: epoch {int(epoch['epoch'])} of {epochs}: {seen}")


def _bar(total: float, done: float, width: int) -> RenderableType:
    return ProgressBar(total=total, completed=done, width=width) if width else ""


def _slots(lines: tuple[Line, ...], now: float, width: int) -> Table:
    """A line a slot, each in its place. Where a terminal is narrow, the bar goes first, then the end of the rows."""
    cells = [line.cells(now) for line in lines]
    slot, label, *rest = (max(map(len, column)) for column in zip(*cells, strict=True))
    room = width - slot - sum(rest) - GAP * 5
    bar = max(0, min(BAR_WIDTH, room - label))
    grid = Table.grid(padding=(0, GAP, 0, 0))
    for column in (slot, max(1, min(label, room - bar)), bar, *rest):
        grid.add_column(no_wrap=True, overflow="ellipsis", width=column)
    for line, (name, rows, *words) in zip(lines, cells, strict=True):
        grid.add_row(
            Text(name), Text(rows), _bar(line.epochs, line.epoch, bar) if line.epoch else "", *map(Text, words)
        )
    return grid


def _whole(board: Board, now: float, width: int) -> Table:
    text = board.whole(now)
    bar = max(0, min(BAR_WIDTH, width - len(text) - len("all") - GAP * 2))
    grid = Table.grid(padding=(0, GAP, 0, 0))
    grid.add_row(Text("all"), *([_bar(1.0, board.share, bar)] if bar else []), _short(text))
    return grid


def _short(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")


def drawn(board: Board | None, doing: str, now: float, width: int, height: int) -> RenderableType:
    """What stands at the bottom of a terminal; the line of the whole comes last, and always fits."""
    parts: list[RenderableType] = [_short(doing)] if doing else []
    if board and board.at_work:
        shown = board.slots[: max(1, height - OTHER_LINES)]
        rest = board.slots[len(shown) :]
        if shown:
            parts.append(_slots(shown, now, width))
        if rest:
            parts.append(_short(f"and {len(rest)} slots more, {sum(bool(line.key) for line in rest)} of them at work"))
        parts.append(_whole(board, now, width))
    return Group(*parts)


class Live:
    """The board on a terminal, drawn again four times a second; what is said scrolls above it."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.time) -> None:
        self._console, self._clock = console, clock
        self._board: Board | None = None
        self._doing: dict[str, str] = {}

    def __rich__(self) -> RenderableType:
        return drawn(self._board, "; ".join([*self._doing.values()]), self._clock(), *self._console.size)

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)

    def show(self, board: Board) -> None:
        self._board = board

    def step(self, what: str, done: int, total: int) -> None:
        self._doing[what] = f"{what}: {done:,} of {total:,}"
        if done >= total:
            del self._doing[what]

    def ended(self, key: str, outcome: str, reason: str = "") -> None:
        self.say(end_line(self._board.of(key) if self._board else None, key, outcome, reason))

    def started(self, key: str, label: str, slot: str) -> None: ...
    def epoch(self, key: str, epoch: dict[str, float], epochs: int) -> None: ...
    def trials(self, done: int, failed: int, total: int) -> None: ...
    def work(self, share: float, before: float = 0.0) -> None: ...


@contextlib.contextmanager
def watch(quiet: bool = False, verbose: bool = False) -> Iterator[Plain | Live]:
    """Lines that stay in place where stderr is a terminal, plain lines elsewhere."""
    console = Console(stderr=True)
    if quiet or verbose:
        yield Quiet(console) if quiet else Verbose(console)
        return
    if not console.is_terminal:
        yield Plain(console)
        return
    watching = Live(console)
    with live.Live(watching, console=console, transient=True, redirect_stdout=False):
        yield watching


def _end_of(text: str, height: int) -> Text:
    """What fits on a terminal: the end, where the run stands."""
    return _short("\n".join(text.splitlines()[-max(1, height - 1) :]))


def repeat(draw: Callable[[], tuple[str, bool]], seconds: float = 2.0) -> None:
    """Show what `draw` says, in place on a terminal, again and again for as long as it says so."""
    console = Console()
    if not sys.stdout.isatty():
        _repeat(draw, print, seconds)
        return
    with live.Live(console=console, auto_refresh=False) as shown:
        _repeat(draw, lambda text: shown.update(_end_of(text, console.height), refresh=True), seconds)


def _repeat(draw: Callable[[], tuple[str, bool]], show: Callable[[str], None], seconds: float) -> None:
    goes_on = True
    while goes_on:
        text, goes_on = draw()
        show(text)
        if goes_on:
            time.sleep(seconds)
