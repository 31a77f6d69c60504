"""What VGG16's features cost: computed and stored, as a worker does; by Keras' `predict` alone; found and mapped again.

    python backbone.py WEIGHTS IMAGES PLACE

Prints JSON, three times each, in seconds: [extract, predict, load]. Images are random, of 32 pixels.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from ablation.experiments.keras_head.training import features, input_layers, worker
from ablation.experiments.keras_head.training.jobs import Features
from ablation.store.workspace import Workspace


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main(weights: str, images: int, place: Path) -> None:
    worker.set_up()
    workspace = Workspace(place)
    pixels = np.random.default_rng(0).integers(256, size=(images, 32, 32, 3), dtype=np.uint8)
    source = features.locate("vgg16", weights)
    assert source  # a file
    wanted = Features(backbone="vgg16", weights=source, image_size=32, images="random", backend="tensorflow")
    path = workspace.images("random").pixels(32, "")
    path.parent.mkdir(parents=True)
    np.save(path, pixels)
    model, preprocess = input_layers.backbone("vgg16", weights, 32)
    x = preprocess(pixels.astype(np.float32))
    model.predict(x[:64], verbose=0)

    def extract() -> None:
        features.extract(workspace, wanted, lambda _: None)

    extract()
    times_of_runs = []
    for _ in range(3):
        times = [timed(extract), timed(lambda: model.predict(x, verbose=0))]
        features._sha256_of.cache_clear()
        times_of_runs.append([*times, timed(lambda: features.load(workspace, wanted)[-1])])
    print(json.dumps(times_of_runs))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
