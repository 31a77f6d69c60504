"""Figure before rendering: words, data, and plotly's description."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Figure:
    """Figure of a report.

    Attributes:
        description: what the figure shows, in one or two sentences.
        alt: alternative text: the same with numbers, for readers who cannot see the figure.
        data: the data that are drawn.
        notes: notes on what is not drawn.
        figure: plotly's `data` and `layout`.
    """

    key: str
    title: str
    description: str
    alt: str
    data: pd.DataFrame
    notes: tuple[str, ...]
    figure: Mapping[str, Any]
