"""Trials to trainings: which fits answer them, what is done already, and how much work is left."""

from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from pydantic import BaseModel, ConfigDict

from ablation import result
from ablation.grid import Condition, Trial
from ablation.record import Record, Weights
from ablation.workspace import Workspace


class Training(BaseModel):
    """One fit of a head. It serves every trial that differs from it in `epochs` alone, each at its milestone."""

    model_config = ConfigDict(frozen=True)

    key: str
    condition: Condition  # its `epochs` are the last milestone
    seed: int
    milestones: tuple[int, ...]
    images: str
    split: str
    classes: int
    weights: Weights

    def features_of(self) -> "Features":
        return Features(
            backbone=self.condition.backbone,
            weights=self.weights,
            image_size=self.condition.image_size,
            images=self.images,
        )


class Features(BaseModel):
    """The outputs of one frozen backbone for one image set at one size."""

    model_config = ConfigDict(frozen=True)

    backbone: str
    weights: Weights
    image_size: int
    images: str

    @property
    def key(self) -> str:
        return f"{self.images[:12]}-{self.backbone}-{self.weights.digest[:12]}-{self.image_size}"


def trainings(record: Record, trials: Iterable[Trial]) -> dict[Training, list[Trial]]:
    """Each training with the trials that it answers, in the order of the trials."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(record.training_key(trial), []).append(trial)
    return {_training(record, key, group): group for key, group in groups.items()}


def _training(record: Record, key: str, trials: Sequence[Trial]) -> Training:
    first, milestones = trials[0], tuple(sorted(t.condition.epochs for t in trials))
    return Training(
        key=key,
        condition=first.condition.model_copy(update={"epochs": milestones[-1]}),
        seed=first.seed,
        milestones=milestones,
        images=record.images,
        split=record.splits[first.condition.split],
        classes=len(record.classes),
        weights=record.weights_of(first.condition),
    )


def missing(workspace: Workspace, record: Record, trials: Iterable[Trial], retry: Collection[str] = ()) -> list[Trial]:
    """The trials that are to be trained: without a result, and not known to diverge, unless `retry` names that."""

    def is_missing(trial: Trial) -> bool:
        folder, epochs = workspace.training(record.training_key(trial)), trial.condition.epochs
        if result.is_done(folder, epochs):
            return False
        failure = None if result.DIVERGED in retry else result.failure(folder)
        return not (failure and failure.outcome == result.DIVERGED and failure.epochs <= epochs)

    return [t for t in trials if is_missing(t)]


def parameters(condition: Condition, inputs: int, classes: int) -> int:
    """Trainable parameters of a head on `inputs` features."""
    widths = [inputs, *condition.units, classes]
    return sum((a + 1) * b for a, b in pairwise(widths))


def work(training: Training, inputs: int, images: int) -> float:
    """How long a training takes beside others, in arbitrary units: epochs x steps x parameters x (optimiser + batch).

    The constant is the ratio of the optimiser's passes over memory to one image's products, measured on a CPU.
    """
    batch = min(training.condition.batch_size, images)
    steps = -(-images // batch)
    return training.condition.epochs * steps * parameters(training.condition, inputs, training.classes) * (54 + batch)
