"""Attempts of a training: one line in the training's folder before each start.

Attempts are counted for every kind of restart, by a command or by a scheduler.
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ablation import clock
from ablation.store import header, result
from ablation.store.files import cut_torn_end, read_json, understood
from ablation.store.workspace import TrainingFolder

TRIES = 3  # attempts from the same epoch or checkpoint; a training that gets further starts a new count
MOST = 50  # attempts by one command from checkpoints of a user's program, which may differ without progress


@dataclass(frozen=True)
class Attempt:
    """Start of a training by one command, from `epoch` on and with `milestones` results.

    `run` is the id of the command. `started` is in unix seconds. `saved`: what identifies the newest checkpoint of a
    user's program; "" for none.
    """

    run: str
    epoch: int
    milestones: int
    host: str
    pid: int
    started: float
    saved: str = ""


def progress_of(folder: TrainingFolder, milestones: Sequence[int]) -> tuple[int, int]:
    """Return the epoch from which the next attempt of a training starts, and the number of its results."""
    todo = [m for m in milestones if not result.is_done(folder, m)]
    epoch = next((e for e in folder.checkpoints() if todo and e < todo[0]), 0)
    return epoch, len(milestones) - len(todo)


def read(folder: TrainingFolder) -> list[Attempt]:
    """Return all attempts of a training, oldest first.

    A process that died during its write left an incomplete last line, which is left out. Raises BrokenFile.
    """
    if not folder.attempts.is_file():
        return []
    with understood(folder.attempts):
        lines = folder.attempts.read_text(encoding="utf-8").split("\n")[:-1]
        return [Attempt(**header.of_line(folder.attempts, line)) for line in lines]


def check(folder: TrainingFolder) -> None:
    """Raise BrokenFile where a file is broken that an attempt of this training reads."""
    for path in sorted(folder.path.glob("[!.]*.json")):  # a name with a dot first is of a file half written
        read_json(path)
    read(folder)


def add(folder: TrainingFolder, run: str, milestones: Sequence[int], saved: str = "") -> None:
    """Record that this process starts an attempt now.

    Args:
        folder: The training's folder.
        run: Id of the command.
        milestones: Epochs after which the training writes a result.
        saved: Newest checkpoint of a user's program; see `Attempt`.
    """
    attempt = Attempt(run, *progress_of(folder, milestones), socket.gethostname(), os.getpid(), clock.now(), saved)
    cut_torn_end(folder.attempts)
    with open(folder.attempts, "a", encoding="utf-8") as file:
        file.write(header.line(asdict(attempt)))


def used_up(folder: TrainingFolder, run: str, milestones: Sequence[int], saved: str = "") -> bool:
    """Return whether `run` has made TRIES attempts from the current progress of the training.

    `saved`: newest checkpoint of a user's program; see `Attempt`.
    """
    now = *progress_of(folder, milestones), saved
    of_run = [(a.epoch, a.milestones, a.saved) for a in read(folder) if a.run == run]
    return of_run.count(now) >= TRIES or (bool(saved) and len(of_run) >= MOST)
