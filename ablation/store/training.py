"""Trainings: each is one run of an experiment that answers one or more trials."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from ablation.store.files import read_json, understood
from ablation.store.record import Record
from ablation.store.workspace import TrainingFolder
from ablation.study.grid import Trial
from ablation.study.levels import Condition


class Training(BaseModel):
    """One run of an experiment.

    A training answers every trial that differs from it in the shared factor alone, each trial at its milestone. An
    experiment may define a subclass with further fields.

    `plugin`: name under which the experiment is loaded. `condition`: its level of the shared factor is the last
    milestone. `defaults`: declared defaults of all factors.
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
    examples: dict[str, int] = {}  # train, val, test -> number of examples
    digests: dict[str, Any] = {}  # of all inputs, as hashed in the id

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def steps(self) -> int:
        """The last milestone."""
        return self.milestones[-1]

    def artifacts(self) -> dict[str, Any]:
        """Return the artifacts that are computed once and shared by trainings, each with a `key`; {} if none."""
        return {}

    def described(self) -> dict[str, Any]:
        """Return further fields of the training for `ablate plan --json`, besides the factors that vary."""
        return {}

    def identity(self) -> dict[str, Any]:
        """Return the digests of all inputs of the training, as hashed in its id."""
        return self.digests


def trainings(record: Record, trials: Iterable[Trial]) -> dict[Training, list[Trial]]:
    """Return each training with the trials that the training answers, in the order of the trials."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(record.training_key(trial), []).append(trial)
    return {_training(record, key, group): group for key, group in groups.items()}


def training_of(record: Record, trial: Trial) -> Training:
    """Return the training of one trial alone, whose step is the last milestone."""
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
        **getattr(record.experiment, "given", lambda grid: {})(record.grid),
    )


def stored_levels(folder: TrainingFolder) -> Condition | None:
    """Return the levels of a stored training; None where it has no description.

    Raises AblateError where the description cannot be read.
    """
    description: Any = read_json(folder.description)
    if description is None:
        return None
    with understood(folder.description):
        return Condition(description["condition"])


def hashed_levels(record: Record, training: Training) -> Condition:
    """Return the levels of a training that are part of its id as levels: neither shared, nor as a digest."""
    others = {record.grid.factors.shared, *training.identity()}
    return Condition({name: level for name, level in training.condition.items() if name not in others})
