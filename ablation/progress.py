"""How far the work is: a line a slot and one for the whole on a terminal, plain lines elsewhere."""

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

QUIET_SECONDS = 15  # between plain lines that only say how far something is


def duration(seconds: float) -> str:
    """3725 is 1:02:05, 65 is 1:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Plain:
    """Lines for a log: each start and end, and now and then how far it is."""

    def __init__(self, console: Console) -> None:
        self._console, self._last, self._began = console, 0.0, 0.0
        self._labels: dict[str, str] = {}
        self._share = 0.0

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _due(self) -> bool:
        now = time.monotonic()
        due = now - self._last >= QUIET_SECONDS
        self._last = now if due else self._last
        return due

    def step(self, what: str, done: int, total: int) -> None:
        if done >= total or self._due():
            self.say(f"{what}: {done:,} of {total:,}")

    def started(self, key: str, label: str, slot: str) -> None:
        self._began = self._began or time.monotonic()
        self._labels[key] = label
        self.say(f"{label}: started on {slot}")

    def epoch(self, key: str, epoch: dict[str, float], epochs: int) -> None:
        if self._due():
            self.say(f"{self._labels.get(key, key)}: {_epoch(epoch, epochs)}{self._left()}")

    def _left(self) -> str:
        if not self._share:
            return ""
        seconds = (time.monotonic() - self._began) * (1 - self._share) / self._share
        return f"; all: {100 * self._share:.0f} %, {duration(seconds)} left"

    def ended(self, key: str, outcome: str) -> None:
        self.say(f"{self._labels.get(key, key)}: {outcome}")

    def work(self, share: float) -> None:
        self._share = share


class Live:
    """Bars on a terminal."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._whole = bars.add_task("all", total=1.0, visible=False, detail="")
        self._step: dict[str, TaskID] = {}
        self._rows: dict[str, TaskID] = {}

    def say(self, text: str) -> None:
        self._bars.console.print(text, highlight=False, markup=False)

    def step(self, what: str, done: int, total: int) -> None:
        task = self._step.get(what)
        if task is None:
            task = self._step[what] = self._bars.add_task(what, total=total, detail="")
        self._bars.update(task, completed=done, detail=f"{done:,} of {total:,}")
        if done >= total:
            self._bars.update(task, visible=False)

    def started(self, key: str, label: str, slot: str) -> None:
        self._bars.update(self._whole, visible=True)
        self._rows[key] = self._bars.add_task(f"{slot}  {label}", total=None, detail="starting")

    def epoch(self, key: str, epoch: dict[str, float], epochs: int) -> None:
        if key in self._rows:
            self._bars.update(self._rows[key], total=epochs, completed=epoch["epoch"], detail=_epoch(epoch, epochs))

    def ended(self, key: str, outcome: str) -> None:
        task = self._rows.pop(key, None)
        if task is not None:
            label = next(t.description for t in self._bars.tasks if t.id == task)
            self._bars.remove_task(task)
            self.say(f"{label}: {outcome}")

    def work(self, share: float) -> None:
        self._bars.update(self._whole, completed=share)


def _epoch(epoch: dict[str, float], epochs: int) -> str:
    return f"epoch {epoch['epoch']:.0f} of {epochs}, val {100 * epoch['val_accuracy']:.1f} %"


@contextlib.contextmanager
def watch() -> Iterator[Plain | Live]:
    """Bars where stderr is a terminal, plain lines elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Plain(console)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[detail]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield Live(bars)
