"""Studies whose results are made up, with all the files of real ones: what is said of them can be checked exactly."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ablation import experiments
from ablation.analysis import selection
from ablation.analysis.evidence import Evidence
from ablation.analysis.study_analysis import collect, done
from ablation.experiments.keras_head.datasets import splits, stored_splits
from ablation.experiments.keras_head.datasets.images import Index
from ablation.experiments.keras_head.inputs import ImageInputs, Weights
from ablation.experiments.keras_head.training.cost import units
from ablation.measures import regression
from ablation.measures.measure import Measure, scalar
from ablation.outcomes import Status
from ablation.statistics.evaluation import scores
from ablation.store import result
from ablation.store.examples import Examples
from ablation.store.files import write_text
from ablation.store.record import Inputs, Record
from ablation.store.result import Predictions, Result
from ablation.store.workspace import Workspace
from ablation.study.grid import Grid, Trial
from ablation.study.levels import schema_of

SUPPORT = (1058, 369, 953, 1593, 1124, 334)  # the paper's test images of each class
CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")


def answers(
    labels: np.ndarray, accuracy: float, rng: np.random.Generator, hardness: np.ndarray, classes: int
) -> np.ndarray:
    """Predicted classes with exactly round(accuracy N) right ones; rows agree on most of the hard images."""
    score = 0.9 * hardness + np.sqrt(1 - 0.9**2) * rng.normal(size=len(labels))
    right = np.argsort(score, kind="stable")[: round(accuracy * len(labels))]
    predicted = (labels + rng.integers(1, classes, len(labels))) % classes
    predicted[right] = labels[right]
    return predicted.astype(np.int16)


def predictions(labels: np.ndarray, classes: np.ndarray, n_classes: int) -> Predictions:
    probabilities = np.full((len(labels), n_classes), 0.2 / n_classes, np.float16)
    probabilities[np.arange(len(labels)), classes] += np.float16(0.8)
    losses = np.where(classes == labels, 0.2, 3.0).astype(np.float32)
    return Predictions(classes, probabilities, losses)


def evidence(
    split: str, labels: np.ndarray, seeds: Sequence[int], predicted: np.ndarray, losses: np.ndarray
) -> Evidence:
    """Return predictions of networks as evidence: labels (N,), predicted classes and losses (S, N)."""
    return Evidence(split, tuple(seeds), {"label": labels, "predicted": predicted, "loss": losses}, {})


def index(counts: Mapping[str, Sequence[int]], classes: Sequence[str]) -> Index:
    """An image set with so many images of each class in each split; ids are unique."""
    rows = [(s, k) for s in ("test", "train", "val") for k, n in enumerate(counts[s]) for _ in range(n)]
    ids = np.array([f"{i:064x}" for i in range(len(rows))])
    columns = np.array([s for s, _ in rows]), np.array([k for _, k in rows])
    return Index(ids, columns[1], tuple(classes), columns[0], np.full(len(rows), ""))


def history(epochs: int, train: float, val: float) -> list[dict[str, float]]:
    """Curves that end at the given accuracies."""
    return [
        {
            "epoch": e, "time": 1.5e9 + e, "accuracy": train * (1 - 0.5**e), "loss": 2 * 0.5**e + 0.1,
            "val_accuracy": val * (1 - 0.5**e), "val_loss": 2 * 0.6**e + 0.4,
        }
        for e in range(1, epochs + 1)
    ]  # fmt: skip


def counts(support: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Images of each class in each split; test has `support`."""
    return {"train": tuple(4 * n for n in support), "val": tuple(support), "test": tuple(support)}


FEW = {"given": {"train": (8, 8), "val": (1, 1), "test": (4, 4)}}  # images of two classes
SCHEMA = schema_of(experiments.load(experiments.DEFAULT), experiments.DEFAULT)


def of_images(name: str, grid: Grid, data: str, notes: Sequence[str] = (), **inputs: Any) -> Record:
    """A record of the Keras experiment. `inputs`: what its trainings are given."""
    given = ImageInputs(**{"backend": "tensorflow", **inputs})
    return Record(name=name, grid=grid, data=data, notes=tuple(notes), inputs=given)


def changed(record: Record, **changes: Any) -> Record:
    """Return a record with other values of its own, or of its trainings' inputs."""
    given = {name: changes.pop(name) for name in list(changes) if name in ImageInputs.model_fields}
    return record.model_copy(update={**changes, "inputs": record.inputs.model_copy(update=given)})


def record(
    grid: Grid,
    images: str,
    keys: dict[str, str],
    name: str = "",
    support: Sequence[int] = SUPPORT,
    data: str = "faces",
    classes: Sequence[str] = CLASSES,
) -> Record:
    """`keys`: level of `split` -> digest of its rows."""
    return of_images(
        name=name or grid.stem,
        grid=grid,
        data=data,
        images=images,
        classes=tuple(classes),
        counts={level: counts(support) for level in keys},
        splits=keys,
        weights={
            f"{r.backbone}/{r.weights}": Weights(level=r.weights, source=r.weights, digest="d") for r in grid.rows
        },
        backend="tensorflow",
    )


def study(
    workspace: Path,
    grid: Grid,
    accuracy: Mapping[int, tuple[float, float, float]],
    name: str = "",
    support: Sequence[int] = SUPPORT,
    jitter: float = 0.0,
    data: str = "faces",
    classes: Sequence[str] = CLASSES,
) -> Record:
    """Write a study: record, index, split, results and predictions of all trials. `accuracy`: row -> train, val, test
    accuracy; rows without one were not run. `jitter`: standard deviation over seeds. Returns its record."""
    place, images = Workspace(workspace), index(counts(support), classes)
    split = splits.make(images, "given", 0)
    folder = place.images(images.digest)
    write_text(folder.index, images.to_json())
    key = stored_splits.write(folder, split)
    keys = dict.fromkeys({r.split for r in grid.rows}, key)
    recorded = record(grid, images.digest, keys, name, support, data, classes)
    recorded.write(place.study(recorded.name))
    labels = {s: images.labels[split[s]] for s in ("val", "test")}
    hardness = {s: np.random.default_rng(1).normal(size=len(y)) for s, y in labels.items()}
    for trial in grid.trials():
        if trial.row in accuracy:
            write(place, recorded, trial, accuracy[trial.row], labels, hardness, jitter)
    return recorded


def write(
    workspace: Workspace, record: Record, trial: Trial, accuracy: tuple[float, float, float],
    labels: Mapping[str, np.ndarray], hardness: Mapping[str, np.ndarray], jitter: float,
) -> None:  # fmt: skip
    """Write one finished trial."""
    rng = np.random.default_rng([trial.row, trial.seed])
    train, *val_and_test = (min(1.0, a + jitter * float(rng.normal())) for a in accuracy)
    folder, epochs, n_classes = workspace.training(record.training_key(trial)), trial.step, len(record.inputs.classes)
    files, measured = {}, {}
    for split, share in zip(("val", "test"), val_and_test, strict=True):
        predicted = predictions(
            labels[split], answers(labels[split], share, rng, hardness[split], n_classes), n_classes
        )
        files[split] = predicted.write(folder.predictions(split, epochs))
        measured[split] = scores(labels[split], predicted.classes, predicted.losses)
    same = {"accuracy": train, "macro_f1": train, "weighted_f1": train, "micro_f1": train, "loss": 0.1}
    result.write(
        folder,
        Result(
            Status.DONE,
            epochs,
            {"train": same, "val": measured["val"]},
            history(epochs, train, val_and_test[0]),
            files,
            parameters=sum(units(trial.condition)) * 100,
            started=1.5e9,
            finished=1.5e9 + epochs,
            environment={"host": "h"},
        ),
    )


def published(grid: Grid) -> dict[int, tuple[float, float, float]]:
    """Return the published train, val and test accuracy of each row, as `study` takes them."""
    keys = ("train_accuracy", "val_accuracy", "test_accuracy")
    return {row: tuple(float(p[k]) for k in keys) for row, p in enumerate(grid.published, start=1)}


def sealed(place: Path, record: Record) -> Workspace:
    """Select a row of a study, so that its test results are open, and return the workspace."""
    workspace = Workspace(place)
    results = done(collect(workspace, record))
    selection.seal(workspace.study(record.name), selection.select(workspace, record, results))
    return workspace


class Numbers(Record):
    """A study of an experiment that predicts numbers: no classes, and each test example has an error."""

    @property
    def measures(self) -> Mapping[str, Measure]:
        return {measure.name: measure for measure in (regression.mae("m"), regression.rmse("m"))}

    @property
    def primary(self) -> Measure:
        return self.selected_by or next(iter(self.measures.values()))

    @property
    def detailed(self) -> tuple[Measure, ...]:
        return self.primary, *(m for m in self.measures.values() if m.name != self.primary.name)

    @property
    def noun(self) -> str:
        return "example"


class Scalars(Numbers):
    """A study of an experiment that states one number a split."""

    @property
    def measures(self) -> Mapping[str, Measure]:
        return {"score": scalar("score", decimals=2)}


def without_classes(kind: type[Record], grid: Grid, examples: Mapping[str, int]) -> Record:
    """Return the record of a study without classes. `examples`: how many each split has."""
    return kind(name=grid.stem, grid=grid, data="numbers", inputs=Inputs(sizes=dict(examples)))


def stated(
    workspace: Path, record: Record, examples_of: Callable[[Trial, str], Examples], keep: Sequence[str] = ()
) -> None:
    """Write all trials of a study. `examples_of`: the predictions of a trial on a split; `keep`: the measures that a
    result states on validation, all by default."""
    for trial in record.grid.trials():
        folder, epochs = Workspace(workspace).training(record.training_key(trial)), trial.step
        examples = {split: examples_of(trial, split) for split in ("val", "test")}
        files = {split: of_split.write(folder.predictions(split, epochs)) for split, of_split in examples.items()}
        val = examples["val"].scored(record.measures)
        scores = {"val": {name: value for name, value in val.items() if not keep or name in keep}}
        result.write(folder, Result(Status.DONE, epochs, scores, [], files, started=1.5e9, finished=1.5e9 + 9))
