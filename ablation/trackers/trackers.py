"""Both trackers of a study: Optuna and MLflow receive each trial, from its start to its test scores."""

from ablation.analysis.held_out import HeldOutScores
from ablation.analysis.study_analysis import done
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.study.grid import Trial
from ablation.trackers.content import Published
from ablation.trackers.mlflow_runs import MlflowRuns
from ablation.trackers.optuna_study import OptunaStudy


class Trackers:
    """Optuna and MLflow clients of one study. Missing results are sent again from the files; nothing is sent twice."""

    def __init__(self, record: Record, study: OptunaStudy, runs: MlflowRuns) -> None:
        self._record, self._study, self._runs = record, study, runs
        self._running: dict[Trial, str] = {}

    def started(self, trial: Trial) -> None:
        """Send the start of a trial."""
        key = self._record.trial_key(trial)
        if trial in self._running:  # a Dask scheduler restarted the trial by itself
            self._study.finish(key, None)
        self._running[trial] = key
        self._study.begin(trial, key)
        self._runs.started(trial, key)

    def epoch(self, trial: Trial, epoch: dict[str, float]) -> None:
        """Send the metrics of one epoch of a running trial."""
        if trial in self._running:
            key = self._running[trial]
            self._study.report(key, epoch)
            self._runs.epoch(key, epoch)

    def ended(self, trial: Trial, result: Result) -> None:
        """Send the result of a running trial."""
        key = self._running.pop(trial, None)
        if key:
            self._study.finish(key, result)
            self._runs.ended(key, result)

    def agree(self, published: Published, tests: HeldOutScores | None) -> None:
        """Send everything in the files that is missing in Optuna or MLflow."""
        finished = done(published.study.results)
        self._runs.agree(published, tests)
        self._study.agree((t, self._record.trial_key(t), r) for t, r in finished.items())
        self._study.note_tests((t, self._record.trial_key(t), s) for t, s in (tests.scores if tests else {}).items())

    def close(self) -> int:
        """End running trials as interrupted, and return the number of messages that could not be sent to MLflow."""
        for key in self._running.values():
            self._runs.interrupted(key)
        self._study.close()
        return self._runs.close()
