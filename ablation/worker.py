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

from ablation import evaluation, features, result, splits
from ablation.cost import Extraction, Shape, Speed, peak_memory
from ablation.plan import Features, Training
from ablation.result import Predictions, Result
from ablation.workspace import Workspace, write_json

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
        "processor": processor(),
        "threads": int(os.environ.get("TF_NUM_INTRAOP_THREADS") or os.cpu_count() or 1),
        "host": socket.gethostname(),
    }


def processor() -> str:
    """The model of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def fetch_imagenet(backbone: str) -> str:
    """The digest of the ImageNet weights that Keras keeps or downloads. Raises what Keras raises."""
    set_up()
    return features.digest_of(features.backbone(backbone, "imagenet", 32)[0])


def extract(root: Path, wanted: Features, report: Report) -> str:
    """Compute and store features; "" or what went wrong, with its traceback."""
    try:
        set_up()
        if not features.is_ready(Workspace(root), wanted):
            features.extract(Workspace(root), wanted, report)
    except Exception:
        return traceback.format_exc()
    return ""


def begin(report: Report) -> float:
    """Load what every job of a process needs; the seconds that it took."""
    began = time.perf_counter()
    set_up()
    from ablation import head  # noqa: F401 (its libraries are loaded)

    return time.perf_counter() - began


def measure_features(wanted: Features, report: Report) -> Extraction | str:
    """What features cost here; or what went wrong, with its traceback."""
    try:
        set_up()
        from ablation import measuring

        return measuring.extraction(wanted)
    except Exception:
        return traceback.format_exc()


def measure(shape: Shape, report: Report) -> Speed | str:
    """How quick trainings of this shape are here; or what went wrong, with its traceback."""
    try:
        set_up()
        import keras

        from ablation import measuring

        keras.utils.clear_session()
        return measuring.speed(shape)
    except Exception:
        return traceback.format_exc()


def train(root: Path, training: Training, report: Report) -> str:
    """Fit one head, writing a result at each milestone; the outcome. A failure is written as the training's."""
    folder, started = Workspace(root).training(training.key), time.time()
    try:
        set_up()
        return _train(Workspace(root), training, report)
    except Exception:
        epochs, error = training.condition.epochs, traceback.format_exc()
        failure = Result(result.FAILED, epochs, error=error, started=started, finished=time.time())
        result.write(folder, failure)
        return failure.outcome


def _train(workspace: Workspace, training: Training, report: Report) -> str:
    from ablation import head

    fit = _Fit(workspace, training)
    for epoch, logs in head.fit(fit.model, fit.x["train"], fit.y["train"], training.condition, training.seed):
        validation = head.predict(fit.model, fit.x["val"], fit.y["val"])
        if not fit.note(epoch, logs, validation):
            return result.DIVERGED
        if epoch in training.milestones and not result.is_done(fit.folder, epoch):
            fit.reach(epoch, validation, *(head.predict(fit.model, fit.x[s], fit.y[s]) for s in ("train", "test")))
        report(fit.history[-1])
    fit.folder.failure.unlink(missing_ok=True)  # an earlier try's
    return result.DONE


class _Fit:
    """A training under way: its images' features and labels, its model, its history, and the files it writes."""

    def __init__(self, workspace: Workspace, training: Training) -> None:
        import keras

        from ablation import head

        keras.utils.clear_session()
        self.started = time.time()
        self.folder = workspace.training(training.key)
        rows, self.y = splits.read(workspace.images(training.images), training.split)
        outputs = features.load(workspace, training.features_of())
        self.x = {split: np.asarray(outputs[r]) for split, r in rows.items()}
        self.model = head.build(self.x["train"].shape[1:], training.classes, training.condition, training.seed)
        self.history: list[dict[str, float]] = []
        write_json(self.folder.description, training.model_dump(mode="json"))

    def note(self, epoch: int, logs: dict[str, float], validation: Predictions) -> bool:
        """Put an epoch into the history. Where its loss is no number, a failure is written, and this is False."""
        scores = self._scores("val", validation)
        after = {f"val_{name}": value for name, value in scores.items()}
        self.history.append({"epoch": epoch, **logs, **after, "time": time.time()})
        if np.isfinite([logs["loss"], scores["loss"]]).all():
            return True
        result.write(
            self.folder, self._result(result.DIVERGED, epoch, error=f"the loss is no number after epoch {epoch}")
        )
        return False

    def reach(self, epoch: int, validation: Predictions, train: Predictions, test: Predictions) -> None:
        """Write the result of a milestone. Test predictions are written, and not looked at."""
        scores = {"train": self._scores("train", train), "val": self._scores("val", validation)}
        predictions = {
            "val": validation.write(self.folder.predictions("val", epoch)),
            "test": test.write(self.folder.predictions("test", epoch)),
        }
        result.write(self.folder, self._result(result.DONE, epoch, scores=scores, predictions=predictions))

    def _scores(self, split: str, found: Predictions) -> dict[str, float]:
        return evaluation.scores(self.y[split], found.classes, found.losses)

    def _result(self, outcome: str, epochs: int, **more: Any) -> Result:
        return Result(
            outcome,
            epochs,
            history=list(self.history),
            parameters=self.model.count_params(),
            memory=peak_memory(),
            started=self.started,
            finished=time.time(),
            environment=environment(),
            **more,
        )


if __name__ == "__main__":  # the orchestrator's child: `python -m ablation.worker BACKBONE` prints a digest
    socket.setdefaulttimeout(30)  # a network that swallows packets is no network
    print(fetch_imagenet(sys.argv[1]))
