"""Listener interface for the progress of a run, and the snapshot that holds all progress at once."""

from typing import Protocol

from pydantic import BaseModel, ConfigDict

from ablation.durations import duration


def _left(ends: float | None, now: float) -> str:
    return "" if ends is None else f"{duration(max(0.0, ends - now))} left"


class SlotState(BaseModel):
    """State of one slot; `key` is "" while the slot is free.

    `ends`: estimated end of the training in unix seconds. `unit`: word for a step. `is_running`: whether the training
    has begun, before its first step.
    """

    model_config = ConfigDict(frozen=True)

    slot: str
    key: str = ""
    label: str = ""
    epoch: int = 0  # 0 until the first epoch is over
    epochs: int = 0  # 0 where unknown
    unit: str = "epoch"
    is_running: bool = False
    val_accuracy: float | None = None
    validation: str = ""  # another measure of the last epoch, in words
    ends: float | None = None

    def cells(self, now: float) -> tuple[str, str, str, str, str]:
        """Return the cells of the slot's line: slot, rows, epoch, validation accuracy, time left."""
        if not self.key:
            return self.slot, "free", "", "", ""
        if not self.epoch:
            return self.slot, self.label, "running" if self.is_running else "starting", "", _left(self.ends, now)
        return self.slot, self.label, self.position, self.score, _left(self.ends, now)

    @property
    def position(self) -> str:
        """The last step in words; without the number of all steps where that is unknown."""
        return f"{self.unit} {self.epoch}" + (f" of {self.epochs}" if self.epochs else "")

    @property
    def score(self) -> str:
        return self.validation if self.val_accuracy is None else f"val {100 * self.val_accuracy:.1f} %"


class Snapshot(BaseModel):
    """Progress of a run: the content of progress.json.

    Times are in unix seconds. `share` is the share of the work that is done, in [0, 1].
    """

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
    doing: str = ""  # preparation before the trainings
    slots: tuple[SlotState, ...] = ()
    over: bool = False  # the run ended; stays False where the run was killed

    def of(self, key: str) -> SlotState | None:
        """Return the state of the slot that runs a training, or None."""
        return next((line for line in self.slots if key and line.key == key), None)

    @property
    def at_work(self) -> bool:
        """True if trials are left to train."""
        return not self.over and self.done + self.failed < self.total

    def whole(self, now: float) -> str:
        """Return the line for the whole run, in words; `now` is in unix seconds."""
        trials = f"{self.done:,} of {self.total:,} trials done" if self.total else "starting"
        failed = f"{self.failed:,} failed" if self.failed else ""
        share = f"{100 * self.share:.0f} %" if self.share else ""
        elapsed = f"{duration(max(0.0, now - self.started))} elapsed"
        left = _left(self.ends, now) or ("time left unknown" if self.at_work else "")
        return ", ".join(filter(None, (trials, failed, share, elapsed, left)))


class ProgressListener(Protocol):
    """Interface for objects that receive the progress of a run.

    `recorder.Recorder` keeps the snapshot and passes it to `show`: before other events, but after `ended`. At `ended`,
    the last snapshot therefore still contains the training that ended.
    """

    def say(self, text: str) -> None: ...
    def step(self, title: str, done: int, total: int) -> None: ...
    def trials(self, done: int, failed: int, total: int) -> None: ...
    def started(self, key: str, label: str, slot: str) -> None: ...

    def epoch(self, key: str, epoch: dict[str, float], epochs: int) -> None:
        """Receive a step of a training. `epochs`: number of all steps; 0 where unknown."""

    def ended(self, key: str, outcome: str, reason: str = "") -> None: ...

    def work(self, share: float, before: float = 0.0) -> None:
        """Receive that `share` of all work is done; `before` of it was done when this run started."""

    def show(self, snapshot: Snapshot) -> None: ...
