"""Workflows for a trained row on other images: evaluate on images with labels, predict images without labels."""

import hashlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ablation.analysis import external_evaluation, selection
from ablation.analysis.external_evaluation import ExternalEvaluation
from ablation.experiments import is_demo
from ablation.model.table import Table
from ablation.progress.listener import ProgressListener
from ablation.report import build
from ablation.report.build import RenderOptions
from ablation.report.tables import markdown_csv
from ablation.store import result
from ablation.store.files import short_name, write_text
from ablation.store.upgrade import opened
from ablation.store.workspace import StudyFolder, Workspace
from ablation.trackers import databases
from ablation.trackers.optuna_importances import importances
from ablation.workflows import sync
from ablation.workflows.run_options import RunOptions
from ablation.workflows.trained_row import TrainedRow, check_installed, choose
from ablation.workflows.trained_row import predict as predict_examples

MAX_NAME_BYTES = (
    227  # length of an evaluation's name: tables/production_<name>.tex and MLflow's key production/<name>/<score> fit
)


@dataclass(frozen=True)
class Evaluated:
    """Result of an evaluation: its table, the files of the table, and the predictions, one line per image."""

    found: ExternalEvaluation
    table: Table
    folder: Path
    tables: Path
    predictions: pd.DataFrame


def evaluate(options: RunOptions, split: str, row: int | None, watch: ProgressListener) -> Evaluated:
    """Evaluate a row, with its first seed, on the images of `options.data`.

    Afterwards the study's tables and report are drawn again, and the scores are sent to MLflow.

    Args:
        options: Options of the command.
        split: Split of the images to evaluate; "all" for all images.
        row: Number of the row; None for the selected row.
        watch: Listener for progress and notes.

    Raises:
        AblateError: The input is wrong.
    """
    check_installed(options.experiment)
    workspace = opened(options.workspace, watch.say)
    databases.refuse_foreign_tracking(workspace, options.tracking)
    chosen = choose(workspace, options.name, row)
    record = chosen.record
    examples = chosen.read(options, split)
    for note in examples.notes:
        watch.say(f"note: {note}")
    stored, probabilities = predict_examples(options, workspace, chosen, examples, watch)
    data = options.data if is_demo(options.data) else os.path.abspath(options.data)
    identity = {
        "name": _name(workspace.study(record.name), data, split, row),
        "data": data,
        "split": split,
        "row": chosen.trial.row,
        "seed": chosen.trial.seed,
        "trial": record.trial_key(chosen.trial),
        "train": record.inputs.counts[chosen.trial.condition.split]["train"],
        "left_out": examples.others,
        "measured": time.time(),
    }
    evaluation = external_evaluation.measure(
        identity, record.inputs.classes, stored.labels, probabilities, _test(workspace, chosen)
    )
    labels = np.array(record.inputs.classes)[stored.labels]
    frame = _predictions(stored.names, probabilities, record.inputs.classes, {"id": stored.ids, "label": labels})
    folder = workspace.study(record.name).evaluation(evaluation.name)
    write_text(folder / "predictions.csv", markdown_csv.csv(frame))
    write_text(folder / "confusion.csv", markdown_csv.csv(_confusion(evaluation)))
    external_evaluation.write(workspace.study(record.name), evaluation)
    return _drawn(options, workspace, evaluation, frame, watch)


def _drawn(
    options: RunOptions, workspace: Workspace, evaluation: ExternalEvaluation, frame: pd.DataFrame,
    watch: ProgressListener,
) -> Evaluated:  # fmt: skip
    folder = workspace.study(options.name)
    with workspace.lock():
        drawing = build.rebuild(workspace, options.name, RenderOptions(importances=importances))
        build.write(workspace, drawing)
    synced = sync.sync_mlflow(workspace, options.name, options.tracking)
    if synced.waiting:
        watch.say(f"note: not sent to MLflow ({synced.reason}); send it later with: ablate sync")
    if synced.refused:
        watch.say(f"note: MLflow: {synced.refused}")
    stem = f"tables/{evaluation.key}"
    return Evaluated(
        evaluation, drawing.tables[evaluation.key], folder.evaluation(evaluation.name), folder.path / stem, frame
    )


def _name(folder: StudyFolder, data: str, split: str, row: int | None) -> str:
    """Return the name of an evaluation: the last part of the data's path, with split and row where given.

    A digest is appended where other data have this name already.
    """
    path = Path(data)
    stem = data if is_demo(data) else path.stem if path.is_file() else path.name
    name = re.sub(r"[^\w.-]+", "-", stem) + ("" if split == "all" else f"-{split}")
    name += "" if row is None else f"-row-{row}"
    name = short_name(name, MAX_NAME_BYTES)
    others = {earlier.key: earlier.data for earlier in external_evaluation.read_all(folder)}
    free = others.get(external_evaluation.key_of(name), data) == data
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:6]
    return name if free else f"{short_name(name, MAX_NAME_BYTES - len(digest) - 1)}-{digest}"


def _test(workspace: Workspace, chosen: TrainedRow) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels and predictions (N,) of the same trial on its own test images."""
    done = result.read(workspace.training(chosen.training.key), chosen.trial.step)
    assert done is not None
    columns = selection.unseal(workspace, chosen.record, chosen.sealed)(chosen.trial, done).columns
    return columns["label"], columns["predicted"]


def _predictions(
    names: tuple[str, ...], probabilities: np.ndarray, classes: tuple[str, ...], extra: dict[str, np.ndarray]
) -> pd.DataFrame:
    """Return one line per image: name, extra columns, predicted class, and the probability of each class."""
    predicted = np.array(classes)[probabilities.argmax(axis=1)]
    columns = {f"p_{name}": probabilities[:, k] for k, name in enumerate(classes)}
    return pd.DataFrame({"image": names, **extra, "predicted": predicted, **columns})


def _confusion(evaluation: ExternalEvaluation) -> pd.DataFrame:
    """Return the confusion matrix: counts, then shares of the true class.

    Each class has a column with the name of the class. Where a class has the name of another column, all class names
    get the prefix n_.
    """
    classes, counts = list(evaluation.classes), np.array(evaluation.confusion)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    names = [f"n_{name}" for name in classes] if {"of", "label"} & set(classes) else classes
    frame = pd.DataFrame(np.vstack([counts, shares]), columns=names)
    frame.insert(0, "label", classes * 2)
    frame.insert(0, "of", np.repeat(["images", "share"], len(classes)))
    return frame


def predict(options: RunOptions, row: int | None, watch: ProgressListener) -> pd.DataFrame:
    """Predict the classes of images without labels: a folder of images, or one file.

    Args:
        options: Options of the command.
        row: Number of the row; None for the selected row.
        watch: Listener for progress and notes.

    Returns:
        One line per image, sorted by name.

    Raises:
        AblateError: The input is wrong.
    """
    check_installed(options.experiment)
    workspace = opened(options.workspace, watch.say)
    chosen = choose(workspace, options.name, row)
    stored, probabilities = predict_examples(options, workspace, chosen, chosen.read(options, None), watch)
    frame = _predictions(stored.names, probabilities, chosen.record.inputs.classes, {})
    return frame.sort_values("image", ignore_index=True)
