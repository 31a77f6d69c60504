"""Confusion matrices of rows, on the test images and on external images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.figure import Figure
from ablation.report.figures.style import axis, figure, plain
from ablation.statistics.evaluation import confusion

MOST = 30  # classes
HALF = 0.48  # half of a cell's side; the cells are 1 apart
DARK = 0.5  # share from which a cell's text is white


@dataclass(frozen=True)
class Confusion:
    """Confusion matrix of one network on one set of images.

    Attributes:
        counts: (K, K), true classes down, predicted classes across.
        classes: names of the K classes.
        row: row of the network.
        seed: seed of the network.
        place: images that the network was tried on.
        key: key of the figure.
    """

    counts: np.ndarray
    classes: tuple[str, ...]
    row: int
    seed: int
    place: str = "test"
    key: str = "confusion"

    @property
    def shares(self) -> np.ndarray:
        """Counts as fractions of each true class, (K, K)."""
        shares: np.ndarray = self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1)
        return shares


def compute(study: StudyAnalysis) -> Confusion | None:
    """Return the matrix of the selected row on test; None without a selected row or classes, and above MOST classes."""
    row, classes = study.selected, study.record.inputs.classes
    evidence = study.test.get(row) if row else None
    if not row or not evidence or not 0 < len(classes) <= MOST:
        return None
    counts = confusion(evidence.labels, evidence.predicted[0], len(classes))
    return Confusion(counts, classes, row, evidence.seeds[0])


def infos(study: StudyAnalysis) -> list[Confusion]:
    """Return the matrix on the test images, then one for each external evaluation."""
    drawable = len(study.record.inputs.classes) <= MOST
    others = [Confusion(np.array(e.confusion), e.classes, e.row, e.seed, e.place, f"confusion_{e.key}")
              for e in study.evaluations if drawable]  # fmt: skip
    return [*filter(None, [compute(study)]), *others]


def plot(matrix: Confusion) -> Mapping[str, Any]:
    """Return the plotly figure of a matrix: a coloured cell with count and share for each pair of classes."""
    names = [plain(c, 16) for c in matrix.classes]
    places = list(range(len(names)))  # positions of the cells, because names that are cut may be equal
    cells = list(_cells(matrix))
    texts = {
        "type": "scatter", "mode": "text", "x": [j for _, j, _, _ in cells], "y": [i for i, _, _, _ in cells],
        "text": [f"{n:,}<br>{100 * s:.0f} %" for _, _, n, s in cells], "hoverinfo": "skip", "showlegend": False,
        "textfont": {"color": ["#ffffff" if s > DARK else "#1b1f24" for _, _, _, s in cells]},
    }  # fmt: skip
    bar = {
        "type": "scatter", "mode": "markers", "x": [None], "y": [None], "hoverinfo": "skip", "showlegend": False,
        "marker": {"color": [0], "cmin": 0, "cmax": 100, "showscale": True,
                   "colorscale": [[0, _color(0)], [1, _color(1)]],
                   "colorbar": {"title": {"text": "% of true class", "side": "right"}}},
    }  # fmt: skip
    # Rectangles in place of a heatmap: plotly draws a heatmap as a bitmap, also in an SVG file.
    rectangles = [
        {"type": "rect", "layer": "below", "line": {"width": 0}, "fillcolor": _color(s),
         "x0": j - HALF, "x1": j + HALF, "y0": i - HALF, "y1": i + HALF}
        for i, j, _, s in cells
    ]  # fmt: skip
    limits, last = {"showgrid": False, "tickvals": places, "ticktext": names}, len(names) - 0.5
    return figure([texts, bar], height=160 + 46 * len(names), shapes=rectangles,
                  xaxis=axis("predicted class", side="bottom", range=[-0.5, last], **limits),
                  yaxis=axis("true class", range=[last, -0.5], **limits))  # fmt: skip


def _cells(matrix: Confusion) -> Iterator[tuple[int, int, int, float]]:
    """Yield the true class, predicted class, count and share of each cell."""
    shares = matrix.shares
    yield from ((i, j, int(n), float(shares[i, j])) for (i, j), n in np.ndenumerate(matrix.counts))


def _color(share: float) -> str:
    """Return the colour of a share, from nearly white at 0 to dark blue at 1."""
    low, high = (238, 243, 248), (8, 48, 107)
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in zip(low, high, strict=True))


def pairs(matrix: Confusion, most: int = 3) -> list[tuple[str, str, int, float]]:
    """Return the most frequent mistakes, up to `most`.

    Each mistake is the true class, the predicted class, the count, and the share of the true class.
    """
    wrong = matrix.counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(wrong, axis=None, kind="stable")[::-1][:most]
    cells = [divmod(int(k), len(matrix.classes)) for k in order if wrong.flat[k]]
    return [(matrix.classes[i], matrix.classes[j], int(wrong[i, j]), float(matrix.shares[i, j])) for i, j in cells]


def in_words(mistakes: Sequence[tuple[str, str, int, float]]) -> str:
    """Return mistakes as a sentence part: true class, predicted class, count and percentage."""
    return "; ".join(f"{a} taken for {b}: {n:,} ({100 * share:.0f} %)" for a, b, n, share in mistakes)


def render(study: StudyAnalysis) -> list[Figure]:
    """Return the figures of all confusion matrices of the study."""
    return [_drawn(matrix) for matrix in infos(study)]


def _drawn(matrix: Confusion) -> Figure:
    """Return the figure of one matrix."""
    frame = pd.DataFrame(matrix.counts, columns=list(matrix.classes))
    frame.insert(0, "true class", list(matrix.classes), allow_duplicates=True)  # a class may have this name too
    worst = in_words(pairs(matrix))
    return Figure(
        matrix.key,
        f"Confusion matrix of row {matrix.row} on {matrix.place}",
        f"True classes down, predicted across, with the share of the true class. Mistakes: {worst or 'none'}.",
        f"Confusion matrix of {len(matrix.classes)} classes. Most frequent mistakes: {worst or 'none'}.",
        frame,
        (f"Of the network with seed {matrix.seed}.",),
        plot(matrix),
    )
