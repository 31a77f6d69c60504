"""Trials to trainings: which fits answer them, what is done already, and how much work is left."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from ablation.datasets.images import SPLITS
from ablation.errors import AblateError
from ablation.grids.grid import Condition, Trial
from ablation.grids.record import Record, Weights
from ablation.outcomes import Status
from ablation.planning import attempts
from ablation.planning.cost import Shape, convolutions, free, parameters
from ablation.results import result
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
    backend: str  # Keras'
    weights: Weights
    alignment: str = ""  # how faces are aligned, where its condition says that they are

    def shape(self, inputs: tuple[int, ...], train: int, val: int, test: int) -> Shape:
        """What its speed depends on. `inputs`: the shape of one image's features; then the images of each split."""
        return Shape(
            condition=free(self.condition), inputs=inputs, classes=self.classes, images=self.images, split=self.split,
            train=train, val=val, test=test,
        )  # fmt: skip

    @property
    def on_images(self) -> bool:
        """Whether the whole network sees images in each epoch: nothing of it can be computed once."""
        return self.condition.trainable == "all" or self.condition.augment != "none"

    def aligned(self, split: str) -> str:
        """How the faces of a split that it sees are aligned; "" where they are as they come."""
        wanted = self.condition.align == "all" or (self.condition.align == "train" and split == "train")
        return self.alignment if wanted else ""

    def features_of(self) -> "dict[str, Features]":
        """What is computed once for it, by split; nothing where it is trained on images."""
        if self.on_images:
            return {}
        cut = self.condition.trainable == "block5"

        def of(split: str) -> Features:
            return Features(
                backbone=self.condition.backbone,
                weights=self.weights,
                image_size=self.condition.image_size,
                images=self.images,
                backend=self.backend,
                cut=cut,
                alignment=self.aligned(split),
            )

        return {split: of(split) for split in SPLITS}


class Features(BaseModel):
    """The outputs of one frozen backbone for one image set at one size. `cut`: of its part before block 5;
    `alignment`: how its faces were aligned, "" as they come."""

    model_config = ConfigDict(frozen=True)

    backbone: str
    weights: Weights
    image_size: int
    images: str
    backend: str
    cut: bool = False
    alignment: str = ""

    @property
    def key(self) -> str:
        part = ("-cut" if self.cut else "") + (f"-eyes-{self.alignment}" if self.alignment else "")
        weights = self.weights.digest[:16]
        return f"{self.images[:12]}-{self.backbone}-{weights}-{self.backend}-{self.image_size}{part}"


def refuse_cleaned(workspace: Workspace, training: Training) -> None:
    """Raises AblateError where the decoded images that a training sees were deleted."""
    images, size = workspace.images(training.images), training.condition.image_size
    if not all(images.pixels(size, training.aligned(split)).is_file() for split in SPLITS):
        raise AblateError("the study's decoded images were deleted; the same `ablate run` stores them again")


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
    first, milestones = trials[0], tuple(sorted(t.condition.epochs for t in trials))
    return Training(
        key=key,
        condition=first.condition.model_copy(update={"epochs": milestones[-1]}),
        seed=first.seed,
        milestones=milestones,
        images=record.images,
        split=record.splits[first.condition.split],
        classes=len(record.classes),
        backend=record.backend,
        weights=record.weights_of(first.condition),
        alignment=record.alignment_of(first.condition),
    )


def missing(workspace: Workspace, record: Record, trials: Iterable[Trial], retry: Collection[str] = ()) -> list[Trial]:
    """The trials that are to be trained: without a result, and not known to diverge, unless `retry` names that."""

    def is_missing(trial: Trial) -> bool:
        folder, epochs = workspace.training(record.training_key(trial)), trial.condition.epochs
        if result.is_done(folder, epochs):
            return False
        failure = None if Status.DIVERGED in retry else result.failure(folder)
        return not (failure and failure.outcome is Status.DIVERGED and failure.epochs <= epochs)

    return [t for t in trials if is_missing(t)]


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
        return max((t.condition.epochs - self.start for t in chosen), default=0)

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
        lost = tuple(t for t in answers if t not in left and not result.is_done(folder, t.condition.epochs))
        return Job(training, tuple(answers), to_do, begun(workspace, training), lost)

    found = [job(training, group) for training, group in trainings(record, trials).items()]
    return sorted(found, key=lambda job: place[(job.missing or job.answers)[0]])


def begun(workspace: Workspace, training: Training) -> int:
    """The epoch after which a training goes on, from a checkpoint; 0 where it begins."""
    return attempts.standing(workspace.training(training.key), training.milestones)[0]


def work(training: Training, images: int) -> float:
    """How long a training takes beside others, in arbitrary units: epochs x steps x parameters x (optimiser + batch),
    and what the backbone adds where it is part of each step.

    The constant is the ratio of the optimiser's passes over memory to one image's products, measured on a CPU.
    """
    condition = training.condition
    batch = min(condition.batch_size, images)
    steps = -(-images // batch)
    one = parameters(condition, training.classes) * (54 + batch)
    return condition.epochs * (steps * one + images * convolutions(condition))
