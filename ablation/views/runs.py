"""What MLflow is told of a study: a parent run, and a run a trial, from its start to its test scores."""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ablation.datasets import is_demo
from ablation.grids.grid import Trial
from ablation.grids.levels import short
from ablation.grids.record import Record
from ablation.results.elsewhere import Elsewhere
from ablation.results.findings import Findings, Results, done
from ablation.results.result import Result
from ablation.statistics.evaluation import confusion
from ablation.tables.export import confusion_page
from ablation.tables.outcome import REPORT, Drawing, Tests
from ablation.views import tracking
from ablation.views.tracking import PARENT, Message, Tracker

CONFUSION = "confusion_matrix_test.html"
NOTE = "mlflow.note.content"  # what MLflow shows as the description of a run


def run_name(record: Record, trial: Trial) -> str:
    """What sets a trial apart from the reference: "lr 1e-3"."""
    if record.grid.is_replicate(trial):
        return f"reference again, seed {trial.seed}"
    levels = record.shown(trial.condition)
    differences = [f"{record.grid.titles[f].lower()} {short(f, levels[f])}" for f in record.grid.difference(trial.row)]
    name = record.grid.labels[trial.row - 1] or ", ".join(differences) or "reference"
    return f"{name}, seed {trial.seed}" if len(record.grid.seeds) > 1 else name


def in_order(record: Record, known: Mapping[str, str]) -> list[str]:
    """MLflow's ids of the study's trials, by seed and row; replicates of the reference are left out."""
    keys = (record.trial_key(t) for t in record.grid.trials() if not record.grid.is_replicate(t))
    return [known[key] for key in keys if key in known]


class Runs:
    """The runs of one study. They follow the files: what MLflow lacks is sent again, nothing twice."""

    def __init__(self, record: Record, tracker: Tracker) -> None:
        self._record, self._tracker = record, tracker
        self._agreed = False
        name = record.data if is_demo(record.data) else Path(record.data).name
        inputs = record.inputs
        self._dataset = tracking.dataset(name or record.name, inputs.digest, record.data, inputs.profile())
        tags = {"ablate.name": record.name, "ablate.data": record.data, "ablate.images": inputs.digest}
        self._tell(tracking.abandoned())
        self._parent = tracking.run(PARENT, record.name, time.time(), {}, tags, self._dataset)
        self._tell(self._parent)

    def _tell(self, *messages: Message) -> None:
        self._tracker.tell(*messages)

    def started(self, trial: Trial, key: str) -> None:
        self._tell(self._run(trial, key, time.time()))

    def epoch(self, key: str, epoch: dict[str, float]) -> None:
        self._tell(_point(key, epoch))

    def ended(self, key: str, result: Result) -> None:
        self._tell(*self._ending(key, result))

    def interrupted(self, key: str) -> None:
        self._tell(tracking.end(key, time.time(), "KILLED"))

    def _run(self, trial: Trial, key: str, started: float) -> Message:
        levels = self._record.shown(trial.condition)
        params = {name: short(name, level) for name, level in levels.items()} | {"seed": str(trial.seed)}
        tags = {"ablate.row": str(trial.row), "ablate.reference": str(trial.row == self._record.grid.reference)}
        return tracking.run(key, run_name(self._record, trial), started, params, tags, self._dataset)

    def _ending(self, key: str, result: Result) -> list[Message]:
        """An earlier try's failure is no longer said."""
        tags = {"ablate.outcome": result.outcome, "ablate.reason": result.reason}
        if not result.done:
            tags[NOTE] = f"{result.outcome}: {result.reason}"
            return [tracking.end(key, result.finished, "FAILED", _digest(vars(result)), tags)]
        final = {f"final/{s}_{m}": v for s, values in result.scores.items() for m, v in values.items()}
        best = {f"best/{k}": result.best[k] for k in ("epoch", "val_accuracy", "val_loss") if k in result.best}
        cost = {"time/train_s": result.seconds, "parameters": float(result.parameters)}
        return [
            tracking.metrics(key, result.finished, result.epochs, final | best | cost),
            tracking.end(key, result.finished, "FINISHED", tags={**tags, NOTE: ""}),
        ]

    def agree(self, drawing: Drawing, tests: Tests | None) -> None:
        """Make MLflow hold all that the files hold."""
        results = drawing.findings.results
        status = "FINISHED" if len(done(results)) == len(results) else "FAILED"
        known = self._tracker.states()
        if known is None:  # what it lacks cannot be known: `ablate sync`, or the next run that reaches it, tells it
            self._tell(tracking.end(PARENT, time.time(), status))
        else:
            if PARENT not in known:  # MLflow has lost it since
                self._tell(self._parent)
            self._tell_lacking(known, results, tests)
            self._tell_study(known, drawing, status)
        self._agreed = True

    def _tell_lacking(self, known: Mapping[str, str], results: Results, tests: Tests | None) -> None:
        for trial, found in results.items():
            key = self._record.trial_key(trial)
            if found and known.get(key) != self._state(trial, found, tests):
                self._tell(*self._all(trial, key, found, tests))

    def _tell_study(self, known: Mapping[str, str], drawing: Drawing, status: str) -> None:
        """The report is dated: it is sent where something else has changed."""
        tags = self._said(drawing)
        state = _digest([drawing.undated, tags])
        if known.get(PARENT) != state:
            files = drawing.undated | {REPORT: drawing.files[REPORT]} | self._selected_page(drawing.findings)
            self._tell(*(tracking.text(PARENT, name, content) for name, content in files.items()))
            self._tell(*(_elsewhere(each) for each in drawing.findings.elsewhere))
        self._tell(tracking.end(PARENT, time.time(), status, state, tags))

    def _said(self, drawing: Drawing) -> dict[str, str]:
        """What the description of the parent says."""
        grid, sealed = self._record.grid, drawing.findings.sealed
        lines = [f"**{grid.title}**", *self._record.notes]
        if sealed and sealed.row:
            name = run_name(self._record, next(grid.seeded(sealed.row)))
            lines.append(f"Selected: row {sealed.row} ({name}), {sealed.rule}.")
        if drawing.caveats:
            lines.append("Warnings, each with its reason in report.html: " + ", ".join(c.code for c in drawing.caveats))
        return {NOTE: "\n\n".join(lines), "ablate.selected_row": str(sealed.row) if sealed and sealed.row else ""}

    def _selected_page(self, found: Findings) -> dict[str, str]:
        """The confusion matrix of the selected row, with its first seed."""
        answers = found.test.get(found.selected) if found.selected else None
        if found.selected is None or answers is None or not self._record.inputs.classes:
            return {}
        trial = next(t for t, _ in found.finished(found.selected))
        return {CONFUSION: self._page(trial, answers.labels, answers.predicted[0])}

    def _is_selected(self, trial: Trial, tests: Tests | None) -> bool:
        return bool(tests and trial.row == tests.selected and not self._record.grid.is_replicate(trial))

    def _page(self, trial: Trial, labels: np.ndarray, predicted: np.ndarray) -> str:
        counts = confusion(labels, predicted, len(self._record.inputs.classes))
        return confusion_page(f"{run_name(self._record, trial)}: test", self._record.inputs.classes, counts.tolist())

    def _all(self, trial: Trial, key: str, result: Result, tests: Tests | None) -> Iterator[Message]:
        """Everything of one ended trial, in one go; its last message holds the digest of it."""
        *messages, end = self._ending(key, result)
        yield self._run(trial, key, result.started)
        yield from (_point(key, epoch) for epoch in result.history)
        yield from messages
        if tests and trial in tests.scores:
            final = {f"final/test_{name}": value for name, value in tests.scores[trial].items()}
            yield tracking.metrics(key, result.finished, result.epochs, final)
            if self._record.inputs.classes:
                said = tests.opened(trial, result).columns
                yield tracking.text(key, CONFUSION, self._page(trial, said["label"], said["predicted"]))
        tags = {**end["tags"], "ablate.selected": str(self._is_selected(trial, tests))}
        yield {**end, "state": self._state(trial, result, tests), "tags": tags}

    def _state(self, trial: Trial, result: Result, tests: Tests | None) -> str:
        """A digest of all that MLflow is told of a trial."""
        content: dict[str, Any] = {"result": vars(result), "row": trial.row}
        if tests and trial in tests.scores:
            content |= {"test": tests.scores[trial], "selected": self._is_selected(trial, tests)}
        return _digest(content)

    def close(self) -> int:
        """How many messages MLflow could not be sent."""
        if not self._agreed:
            self.interrupted(PARENT)
        return self._tracker.close()


def _elsewhere(found: Elsewhere) -> Message:
    """A row on other images, as metrics of the parent."""
    values = {f"production/{found.name}/{name}": value for name, value in found.scores.items()}
    return tracking.metrics(PARENT, found.measured, 0, values)


def _point(key: str, epoch: dict[str, float]) -> Message:
    values = {name: value for name, value in epoch.items() if name not in ("epoch", "time")}
    return tracking.metrics(key, epoch["time"], int(epoch["epoch"]), values)


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
