"""How often a training was tried: written into its folder before each start, whatever starts a job again."""

import json
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ablation.results import result
from ablation.workspace import TrainingFolder, cut_torn_end, understood

TRIES = 3  # from the same place; who gets further begins to count anew


@dataclass(frozen=True)
class Attempt:
    """A start of a training by one command, from `epoch` on and with `milestones` results. `started`: unix seconds."""

    run: str
    epoch: int
    milestones: int
    host: str
    pid: int
    started: float


def standing(folder: TrainingFolder, milestones: Sequence[int]) -> tuple[int, int]:
    """How far a training is: the epoch from which its next try begins, and how many results it has."""
    todo = [m for m in milestones if not result.is_done(folder, m)]
    epoch = next((e for e in folder.checkpoints() if todo and e < todo[0]), 0)
    return epoch, len(milestones) - len(todo)


def read(folder: TrainingFolder) -> list[Attempt]:
    """All of them, the first first. A process that died within its write left half a line: left out."""
    try:
        lines = folder.attempts.read_text(encoding="utf-8").split("\n")[:-1]
    except FileNotFoundError:
        return []
    with understood(folder.attempts):
        return [Attempt(**json.loads(line)) for line in lines]


def add(folder: TrainingFolder, run: str, milestones: Sequence[int]) -> None:
    """Note that a try begins here and now."""
    attempt = Attempt(run, *standing(folder, milestones), socket.gethostname(), os.getpid(), time.time())
    cut_torn_end(folder.attempts)
    with open(folder.attempts, "a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(attempt)) + "\n")


def used_up(folder: TrainingFolder, run: str, milestones: Sequence[int]) -> bool:
    """Whether `run` tried TRIES times from where the training still stands."""
    now = standing(folder, milestones)
    return sum(a.run == run and (a.epoch, a.milestones) == now for a in read(folder)) >= TRIES
