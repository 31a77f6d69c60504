"""The Optuna view: one study, one COMPLETE trial a trial of the grid; earlier failed attempts stay."""

import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from ablation.addresses import first_line
from ablation.errors import AblateError
from ablation.grids.grid import Trial
from ablation.grids.levels import Condition, Schema, short
from ablation.grids.record import Record
from ablation.outcomes import Status
from ablation.results import aliases
from ablation.results.result import Result
from ablation.views.databases import sqlite_url
from ablation.workspace import atomic

KEY, METRIC, IMAGES = "ablate.trial", "ablate.metric", "ablate.images"
FORESTS, TREES = 10, 8  # of the importances: one forest alone is unstable, and hides it
PATIENCE, PAUSE = 120.0, 1.0  # seconds: for how long a database may be away at the end; between two looks
CHUNK = 100  # rows whose test scores are one attribute: short enough for any database's texts


def _distribution(declared: dict[str, Any]) -> BaseDistribution | None:
    """From a factor's declared range, never from a grid's levels: choices that grow make Optuna raise."""
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
    found = {factor.name: _distribution(factor.declared) for factor in schema.factors}
    return {name: each for name, each in found.items() if each is not None}


def parameters(condition: Condition, known: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """The levels that Optuna can hold as parameters; lists and paths go to user attributes."""
    return {f: condition[f] for f in known if not isinstance(condition[f], tuple)}


def _attributes(record: Record, trial: Trial, key: str) -> dict[str, Any]:
    known = parameters(trial.condition, distributions(record.grid.factors))
    open_ended = {f: short(f, v) for f, v in record.shown(trial.condition).items() if f not in known}
    return {KEY: key, "row": trial.row, "seed": trial.seed, **open_ended}


def _in_order(levels: Set[Any]) -> list[Any]:
    """Numbers by size; names, and lists of units, by how they are written."""
    return sorted(levels, key=lambda v: (v, "") if isinstance(v, int | float) else (math.inf, str(v)))


def importances(record: Record, finished: Mapping[Trial, Result]) -> dict[str, tuple[float, float]]:
    """Of each varying factor, the share of the variance of the selection metric that forests explain by it (fANOVA,
    Hutter et al. 2014): mean and standard deviation over FORESTS seeds. A level counts as its place among the levels: a
    declared range would give its unseen part nearly all of the weight, and names cost 2^levels times as much. {} where
    all values are the same."""
    metric, varying = (record.selected_by or record.primary).name, record.grid.varying
    if len({result.scores["val"][metric] for result in finished.values()}) < 2:
        return {}
    levels = {f: _in_order({getattr(r, f) for r in record.grid.rows}) for f in varying}
    places: dict[str, BaseDistribution] = {f: IntDistribution(0, len(found) - 1) for f, found in levels.items()}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for trial, result in finished.items():
        params = {f: levels[f].index(getattr(trial.condition, f)) for f in varying}
        value = result.scores["val"][metric]
        study.add_trial(optuna.trial.create_trial(params=params, distributions=places, value=value))
    found = [_importance(study, seed) for seed in range(FORESTS)]
    return {f: (fmean(each[f] for each in found), stdev(each[f] for each in found)) for f in varying}


def _importance(study: optuna.Study, seed: int) -> dict[str, float]:
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, seed=seed)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


def create(path: Path) -> str:
    """The URL of an SQLite database at `path`; made at one go, for one that was half made would never open again."""
    if not path.exists():
        with atomic(path) as temporary:
            optuna.storages.RDBStorage(sqlite_url(temporary)).engine.dispose()
    return sqlite_url(path)


def _away(error: Exception) -> AblateError:
    reason = (first_line(error) or type(error).__name__)[:200]
    return AblateError(
        f"--storage: Optuna's database is away ({reason}); results and tables are complete, and the same command tells "
        "it when it is back"
    )


class Study:
    """Written by the orchestrator alone. Trials are told when they start, report each epoch, and end."""

    def __init__(
        self, url: str, record: Record, shared: bool = False, renamed: Mapping[str, str] | None = None
    ) -> None:
        """`shared`: other workspaces may use the database too. `renamed`: ids of trainings that it may know by an older
        one. Raises AblateError where it has another one's study of
        this name."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        arguments: dict[str, Any] = (
            {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {"pool_pre_ping": True}
        )  # a server that was restarted has cut its connections
        by = record.selected_by or record.primary
        self._record, self._metric, self._lowest = record, f"val_{by.name}", by.lowest  # whatever selects
        self._renamed = renamed or {}
        self._distributions = distributions(record.grid.factors)
        self._storage = optuna.storages.RDBStorage(url, engine_kwargs=arguments)
        self._study = self._opened(shared)
        self._id = self._storage.get_study_id_from_name(record.name)
        self._open: dict[str, int] = {}  # trial id -> Optuna's id
        self._reported: dict[str, set[int]] = {}  # trial id -> epochs that Optuna was told of
        self._complete: set[str] = set()  # ids of the trials that ended here
        self._behind = False  # whether the database was away and lacks something
        self._fail_abandoned()

    def _opened(self, shared: bool) -> optuna.Study:
        """One on other images, or with another metric's values, goes: `agree` adds trials again, from the files."""
        name = self._record.name
        while True:
            found = optuna.create_study(
                storage=self._storage,
                study_name=name,
                direction="minimize" if self._lowest else "maximize",
                sampler=optuna.samplers.RandomSampler(),  # never consulted: every parameter is fixed
                load_if_exists=True,
            )
            mine, its = {METRIC: self._metric, IMAGES: self._record.inputs.digest}, found.user_attrs
            if all(its.get(attribute, value) == value for attribute, value in mine.items()):
                for attribute in mine.keys() - its.keys():
                    found.set_user_attr(attribute, mine[attribute])
                return found
            if shared:
                raise AblateError(
                    f"--storage: has a study {name!r} with other images or another metric; pass another --name"
                )
            optuna.delete_study(study_name=name, storage=self._storage)

    def _fail_abandoned(self) -> None:
        """The workspace's lock is ours, so nobody runs what stands as running: a process that died left it."""
        for trial in self._trials(TrialState.WAITING):
            self._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)  # so that it has a start
        for trial in self._trials(TrialState.RUNNING):
            self._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)

    def _trials(self, state: TrialState) -> list[optuna.trial.FrozenTrial]:
        """Those in one state: the database picks them, where `get_trials` reads all, a second for each thousand."""
        return self._storage.get_all_trials(self._id, deepcopy=False, states=(state,))

    @contextmanager
    def _in_passing(self) -> Iterator[None]:
        """A database that is away stops no training: what it misses, `agree` adds."""
        try:
            yield
        except (StorageInternalError, SQLAlchemyError, UpdateFinishedTrialError, KeyError):  # the last: another's doing
            self._behind = True

    def begin(self, trial: Trial, key: str) -> None:
        """A RUNNING trial with its parameters, in one transaction: `ask` writes each of them in one of its own."""
        with self._in_passing():
            found = self._frozen(trial, key, state=TrialState.RUNNING)
            self._open[key] = self._storage.create_new_trial(self._id, found)

    def report(self, key: str, epoch: dict[str, float]) -> None:
        if key in self._open and self._metric in epoch:
            with self._in_passing():
                self._point(self._open[key], epoch)
                self._reported.setdefault(key, set()).add(int(epoch["epoch"]))

    def _point(self, trial: int, epoch: dict[str, float]) -> None:
        self._storage.set_trial_intermediate_value(trial, int(epoch["epoch"]), epoch[self._metric])

    def finish(self, key: str, result: Result | None) -> None:
        """COMPLETE with the selection metric, or FAIL with the outcome; None is a trial that was interrupted."""
        trial = self._open.pop(key, None)
        if trial is None:
            return
        with self._in_passing():
            if result is not None and result.done:
                for epoch in self._lacking(key, result):
                    self._point(trial, epoch)
                self._storage.set_trial_state_values(trial, TrialState.COMPLETE, [self._value(result)])
                self._complete.add(key)
                return
            self._storage.set_trial_user_attr(trial, "outcome", result.outcome if result else Status.INTERRUPTED)
            self._storage.set_trial_state_values(trial, TrialState.FAIL)

    def _lacking(self, key: str, result: Result) -> list[dict[str, float]]:
        """Return the epochs that Optuna was not told of: a training that is resumed reports none from before."""
        reported = self._reported.pop(key, set())
        return [e for e in result.history if self._metric in e and int(e["epoch"]) not in reported]

    def _value(self, result: Result) -> float:
        """Return the selection metric; 0 where nothing was validated, for Optuna wants a number."""
        return result.scores.get("val", {}).get(self._metric.removeprefix("val_"), 0.0)

    def agree(self, finished: Iterable[tuple[Trial, str, Result]]) -> None:
        """Add the finished trials that the study lacks: trained for another study, or lost with a database. Raises
        AblateError where a database that was away does not come back."""
        finished = list(finished)
        self._surely(lambda: self._add(finished))

    def _add(self, finished: Sequence[tuple[Trial, str, Result]]) -> None:
        known = self._complete | self._tested()
        lacking = [(trial, key, result) for trial, key, result in finished if key not in known]
        if lacking:
            known |= self._current(t.user_attrs.get(KEY, "") for t in self._trials(TrialState.COMPLETE))
        for trial, key, result in lacking:
            if key not in known:
                values = {int(e["epoch"]): e[self._metric] for e in result.history if self._metric in e}
                self._study.add_trial(self._frozen(trial, key, value=self._value(result), intermediate_values=values))

    def _surely(self, write: Callable[[], None]) -> None:
        """Once more, where the database goes away meanwhile."""
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
        """Nothing runs any more: what still stands as running was not told how it ended."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self._fail_abandoned()
                self._behind = False
                return
            except (StorageInternalError, SQLAlchemyError) as error:
                if time.monotonic() > end:
                    raise _away(error) from None
                time.sleep(PAUSE)

    def _tested(self) -> set[str]:
        """Ids of the trials whose test scores stand on the study; they are COMPLETE, for those are noted last."""
        noted = (keys for name, keys in self._study.user_attrs.items() if name.startswith("test/"))
        return self._current(key for keys in noted for key in keys)

    def _current(self, keys: Iterable[str]) -> set[str]:
        return {aliases.current(self._renamed, key) for key in keys}

    def _frozen(self, trial: Trial, key: str, **more: Any) -> optuna.trial.FrozenTrial:
        fixed = parameters(trial.condition, self._distributions)
        return optuna.trial.create_trial(
            params=fixed,
            distributions={f: self._distributions[f] for f in fixed},
            user_attrs=_attributes(self._record, trial, key),
            **more,
        )

    def note_tests(self, tested: Iterable[tuple[Trial, str, dict[str, float]]]) -> None:
        """A finished trial takes no more attributes, so the test scores stand on the study, those of many rows in one:
        "test/seed 0, rows 1-100" -> id of the trial -> metric -> value."""
        chunks: dict[str, dict[str, dict[str, float]]] = {}
        for trial, key, scores in tested:
            first = trial.row - (trial.row - 1) % CHUNK
            chunks.setdefault(f"test/seed {trial.seed}, rows {first}-{first + CHUNK - 1}", {})[key] = scores
        self._surely(lambda: self._note(chunks))

    def _note(self, chunks: Mapping[str, dict[str, dict[str, float]]]) -> None:
        known = self._study.user_attrs
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, chunk in chunks.items():
                if known.get(name) != chunk:
                    self._study.set_user_attr(name, chunk)

    def close(self) -> None:
        """What is still open was interrupted."""
        for key in list(self._open):
            self.finish(key, None)
