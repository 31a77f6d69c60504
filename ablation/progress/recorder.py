"""Recorder of a run: keeps the snapshot, estimates the time left, and writes snapshot and log files."""

import contextlib
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, Self

from ablation import clock
from ablation.errors import AblateError
from ablation.progress.listener import ProgressListener, SlotState, Snapshot
from ablation.store.files import read_json, write_json
from ablation.store.workspace import StudyFolder
from ablation.urls import masked

WRITE_SECONDS = 2  # between two snapshots on disk
EPOCHS_KEPT = 20  # for the time estimate: the load of the machine changes


class _Pace:
    """Duration of a training's epochs, measured from the training itself.

    The first reported epoch includes loading and compilation, and is left out.
    """

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None
        self._seconds: deque[float] = deque(maxlen=EPOCHS_KEPT)

    def note(self, epoch: float, when: float) -> None:
        if self._last and epoch > self._last[0]:
            self._seconds.append(max(0.0, when - self._last[1]) / (epoch - self._last[0]))
        self._last = epoch, when

    def left(self, epochs: int) -> float | None:
        if not self._last or (epochs > self._last[0] and not self._seconds):
            return None
        return (epochs - self._last[0]) * (median(self._seconds) if self._seconds else 0.0)


class _Whole:
    """Estimate of the total time, from the share of the work that this run has done since its first epoch."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None

    def left(self, share: float, before: float, now: float) -> float | None:
        fresh = share - before
        if self._first is None:
            self._first = (fresh, now) if fresh > 0 else None
            return None
        gained, seconds = fresh - self._first[0], now - self._first[1]
        return (1 - share) * seconds / gained if gained > 0 else None


class Recorder:
    """Listener that keeps the snapshot, passes every event to the listener that it wraps, and has the snapshot written.

    `slots`: names of the slots; others are added when a training starts on them. `unit`: word for a step of a training.
    `typical`: mean seconds of past trainings, with which ends are estimated until steps say more; None where unknown. A
    thread writes the files, so that a slow disk blocks nothing. Write errors are ignored.
    """

    def __init__(
        self,
        watch: ProgressListener,
        folder: StudyFolder,
        slots: Sequence[str] = (),
        command: Sequence[str] = (),
        unit: str = "epoch",
        typical: float | None = None,
        clock: Callable[[], float] = clock.now,
    ) -> None:
        self._watch, self._folder, self._clock = watch, folder, clock
        self._paces: dict[str, _Pace] = {}
        self._unit, self._typical = unit, typical
        self._began: dict[str, float] = {}  # key of a running training -> unix seconds
        self._seconds: list[float] = []  # of the trainings that ended in this run
        self._whole = _Whole()
        self._stop, self._writer = threading.Event(), threading.Thread(target=self._keep_written, daemon=True)
        self.snapshot = Snapshot(
            study=folder.path.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            started=clock(),
            updated=clock(),
            command=tuple(command),
            slots=tuple(SlotState(slot=s) for s in slots),
        )

    def __enter__(self) -> Self:
        self._watch.show(self.snapshot)
        self._log(
            f"started by pid {self.snapshot.pid} on {self.snapshot.host}: ablate {' '.join(self.snapshot.command)}"
        )
        self._writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._change(over=True, doing="", slots=tuple(SlotState(slot=line.slot) for line in self.snapshot.slots))
        self._stop.set()
        self._writer.join(timeout=10)  # a file system that hangs must not delay the end

    def _keep_written(self) -> None:
        written, stopped = None, False
        while True:
            snapshot = self.snapshot
            if snapshot is not written:
                with contextlib.suppress(OSError, AblateError):
                    write_json(self._folder.progress, snapshot.model_dump(mode="json"))
            if stopped:
                return
            written, stopped = snapshot, self._stop.wait(WRITE_SECONDS)

    def _change(self, **changes: object) -> None:
        self.snapshot = self.snapshot.model_copy(update={**changes, "updated": self._clock()})
        self._watch.show(self.snapshot)

    def _put(self, line: SlotState) -> tuple[SlotState, ...]:
        """Return the slots' states with one replaced by `line`; a new slot comes last."""
        lines = self.snapshot.slots
        if not any(old.slot == line.slot for old in lines):
            return (*lines, line)
        return tuple(line if old.slot == line.slot else old for old in lines)

    def _log(self, text: str) -> None:
        """Append a line to the log, which keeps the messages even where the terminal's output is lost."""
        when = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(self._clock()))  # UTC: machines differ in time zones
        with contextlib.suppress(OSError), open(self._folder.log, "a", encoding="utf-8") as file:
            file.write(f"{when} {masked(text)}\n")

    def say(self, text: str) -> None:
        self._log(text)
        self._watch.say(text)

    def step(self, title: str, done: int, total: int) -> None:
        self._change(doing=f"{title}: {done:,} of {total:,}" if done < total else "")
        self._watch.step(title, done, total)

    def trials(self, done: int, failed: int, total: int) -> None:
        self._change(done=done, failed=failed, total=total)
        self._watch.trials(done, failed, total)

    def started(self, key: str, label: str, slot: str) -> None:
        self._free(key)  # the training may have died with its worker, and is retried on another
        self._paces[key], self._began[key] = _Pace(), self._clock()
        line = SlotState(slot=slot, key=key, label=label, unit=self._unit, ends=self._typical_end(self._began[key]))
        self._change(slots=self._put(line))
        self._log(f"{label}: started on {slot}")
        self._watch.started(key, label, slot)

    def epoch(self, key: str, epoch: dict[str, float], epochs: int) -> None:
        line = self.snapshot.of(key)
        if line:
            update: dict[str, Any] = {
                "epoch": int(epoch["epoch"]),
                "epochs": epochs,
                "is_running": True,
                "val_accuracy": epoch.get("val_accuracy"),
            }
            update["validation"] = next((f"val {epoch[k]:.4g}" for k in epoch if k.startswith("val_")), "")
            update["ends"] = self._end_of(key, epoch, epochs)
            self._change(slots=self._put(line.model_copy(update=update)))
        self._watch.epoch(key, epoch, epochs)

    def _end_of(self, key: str, epoch: dict[str, float], epochs: int) -> float | None:
        """Return the estimated end of a training, from its steps, otherwise from other trainings."""
        pace, now = self._paces[key], self._clock()
        if epoch["epoch"]:
            pace.note(epoch["epoch"], epoch.get("time", now))  # the worker's clock: several messages may arrive at once
        left = pace.left(epochs) if epochs else None
        return self._typical_end(self._began[key]) if left is None else now + left

    def _typical_end(self, began: float) -> float | None:
        """Return the end of a training that takes as long as those that ended; None where none has."""
        seconds = [*self._seconds, *([] if self._typical is None else [self._typical])]
        return began + sum(seconds) / len(seconds) if seconds else None

    def _end_by_trainings(self, now: float) -> float | None:
        """Return the end of the run where every open training takes as long as those that ended."""
        open_trials = self.snapshot.total - self.snapshot.done - self.snapshot.failed
        rounds = open_trials / max(1, len(self.snapshot.slots))
        typical = self._typical_end(0.0)
        return None if typical is None else now + rounds * typical

    def ended(self, key: str, outcome: str, reason: str = "") -> None:
        line = self.snapshot.of(key)
        if outcome == "done" and key in self._began and self._unit != "epoch":  # trainings of epochs differ in length
            self._seconds.append(self._clock() - self._began[key])
        self._log(f"{line.label if line else key}: {outcome}" + (f": {reason}" if reason else ""))
        self._watch.ended(key, outcome, reason)
        self._free(key)

    def _free(self, key: str) -> None:
        self._paces.pop(key, None)
        self._began.pop(key, None)
        line = self.snapshot.of(key)
        if line:
            self._change(slots=self._put(SlotState(slot=line.slot)))

    def work(self, share: float, before: float = 0.0) -> None:
        """Record the share of the work that is done, and estimate the end.

        The run ends no sooner than any training: near the end some slots have nothing left to do.
        """
        now = self._clock()
        left = self._whole.left(share, before, now)
        slot_ends = [line.ends for line in self.snapshot.slots if line.ends is not None]
        end = self._end_by_trainings(now) if left is None else now + left
        self._change(share=share, ends=None if end is None else max([end, *slot_ends]))
        self._watch.work(share, before)

    def show(self, snapshot: Snapshot) -> None:
        self._watch.show(snapshot)


def read(folder: StudyFolder) -> Snapshot | None:
    """Return the last snapshot of a study; None where there is none that this version can read."""
    try:
        content = read_json(folder.progress)
        return Snapshot.model_validate(content) if content else None
    except (AblateError, OSError, ValueError):
        return None
