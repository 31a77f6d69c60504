"""Trials to trainings: which fits answer them, what is done already, and how much work is left."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from ablation import result
from ablation.cost import Shape, free, parameters
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

    def shape(self, inputs: tuple[int, ...], train: int, val: int, test: int) -> Shape:
        """What its speed depends on. `inputs`: the shape of one image's features; then the images of each split."""
        return Shape(
            condition=free(self.condition), inputs=inputs, classes=self.classes, images=self.images, split=self.split,
            train=train, val=val, test=test,
        )  # fmt: skip

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


def missing(workspace: Workspace, record: Record, trials: Iterable[Trial]) -> list[Trial]:
    """The trials that have no finished result yet."""
    return [t for t in trials if not result.is_done(workspace.training(record.training_key(t)), t.condition.epochs)]


@dataclass(frozen=True)
class Job:
    """A training and what is left of it: `missing` are the trials that it must answer yet, `answers` all of them.

    `start`: the epoch after which it goes on; 0 where it begins anew.
    """

    training: Training
    answers: tuple[Trial, ...]
    missing: tuple[Trial, ...]
    start: int = 0

    def epochs(self, chosen: Iterable[Trial]) -> int:
        """Epochs to train for these trials of it: up to the last one's milestone."""
        return max((t.condition.epochs - self.start for t in chosen), default=0)

    @property
    def epochs_left(self) -> int:
        return self.epochs(self.missing)

    @property
    def state(self) -> str:
        if not self.missing:
            return "done"
        return f"continues from epoch {self.start}" if self.start else "new"


def jobs(workspace: Workspace, record: Record) -> list[Job]:
    """What each training of a study has left, in the order in which they run; finished ones come where they belong."""
    trials = list(record.grid.trials())
    left, place = set(missing(workspace, record, trials)), {trial: i for i, trial in enumerate(trials)}
    groups = {training: tuple(group) for training, group in trainings(record, trials).items()}
    found = [Job(t, group, tuple(x for x in group if x in left), begun(workspace, t)) for t, group in groups.items()]
    return sorted(found, key=lambda job: place[(job.missing or job.answers)[0]])


def begun(workspace: Workspace, training: Training) -> int:
    """The epoch after which a training goes on. 0: nothing is kept of one that was cut off."""
    return 0


def work(training: Training, inputs: int, images: int) -> float:
    """How long a training takes beside others, in arbitrary units: epochs x steps x parameters x (optimiser + batch).

    The constant is the ratio of the optimiser's passes over memory to one image's products, measured on a CPU.
    """
    batch = min(training.condition.batch_size, images)
    steps = -(-images // batch)
    return training.condition.epochs * steps * parameters(training.condition, inputs, training.classes) * (54 + batch)
