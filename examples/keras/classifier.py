"""A Keras model through the bridge: `fit` stays as it is, and each epoch is reported."""

from typing import Annotated, Any, Literal

import keras
import numpy as np
from annotated_types import Interval
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def train(
    run: Any, *, optimizer: Literal["adam", "sgd"] = "adam", dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.2,
    units: Annotated[int, Interval(ge=1)] = 64, epochs: int = 5,
) -> dict[str, Any]:  # fmt: skip
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.3, random_state=run.seed, stratify=y)
    keras.utils.set_random_seed(run.seed)
    model = keras.Sequential(
        [
            keras.layers.Input((64,)), keras.layers.Dense(units, activation="relu"), keras.layers.Dropout(dropout),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )  # fmt: skip
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        x, y, validation_data=(x_val, y_val), epochs=epochs, batch_size=32, verbose=0, callbacks=[run.bridge("keras")]
    )
    return {
        "val": {"label": y_val, "probability": model.predict(x_val, verbose=0)},
        "test": {"label": y_test, "probability": model.predict(x_test, verbose=0)},
        "parameters": model.count_params(),
    }
