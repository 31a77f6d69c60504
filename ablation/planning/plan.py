"""Trials to trainings: which trainings answer them, what is done already, and how much work is left."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from ablation.errors import AblateError
from ablation.grids.grid import Trial
from ablation.grids.levels import Condition, Factor, Level, text
from ablation.grids.record import Record
from ablation.outcomes import Status
from ablation.planning import attempts
from ablation.results import result
from ablation.workspace import TrainingFolder, Workspace, read_json, understood


class Training(BaseModel):
    """One run of an experiment. It serves every trial that differs from it in the shared factor alone, each at its
    milestone. An experiment may bring a kind of its own, with what it needs beside the levels.

    `plugin`: what its experiment is loaded by. `condition`: its level of the shared factor is the last milestone.
    `defaults`: of all factors, as declared.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    plugin: str
    experiment: str
    version: int
    condition: Condition
    defaults: dict[str, Any]
    seed: int
    milestones: tuple[int, ...]
    examples: dict[str, int] = {}  # train, val, test -> how many
    digests: dict[str, Any] = {}  # of what it is given, as its id holds them

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def steps(self) -> int:
        """The last milestone."""
        return self.milestones[-1]

    def artifacts(self) -> dict[str, Any]:
        """Return what is computed once for it and shared with others, each with a `key`; {} where nothing is."""
        return {}

    def described(self) -> dict[str, Any]:
        """Return what `ablate plan --json` says of it beside the factors that vary."""
        return {}

    def identity(self) -> dict[str, Any]:
        """Return the digests of what it is given, as its id holds them."""
        return self.digests


def trainings(record: Record, trials: Iterable[Trial]) -> dict[Training, list[Trial]]:
    """Each training with the trials that it answers, in the order of the trials."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(record.training_key(trial), []).append(trial)
    return {_training(record, key, group): group for key, group in groups.items()}


def training(record: Record, trial: Trial) -> Training:
    """Of one trial, which is its last milestone."""
    return _training(record, record.training_key(trial), [trial])


def _training(record: Record, key: str, trials: Sequence[Trial]) -> Training:
    first, last, schema = trials[0], max(trials, key=lambda trial: trial.step), record.grid.factors
    kind: type[Training] = getattr(record.experiment, "Training", Training)
    return kind(
        key=key,
        plugin=schema.plugin,
        experiment=schema.experiment,
        version=schema.version,
        condition=last.condition,
        defaults={factor.name: factor.default for factor in schema.factors},
        seed=first.seed,
        milestones=tuple(sorted(t.step for t in trials)),
        examples=record.examples(first.condition),
        digests=record.inputs.identity(first.condition),
        **record.inputs.given(first.condition),
    )


def missing(workspace: Workspace, record: Record, trials: Iterable[Trial], retry: Collection[str] = ()) -> list[Trial]:
    """The trials that are to be trained: without a result, and not known to diverge, unless `retry` names that."""

    def is_missing(trial: Trial) -> bool:
        folder, epochs = workspace.training(record.training_key(trial)), trial.step
        if result.is_done(folder, epochs):
            return False
        failure = None if Status.DIVERGED in retry else result.failure(folder)
        return not (failure and failure.outcome is Status.DIVERGED and failure.epochs <= epochs)

    return [t for t in trials if is_missing(t)]


def refuse_unlike(workspace: Workspace, record: Record) -> None:
    """Raises AblateError where a training stands under the id of a trial, but had other levels: a default was changed,
    or a factor was added, without a word on what older trainings had of it."""
    for training in trainings(record, record.grid.trials()):
        folder = workspace.training(training.key)
        found: Any = read_json(folder.description)
        if found is None:
            continue
        with understood(folder.description):
            had = Condition(found["condition"])
        elsewhere = {record.grid.factors.shared, *training.identity()}  # not in its levels, or in its id by a digest
        for factor in record.grid.factors.factors:
            if factor.name not in elsewhere:
                _refuse(folder, record, factor, had, training.condition[factor.name])


def _refuse(folder: TrainingFolder, record: Record, factor: Factor, had: Condition, level: Level) -> None:
    name, experiment = factor.name, record.grid.factors.experiment
    if name not in had and factor.since is None:
        raise AblateError(
            f"{folder.path}: was trained before experiment {experiment!r} had the factor {name}; declare since = "
            f"{record.grid.factors.version} with it where its default {text(factor.default)} is what was done before, "
            "or count up the experiment's version"
        )
    if name in had and text(had[name]) != text(level):
        raise AblateError(
            f"{folder.path}: was trained with {name} = {text(had[name])}, the default then; experiment {experiment!r} "
            f"has {text(factor.default)} now: count up its version, or state {name} in the study"
        )


@dataclass(frozen=True)
class Job:
    """A training and what is left of it: `missing` are the trials that it must answer yet, `answers` all of them;
    `diverged` those that have no result and are not tried again.

    `start`: the epoch after which it goes on; 0 where it begins anew.
    """

    training: Training
    answers: tuple[Trial, ...]
    missing: tuple[Trial, ...]
    start: int = 0
    diverged: tuple[Trial, ...] = ()

    def epochs(self, chosen: Iterable[Trial]) -> int:
        """Epochs to train for these trials of it: up to the last one's milestone."""
        return max((t.step - self.start for t in chosen), default=0)

    @property
    def epochs_left(self) -> int:
        return self.epochs(self.missing)

    @property
    def state(self) -> str:
        if not self.missing:
            return "diverged" if self.diverged else "done"
        return f"continues from epoch {self.start}" if self.start else "new"


def jobs(workspace: Workspace, record: Record, retry: Collection[str] = ()) -> list[Job]:
    """What each training of a study has left, in the order in which they run; finished ones come where they belong."""
    place = {trial: i for i, trial in enumerate(record.grid.trials())}
    trials, left = list(place), set(missing(workspace, record, place, retry))

    def job(training: Training, answers: Sequence[Trial]) -> Job:
        folder, to_do = workspace.training(training.key), tuple(t for t in answers if t in left)
        lost = tuple(t for t in answers if t not in left and not result.is_done(folder, t.step))
        return Job(training, tuple(answers), to_do, begun(workspace, training), lost)

    found = [job(training, group) for training, group in trainings(record, trials).items()]
    return sorted(found, key=lambda job: place[(job.missing or job.answers)[0]])


def begun(workspace: Workspace, training: Training) -> int:
    """The epoch after which a training goes on, from a checkpoint; 0 where it begins."""
    return attempts.standing(workspace.training(training.key), training.milestones)[0]
