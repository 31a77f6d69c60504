"""Learning curves: loss and accuracy of each row, epoch by epoch, side by side on the same axes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ablation.figures.canvas import (
    BLUE,
    GREY,
    VERMILION,
    Drawn,
    Trace,
    axis,
    cells,
    chosen,
    dots,
    figure,
    left_out,
    name,
    number,
    strokes,
    text,
)
from ablation.results.findings import Findings

COLUMNS = ["row", "name", "epoch", "train_accuracy", "val_accuracy", "train_loss", "val_loss"]
KEYS = ("accuracy", "val_accuracy", "loss", "val_loss")  # of an epoch: without them there is no curve
PANELS = 24  # rows that are drawn
ACROSS = 4  # panels side by side
HIGH = 150  # pixels of one
POINTS = 200  # of one curve: more are not seen


@dataclass(frozen=True)
class Curves:
    """`data`: a line a row and epoch; accuracies in percent, losses in nats, means over seeds; train's with dropout on.
    `best`: row -> the epoch with the highest validation accuracy."""

    data: pd.DataFrame
    best: dict[int, int]


def _lines(found: Findings, row: int) -> Iterator[tuple[Any, ...]]:
    histories = [r.history for _, r in found.finished(row)]
    if not all(key in epoch for history in histories for epoch in history for key in KEYS):
        return
    epochs = min(map(len, histories), default=0)
    for place in range(epochs):
        seen = [history[place] for history in histories]
        accuracies = (100 * float(np.mean([e[key] for e in seen])) for key in ("accuracy", "val_accuracy"))
        losses = (float(np.mean([e[key] for e in seen])) for key in ("loss", "val_loss"))
        yield row, name(found, row), int(seen[0]["epoch"]), *accuracies, *losses


def info(found: Findings) -> Curves | None:
    rows = chosen(found, PANELS)
    data = pd.DataFrame([line for row in rows for line in _lines(found, row)], columns=COLUMNS)
    if data.empty:
        return None
    best = data.loc[data.groupby("row").val_accuracy.idxmax()]
    return Curves(data, dict(zip(best.row.tolist(), best.epoch.tolist(), strict=True)))


def _thinned(data: pd.DataFrame) -> pd.DataFrame:
    return data.iloc[np.unique(np.linspace(0, len(data) - 1, min(len(data), POINTS)).astype(int))]


def _panel(found: Curves, row: int, k: int, what: str, first: bool) -> Iterator[Trace]:
    data = _thinned(found.data[found.data.row == row])
    on = {"xaxis": f"x{number(k)}", "yaxis": f"y{number(k)}"}
    for split, color, dash in (("train", GREY, "dot"), ("val", BLUE, "solid")):
        words = {"train": "train (dropout on)", "val": "validation"}[split]
        yield strokes(list(data.epoch), list(data[f"{split}_{what}"]), color, 2, line={"dash": dash}, name=words,
                      legendgroup=split, showlegend=first, **on)  # fmt: skip
    best = found.best[row]
    value = float(found.data[(found.data.row == row) & (found.data.epoch == best)][f"val_{what}"].iloc[0])
    said = f"row {data.name.iloc[0]}<br>best validation accuracy: epoch {best}"
    yield dots([best], [value], VERMILION, "diamond", text=[said], name="best epoch on validation", legendgroup="best",
               showlegend=first, **on)  # fmt: skip


def draw(found: Curves, what: str = "accuracy") -> Mapping[str, Any]:
    rows = found.data.row.unique().tolist()
    across = min(ACROSS, len(rows))
    places = cells(len(rows), across, (0.06, 0.35))
    values = found.data[[f"train_{what}", f"val_{what}"]].to_numpy()
    low, high = (0.0, 100.0) if what == "accuracy" else (0.0, float(np.nanquantile(values, 0.99)) * 1.05 or 1.0)
    axes: dict[str, Any] = {}
    traces: list[Trace] = []
    titles = []
    for k, (row, place) in enumerate(zip(rows, places, strict=True)):
        traces += _panel(found, row, k, what, first=not k)
        names = str(found.data[found.data.row == row].name.iloc[0])
        last_line = k >= len(rows) - across
        axes[f"xaxis{number(k)}"] = axis("epoch" if last_line else "", domain=place["x"], anchor=f"y{number(k)}")
        unit = "accuracy (%)" if what == "accuracy" else "loss (nats)"
        axes[f"yaxis{number(k)}"] = axis(unit if not k % across else "", domain=place["y"], anchor=f"x{number(k)}",
                                         range=[low, high], showticklabels=not k % across)  # fmt: skip
        titles.append(text(f"row {names}", x=place["x"][0], y=place["y"][1], xref="paper", yref="paper",
                           xanchor="left", yanchor="bottom"))  # fmt: skip
    down = -(-len(rows) // across)
    return figure(traces, height=120 + (HIGH + 50) * down, annotations=titles, legend={"orientation": "h", "y": -0.12},
                  **axes)  # fmt: skip


def drawn(found: Findings) -> list[Drawn]:
    """Accuracy, and loss."""
    seen = info(found)
    if not seen:
        return []
    rows = seen.data.row.unique().tolist()
    early = [r for r in rows if seen.best[r] < seen.data[seen.data.row == r].epoch.max()]
    said = {
        "accuracy": "Accuracy after each epoch. Numbers of the tables are those of the last epoch; the mark is where "
        "validation was best, which selection does not use.",
        "loss": "Loss after each epoch, with one scale for all rows. Validation loss that rises while train loss falls "
        "is overfitting.",
    }
    return [
        Drawn(
            f"curves-{what}",
            f"Learning curves: {what}",
            words,
            f"Learning curves of {len(rows)} rows: {what} of train and validation by epoch. In {len(early)} of them "
            "validation accuracy was best before the last epoch.",
            seen.data[["row", "name", "epoch", f"train_{what}", f"val_{what}"]],
            left_out(found, len(rows)),
            draw(seen, what),
        )
        for what, words in said.items()
    ]
