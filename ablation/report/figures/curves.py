"""Learning curves: loss and accuracy of each row, epoch by epoch, in panels with the same axes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.figure import Figure
from ablation.report.figures.style import (
    BLUE,
    GREY,
    VERMILION,
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

COLUMNS = ["row", "name", "epoch", "train_accuracy", "val_accuracy", "train_loss", "val_loss"]
KEYS = ("accuracy", "val_accuracy", "loss", "val_loss")  # required in each epoch; otherwise the row has no curve
PANELS = 24  # most rows that are drawn
ACROSS = 4  # panels side by side
HIGH = 150  # height of one panel, in pixels
POINTS = 200  # of one curve; more points would not be visible


@dataclass(frozen=True)
class Curves:
    """Data of the learning curves.

    Attributes:
        data: one line per row and epoch, means over seeds: accuracies in percent, losses in nats. Values on train are
            computed with dropout on.
        best: row -> the epoch with the highest validation accuracy.
    """

    data: pd.DataFrame
    best: dict[int, int]


def _lines(study: StudyAnalysis, row: int) -> Iterator[tuple[Any, ...]]:
    """Yield the line of each epoch of a row, up to the shortest history; none where a history misses one of KEYS."""
    histories = [r.history for _, r in study.finished(row)]
    if not all(key in epoch for history in histories for epoch in history for key in KEYS):
        return
    epochs = min(map(len, histories), default=0)
    for index in range(epochs):
        records = [history[index] for history in histories]
        accuracies = (100 * float(np.mean([e[key] for e in records])) for key in ("accuracy", "val_accuracy"))
        losses = (float(np.mean([e[key] for e in records])) for key in ("loss", "val_loss"))
        yield row, name(study, row), int(records[0]["epoch"]), *accuracies, *losses


def compute(study: StudyAnalysis) -> Curves | None:
    """Return the curves of up to PANELS rows; None where no row has a curve."""
    rows = chosen(study, PANELS)
    data = pd.DataFrame([line for row in rows for line in _lines(study, row)], columns=COLUMNS)
    if data.empty:
        return None
    best = data.loc[data.groupby("row").val_accuracy.idxmax()]
    return Curves(data, dict(zip(best.row.tolist(), best.epoch.tolist(), strict=True)))


def _thinned(data: pd.DataFrame) -> pd.DataFrame:
    """Return up to POINTS lines of `data`, evenly spaced, with the first and the last."""
    return data.iloc[np.unique(np.linspace(0, len(data) - 1, min(len(data), POINTS)).astype(int))]


def _panel(curves: Curves, row: int, k: int, metric: str, first: bool) -> Iterator[Trace]:
    """Yield the traces of the panel of one row.

    Args:
        curves: data of all curves.
        row: row of the panel.
        k: index of the panel.
        metric: "accuracy" or "loss".
        first: whether the panel is the first, which fills the legend.
    """
    data = _thinned(curves.data[curves.data.row == row])
    panel_axes = {"xaxis": f"x{number(k)}", "yaxis": f"y{number(k)}"}
    for split, color, dash in (("train", GREY, "dot"), ("val", BLUE, "solid")):
        label = {"train": "train (dropout on)", "val": "validation"}[split]
        yield strokes(list(data.epoch), list(data[f"{split}_{metric}"]), color, 2, line={"dash": dash}, name=label,
                      legendgroup=split, showlegend=first, **panel_axes)  # fmt: skip
    best = curves.best[row]
    value = float(curves.data[(curves.data.row == row) & (curves.data.epoch == best)][f"val_{metric}"].iloc[0])
    hover = f"row {data.name.iloc[0]}<br>best validation accuracy: epoch {best}"
    yield dots([best], [value], VERMILION, "diamond", text=[hover], name="best epoch on validation", legendgroup="best",
               showlegend=first, **panel_axes)  # fmt: skip


def plot(curves: Curves, metric: str = "accuracy") -> Mapping[str, Any]:
    """Return the plotly figure of one metric, with a panel for each row.

    `metric`: "accuracy" or "loss".
    """
    rows = curves.data.row.unique().tolist()
    across = min(ACROSS, len(rows))
    places = cells(len(rows), across, (0.06, 0.35))
    values = curves.data[[f"train_{metric}", f"val_{metric}"]].to_numpy()
    low, high = (0.0, 100.0) if metric == "accuracy" else (0.0, float(np.nanquantile(values, 0.99)) * 1.05 or 1.0)
    axes: dict[str, Any] = {}
    traces: list[Trace] = []
    titles = []
    for k, (row, place) in enumerate(zip(rows, places, strict=True)):
        traces += _panel(curves, row, k, metric, first=not k)
        names = str(curves.data[curves.data.row == row].name.iloc[0])
        last_line = k >= len(rows) - across
        axes[f"xaxis{number(k)}"] = axis("epoch" if last_line else "", domain=place["x"], anchor=f"y{number(k)}")
        unit = "accuracy (%)" if metric == "accuracy" else "loss (nats)"
        axes[f"yaxis{number(k)}"] = axis(unit if not k % across else "", domain=place["y"], anchor=f"x{number(k)}",
                                         range=[low, high], showticklabels=not k % across)  # fmt: skip
        titles.append(text(f"row {names}", x=place["x"][0], y=place["y"][1], xref="paper", yref="paper",
                           xanchor="left", yanchor="bottom"))  # fmt: skip
    down = -(-len(rows) // across)
    return figure(traces, height=120 + (HIGH + 50) * down, annotations=titles, legend={"orientation": "h", "y": -0.12},
                  **axes)  # fmt: skip


def render(study: StudyAnalysis) -> list[Figure]:
    """Return the figures of accuracy and of loss; no figure where no row has a curve."""
    curves = compute(study)
    if not curves:
        return []
    rows = curves.data.row.unique().tolist()
    early = [r for r in rows if curves.best[r] < curves.data[curves.data.row == r].epoch.max()]
    captions = {
        "accuracy": "Accuracy after each epoch. Numbers of the tables are those of the last epoch; the mark is where "
        "validation was best, which selection does not use.",
        "loss": "Loss after each epoch, with one scale for all rows. Validation loss that rises while train loss falls "
        "is overfitting.",
    }
    return [
        Figure(
            f"curves-{metric}",
            f"Learning curves: {metric}",
            caption,
            f"Learning curves of {len(rows)} rows: {metric} of train and validation by epoch. In {len(early)} of them "
            "validation accuracy was best before the last epoch.",
            curves.data[["row", "name", "epoch", f"train_{metric}", f"val_{metric}"]],
            left_out(study, len(rows)),
            plot(curves, metric),
        )
        for metric, caption in captions.items()
    ]
