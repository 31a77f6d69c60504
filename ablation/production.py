"""The workflow: a trained row on images that its study has never seen."""

import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ablation import evaluation, export, latex, plan, pool, result, selection, sweep, tables, worker
from ablation import record as records
from ablation.comparison import Interval, wilson
from ablation.datasets import images, is_demo
from ablation.errors import AblateError
from ablation.grid import Trial
from ablation.plan import Training
from ablation.prepare import Options, store_images
from ablation.record import Record
from ablation.result import Predictions
from ablation.selection import Selection
from ablation.table import Table
from ablation.watch import Watch
from ablation.worker import Orders
from ablation.workspace import TrainingFolder, Workspace, write_json, write_text

CONFUSED = 5  # pairs of classes that are told


@dataclass(frozen=True)
class Evaluation:
    """What came of it: a table, sentences about it, the folder that holds both, and predictions an image a line."""

    markdown: str
    said: tuple[str, ...]
    folder: Path
    predictions: pd.DataFrame


def evaluate(options: Options, split: str, row: int | None, watch: Watch) -> Evaluation:
    """Row `row`, else the selected one, with its first seed on the images of `options.data`; nothing of the study is
    written anew. Raises AblateError where the input is wrong."""
    workspace = Workspace(options.workspace)
    workspace.refuse_locked()
    record = records.need(workspace, options.name)
    sealed = selection.read(workspace.study(record.name))
    trial = _trial(record, sealed, row)
    found, others = _read(options, record, split)
    with workspace.lock():
        size = trial.condition.image_size
        index, pixels, _ = images.decode(
            found, [size], options.skip_bad, lambda done, total: watch.step("reading images", done, total)
        )
        store_images(workspace, index, pixels)
        (training,) = plan.trainings(record, [trial])
        probabilities = _answers(options, workspace, record, trial, training, index.digest, watch)
        name = _name(options.data, split)
        folder = workspace.study(record.name).evaluation(name if row is None else f"{name}-row-{row}")
        said = _Said(record, trial, sealed, options.data, split, others)
        return _write(workspace, said, folder, index, probabilities)


@dataclass(frozen=True)
class _Said:
    """What is evaluated, and on what."""

    record: Record
    trial: Trial
    sealed: Selection | None
    data: str
    split: str
    others: dict[str, int]


def _trial(record: Record, sealed: Selection | None, row: int | None) -> Trial:
    if sealed is None:  # with it, test results may be opened
        raise AblateError(f"study {record.name!r}: no row is selected yet; finish `ablate run` first")
    number = sealed.row if row is None else row
    if not 1 <= number <= len(record.grid.rows):
        raise AblateError(f"--row {number}: no such row; allowed: 1 to {len(record.grid.rows)}")
    trial = next(record.grid.seeded(number))
    if trial.condition.align == "all":
        raise AblateError(f"row {number} was trained on aligned faces; other data cannot be aligned yet")
    return trial


def _read(options: Options, record: Record, split: str) -> tuple[images.Images, dict[str, int]]:
    found, others = images.matched(images.load(options.data), record.classes)
    if not len(found):
        raise AblateError(
            f"{options.data}: no image of a class of this study ({', '.join(record.classes)}); "
            f"there are {', '.join(others) or 'no images'}"
        )
    found = found if split == "all" else images.of_split(found, split)
    return images.limit(found, options.limit), {name: n for name, n in others.items() if n}


def _name(data: str, split: str) -> str:
    stem = data if is_demo(data) else Path(data).absolute().stem
    return re.sub(r"[^\w.+-]+", "-", stem) + ("" if split == "all" else f"-{split}")


def _answers(
    options: Options, workspace: Workspace, record: Record, trial: Trial, training: Training, digest: str, watch: Watch
) -> np.ndarray:
    """Probabilities (N, K) of the images in index order."""
    epochs = trial.condition.epochs
    done = result.read(workspace.training(training.key), epochs)
    if not (done and done.done):
        raise AblateError(f"row {trial.row} has no result; finish `ablate run` first, or take another --row")
    with sweep.open_pool(options, workspace, watch) as workers:
        head = workspace.training(training.key).head(epochs)
        if not head.is_file():
            head = _trained_again(workspace, trial, training, workers, watch).head(epochs)
        task = pool.Task("predicting", worker.answer, (workspace.root.absolute(), training, head.absolute(), digest))
        return _one(workers, task, watch)


def _one(workers: pool.Pool, task: pool.Task, watch: Watch) -> np.ndarray:
    def reported(key: str, message: dict[str, int]) -> None:
        watch.step(key, message["images"], message["of"])

    tasks = iter([task])
    for _, value in workers.run(lambda: next(tasks, None), pool.Listener(reported=reported)):
        if isinstance(value, np.ndarray):
            return value
        reason = value.reason if isinstance(value, pool.Lost) else str(value).strip().splitlines()[-1]
        raise AblateError(f"the images could not be predicted: {reason[:300]}")
    raise AssertionError("a pool ends each task")


def _trained_again(
    workspace: Workspace, trial: Trial, training: Training, workers: pool.Pool, watch: Watch
) -> TrainingFolder:
    """The head was not kept: a training of its own, beside the one that counts, and compared with it."""
    again, epochs = workspace.again, trial.condition.epochs
    place = again.training(training.key)
    if not place.head(epochs).is_file():
        watch.say(f"the head of row {trial.row} was not kept: it is trained again, for {epochs} epochs")
        again.root.mkdir(parents=True, exist_ok=True)
        link = again.root / "cache"
        if not link.is_symlink():
            link.symlink_to(workspace.root.absolute() / "cache")
        one = training.model_copy(
            update={"milestones": (epochs,), "condition": training.condition.model_copy(update={"epochs": epochs})}
        )
        sweep.extract(workspace, workers, set(one.features_of().values()), watch)
        _train(workers, again, one, watch)
    new, old = (result.read(w.training(training.key), epochs) for w in (again, workspace))
    if not (new and new.done and old):
        raise AblateError(f"row {trial.row} could not be trained again: {new.reason if new else 'killed'}")
    if new.predictions["val"] != old.predictions["val"]:
        a, b = (
            Predictions.read(w.training(training.key).predictions("val", epochs), r.predictions["val"]).classes
            for w, r in ((again, new), (workspace, old))
        )
        watch.say(
            f"note: trained again, row {trial.row} is not the same bit for bit: {int((a != b).sum())} of {len(a)} "
            "validation predictions differ (another processor, number of threads, or version)"
        )
    return place


def _train(workers: pool.Pool, again: Workspace, training: Training, watch: Watch) -> None:
    orders = Orders(uuid.uuid4().hex, "selected")
    task = pool.Task("training again", worker.train, (again.root.absolute(), training, orders))

    def reported(key: str, message: dict[str, list[dict[str, float]]]) -> None:
        watch.step(key, int(message["epochs"][-1]["epoch"]), training.condition.epochs)

    tasks = iter([task])
    for _ in workers.run(lambda: next(tasks, None), pool.Listener(reported=reported)):
        pass


def _write(
    workspace: Workspace, said: _Said, folder: Path, index: images.Index, probabilities: np.ndarray
) -> Evaluation:
    record, classes = said.record, said.record.classes
    predicted, labels = probabilities.argmax(axis=1), index.labels
    scores = evaluation.scores(labels, predicted, evaluation.losses(labels, probabilities))
    test_labels, test = _test(workspace, said)
    lines = tuple(_sentences(said, labels, predicted, scores, float((test_labels == test).mean())))
    train = record.counts[said.trial.condition.split]["train"]
    table = tables.elsewhere(
        record.name, f"Row {said.trial.row} on {_title(said)}.", classes, (labels, predicted), (test_labels, test),
        train, lines,
    )  # fmt: skip
    counts = evaluation.confusion(labels, predicted, len(classes))
    frame = _predictions(index, predicted, probabilities, classes)
    _write_files(folder, said, table, scores, counts, frame)
    return Evaluation(export.markdown_table(table), lines, folder, frame)


def _title(said: _Said) -> str:
    name = said.data if is_demo(said.data) else Path(said.data).absolute().name
    return name if said.split == "all" else f"{name} ({said.split})"


def _test(workspace: Workspace, said: _Said) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions of the same trial on its own test images."""
    assert said.sealed is not None
    done = result.read(workspace.training(said.record.training_key(said.trial)), said.trial.condition.epochs)
    assert done is not None
    labels, found = selection.unseal(workspace, said.record, said.sealed)(said.trial, done)
    return labels, found.classes


def _sentences(
    said: _Said, labels: np.ndarray, predicted: np.ndarray, scores: dict[str, float], test: float
) -> list[str]:
    right, n, classes = int((labels == predicted).sum()), len(labels), said.record.classes
    lines = [
        f"{n:,} images: accuracy {_percent(wilson(right, n))}, macro-F1 {100 * scores['macro_f1']:.1f} %, "
        f"loss {scores['loss']:.3f} nats; on its own test images {100 * test:.1f} %, so "
        f"{100 * (right / n - test):+.1f} points."
    ]
    counts = evaluation.confusion(labels, predicted, len(classes))
    pairs = sorted(
        (
            (int(counts[i, j]), i, j)
            for i in range(len(classes))
            for j in range(len(classes))
            if i != j and counts[i, j]
        ),
        reverse=True,
    )[:CONFUSED]
    if pairs:
        told = (
            f"{classes[i]} as {classes[j]} ({100 * c / counts[i].sum():.0f} % of {classes[i]})" for c, i, j in pairs
        )
        lines.append(f"Most often taken: {', '.join(told)}.")
    absent = [name for k, name in enumerate(classes) if not (labels == k).any()]
    if absent:
        lines.append(f"No images of {', '.join(absent)} here.")
    if said.others:
        left = ", ".join(f"{name} ({count:,})" for name, count in said.others.items())
        lines.append(f"Left out, for the study has no such class: {left}.")
    if len(said.record.grid.seeds) > 1:
        lines.append(f"Of the network with seed {said.trial.seed}.")
    return lines


def _percent(found: Interval) -> str:
    return f"{100 * found.value:.1f} % ({100 * found.low:.1f}-{100 * found.high:.1f})"


def _predictions(
    index: images.Index, predicted: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]
) -> pd.DataFrame:
    """A line an image: which, its label, what was said, and each class' probability."""
    names = np.array(classes)
    return pd.DataFrame(
        {"image": index.names, "id": index.ids, "label": names[index.labels], "predicted": names[predicted]}
        | {f"p_{name}": probabilities[:, k] for k, name in enumerate(classes)}
    )


def _write_files(
    folder: Path, said: _Said, table: Table, scores: dict[str, float], counts: np.ndarray, frame: pd.DataFrame
) -> None:
    classes = list(said.record.classes)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    matrices = [pd.DataFrame(m, columns=classes).assign(label=classes, of=of) for m, of in
                ((counts, "images"), (shares, "share"))]  # fmt: skip
    files = {
        "classes.tex": latex.latex(table),
        "classes.md": export.markdown_table(table),
        "confusion.csv": export.csv(pd.concat(matrices)[["of", "label", *classes]]),
        "confusion.html": export.confusion_page(table.caption, classes, counts.tolist()),
        "predictions.csv": export.csv(frame),
    }
    for name, content in files.items():
        write_text(folder / name, content)
    known = {"row": said.trial.row, "seed": said.trial.seed, "trial": said.record.trial_key(said.trial)}
    write_json(
        folder / "evaluation.json",
        known | {"data": said.data, "split": said.split, "images": len(frame), "scores": scores, "classes": classes,
                 "confusion": counts.tolist(), "left_out": said.others},
    )  # fmt: skip


def as_json(found: Evaluation) -> str:
    """What evaluation.json holds, on a line."""
    return json.dumps(json.loads((found.folder / "evaluation.json").read_text(encoding="utf-8")))
