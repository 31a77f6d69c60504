"""Client of Optuna: a thread that writes to the database, so that no training waits for it."""

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from ablation.analysis.held_out import HeldOutScores
from ablation.analysis.study_analysis import done
from ablation.errors import AblateError
from ablation.model.phrases import plural
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.study.grid import Trial
from ablation.trackers.content import Published
from ablation.trackers.optuna_study import LATER, Attempt, OptunaStudy
from ablation.urls import first_line


@dataclass(frozen=True)
class _Started:
    trial: Trial
    key: str
    time: float  # unix seconds


@dataclass(frozen=True)
class _Epoch:
    key: str
    epoch: dict[str, float]


@dataclass(frozen=True)
class _Ended:
    key: str
    result: Result | None


@dataclass(frozen=True)
class _Agree:
    finished: Sequence[tuple[Trial, str, Result]]
    tests: Sequence[tuple[Trial, str, dict[str, float]]]


_Message = _Started | _Epoch | _Ended | _Agree


class OptunaClient:
    """Client of one Optuna study.

    Messages wait in memory alone, since the files hold all of them. A trial that has ended before its start was
    written is written in one transaction.
    """

    def __init__(self, record: Record, study: OptunaStudy) -> None:
        self._record, self._study = record, study
        self._messages: queue.SimpleQueue[_Message | None] = queue.SimpleQueue()
        self._n_put, self._n_written = 0, 0
        self.error = ""  # why the database could not be updated
        self._thread = threading.Thread(target=self._work, name="optuna", daemon=True)
        self._thread.start()

    def _put(self, message: _Message) -> None:
        self._n_put += 1
        self._messages.put(message)

    def started(self, trial: Trial, key: str) -> None:
        """Send the start of a trial."""
        self._put(_Started(trial, key, time.time()))

    def epoch(self, key: str, epoch: dict[str, float]) -> None:
        """Send the selection metric of one epoch of a running trial."""
        self._put(_Epoch(key, epoch))

    def ended(self, key: str, result: Result | None) -> None:
        """Send the result of a running trial; None where the trial was interrupted."""
        self._put(_Ended(key, result))

    def agree(self, published: Published, tests: HeldOutScores | None) -> None:
        """Send the finished trials and test scores that Optuna does not have."""
        finished = done(published.study.results)
        scores = tests.scores if tests else {}
        self._put(
            _Agree(
                [(trial, self._record.trial_key(trial), result) for trial, result in finished.items()],
                [(trial, self._record.trial_key(trial), values) for trial, values in scores.items()],
            )
        )

    def close(self, drain: float) -> int:
        """Wait at most `drain` seconds until all is written, and return the number of messages that were not."""
        self._messages.put(None)
        self._thread.join(None if drain == math.inf else drain)
        self._study.is_given_up = self._thread.is_alive()
        return self._n_waiting

    @property
    def _n_waiting(self) -> int:
        return self._n_put - self._n_written

    @property
    def notes(self) -> list[str]:
        """Sentences for the user on what was not written, and why; after `close`."""
        if self.error:
            return [f"Optuna: {self.error}"]
        if not self._n_waiting:
            return []
        them = "it" if self._n_waiting == 1 else "them"
        return [f"Optuna: {plural(self._n_waiting, 'message')} not sent yet; send {them} with: ablate sync"]

    def _work(self) -> None:
        for messages in self._batches():
            for write in self._writes(messages):
                if self._study.is_given_up:
                    return
                try:
                    write()
                except AblateError as error:  # the database stays unavailable
                    self.error = str(error)
                except Exception as error:  # any error of Optuna: the messages behind it are written all the same
                    self.error = f"{first_line(error) or type(error).__name__}; {LATER}"
            self._n_written += len(messages)

    def _batches(self) -> Iterator[list[_Message]]:
        """Yield all messages that wait, whenever there are some."""
        while (message := self._messages.get()) is not None:
            batch = [message]
            while not self._messages.empty():
                if (message := self._messages.get()) is None:
                    yield batch
                    return
                batch.append(message)
            yield batch

    def _writes(self, messages: Sequence[_Message]) -> Iterator[Callable[[], None]]:
        """Yield the calls that write these messages. An attempt that starts and ends among them is one call."""
        for message in _joined(messages):
            match message:
                case Attempt():
                    yield partial(self._study.add_attempt, message)
                case _Started(trial, key, started):
                    yield partial(self._study.begin, trial, key, started)
                case _Epoch(key, epoch):
                    yield partial(self._study.report, key, epoch)
                case _Ended(key, result):
                    yield partial(self._study.finish, key, result)
                case _Agree(finished, tests):
                    yield partial(self._study.agree, finished)
                    yield partial(self._study.note_tests, tests)


def _joined(messages: Sequence[_Message]) -> Iterator[_Message | Attempt]:
    """Yield the messages; those of an attempt that starts and ends among them are one value, in the place of its end.

    Messages of different trials may change their order: none depends on another trial's.
    """
    starts: dict[str, _Started] = {}
    epochs: dict[str, list[_Epoch]] = {}
    for message in messages:
        if isinstance(message, _Agree):
            yield from _unfinished(starts, epochs)
            yield message
        elif isinstance(message, _Started):
            starts[message.key], epochs[message.key] = message, []
        elif message.key not in starts:  # it started in an earlier batch
            yield message
        elif isinstance(message, _Epoch):
            epochs[message.key].append(message)
        else:
            start, reported = starts.pop(message.key), [e.epoch for e in epochs.pop(message.key)]
            yield Attempt(start.trial, message.key, start.time, reported, message.result)
    yield from _unfinished(starts, epochs)


def _unfinished(starts: dict[str, _Started], epochs: dict[str, list[_Epoch]]) -> Iterator[_Message]:
    """Yield the messages of attempts that have not ended, and forget them."""
    for key in list(starts):
        yield starts.pop(key)
        yield from epochs.pop(key)
