"""MLflow runs of a study: a parent run, and one run for each trial, from its start to its test scores."""

import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ablation.analysis.external_evaluation import ExternalEvaluation
from ablation.analysis.held_out import HeldOutScores
from ablation.analysis.study_analysis import done
from ablation.experiments import is_demo
from ablation.statistics.evaluation import confusion
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.study.grid import Trial
from ablation.study.levels import short
from ablation.trackers import mlflow_messages
from ablation.trackers.content import MakePage, Published
from ablation.trackers.mlflow_messages import PARENT, Message
from ablation.trackers.mlflow_tracker import Tracker

CONFUSION = "confusion_matrix_test.html"
NOTE = "mlflow.note.content"  # the tag that MLflow shows as the description of a run


def run_name(record: Record, trial: Trial) -> str:
    """Return the name of a trial: its differences from the reference, for example "lr 1e-3"."""
    if record.grid.is_replicate(trial):
        return f"reference again, seed {trial.seed}"
    levels = record.shown(trial.condition)
    differences = [f"{record.grid.titles[f].lower()} {short(f, levels[f])}" for f in record.grid.difference(trial.row)]
    name = record.grid.labels[trial.row - 1] or ", ".join(differences) or "reference"
    return f"{name}, seed {trial.seed}" if len(record.grid.seeds) > 1 else name


def in_order(record: Record, run_ids: Mapping[str, str]) -> list[str]:
    """Return MLflow's ids of the study's trials, by seed and row, without replicates of the reference.

    Args:
        record: Record of the study.
        run_ids: Id of the trial -> MLflow's id of its run.
    """
    keys = (record.trial_key(t) for t in record.grid.trials() if not record.grid.is_replicate(t))
    return [run_ids[key] for key in keys if key in run_ids]


class MlflowRuns:
    """MLflow runs of one study. Results missing in MLflow are sent again from the files; nothing is sent twice."""

    def __init__(self, record: Record, tracker: Tracker) -> None:
        self._record, self._tracker = record, tracker
        self._agreed, self._n_unsent = False, 0
        name = record.data if is_demo(record.data) else Path(record.data).name
        inputs = record.inputs
        self._dataset = mlflow_messages.dataset(name or record.name, inputs.digest, record.data, inputs.profile())
        tags = {"ablate.name": record.name, "ablate.data": record.data, "ablate.images": inputs.digest}
        self._enqueue(mlflow_messages.abandoned())
        self._parent = mlflow_messages.run(PARENT, record.name, time.time(), {}, tags, self._dataset)
        self._enqueue(self._parent)

    def _enqueue(self, *messages: Message) -> None:
        self._tracker.enqueue(*messages)

    def started(self, trial: Trial, key: str) -> None:
        """Send the start of a trial."""
        self._enqueue(self._run(trial, key, time.time()))

    def epoch(self, key: str, epoch: dict[str, float]) -> None:
        """Send the metrics of one epoch."""
        self._enqueue(_point(key, epoch))

    def ended(self, key: str, result: Result | None) -> None:
        """Send the result of a trial; None where the trial was interrupted."""
        self._enqueue(*(self._ending(key, result) if result else [mlflow_messages.end(key, time.time(), "KILLED")]))

    def _run(self, trial: Trial, key: str, started: float) -> Message:
        levels = self._record.shown(trial.condition)
        params = {name: short(name, level) for name, level in levels.items()} | {"seed": str(trial.seed)}
        tags = {"ablate.row": str(trial.row), "ablate.reference": str(trial.row == self._record.grid.reference)}
        return mlflow_messages.run(key, run_name(self._record, trial), started, params, tags, self._dataset)

    def _ending(self, key: str, result: Result) -> list[Message]:
        """Return the messages that end a run. The description of an earlier failed attempt is cleared."""
        tags = {"ablate.outcome": result.outcome, "ablate.reason": result.reason}
        if not result.done:
            tags[NOTE] = f"{result.outcome}: {result.reason}"
            return [mlflow_messages.end(key, result.finished, "FAILED", _digest(vars(result)), tags)]
        final = {f"final/{s}_{m}": v for s, values in result.scores.items() for m, v in values.items()}
        primary = self._record.primary
        metric, lowest = f"val_{primary.name}", primary.lowest
        epoch = result.best("val_accuracy") or result.best(metric, lowest)
        best = {f"best/{k}": epoch[k] for k in ("epoch", "val_accuracy", "val_loss", metric) if k in epoch}
        cost = {"time/train_s": result.seconds, "parameters": float(result.parameters)}
        cost |= {f"cost/{name}": value for name, value in result.costs.items()}
        return [
            mlflow_messages.metrics(key, result.finished, result.epochs, final | best | cost),
            mlflow_messages.end(key, result.finished, "FINISHED", tags={**tags, NOTE: ""}),
        ]

    def agree(self, published: Published, tests: HeldOutScores | None) -> None:
        """Send everything in the files that is missing in MLflow.

        Args:
            published: Report and files of the study.
            tests: Test scores; None until a selection is sealed.
        """
        results = published.study.results
        status = "FINISHED" if len(done(results)) == len(results) else "FAILED"
        states = self._tracker.states()
        if states is None:  # unreachable: `ablate sync`, or the next run that reaches MLflow, sends the missing results
            self._enqueue(mlflow_messages.end(PARENT, time.time(), status))
        else:
            if PARENT not in states:  # deleted in MLflow meanwhile
                self._enqueue(self._parent)
            self._send_missing(states, published, tests)
            self._send_study(states, published, status)
        self._agreed = True

    def _send_missing(self, states: Mapping[str, str], published: Published, tests: HeldOutScores | None) -> None:
        for trial, result in published.study.results.items():
            key = self._record.trial_key(trial)
            if result and states.get(key) != self._state(trial, result, tests, published):
                self._enqueue(*self._trial_messages(trial, key, result, tests, published))

    def _send_study(self, states: Mapping[str, str], published: Published, status: str) -> None:
        """Send the parent run. The dated report is sent only when another file has changed."""
        tags = self._parent_tags(published)
        state = _digest([published.files, tags])
        if states.get(PARENT) != state:
            files = {**published.files, **published.report, **self._selected_page(published)}
            self._enqueue(*(mlflow_messages.text(PARENT, name, content) for name, content in files.items()))
            self._enqueue(*(_external(evaluation) for evaluation in published.study.evaluations))
        self._enqueue(mlflow_messages.end(PARENT, time.time(), status, state, tags))

    def _parent_tags(self, published: Published) -> dict[str, str]:
        """Return the tags of the parent run: its description and the selected row."""
        grid, sealed = self._record.grid, published.study.sealed
        lines = [f"**{grid.title}**", *self._record.all_notes]
        if sealed and sealed.row:
            name = run_name(self._record, next(grid.seeded(sealed.row)))
            lines.append(f"Selected: row {sealed.row} ({name}), {sealed.rule}.")
        if published.warnings:
            lines.append("Warnings, each with its reason in report.html: " + ", ".join(published.warnings))
        return {NOTE: "\n\n".join(lines), "ablate.selected_row": str(sealed.row) if sealed and sealed.row else ""}

    def _selected_page(self, published: Published) -> dict[str, str]:
        """Return the confusion matrix of the selected row, with its first seed; {} where there is none."""
        study = published.study
        evidence = study.test.get(study.selected) if study.selected else None
        if study.selected is None or evidence is None or not self._record.inputs.classes:
            return {}
        trial = next(t for t, _ in study.finished(study.selected))
        return {CONFUSION: self._page(published.confusion_page, trial, evidence.labels, evidence.predicted[0])}

    def _is_selected(self, trial: Trial, tests: HeldOutScores | None) -> bool:
        return bool(tests and trial.row == tests.selected and not self._record.grid.is_replicate(trial))

    def _page(self, make_page: MakePage, trial: Trial, labels: np.ndarray, predicted: np.ndarray) -> str:
        counts = confusion(labels, predicted, len(self._record.inputs.classes))
        return make_page(f"{run_name(self._record, trial)}: test", self._record.inputs.classes, counts.tolist())

    def _trial_messages(
        self, trial: Trial, key: str, result: Result, tests: HeldOutScores | None, published: Published
    ) -> Iterator[Message]:
        """Yield all messages of one finished trial. The last message contains the digest of all of them."""
        *messages, end = self._ending(key, result)
        yield self._run(trial, key, result.started)
        yield from (_point(key, {"time": result.finished, **epoch}) for epoch in result.history)
        yield from messages
        if tests and trial in tests.scores:
            final = {f"final/test_{name}": value for name, value in tests.scores[trial].items()}
            yield mlflow_messages.metrics(key, result.finished, result.epochs, final)
            if self._record.inputs.classes:
                columns = tests.opened(trial, result).columns
                yield mlflow_messages.text(
                    key, CONFUSION, self._page(published.confusion_page, trial, columns["label"], columns["predicted"])
                )
        for artifact in published.artifacts.get(trial, ()):
            yield mlflow_messages.file(key, artifact.name, str(artifact.path))
        tags = {**end["tags"], "ablate.selected": str(self._is_selected(trial, tests))}
        yield {**end, "state": self._state(trial, result, tests, published), "tags": tags}

    def _state(self, trial: Trial, result: Result, tests: HeldOutScores | None, published: Published) -> str:
        """Return a digest of everything that is sent to MLflow for a trial."""
        content: dict[str, Any] = {"result": vars(result), "row": trial.row}
        if tests and trial in tests.scores:
            content |= {"test": tests.scores[trial], "selected": self._is_selected(trial, tests)}
        if files := published.artifacts.get(trial, ()):
            content |= {"artifacts": [artifact.stamp for artifact in files]}
        return _digest(content)

    def close(self, drain: float = math.inf) -> int:
        """Send the remaining messages for at most `drain` seconds, and return the number of messages not sent."""
        if not self._agreed:
            self.ended(PARENT, None)
        self._n_unsent = self._tracker.close(drain)
        return self._n_unsent

    @property
    def notes(self) -> list[str]:
        """Sentences for the user on what was not sent, and why; after `close`."""
        tracker, later = self._tracker, "" if self._tracker.waits_for_user else "; send them with: ablate sync"
        unsent = f"MLflow: {self._n_unsent} messages not sent yet ({tracker.error}){later}"
        refused = f"MLflow: {tracker.refusal}"
        return [*([unsent] if self._n_unsent else []), *([refused] if tracker.refusal else [])]


def _external(evaluation: ExternalEvaluation) -> Message:
    """Return the message with the scores of an external evaluation, as metrics of the parent run."""
    values = {f"production/{evaluation.name}/{name}": value for name, value in evaluation.scores.items()}
    return mlflow_messages.metrics(PARENT, evaluation.measured, 0, values)


def _point(key: str, epoch: dict[str, float]) -> Message:
    values = {name: value for name, value in epoch.items() if name not in ("epoch", "time")}
    return mlflow_messages.metrics(key, epoch["time"], int(epoch["epoch"]), values)


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
