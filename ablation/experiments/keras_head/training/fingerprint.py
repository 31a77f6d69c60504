"""Fingerprint of what was trained. Rows with different levels and the same fingerprint do not differ in training."""

import hashlib
import json
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ablation.experiments.keras_head.training.batches import batches, class_weights, rows
from ablation.store.training import Training


def digest(array: np.ndarray) -> str:
    """Return the digest of an array's shape, type and bytes."""
    sha256 = hashlib.sha256(f"{array.shape} {array.dtype}".encode())
    sha256.update(np.ascontiguousarray(array).data)
    return sha256.hexdigest()[:16]


def fingerprint(
    model: Any,
    given: Sequence[np.ndarray],
    x: Mapping[str, np.ndarray],
    y: Mapping[str, np.ndarray],
    training: Training,
) -> dict[str, Any]:
    """Return the fingerprint of a Keras model before its first step, and of its data.

    The graph contains the rates of dropout and the kinds of augmentation.

    Args:
        model: Compiled Keras model, before its first step.
        given: Weights that do not come from the seed.
        x: Inputs by split, (n, ...) each.
        y: Labels by split, (n,) each.
        training: The training, with its levels and its seed.
    """
    condition = training.condition
    order = rows(y["train"], condition.batch_size, training.seed, 1, even=condition.balance == "batch")
    stream = batches(x["train"], y["train"], order, condition.batch_size)
    first = next(stream)
    last = deque(stream, maxlen=1)  # one batch at a time: an epoch of images would fill the memory
    return {
        "graph": _hash(model.get_config()),
        "trainable": [bool(v.trainable) for v in model.weights],
        "given": _hash([digest(array) for array in given]),
        "optimizer": _hash(model.optimizer.get_config()),
        "precision": condition.precision,
        "batch_size": condition.batch_size,
        "updates": -(-len(y["train"]) // condition.batch_size),
        "class_weight": _unequal(class_weights(y["train"])) if condition.balance == "class_weight" else None,
        "first": [digest(part) for part in first],
        "last": [digest(part) for batch in last for part in batch],  # empty where the first batch is the last
        "val": [digest(x["val"]), digest(y["val"])],
        "test": [digest(x["test"])],
    }


def _unequal(weights: dict[int, float]) -> dict[int, float] | None:
    """Return class weights, or None where all are 1: such weights train like no weights."""
    return weights if any(weight != 1 for weight in weights.values()) else None


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
