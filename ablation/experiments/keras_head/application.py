"""Application of a trained head to other images, for `ablate evaluate` and `ablate predict`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ablation.errors import AblateError
from ablation.experiments.keras_head.datasets import images, names
from ablation.experiments.keras_head.datasets.images import Images
from ablation.experiments.keras_head.training import devices, features, worker
from ablation.experiments.keras_head.training.jobs import HeadTraining, refuse_cleaned
from ablation.experiments.keras_head.training.prepare import store_images
from ablation.experiments.protocol import NewData, StoredExamples
from ablation.progress.listener import ProgressListener
from ablation.store.record import Record
from ablation.store.workspace import Workspace

predict = worker.predict  # runs in a worker, which loads the backend


@dataclass(frozen=True)
class NewImages:
    """Images outside a study. `others`: number of images of each class that the study does not have."""

    images: Images
    others: Mapping[str, int]

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on changes to the data."""
        return self.images.notes


def read(new: NewData) -> NewImages:
    """Read images of the study's classes, or images without labels, and check them. Nothing is decoded.

    Raises:
        AblateError: The data cannot be read, or have no image of the study's classes.
    """
    if new.split is None:
        return NewImages(images.limit(images.unlabelled(new.data, new.classes), new.options.get("limit")), {})
    loaded = images.load(new.data)
    images.check_names(loaded, new.data)
    chosen = loaded if new.split == "all" else images.of_split(loaded, new.split)
    matched, others = images.matched(chosen, new.classes)
    if not len(matched):
        raise AblateError(
            f"{new.data}: no image of the study's classes ({', '.join(new.classes)}); "
            f"found: {names.listed(others) or 'no images'}"
        )
    limited = images.limit(matched, new.options.get("limit"))
    return NewImages(limited, {name: n for name, n in others.items() if n})


def store(
    workspace: Workspace, training: HeadTraining, examples: NewImages, options: Mapping[str, Any],
    watch: ProgressListener,
) -> StoredExamples:  # fmt: skip
    """Decode images and store their pixels in the size, and aligned as, the training had them.

    Raises:
        AblateError: Images cannot be decoded, and `skip_bad` is not set.
    """
    size = training.condition.image_size
    decoded = images.decode(
        examples.images,
        [size],
        options.get("skip_bad", False),
        lambda done, total: watch.step("reading images", done, total),
        [size] if training.condition.align == "all" else [],
    )
    store_images(workspace, decoded)
    alignment = decoded.aligned.digest if decoded.aligned else ""
    path, index = workspace.images(decoded.index.digest).pixels(size, alignment), decoded.index
    return StoredExamples(path.absolute(), index.ids, index.names, index.labels)


def check_retraining(workspace: Workspace, record: Record, training: HeadTraining) -> None:
    """Raise AblateError where a head cannot be retrained as it was: on the same backend, from stored images."""
    if devices.backend() != record.inputs.backend:
        raise AblateError(
            f"the row must be retrained with its original backend: set KERAS_BACKEND={record.inputs.backend}"
        )
    wanted = {artifact.key: artifact for artifact in training.artifacts().values()}
    if not wanted or not all(features.is_ready(workspace, artifact) for artifact in wanted.values()):
        refuse_cleaned(workspace, training)
