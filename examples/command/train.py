"""A classifier of scikit-learn's digits. It knows nothing of ablate: options in, two files out."""

import argparse
import csv
import json
import time
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

parser = argparse.ArgumentParser()
parser.add_argument("--c", type=float, default=1.0, help="inverse strength of the penalty")
parser.add_argument("--images", type=int, default=400, help="images to train on")
parser.add_argument("--scale", action="store_true", help="scale each pixel to variance 1")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out", type=Path, default=Path("."))
options = parser.parse_args()

x, y = load_digits(return_X_y=True)
x, x_test, y, y_test = train_test_split(x, y, test_size=600, random_state=0, stratify=y)  # one test set for all runs
x, x_val, y, y_val = train_test_split(x, y, test_size=400, random_state=options.seed, stratify=y)

start = time.perf_counter()
first = StandardScaler() if options.scale else FunctionTransformer()
model = make_pipeline(first, LogisticRegression(C=options.c, max_iter=300))
model.fit(x[: options.images], y[: options.images])

options.out.mkdir(parents=True, exist_ok=True)
numbers = {"val": {"accuracy": model.score(x_val, y_val)}, "fit_seconds": time.perf_counter() - start}
(options.out / "metrics.json").write_text(json.dumps(numbers))
with open(options.out / "test.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["id", "label", "predicted"])
    writer.writerows(zip(range(len(y_test)), y_test, model.predict(x_test), strict=True))
