"""Confusion matrices of rows, on the test images and on external images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.figure import Figure
from ablation.report.figures.style import axis, figure, plain
from ablation.statistics.evaluation import confusion

MOST = 30  # classes


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
              for e in study.elsewhere if drawable]  # fmt: skip
    return [*filter(None, [compute(study)]), *others]


def plot(matrix: Confusion) -> Mapping[str, Any]:
    """Return the plotly figure of a matrix as a heatmap."""
    names = [plain(c, 16) for c in matrix.classes]
    places = list(range(len(names)))  # positions of the cells, because names that are cut may be equal
    cell_texts = [[f"{n:,}<br>{100 * s:.0f} %" for n, s in zip(*pair, strict=True)]
                  for pair in zip(matrix.counts, matrix.shares, strict=True)]  # fmt: skip
    trace = {
        "type": "heatmap", "x": places, "y": places, "z": (100 * matrix.shares).tolist(), "text": cell_texts,
        "texttemplate": "%{text}", "hoverinfo": "skip", "zmin": 0, "zmax": 100, "xgap": 2, "ygap": 2,
        "colorscale": [[0, "#eef3f8"], [1, "#08306b"]], "colorbar": {"title": {"text": "% of true class"}},
    }  # fmt: skip
    axis_options = {"showgrid": False, "tickvals": places, "ticktext": names}
    return figure([trace], height=160 + 46 * len(names), xaxis=axis("predicted class", side="bottom", **axis_options),
                  yaxis=axis("true class", autorange="reversed", **axis_options))  # fmt: skip


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
