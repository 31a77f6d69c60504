"""The workflows for a trained row on other images: try it where labels are known, and predict where they are not."""

import hashlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ablation.datasets import images, is_demo, names
from ablation.errors import AblateError
from ablation.grids.record import Record
from ablation.planning.upgrade import opened
from ablation.results import elsewhere, result, selection
from ablation.results.elsewhere import Elsewhere
from ablation.tables import export, outcome
from ablation.tables.outcome import Look
from ablation.tables.table import Table
from ablation.training import installed
from ablation.views import databases, study, sync
from ablation.watching.watch import Watch
from ablation.workflows.answers import Chosen, answers, choose
from ablation.workflows.options import Options
from ablation.workspace import StudyFolder, Workspace, short_name, write_text

MAX_NAME_BYTES = (
    227  # of an evaluation's name: tables/production_<name>.tex and MLflow's key production/<name>/<score> fit
)


@dataclass(frozen=True)
class Evaluated:
    """What came of it: its table, the files that hold it, and predictions, an image a line."""

    found: Elsewhere
    table: Table
    folder: Path
    tables: Path
    predictions: pd.DataFrame


def evaluate(options: Options, split: str, row: int | None, watch: Watch) -> Evaluated:
    """Row `row`, else the selected one, with its first seed on the images of `options.data`; then the study's tables
    and report are drawn again, and MLflow is told. Raises AblateError where the input is wrong."""
    installed.check()
    workspace = opened(options.workspace, watch.say)
    databases.refuse_foreign_tracking(workspace, options.tracking)
    chosen = choose(workspace, options.name, row)
    record = chosen.record
    given, others = _read(options, record, split)
    for note in given.notes:
        watch.say(f"note: {note}")
    decoded, probabilities = answers(options, workspace, chosen, given, watch)
    index = decoded.index
    data = options.data if is_demo(options.data) else os.path.abspath(options.data)
    of = {
        "name": _name(workspace.study(record.name), data, split, row),
        "data": data,
        "split": split,
        "row": chosen.trial.row,
        "seed": chosen.trial.seed,
        "trial": record.trial_key(chosen.trial),
        "train": record.inputs.counts[chosen.trial.condition.split]["train"],
        "left_out": others,
        "measured": time.time(),
    }
    found = elsewhere.measure(of, record.inputs.classes, index.labels, probabilities, _test(workspace, chosen))
    labels = np.array(record.inputs.classes)[index.labels]
    frame = _predictions(index.names, probabilities, record.inputs.classes, {"id": index.ids, "label": labels})
    folder = workspace.study(record.name).evaluation(found.name)
    write_text(folder / "predictions.csv", export.csv(frame))
    write_text(folder / "confusion.csv", export.csv(_confusion(found)))
    elsewhere.write(workspace.study(record.name), found)
    return _drawn(options, workspace, found, frame, watch)


def _drawn(
    options: Options, workspace: Workspace, found: Elsewhere, frame: pd.DataFrame, watch: Watch
) -> Evaluated:  # fmt: skip
    folder = workspace.study(options.name)
    with workspace.lock():
        drawing = outcome.drawn_again(workspace, options.name, Look(importances=study.importances))
        outcome.write(workspace, drawing)
    told = sync.sync(workspace, options.name, options.tracking)
    if told.waiting:
        watch.say(f"note: MLflow could not be told ({told.reason}); `ablate sync` does it later")
    if told.refused:
        watch.say(f"note: MLflow: {told.refused}")
    stem = f"tables/{found.key}"
    return Evaluated(found, drawing.tables[found.key], folder.evaluation(found.name), folder.path / stem, frame)


def _read(options: Options, record: Record, split: str) -> tuple[images.Images, dict[str, int]]:
    given = images.load(options.data)
    images.check_names(given, options.data)
    found, others = images.matched(given if split == "all" else images.of_split(given, split), record.inputs.classes)
    if not len(found):
        raise AblateError(
            f"{options.data}: no image of a class of this study ({', '.join(record.inputs.classes)}); "
            f"there are {names.listed(others) or 'no images'}"
        )
    return images.limit(found, options.own.get("limit")), {name: n for name, n in others.items() if n}


def _name(folder: StudyFolder, data: str, split: str, row: int | None) -> str:
    """Of an evaluation: the last part of where the data are, with a digest where other data have that name already."""
    path = Path(data)
    stem = data if is_demo(data) else path.stem if path.is_file() else path.name
    name = re.sub(r"[^\w.-]+", "-", stem) + ("" if split == "all" else f"-{split}")
    name += "" if row is None else f"-row-{row}"
    name = short_name(name, MAX_NAME_BYTES)
    others = {each.key: each.data for each in elsewhere.read_all(folder)}
    known = others.get(elsewhere.key_of(name), data) == data
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:6]
    return name if known else f"{short_name(name, MAX_NAME_BYTES - len(digest) - 1)}-{digest}"


def _test(workspace: Workspace, chosen: Chosen) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions of the same trial on its own test images."""
    done = result.read(workspace.training(chosen.training.key), chosen.trial.step)
    assert done is not None
    found = selection.unseal(workspace, chosen.record, chosen.sealed)(chosen.trial, done).columns
    return found["label"], found["predicted"]


def _predictions(
    names: tuple[str, ...], probabilities: np.ndarray, classes: tuple[str, ...], more: dict[str, np.ndarray]
) -> pd.DataFrame:
    """A line an image: which, what is known of it, what was said, and each class' probability."""
    said = np.array(classes)[probabilities.argmax(axis=1)]
    each = {f"p_{name}": probabilities[:, k] for k, name in enumerate(classes)}
    return pd.DataFrame({"image": names, **more, "predicted": said, **each})


def _confusion(found: Elsewhere) -> pd.DataFrame:
    """Counts, then shares of the true class. A column for each class bears the name of the class; where a class is
    called like one of the other columns, all classes have n_ before their names."""
    classes, counts = list(found.classes), np.array(found.confusion)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    names = [f"n_{name}" for name in classes] if {"of", "label"} & set(classes) else classes
    frame = pd.DataFrame(np.vstack([counts, shares]), columns=names)
    frame.insert(0, "label", classes * 2)
    frame.insert(0, "of", np.repeat(["images", "share"], len(classes)))
    return frame


def predict(options: Options, row: int | None, watch: Watch) -> pd.DataFrame:
    """What row `row`, else the selected one, says of images without labels: a folder of them, or one file. A line an
    image, by name. Raises AblateError where the input is wrong."""
    installed.check()
    workspace = opened(options.workspace, watch.say)
    chosen = choose(workspace, options.name, row)
    given = images.unlabelled(options.data, chosen.record.inputs.classes)
    decoded, probabilities = answers(options, workspace, chosen, images.limit(given, options.own.get("limit")), watch)
    frame = _predictions(decoded.index.names, probabilities, chosen.record.inputs.classes, {})
    return frame.sort_values("image", ignore_index=True)
