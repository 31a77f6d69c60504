"""Trackers of a study: each receives every trial, from its start to its test scores."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from ablation.analysis.held_out import HeldOutScores
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.study.grid import Trial
from ablation.trackers.agreement import Agreement
from ablation.trackers.client import Client
from ablation.trackers.content import Published

Connect = Callable[[ExitStack], Sequence[Client]]


class Trackers:
    """Clients of the trackers of one study: Optuna and MLflow, or none. They are opened when something is to be sent.

    Args:
        record: Record of the study.
        connect: Function that opens the clients. What it enters in the stack is closed after them.
        agreement: What the trackers had of the study at the end of the last run; None where that cannot be known.
    """

    def __init__(self, record: Record, connect: Connect, agreement: Agreement | None) -> None:
        self._record, self._connect, self._agreement = record, connect, agreement
        self._clients: Sequence[Client] | None = None
        self._beneath = ExitStack()
        self._agreed: str | None = None  # content that the clients were sent
        self._running: dict[Trial, str] = {}

    def open(self) -> Sequence[Client]:
        """Return the clients, opened. Raises AblateError where a database cannot be opened."""
        if self._clients is None:
            if self._agreement:
                self._agreement.forget()
            self._clients = self._connect(self._beneath)
        return self._clients

    def started(self, trial: Trial) -> None:
        """Send the start of a trial."""
        key = self._record.trial_key(trial)
        if trial in self._running:  # a Dask scheduler restarted the trial by itself
            self._send_end(key, None)
        self._running[trial] = key
        for client in self.open():
            client.started(trial, key)

    def epoch(self, trial: Trial, epoch: dict[str, float]) -> None:
        """Send the metrics of one epoch of a running trial."""
        if trial in self._running:
            for client in self.open():
                client.epoch(self._running[trial], epoch)

    def ended(self, trial: Trial, result: Result) -> None:
        """Send the result of a running trial."""
        key = self._running.pop(trial, None)
        if key:
            self._send_end(key, result)

    def _send_end(self, key: str, result: Result | None) -> None:
        for client in self.open():
            client.ended(key, result)

    def agree(self, published: Published, tests: HeldOutScores | None) -> None:
        """Send everything in the files that is missing in a tracker."""
        content = self._agreement.content(published, tests) if self._agreement else ""
        if self._clients is None and self._agreement and self._agreement.holds(content):
            return
        for client in self.open():
            client.agree(published, tests)
        self._agreed = content

    def close(self, drain: float) -> list[str]:
        """End running trials as interrupted, and return sentences on what was not sent within `drain` seconds."""
        clients = self._clients or ()
        with self._beneath:
            for key in self._running.values():
                self._send_end(key, None)
            end = time.monotonic() + drain
            for client in clients:
                client.close(max(0.0, end - time.monotonic()))
        notes = [note for client in clients for note in client.notes]
        if self._agreement and self._agreed and not notes:
            self._agreement.note(self._agreed)
        return notes
