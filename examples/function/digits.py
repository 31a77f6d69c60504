"""Support vector machines on scikit-learn's digits. A plain function: it imports nothing of ablate."""

from typing import Annotated, Any, Literal

from annotated_types import Gt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC


def train(
    *, C: Annotated[float, Gt(0)] = 1.0, kernel: Literal["linear", "rbf"] = "rbf", scale: bool = True, seed: int = 0
) -> dict[str, Any]:
    x, y = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)  # one test set
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.3, random_state=seed, stratify=y)
    model = make_pipeline(*([StandardScaler()] if scale else []), SVC(C=C, kernel=kernel))
    model.fit(x, y)
    return {
        "val": {"label": y_val, "predicted": model.predict(x_val)},
        "test": {"label": y_test, "predicted": model.predict(x_test)},
        "vectors": int(model[-1].n_support_.sum()),  # a number without a split: a cost
    }
