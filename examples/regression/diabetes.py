"""Ridge regression of scikit-learn's diabetes data: labels and predictions are amounts."""

from typing import Annotated, Any

from annotated_types import Ge
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler


def train(
    *, alpha: Annotated[float, Ge(0)] = 10.0, degree: Annotated[int, Ge(1)] = 1, blood: bool = True, seed: int = 0
) -> dict[str, Any]:
    x, y = load_diabetes(return_X_y=True)
    x = x if blood else x[:, :4]  # age, sex, body mass, blood pressure; then six serum measurements
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.4, random_state=0)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.3, random_state=seed)
    model = make_pipeline(PolynomialFeatures(degree, include_bias=False), StandardScaler(), Ridge(alpha=alpha))
    model.fit(x, y)
    return {
        "val": {"label": y_val, "predicted": model.predict(x_val)},
        "test": {"label": y_test, "predicted": model.predict(x_test)},
    }
