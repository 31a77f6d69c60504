"""The board of a run, kept from what the watch is told, with the time left, and written beside the study."""

import contextlib
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, Self

from ablation.addresses import masked
from ablation.errors import AblateError
from ablation.watching.watch import Board, Line, Watch
from ablation.workspace import StudyFolder, read_json, write_json

WRITE_SECONDS = 2  # between two boards on disk
EPOCHS_KEPT = 20  # the pace is that of the last ones: a neighbour on the machine comes and goes


class _Pace:
    """How long a training's epochs take, from its own: the first one that is reported also loads and compiles."""

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
    """How long all of the work takes, from the share that this run has done since its first epoch."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None

    def left(self, share: float, before: float, now: float) -> float | None:
        fresh = share - before
        if self._first is None:
            self._first = (fresh, now) if fresh > 0 else None
            return None
        gained, seconds = fresh - self._first[0], now - self._first[1]
        return (1 - share) * seconds / gained if gained > 0 else None


class Noted:
    """A watch that keeps the board, passes all on to the watch that it wraps, and has the board written.

    `slots`: the names of those that there are; others join when a training starts on them. Files are written by a
    thread, so that a slow disk holds nothing up, and what cannot be written is left.
    """

    def __init__(
        self,
        watch: Watch,
        folder: StudyFolder,
        slots: Sequence[str] = (),
        command: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._watch, self._folder, self._clock = watch, folder, clock
        self._paces: dict[str, _Pace] = {}
        self._whole = _Whole()
        self._stop, self._writer = threading.Event(), threading.Thread(target=self._keep_written, daemon=True)
        self.board = Board(
            study=folder.path.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            started=clock(),
            updated=clock(),
            command=tuple(command),
            slots=tuple(Line(slot=s) for s in slots),
        )

    def __enter__(self) -> Self:
        self._watch.show(self.board)
        self._log(f"started by pid {self.board.pid} on {self.board.host}: ablate {' '.join(self.board.command)}")
        self._writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._change(over=True, doing="", slots=tuple(Line(slot=line.slot) for line in self.board.slots))
        self._stop.set()
        self._writer.join(timeout=10)  # a file system that hangs must not hold the end up

    def _keep_written(self) -> None:
        written, stopped = None, False
        while True:
            board = self.board
            if board is not written:
                with contextlib.suppress(OSError):
                    write_json(self._folder.progress, board.model_dump(mode="json"))
            if stopped:
                return
            written, stopped = board, self._stop.wait(WRITE_SECONDS)

    def _change(self, **changes: object) -> None:
        self.board = self.board.model_copy(update={**changes, "updated": self._clock()})
        self._watch.show(self.board)

    def _put(self, line: Line) -> tuple[Line, ...]:
        """The lines with that of a slot changed, in its place; a slot not seen before comes last."""
        lines = self.board.slots
        if not any(old.slot == line.slot for old in lines):
            return (*lines, line)
        return tuple(line if old.slot == line.slot else old for old in lines)

    def _log(self, text: str) -> None:
        """What is said stays, also where nobody keeps what the console showed."""
        when = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(self._clock()))  # UTC: machines differ in their zones
        with contextlib.suppress(OSError), open(self._folder.log, "a", encoding="utf-8") as file:
            file.write(f"{when} {masked(text)}\n")

    def say(self, text: str) -> None:
        self._log(text)
        self._watch.say(text)

    def step(self, what: str, done: int, total: int) -> None:
        self._change(doing=f"{what}: {done:,} of {total:,}" if done < total else "")
        self._watch.step(what, done, total)

    def trials(self, done: int, failed: int, total: int) -> None:
        self._change(done=done, failed=failed, total=total)
        self._watch.trials(done, failed, total)

    def started(self, key: str, label: str, slot: str) -> None:
        self._free(key)  # where it died with its worker, and is tried again on another
        self._paces[key] = _Pace()
        self._change(slots=self._put(Line(slot=slot, key=key, label=label)))
        self._log(f"{label}: started on {slot}")
        self._watch.started(key, label, slot)

    def epoch(self, key: str, epoch: dict[str, float], epochs: int) -> None:
        line, now = self.board.of(key), self._clock()
        if line:
            pace = self._paces[key]
            pace.note(epoch["epoch"], epoch.get("time", now))  # the worker's clock: messages may come in a heap
            left = pace.left(epochs)
            seen: dict[str, Any] = {
                "epoch": int(epoch["epoch"]),
                "epochs": epochs,
                "val_accuracy": epoch.get("val_accuracy"),
            }
            seen["validation"] = next((f"val {epoch[k]:.4g}" for k in epoch if k.startswith("val_")), "")
            line = line.model_copy(update={**seen, "ends": None if left is None else now + left})
            self._change(slots=self._put(line))
        self._watch.epoch(key, epoch, epochs)

    def ended(self, key: str, outcome: str, reason: str = "") -> None:
        line = self.board.of(key)
        self._log(f"{line.label if line else key}: {outcome}" + (f": {reason}" if reason else ""))
        self._watch.ended(key, outcome, reason)
        self._free(key)

    def _free(self, key: str) -> None:
        self._paces.pop(key, None)
        line = self.board.of(key)
        if line:
            self._change(slots=self._put(Line(slot=line.slot)))

    def work(self, share: float, before: float = 0.0) -> None:
        """The whole ends no sooner than any training: near the end some slots have nothing left to do."""
        now = self._clock()
        left = self._whole.left(share, before, now)
        known = [line.ends for line in self.board.slots if line.ends is not None]
        self._change(share=share, ends=None if left is None else max([now + left, *known]))
        self._watch.work(share, before)

    def show(self, board: Board) -> None:
        self._watch.show(board)


def read(folder: StudyFolder) -> Board | None:
    """The last board of a study; None where there is none that this version reads."""
    try:
        found = read_json(folder.progress)
        return Board.model_validate(found) if found else None
    except (AblateError, OSError, ValueError):
        return None
