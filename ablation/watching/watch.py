"""Who is told how far the work is, and the board that says it all at once."""

from typing import Protocol

from pydantic import BaseModel, ConfigDict

from ablation.durations import duration


def _left(ends: float | None, now: float) -> str:
    return "" if ends is None else f"{duration(max(0.0, ends - now))} left"


class Line(BaseModel):
    """What one slot does; `key` is "" while it is free. `ends`: when the training will be over, unix seconds."""

    model_config = ConfigDict(frozen=True)

    slot: str
    key: str = ""
    label: str = ""
    epoch: int = 0  # 0 until the first one is over
    epochs: int = 0
    val_accuracy: float | None = None
    validation: str = ""  # another measure of the last epoch, in words
    ends: float | None = None

    def cells(self, now: float) -> tuple[str, str, str, str, str]:
        """In words: slot, rows, epoch, validation accuracy, time left."""
        if not self.key:
            return self.slot, "free", "", "", ""
        if not self.epoch:
            return self.slot, self.label, "starting", "", ""
        return self.slot, self.label, f"epoch {self.epoch} of {self.epochs}", self.score, _left(self.ends, now)

    @property
    def score(self) -> str:
        return self.validation if self.val_accuracy is None else f"val {100 * self.val_accuracy:.1f} %"


class Board(BaseModel):
    """How far a run is: the content of progress.json. Times are unix seconds, `share` is of the work, in [0, 1]."""

    model_config = ConfigDict(frozen=True)

    study: str
    host: str
    pid: int
    started: float
    updated: float
    command: tuple[str, ...] = ()  # what the user typed after `ablate`
    total: int = 0  # trials in all
    done: int = 0
    failed: int = 0
    share: float = 0.0
    ends: float | None = None
    doing: str = ""  # what comes before the trainings
    slots: tuple[Line, ...] = ()
    over: bool = False  # the run came to its end; False for ever where it was killed

    def of(self, key: str) -> Line | None:
        """The line of a training that is under way."""
        return next((line for line in self.slots if key and line.key == key), None)

    @property
    def at_work(self) -> bool:
        """Whether there is something left to train."""
        return not self.over and self.done + self.failed < self.total

    def whole(self, now: float) -> str:
        """The line of the whole, in words."""
        trials = f"{self.done:,} of {self.total:,} trials done" if self.total else "starting"
        failed = f"{self.failed:,} failed" if self.failed else ""
        share = f"{100 * self.share:.0f} %" if self.share else ""
        elapsed = f"{duration(now - self.started)} elapsed"
        return ", ".join(filter(None, (trials, failed, share, elapsed, _left(self.ends, now))))


class Watch(Protocol):
    """Who is told how far the work is. `status.Noted` keeps the board and hands it to `show`: before an event is passed
    on, but after an end, so that who is told of the end still sees the line of what ended."""

    def say(self, text: str) -> None: ...
    def step(self, what: str, done: int, total: int) -> None: ...
    def trials(self, done: int, failed: int, total: int) -> None: ...
    def started(self, key: str, label: str, slot: str) -> None: ...
    def epoch(self, key: str, epoch: dict[str, float], epochs: int) -> None: ...
    def ended(self, key: str, outcome: str, reason: str = "") -> None: ...

    def work(self, share: float, before: float = 0.0) -> None:
        """`share` of all work is done; `before` of it was there when this run started."""

    def show(self, board: Board) -> None: ...
