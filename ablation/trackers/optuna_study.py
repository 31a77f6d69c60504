"""Optuna tracker: one study with one COMPLETE trial for each trial of the grid; failed attempts are kept."""

import json
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages._rdb.models import TrialModel, TrialUserAttributeModel, TrialValueModel
from optuna.trial import TrialState
from sqlalchemy import event, select
from sqlalchemy.exc import SQLAlchemyError

from ablation.errors import AblateError
from ablation.outcomes import Status
from ablation.store import aliases
from ablation.store.files import atomic
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.study.grid import Trial
from ablation.study.levels import Condition, Schema, short
from ablation.trackers.databases import sqlite_url
from ablation.urls import first_line

KEY, METRIC, IMAGES = "ablate.trial", "ablate.metric", "ablate.images"
PATIENCE, PAUSE = 25.0, 1.0  # seconds: to wait for an unavailable database at the end; between retries
LATER = "update it with: ablate sync"
CHUNK = 100  # rows whose test scores share one attribute: short enough for the text columns of all databases


def _distribution(declared: dict[str, Any]) -> BaseDistribution | None:
    """Return the distribution of a factor's declared range; None where the factor is open-ended.

    The levels of a grid are not used, because Optuna raises an error when choices are added later.
    """
    if "anyOf" in declared:
        return _distribution(declared["anyOf"][0])
    if "enum" in declared:
        return CategoricalDistribution(declared["enum"])
    if declared.get("type") == "boolean":
        return CategoricalDistribution([False, True])
    low, high = declared.get("minimum"), declared.get("maximum", declared.get("exclusiveMaximum"))
    if low is None or high is None:
        return None  # open-ended: texts, paths, numbers without a range
    if declared.get("type") == "integer":
        return IntDistribution(low, high, log=high > 1000)
    return FloatDistribution(low, high, log=0 < low < 0.001)


def distributions(schema: Schema) -> dict[str, BaseDistribution]:
    """Return the distribution of each factor that has a declared range or choices."""
    candidates = {factor.name: _distribution(factor.declared) for factor in schema.factors}
    return {name: candidate for name, candidate in candidates.items() if candidate is not None}


def parameters(condition: Condition, ranges: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """Return the levels that Optuna can store as parameters. Lists and paths are stored as user attributes.

    Args:
        condition: Row of the table.
        ranges: Factor -> distribution, as returned by `distributions`.
    """
    return {f: condition[f] for f in ranges if not isinstance(condition[f], tuple)}


def create(path: Path) -> str:
    """Return the URL of the SQLite database at `path`, and create the database where it is missing.

    The database is created atomically, because a database that is half made would never open again.
    """
    if not path.exists():
        with atomic(path) as temporary:
            optuna.storages.RDBStorage(sqlite_url(temporary)).engine.dispose()
    return sqlite_url(path)


def _away(error: Exception) -> AblateError:
    reason = (first_line(error) or type(error).__name__)[:200]
    return AblateError(
        f"--storage: Optuna's database is not reachable ({reason}); results and tables are complete; {LATER}"
    )


@dataclass(frozen=True)
class Attempt:
    """Attempt of a trial, from its start to its end.

    `key`: id of the trial. `started`: unix seconds. `epochs`: metrics of the epochs that were reported. `result`: None
    where the attempt was interrupted.
    """

    trial: Trial
    key: str
    started: float
    epochs: Sequence[dict[str, float]]
    result: Result | None


def _without_fsync(connection: Any, _: object) -> None:
    """Let SQLite write without waiting for the disk. A database that a loss of power breaks is rebuilt from files."""
    connection.execute("PRAGMA synchronous=OFF")


def _time(seconds: float) -> datetime:
    """Return a time as Optuna's storages take it, which convert it to UTC."""
    return datetime.fromtimestamp(seconds)


class OptunaStudy:
    """Client of one Optuna study. The orchestrator alone writes to the study: starts, epochs and ends of trials."""

    def __init__(
        self, url: str, record: Record, shared: bool = False, renamed: Mapping[str, str] | None = None
    ) -> None:
        """Open the study of a record, and create the study where it is missing.

        Args:
            url: URL of the database.
            record: Record of the study.
            shared: Whether other workspaces may use the database too.
            renamed: Old id -> new id of trainings that the database may store under the old id.

        Raises:
            AblateError: A shared database has a study of this name with other images or another metric.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        arguments: dict[str, Any] = (
            {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {"pool_pre_ping": True}
        )  # a restarted server has closed its connections
        by = record.selected_by or record.primary
        self._record, self._metric, self._lowest = record, f"val_{by.name}", by.lowest  # the selection metric
        self._renamed = renamed or {}
        self._distributions = distributions(record.grid.factors)
        self._storage = optuna.storages.RDBStorage(url, engine_kwargs=arguments)
        if not shared and url.startswith("sqlite"):
            event.listen(self._storage.engine, "connect", _without_fsync)
            self._storage.engine.dispose()  # connections that were opened before
        self._is_shared = shared
        self._study = self._opened(shared)
        self._id = self._storage.get_study_id_from_name(record.name)
        self._open: dict[str, int] = {}  # trial id -> Optuna's id
        self._reported: dict[str, set[int]] = {}  # trial id -> epochs that were sent to Optuna
        self._behind = False  # whether the database was unavailable and has missed updates
        self.is_given_up = False  # whether the command has ended: what is missing is for the next one to write
        self._fail_abandoned()

    def _opened(self, shared: bool) -> optuna.Study:
        """Return the study, and delete an older study with other images or another metric first.

        `agree` adds the trials again from the files.
        """
        name = self._record.name
        while True:
            opened = optuna.create_study(
                storage=self._storage,
                study_name=name,
                direction="minimize" if self._lowest else "maximize",
                sampler=optuna.samplers.RandomSampler(),  # unused: every parameter is fixed
                load_if_exists=True,
            )
            expected, stored = {METRIC: self._metric, IMAGES: self._record.inputs.digest}, opened.user_attrs
            if all(stored.get(attribute, value) == value for attribute, value in expected.items()):
                for attribute in expected.keys() - stored.keys():
                    opened.set_user_attr(attribute, expected[attribute])
                return opened
            if shared:
                raise AblateError(
                    f"--storage: the database has study {name!r} with other images or metric; choose another --name"
                )
            optuna.delete_study(study_name=name, storage=self._storage)

    def _fail_abandoned(self) -> None:
        """Mark all trials that are stored as running or waiting as failed.

        This process holds the lock of the workspace, so a process that died must have left these trials.
        """
        for trial in self._trials(TrialState.WAITING):
            self._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)  # this sets its start time
        for trial in self._trials(TrialState.RUNNING):
            self._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)

    def _trials(self, state: TrialState) -> list[optuna.trial.FrozenTrial]:
        """Return the trials in one state.

        The database filters the trials; `get_trials` would read all trials, which takes a second per thousand.
        """
        return self._storage.get_all_trials(self._id, deepcopy=False, states=(state,))

    @contextmanager
    def _in_passing(self) -> Iterator[None]:
        """Ignore that the database is unavailable, so that training continues; `agree` adds the missed updates."""
        try:
            yield
        except (StorageInternalError, SQLAlchemyError, UpdateFinishedTrialError, KeyError):  # KeyError: study deleted
            self._behind = True

    def begin(self, trial: Trial, key: str, started: float | None = None) -> None:
        """Create a RUNNING trial with its parameters in one transaction.

        Optuna's `ask` would write each parameter in a transaction of its own.

        Args:
            trial: the trial.
            key: id of the trial.
            started: unix seconds; None for now.
        """
        with self._in_passing():
            template = self._frozen(trial, key, state=TrialState.RUNNING)
            template.datetime_start = _time(started) if started else template.datetime_start
            self._open[key] = self._storage.create_new_trial(self._id, template)

    def add_attempt(self, attempt: Attempt) -> None:
        """Store an attempt that has ended, in one transaction: as COMPLETE, or as FAIL with the outcome."""
        result, fields = attempt.result, dict[str, Any]()
        is_done = result is not None and result.done
        history = result.history if result is not None and is_done else attempt.epochs
        if result is not None and is_done:
            fields["value"] = self._value(result)
        values = {int(epoch["epoch"]): epoch[self._metric] for epoch in history if self._metric in epoch}
        with self._in_passing():
            state = TrialState.COMPLETE if is_done else TrialState.FAIL
            template = self._frozen(attempt.trial, attempt.key, state=state, intermediate_values=values, **fields)
            if not is_done:
                template.user_attrs["outcome"] = result.outcome if result else Status.INTERRUPTED
            template.datetime_start = _time(attempt.started)
            self._storage.create_new_trial(self._id, template)

    def report(self, key: str, epoch: dict[str, float]) -> None:
        """Store the selection metric of one epoch of an open trial."""
        if key in self._open and self._metric in epoch:
            with self._in_passing():
                self._point(self._open[key], epoch)
                self._reported.setdefault(key, set()).add(int(epoch["epoch"]))

    def _point(self, trial: int, epoch: dict[str, float]) -> None:
        self._storage.set_trial_intermediate_value(trial, int(epoch["epoch"]), epoch[self._metric])

    def finish(self, key: str, result: Result | None) -> None:
        """End an open trial: as COMPLETE with the selection metric, or as FAIL with the outcome.

        Args:
            key: Id of the trial.
            result: Result of the trial; None where the trial was interrupted.
        """
        trial = self._open.pop(key, None)
        if trial is None:
            return
        with self._in_passing():
            if result is not None and result.done:
                for epoch in self._unreported(key, result):
                    self._point(trial, epoch)
                self._storage.set_trial_state_values(trial, TrialState.COMPLETE, [self._value(result)])
                return
            self._storage.set_trial_user_attr(trial, "outcome", result.outcome if result else Status.INTERRUPTED)
            self._storage.set_trial_state_values(trial, TrialState.FAIL)

    def _unreported(self, key: str, result: Result) -> list[dict[str, float]]:
        """Return the epochs that were not sent to Optuna: a resumed training does not report its earlier epochs."""
        reported = self._reported.pop(key, set())
        return [e for e in result.history if self._metric in e and int(e["epoch"]) not in reported]

    def _value(self, result: Result) -> float:
        """Return the selection metric; 0 where nothing was validated, because Optuna requires a number."""
        return result.scores.get("val", {}).get(self._metric.removeprefix("val_"), 0.0)

    def agree(self, finished: Iterable[tuple[Trial, str, Result]]) -> None:
        """Add the finished trials that are missing in the study: trained for another study, or lost with a database.

        Args:
            finished: Trial, its id and its result.

        Raises:
            AblateError: The database stays unavailable.
        """
        finished = list(finished)
        self._retried(lambda: self._add(finished))

    def _add(self, finished: Sequence[tuple[Trial, str, Result]]) -> None:
        stored = self._without_outdated(finished)
        for trial, key, result in finished:
            if key not in stored and not self.is_given_up:
                values = {int(e["epoch"]): e[self._metric] for e in result.history if self._metric in e}
                self._study.add_trial(self._frozen(trial, key, value=self._value(result), intermediate_values=values))

    def _without_outdated(self, finished: Sequence[tuple[Trial, str, Result]]) -> set[str]:
        """Return the ids of the trials that are COMPLETE, after a study with values of earlier results is deleted.

        Trials have other values after they were trained or imported again, and Optuna changes no finished trial. In a
        database that others share the study stays, and such a trial is added a second time.
        """
        stored, current = self._values(), {key: self._value(result) for _, key, result in finished}
        outdated = {key for key, values in stored.items() if key in current and values != {current[key]}}
        if outdated and not self._is_shared:
            optuna.delete_study(study_name=self._record.name, storage=self._storage)
            self._study = self._opened(shared=False)
            self._id = self._storage.get_study_id_from_name(self._record.name)
            return set()
        return {key for key, values in stored.items() if key not in current or current[key] in values}

    def _values(self) -> dict[str, set[float]]:
        """Return the id of each COMPLETE trial -> its values. `get_trials` would take a second per thousand trials."""
        keys, values = TrialUserAttributeModel, TrialValueModel
        query = (
            select(keys.value_json, values.value)
            .join(TrialModel, TrialModel.trial_id == keys.trial_id)
            .join(values, values.trial_id == keys.trial_id)
            .where(TrialModel.study_id == self._id, TrialModel.state == TrialState.COMPLETE, keys.key == KEY)
        )
        stored: dict[str, set[float]] = {}
        with self._storage.engine.connect() as connection:
            for key, value in connection.execute(query):
                stored.setdefault(aliases.current(self._renamed, json.loads(key)), set()).add(value)
        return stored

    def _retried(self, write: Callable[[], None]) -> None:
        """Write to the database, with one retry where the database becomes unavailable meanwhile."""
        for last in (False, True):
            try:
                if self._behind:
                    self._catch_up()
                return write()
            except (StorageInternalError, SQLAlchemyError, KeyError) as error:
                if last or isinstance(error, KeyError):  # another workspace has deleted the study
                    raise _away(error) from None
                self._behind = True

    def _catch_up(self) -> None:
        """Wait until the database is available, and mark all trials that are stored as running as failed.

        No trial is running at this point: updates on the ends of these trials were missed.
        """
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self._fail_abandoned()
                self._behind = False
                return
            except (StorageInternalError, SQLAlchemyError) as error:
                if time.monotonic() > end or self.is_given_up:
                    raise _away(error) from None
                time.sleep(PAUSE)

    def _frozen(self, trial: Trial, key: str, **fields: Any) -> optuna.trial.FrozenTrial:
        fixed = parameters(trial.condition, self._distributions)
        open_ended = {f: short(f, v) for f, v in self._record.shown(trial.condition).items() if f not in fixed}
        return optuna.trial.create_trial(
            params=fixed,
            distributions={f: self._distributions[f] for f in fixed},
            user_attrs={KEY: key, "row": trial.row, "seed": trial.seed, **open_ended},
            **fields,
        )

    def note_tests(self, tested: Iterable[tuple[Trial, str, dict[str, float]]]) -> None:
        """Store test scores as attributes of the study, because a finished trial accepts no more attributes.

        One attribute stores the scores of CHUNK rows: "test/seed 0, rows 1-100" -> id of the trial -> metric -> value.

        Args:
            tested: Trial, its id and its test scores (metric -> value).
        """
        chunks: dict[str, dict[str, dict[str, float]]] = {}
        for trial, key, scores in tested:
            first = trial.row - (trial.row - 1) % CHUNK
            chunks.setdefault(f"test/seed {trial.seed}, rows {first}-{first + CHUNK - 1}", {})[key] = scores
        self._retried(lambda: self._note(chunks))

    def _note(self, chunks: Mapping[str, dict[str, dict[str, float]]]) -> None:
        stored = self._study.user_attrs
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, chunk in chunks.items():
                if stored.get(name) != chunk:
                    self._study.set_user_attr(name, chunk)

    def close(self) -> None:
        """End the trials that are still open as interrupted."""
        for key in list(self._open):
            self.finish(key, None)
