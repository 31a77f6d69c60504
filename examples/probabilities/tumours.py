"""Gradient boosting on scikit-learn's breast cancer data: probabilities, so that AUC follows."""

from typing import Annotated, Any

from annotated_types import Interval
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split


def train(
    *, rate: Annotated[float, Interval(gt=0, le=1)] = 0.1, leaves: Annotated[int, Interval(ge=2)] = 8,
    means_alone: bool = False, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    x, y = load_breast_cancer(return_X_y=True)
    x = x[:, :10] if means_alone else x  # the first ten columns are means; then come errors and worst values
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.4, random_state=0, stratify=y)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.3, random_state=seed, stratify=y)
    model = HistGradientBoostingClassifier(learning_rate=rate, max_leaf_nodes=leaves, max_iter=40, random_state=seed)
    model.fit(x, y)
    return {
        "val": {"label": y_val, "probability": model.predict_proba(x_val)},
        "test": {"label": y_test, "probability": model.predict_proba(x_test)},
    }
