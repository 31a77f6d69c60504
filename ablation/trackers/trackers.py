"""Trackers of a study: each receives every trial, from its start to its test scores."""

import time
from collections.abc import Sequence

from ablation.analysis.held_out import HeldOutScores
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.study.grid import Trial
from ablation.trackers.client import Client
from ablation.trackers.content import Published


class Trackers:
    """Clients of the trackers of one study: Optuna and MLflow, or none."""

    def __init__(self, record: Record, clients: Sequence[Client]) -> None:
        self._record, self._clients = record, clients
        self._running: dict[Trial, str] = {}

    def started(self, trial: Trial) -> None:
        """Send the start of a trial."""
        key = self._record.trial_key(trial)
        if trial in self._running:  # a Dask scheduler restarted the trial by itself
            self._send_end(key, None)
        self._running[trial] = key
        for client in self._clients:
            client.started(trial, key)

    def epoch(self, trial: Trial, epoch: dict[str, float]) -> None:
        """Send the metrics of one epoch of a running trial."""
        if trial in self._running:
            for client in self._clients:
                client.epoch(self._running[trial], epoch)

    def ended(self, trial: Trial, result: Result) -> None:
        """Send the result of a running trial."""
        key = self._running.pop(trial, None)
        if key:
            self._send_end(key, result)

    def _send_end(self, key: str, result: Result | None) -> None:
        for client in self._clients:
            client.ended(key, result)

    def agree(self, published: Published, tests: HeldOutScores | None) -> None:
        """Send everything in the files that is missing in a tracker."""
        for client in self._clients:
            client.agree(published, tests)

    def close(self, drain: float) -> list[str]:
        """End running trials as interrupted, and return sentences on what was not sent within `drain` seconds."""
        for key in self._running.values():
            self._send_end(key, None)
        end = time.monotonic() + drain
        for client in self._clients:
            client.close(max(0.0, end - time.monotonic()))
        return [note for client in self._clients for note in client.notes]
