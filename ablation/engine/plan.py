"""Map from trials to trainings: which trainings answer the trials, which are done, and how much work remains."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ablation.engine import attempts
from ablation.errors import AblateError
from ablation.outcomes import Status
from ablation.store import result
from ablation.store.record import Record
from ablation.store.training import Training, hashed_levels, stored_levels, trainings
from ablation.store.workspace import TrainingFolder, Workspace
from ablation.study.grid import Trial
from ablation.study.levels import Condition, Factor, Level, text


def missing(workspace: Workspace, record: Record, trials: Iterable[Trial], retry: Collection[str] = ()) -> list[Trial]:
    """Return the trials to train: those without a result and not known to diverge.

    Args:
        workspace: The workspace with the results.
        record: The record of the study.
        trials: Trials to check.
        retry: Statuses that are trained again; with "diverged", diverged trials are returned too.
    """

    def is_missing(trial: Trial) -> bool:
        folder, epochs = workspace.training(record.training_key(trial)), trial.step
        if record.is_imported(trial) or result.is_done(folder, epochs):
            return False
        failure = None if Status.DIVERGED in retry else result.failure(folder)
        return not (failure and failure.outcome is Status.DIVERGED and failure.epochs <= epochs)

    return [t for t in trials if is_missing(t)]


def refuse_unlike(workspace: Workspace, record: Record) -> None:
    """Raise AblateError where a training is stored under the id of a trial, but had other levels.

    That happens when a default was changed, or when a factor was added without a declaration of its value in older
    trainings.
    """
    for training in trainings(record, record.grid.trials()):
        folder = workspace.training(training.key)
        stored = stored_levels(folder)
        if stored is None:
            continue
        for name, level in hashed_levels(record, training).items():
            _refuse(folder, record, record.grid.factors.by_name[name], stored, level)


def _refuse(folder: TrainingFolder, record: Record, factor: Factor, old: Condition, level: Level) -> None:
    name, experiment = factor.name, record.grid.factors.experiment
    if name not in old and factor.since is None:
        raise AblateError(
            f"{folder.path} was trained before experiment {experiment!r} had the factor {name}; state the level that "
            f"such trainings had: ablate adopt STUDY --factor {name}=LEVEL; or declare the factor with since = "
            f"{record.grid.factors.version}, if that is the default; or increase the experiment's version"
        )
    if name in old and text(old[name]) != text(level):
        raise AblateError(
            f"{folder.path} was trained with the old default {name} = {text(old[name])}; the default of {experiment!r} "
            f"is now {text(factor.default)}; increase the experiment's version, or set {name} in the study"
        )


@dataclass(frozen=True)
class Job:
    """Training and its remaining work.

    `missing` are the trials that still need a result, `answers` all trials of the training. `diverged` are the trials
    that have no result and are not retried. `start` is the epoch after which the training resumes; 0 for a new
    training.
    """

    training: Training
    answers: tuple[Trial, ...]
    missing: tuple[Trial, ...]
    start: int = 0
    diverged: tuple[Trial, ...] = ()

    def epochs(self, chosen: Iterable[Trial]) -> int:
        """Return the epochs to train for these trials of the training: up to the last milestone among them."""
        return max((t.step - self.start for t in chosen), default=0)

    @property
    def epochs_left(self) -> int:
        """Epochs to train for all missing trials."""
        return self.epochs(self.missing)

    @property
    def state(self) -> str:
        """State in words: done, diverged, new, or the epoch from which the training continues."""
        if not self.missing:
            return "diverged" if self.diverged else "done"
        return f"resumes from epoch {self.start}" if self.start else "new"


def jobs(workspace: Workspace, record: Record, retry: Collection[str] = ()) -> list[Job]:
    """Return the remaining work of each training of a study, in the order in which the trainings run.

    A finished training is placed by its first trial.
    """
    position = {trial: i for i, trial in enumerate(record.grid.trials())}
    trials, unfinished = list(position), set(missing(workspace, record, position, retry))

    def job(training: Training, answers: Sequence[Trial]) -> Job:
        folder, missing_trials = workspace.training(training.key), tuple(t for t in answers if t in unfinished)
        diverged = tuple(t for t in answers if t not in unfinished and not result.is_done(folder, t.step))
        return Job(training, tuple(answers), missing_trials, resume_epoch(workspace, training), diverged)

    job_list = [job(training, group) for training, group in trainings(record, trials).items()]
    return sorted(job_list, key=lambda job: position[(job.missing or job.answers)[0]])


def resume_epoch(workspace: Workspace, training: Training) -> int:
    """Return the epoch after which a training resumes, from a checkpoint; 0 for a new training."""
    return attempts.progress_of(workspace.training(training.key), training.milestones)[0]
