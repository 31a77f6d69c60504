"""Interface of a tracker: the client that sends the trials of a study to Optuna, MLflow or another tracker."""

from typing import Protocol

from ablation.analysis.held_out import HeldOutScores
from ablation.store.result import Result
from ablation.study.grid import Trial
from ablation.trackers.content import Published


class Client(Protocol):
    """Client of one tracker.

    No method waits for the tracker: each stores what is to be sent, and returns. What a tracker misses is sent again
    from the files, by the next run or by `ablate sync`.
    """

    def started(self, trial: Trial, key: str) -> None:
        """Send the start of a trial. `key`: id of the trial."""

    def epoch(self, key: str, epoch: dict[str, float]) -> None:
        """Send the metrics of one epoch of a running trial."""

    def ended(self, key: str, result: Result | None) -> None:
        """Send the result of a running trial; None where the trial was interrupted."""

    def agree(self, published: Published, tests: HeldOutScores | None) -> None:
        """Send everything in the files that is missing in the tracker."""

    def close(self, drain: float) -> int:
        """Wait at most `drain` seconds until all is sent, and return the number of messages that were not sent."""

    @property
    def notes(self) -> list[str]:
        """Sentences for the user on what was not sent, and why; after `close`."""
