"""What Optuna and MLflow are told of each trial, from its start to its test scores."""

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

from ablation import tracking
from ablation.evaluation import confusion
from ablation.export import confusion_page
from ablation.grid import TITLES, Trial, short
from ablation.outcome import Tests
from ablation.record import Record
from ablation.result import Result
from ablation.study import Study
from ablation.tracking import PARENT, Message, Tracker


def run_name(record: Record, trial: Trial) -> str:
    """What sets a trial apart from the reference: "lr 1e-3"."""
    if record.grid.is_replicate(trial):
        return f"reference again, seed {trial.seed}"
    levels = record.shown(trial.condition)
    differences = [f"{TITLES[f].lower()} {short(f, levels[f])}" for f in record.grid.difference(trial.row)]
    name = record.grid.labels[trial.row - 1] or ", ".join(differences) or "reference"
    return f"{name}, seed {trial.seed}" if len(record.grid.seeds) > 1 else name


class Views:
    """Both views of one study. They follow the files: what one of them lacks is sent again, nothing twice."""

    def __init__(self, record: Record, study: Study, tracker: Tracker) -> None:
        self._record, self._study, self._tracker = record, study, tracker
        self._running: dict[Trial, str] = {}
        self._agreed = False
        tags = {"ablate.name": record.name, "ablate.data": record.data, "ablate.images": record.images}
        self._tell(tracking.abandoned())
        self._tell(tracking.run(PARENT, record.name, time.time(), {}, tags))

    def _tell(self, *messages: Message) -> None:
        self._tracker.tell(*messages)

    def started(self, trial: Trial) -> None:
        key = self._record.trial_key(trial)
        if trial in self._running:  # a scheduler started it again by itself
            self._study.finish(key, None)
        self._running[trial] = key
        self._study.begin(trial, key)
        self._tell(self._run(trial, key, time.time()))

    def epoch(self, trial: Trial, epoch: dict[str, float]) -> None:
        if trial in self._running:
            key = self._running[trial]
            self._study.report(key, epoch)
            self._tell(_point(key, epoch))

    def ended(self, trial: Trial, result: Result) -> None:
        key = self._running.pop(trial, None)
        if key:
            self._study.finish(key, result)
            self._tell(*self._ending(trial, key, result))

    def _run(self, trial: Trial, key: str, started: float) -> Message:
        levels = self._record.shown(trial.condition)
        params = {name: short(name, level) for name, level in levels.items()} | {"seed": str(trial.seed)}
        tags = {"ablate.row": str(trial.row), "ablate.reference": str(trial.row == self._record.grid.reference)}
        return tracking.run(key, run_name(self._record, trial), started, params, tags)

    def _ending(self, trial: Trial, key: str, result: Result) -> list[Message]:
        if not result.done:
            tags = {"ablate.outcome": result.outcome, "ablate.reason": result.reason}
            return [
                tracking.run(key, run_name(self._record, trial), result.started, {}, tags),
                tracking.end(key, result.finished, "FAILED", _digest(vars(result))),
            ]
        final = {f"final/{s}_{m}": v for s, values in result.scores.items() for m, v in values.items()}
        best = {f"best/{k}": result.best[k] for k in ("epoch", "val_accuracy", "val_loss")}
        cost = {"time/train_s": result.seconds, "parameters": float(result.parameters)}
        return [
            tracking.metrics(key, result.finished, result.epochs, final | best | cost),
            tracking.end(key, result.finished, "FINISHED"),
        ]

    def agree(self, results: Mapping[Trial, Result | None], tests: Tests | None, files: Mapping[str, str]) -> None:
        """Make both views hold all that the files hold. `files`: the study's own, by name, for its MLflow run."""
        done = [(t, self._record.trial_key(t), r) for t, r in results.items() if r and r.done]
        self._study.agree(done)
        self._study.note_tests((t, self._record.trial_key(t), s) for t, s in (tests.scores if tests else {}).items())
        status = "FINISHED" if len(done) == len(results) else "FAILED"
        known = self._tracker.states()
        if (
            known is None
        ):  # what it lacks cannot be known, and stays in the files: the next run that reaches it tells it
            self._tell(tracking.end(PARENT, time.time(), status))
        else:
            self._tell_lacking(known, results, tests)
            self._tell_files(known, files, status)
        self._agreed = True

    def _tell_lacking(
        self, known: Mapping[str, str], results: Mapping[Trial, Result | None], tests: Tests | None
    ) -> None:
        for trial, found in results.items():
            key = self._record.trial_key(trial)
            if found and known.get(key) != _state(trial, found, tests):
                self._tell(*self._all(trial, key, found, tests))

    def _tell_files(self, known: Mapping[str, str], files: Mapping[str, str], status: str) -> None:
        state = _digest(files)
        if known.get(PARENT) != state:
            self._tell(*(tracking.text(PARENT, name, content) for name, content in files.items()))
        self._tell(tracking.end(PARENT, time.time(), status, state))

    def _all(self, trial: Trial, key: str, result: Result, tests: Tests | None) -> list[Message]:
        """Everything of one ended trial, in one go; its last message holds the digest of it."""
        *messages, end = self._ending(trial, key, result)
        points = [_point(key, epoch) for epoch in result.history]
        tested = self._tested(trial, key, result, tests) if tests and trial in tests.scores else []
        end = {**end, "state": _state(trial, result, tests)}
        return [self._run(trial, key, result.started), *points, *messages, *tested, end]

    def _tested(self, trial: Trial, key: str, result: Result, tests: Tests) -> list[Message]:
        labels, found = tests.opened(trial, result)
        counts = confusion(labels, found.classes, len(self._record.classes))
        page = confusion_page(f"{run_name(self._record, trial)}: test", self._record.classes, counts.tolist())
        final = {f"final/test_{name}": value for name, value in tests.scores[trial].items()}
        return [
            tracking.metrics(key, result.finished, result.epochs, final),
            tracking.text(key, "confusion_matrix_test.html", page),
        ]

    def close(self) -> int:
        """What still runs was interrupted. Returns how many messages MLflow could not be sent."""
        for key in self._running.values():
            self._tell(tracking.end(key, time.time(), "KILLED"))
        if not self._agreed:
            self._tell(tracking.end(PARENT, time.time(), "KILLED"))
        self._study.close()
        return self._tracker.close()


def _point(key: str, epoch: dict[str, float]) -> Message:
    values = {name: value for name, value in epoch.items() if name not in ("epoch", "time")}
    return tracking.metrics(key, epoch["time"], int(epoch["epoch"]), values)


def _state(trial: Trial, result: Result, tests: Tests | None) -> str:
    """A digest of all that MLflow is told of a trial."""
    content: dict[str, Any] = {"result": vars(result), "row": trial.row}
    if tests and trial in tests.scores:
        content["test"] = tests.scores[trial]
    return _digest(content)


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
