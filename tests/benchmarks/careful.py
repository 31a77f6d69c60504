"""What a careful user writes by hand: Optuna over the rows, VGG16's features computed once, Keras, MLflow.

    python careful.py DATA.npz ROWS.json WEIGHTS PLACE SEED

Prints JSON: the test accuracy of each row. `naive` runs the frozen base in every epoch instead.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import mlflow
import numpy as np
import optuna


def base(weights: str) -> keras.Model:
    model = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    model.load_weights(weights)
    model.trainable = False
    return model


def read(path: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    with np.load(path) as file:
        x = {s: file[f"x_{s}"].astype(np.float32) for s in ("train", "val", "test")}
        return {s: (keras.applications.vgg16.preprocess_input(x[s]), file[f"y_{s}"]) for s in x}


def build(row: dict, shape: tuple[int, ...], before: list) -> keras.Model:
    layers = [keras.Input(shape), *before, keras.layers.Flatten()]
    for _ in range(2):
        layers += [keras.layers.Dense(row["fc_units"], "relu"), keras.layers.Dropout(0.25)]
    model = keras.Sequential([*layers, keras.layers.Dense(6, "softmax")])
    adam = keras.optimizers.Adam(row["learning_rate"])
    model.compile(adam, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main(naive: bool = False) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    data, rows, weights, place, seed = sys.argv[1:6]
    splits, vgg = read(data), base(weights)
    if not naive:
        splits = {s: (vgg.predict(x, verbose=0), y) for s, (x, y) in splits.items()}
    mlflow.set_tracking_uri(f"sqlite:///{place}/mlflow.db")
    study = optuna.create_study(storage=f"sqlite:///{place}/optuna.db", direction="maximize")
    results = []
    for row in json.loads(Path(rows).read_text()):
        study.enqueue_trial(row)

    def objective(trial: optuna.Trial) -> float:
        row = {
            "fc_units": trial.suggest_int("fc_units", 1, 8192),
            "batch_size": trial.suggest_int("batch_size", 1, 512),
            "epochs": trial.suggest_int("epochs", 1, 100),
            "learning_rate": trial.suggest_float("learning_rate", 1e-5, 1),
        }
        keras.utils.set_random_seed(int(seed))
        model = build(row, splits["train"][0].shape[1:], [vgg] if naive else [])
        with mlflow.start_run():
            mlflow.log_params(row)
            history = model.fit(
                *splits["train"], row["batch_size"], row["epochs"], validation_data=splits["val"], verbose=0
            )
            for name, values in history.history.items():
                for epoch, value in enumerate(values):
                    mlflow.log_metric(name, value, epoch)
            test = model.evaluate(*splits["test"], verbose=0)[1]
            mlflow.log_metric("test_accuracy", test)
        results.append(test)
        return history.history["val_accuracy"][-1]

    study.optimize(objective, n_trials=len(study.trials))
    print(json.dumps(results))


if __name__ == "__main__":
    main()
