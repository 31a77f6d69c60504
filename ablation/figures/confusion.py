"""Which classes the selected row takes for which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ablation.figures.canvas import Drawn, axis, figure, plain
from ablation.results.findings import Findings
from ablation.statistics.evaluation import confusion

MOST = 30  # classes


@dataclass(frozen=True)
class Confusion:
    """`counts`: (K, K), true classes down, predicted across. `row`, `seed`: whose; `place`: on which images."""

    counts: np.ndarray
    classes: tuple[str, ...]
    row: int
    seed: int
    place: str = "test"
    key: str = "confusion"

    @property
    def shares(self) -> np.ndarray:
        """Of each true class, as fractions."""
        found: np.ndarray = self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1)
        return found


def info(found: Findings) -> Confusion | None:
    row, classes = found.selected, found.record.inputs.classes
    answers = found.test.get(row) if row else None
    if not row or not answers or not 0 < len(classes) <= MOST:
        return None
    counts = confusion(answers.labels, answers.predicted[0], len(classes))
    return Confusion(counts, classes, row, answers.seeds[0])


def infos(found: Findings) -> list[Confusion]:
    """On the test images, then wherever else a row was tried."""
    few = len(found.record.inputs.classes) <= MOST
    others = [Confusion(np.array(e.confusion), e.classes, e.row, e.seed, e.place, f"confusion_{e.key}")
              for e in found.elsewhere if few]  # fmt: skip
    return [*filter(None, [info(found)]), *others]


def draw(seen: Confusion) -> Mapping[str, Any]:
    names = [plain(c, 16) for c in seen.classes]
    places = list(range(len(names)))  # of the cells: names that are cut may be the same
    words = [[f"{n:,}<br>{100 * s:.0f} %" for n, s in zip(*pair, strict=True)]
             for pair in zip(seen.counts, seen.shares, strict=True)]  # fmt: skip
    trace = {
        "type": "heatmap", "x": places, "y": places, "z": (100 * seen.shares).tolist(), "text": words,
        "texttemplate": "%{text}", "hoverinfo": "skip", "zmin": 0, "zmax": 100, "xgap": 2, "ygap": 2,
        "colorscale": [[0, "#eef3f8"], [1, "#08306b"]], "colorbar": {"title": {"text": "% of true class"}},
    }  # fmt: skip
    same = {"showgrid": False, "tickvals": places, "ticktext": names}
    return figure([trace], height=160 + 46 * len(names), xaxis=axis("predicted class", side="bottom", **same),
                  yaxis=axis("true class", autorange="reversed", **same))  # fmt: skip


def pairs(seen: Confusion, most: int = 3) -> list[tuple[str, str, int, float]]:
    """The most frequent mistakes: true class, what it was taken for, how often, and the share of the true class."""
    wrong = seen.counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(wrong, axis=None, kind="stable")[::-1][:most]
    found = [divmod(int(k), len(seen.classes)) for k in order if wrong.flat[k]]
    return [(seen.classes[i], seen.classes[j], int(wrong[i, j]), float(seen.shares[i, j])) for i, j in found]


def said(mistakes: Sequence[tuple[str, str, int, float]]) -> str:
    return "; ".join(f"{a} taken for {b}: {n:,} ({100 * share:.0f} %)" for a, b, n, share in mistakes)


def drawn(found: Findings) -> list[Drawn]:
    return [_drawn(seen) for seen in infos(found)]


def _drawn(seen: Confusion) -> Drawn:
    frame = pd.DataFrame(seen.counts, columns=list(seen.classes))
    frame.insert(0, "true class", list(seen.classes), allow_duplicates=True)  # a class may be called so
    worst = said(pairs(seen))
    return Drawn(
        seen.key,
        f"Confusion matrix of row {seen.row} on {seen.place}",
        f"True classes down, predicted across, with the share of the true class. Mistakes: {worst or 'none'}.",
        f"Confusion matrix of {len(seen.classes)} classes. Most frequent mistakes: {worst or 'none'}.",
        frame,
        (f"Of the network with seed {seen.seed}.",),
        draw(seen),
    )
