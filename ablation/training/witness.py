"""What a trainer really had, hashed: two rows that claim to differ and have the same witness differ in nothing."""

import hashlib
import json
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ablation.grids.levels import Condition
from ablation.training.batches import batches, class_weights


def digest(array: np.ndarray) -> str:
    """One name for an array's shape, type and bytes."""
    found = hashlib.sha256(f"{array.shape} {array.dtype}".encode())
    found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()[:16]


def witness(
    model: Any,
    given: Sequence[np.ndarray],
    x: Mapping[str, np.ndarray],
    y: Mapping[str, np.ndarray],
    condition: Condition,
    seed: int,
) -> dict[str, Any]:
    """Of a Keras model that stands before its first step, and what it will be given. `given`: the weights that did not
    come from the seed; `x`, `y`: split -> arrays. The graph holds the rates of dropout and the kinds of augmentation.
    """
    even = condition.balance == "batch"
    some = batches(x["train"], y["train"], condition.batch_size, seed, 1, even=even)
    first = next(some)
    last = deque(some, maxlen=1)  # one at a time: an epoch of images would fill the memory
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
        "last": [digest(part) for batch in last for part in batch],  # none where the first is the last
        "val": [digest(x["val"]), digest(y["val"])],
        "test": [digest(x["test"])],
    }


def _unequal(weights: dict[int, float]) -> dict[int, float] | None:
    """Weights that are all 1 weigh nothing: the row has what it has without them."""
    return weights if any(weight != 1 for weight in weights.values()) else None


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
