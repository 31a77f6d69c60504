"""Whether ablate's trainer is as accurate as Keras' own `fit`: one row under many seeds, on the same features.

    python seeds.py DATA.npz WEIGHTS SEEDS

Prints JSON: [[ours, theirs], ...], test accuracies of each seed.
"""

import json
import sys

import careful
import keras

from ablation.experiments.keras_head import factors
from ablation.experiments.keras_head.training import head, worker

ROW = {"fc_units": 1024, "batch_size": 128, "epochs": 10, "learning_rate": 1e-4}
CONDITION = factors.condition(**ROW, fc_layers=2, dropout=0.25)


def main(data: str, weights: str, seeds: int) -> None:
    worker.set_up()
    splits, vgg = careful.read(data), careful.base(weights)
    features = {s: (vgg.predict(x, verbose=0), y) for s, (x, y) in splits.items()}
    x, y = features["train"]
    accuracies = []
    for seed in range(seeds):
        ours = head.build(x.shape[1:], 6, CONDITION, seed)
        for _ in head.fit(ours, x, y, CONDITION, seed):
            pass
        keras.utils.set_random_seed(seed)
        theirs = careful.build(ROW, x.shape[1:], [])
        theirs.fit(x, y, ROW["batch_size"], ROW["epochs"], verbose=0)
        accuracies.append([float(model.evaluate(*features["test"], verbose=0)[1]) for model in (ours, theirs)])
        keras.utils.clear_session()
    print(json.dumps(accuracies))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
