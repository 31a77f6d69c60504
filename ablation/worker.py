"""What a worker does: fetch weights, extract features, train, predict. Nothing is raised across processes.

Imports of the backend stand inside functions: the slot's environment must be set before it is loaded, and the
orchestrator imports this file without loading it.
"""

import functools
import logging
import os
import platform
import socket
import sys
import time
import traceback
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ablation.plan import Features, Training
from ablation.workspace import TrainingFolder, Workspace, write_json

Report = Callable[[dict[str, Any]], None]


@functools.cache
def set_up() -> None:
    """Once a process: what keras.json could change is pinned, and the backend is quiet."""
    import keras

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")


def environment() -> dict[str, Any]:
    """What bit-equality depends on beside the training's id: recorded, not hashed."""
    import keras

    backend = keras.backend.backend()
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        backend: version(backend),
        "numpy": np.__version__,
        "processor": _processor(),
        "threads": int(os.environ.get("TF_NUM_INTRAOP_THREADS") or os.cpu_count() or 1),
        "host": socket.gethostname(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def fetch_imagenet(backbone: str) -> str:
    """The digest of the ImageNet weights that Keras keeps or downloads. Raises what Keras raises."""
    set_up()
    from ablation import features

    return features.digest_of(features.backbone(backbone, "imagenet", 32)[0])


def extract(root: Path, wanted: Features, report: Report) -> str:
    """Compute and store features; "" or what went wrong, with its traceback."""
    try:
        set_up()
        from ablation import features

        if not features.is_ready(Workspace(root), wanted):
            features.extract(Workspace(root), wanted, report)
    except Exception:
        return traceback.format_exc()
    return ""


def train(root: Path, training: Training, report: Report) -> str:
    """Fit one head, writing a result at each milestone; the outcome. A failure is written as the training's."""
    from ablation import result

    folder, started = Workspace(root).training(training.key), time.time()
    try:
        set_up()
        return _train(Workspace(root), folder, training, report)
    except Exception:
        failure = result.Result(
            result.FAILED,
            training.condition.epochs,
            error=traceback.format_exc(),
            started=started,
            finished=time.time(),
        )
        result.write(folder, failure)
        return failure.outcome


def _train(workspace: Workspace, folder: TrainingFolder, training: Training, report: Report) -> str:
    import keras

    from ablation import evaluation, features, head, result, splits

    keras.utils.clear_session()
    started = time.time()
    rows, y = splits.read(workspace.images(training.images), training.split)
    outputs = features.load(workspace, training.features_of())
    x = {split: np.asarray(outputs[r]) for split, r in rows.items()}
    condition, seed = training.condition, training.seed
    write_json(folder.description, training.model_dump(mode="json"))
    model = head.build(x["train"].shape[1:], training.classes, condition, seed)
    history: list[dict[str, float]] = []

    def so_far(outcome: str, epochs: int, **more: Any) -> result.Result:
        return result.Result(
            outcome,
            epochs,
            history=list(history),
            parameters=model.count_params(),
            started=started,
            finished=time.time(),
            environment=environment(),
            **more,
        )

    for epoch, logs in head.fit(model, x["train"], y["train"], condition, seed):
        val = head.predict(model, x["val"], y["val"])
        val_scores = evaluation.scores(y["val"], val.classes, val.losses)
        history.append({"epoch": epoch, **logs, **{f"val_{k}": v for k, v in val_scores.items()}, "time": time.time()})
        if not np.isfinite([logs["loss"], val_scores["loss"]]).all():
            result.write(folder, so_far(result.DIVERGED, epoch, error=f"the loss is no number after epoch {epoch}"))
            return result.DIVERGED
        if epoch in training.milestones and not result.is_done(folder, epoch):
            train_set, test = (head.predict(model, x[s], y[s]) for s in ("train", "test"))
            result.write(
                folder,
                so_far(
                    result.DONE,
                    epoch,
                    scores={
                        "train": evaluation.scores(y["train"], train_set.classes, train_set.losses),
                        "val": val_scores,
                    },
                    predictions={
                        "val": val.write(folder.predictions("val", epoch)),
                        "test": test.write(folder.predictions("test", epoch)),
                    },
                ),
            )
        report(history[-1])
    folder.failure.unlink(missing_ok=True)  # an earlier try's
    return result.DONE


if __name__ == "__main__":  # the orchestrator's child: `python -m ablation.worker BACKBONE` prints a digest
    socket.setdefaulttimeout(30)  # a network that swallows packets is no network
    print(fetch_imagenet(sys.argv[1]))
