"""What Optuna and MLflow are told of each trial, from its start to its test scores."""

from ablation.grids.grid import Trial
from ablation.grids.record import Record
from ablation.results.findings import done
from ablation.results.result import Result
from ablation.tables.outcome import Drawing, Tests
from ablation.views.runs import Runs
from ablation.views.study import Study


class Views:
    """Both views of one study. They follow the files: what one of them lacks is sent again, nothing twice."""

    def __init__(self, record: Record, study: Study, runs: Runs) -> None:
        self._record, self._study, self._runs = record, study, runs
        self._running: dict[Trial, str] = {}

    def started(self, trial: Trial) -> None:
        key = self._record.trial_key(trial)
        if trial in self._running:  # a scheduler started it again by itself
            self._study.finish(key, None)
        self._running[trial] = key
        self._study.begin(trial, key)
        self._runs.started(trial, key)

    def epoch(self, trial: Trial, epoch: dict[str, float]) -> None:
        if trial in self._running:
            key = self._running[trial]
            self._study.report(key, epoch)
            self._runs.epoch(key, epoch)

    def ended(self, trial: Trial, result: Result) -> None:
        key = self._running.pop(trial, None)
        if key:
            self._study.finish(key, result)
            self._runs.ended(key, result)

    def agree(self, drawing: Drawing, tests: Tests | None) -> None:
        """Make both views hold all that the files hold."""
        finished = done(drawing.findings.results)
        self._runs.agree(drawing, tests)
        self._study.agree((t, self._record.trial_key(t), r) for t, r in finished.items())
        self._study.note_tests((t, self._record.trial_key(t), s) for t, s in (tests.scores if tests else {}).items())

    def close(self) -> int:
        """What still runs was interrupted. Returns how many messages MLflow could not be sent."""
        for key in self._running.values():
            self._runs.interrupted(key)
        self._study.close()
        return self._runs.close()
