"""Table before formatting: typed cells, from which every format is drawn."""

from dataclasses import dataclass
from typing import Any

STARS = (0.05, 0.01, 0.001)  # p values below these have one, two and three stars
WORDING = 2  # version of headings, captions and notes: `verify` compares them within one version


@dataclass(frozen=True)
class Column:
    """Column of a table.

    Attributes:
        key: name of the column in the data frame of the rows.
        kind: type of the cells, which sets their format (see below).
        group: heading above the title, "" for none.
        scale: factor for percent, estimate and change: 100 shows fractions in percent.
        decimals: digits for percent, estimate and change; None for the table's.
        stars: whether p values have stars.

    Kinds:
        row: the number of a row, or a text, with its marks.
        factor: a level.
        text: words.
        count: a whole number.
        percent: a value, or a pair of mean and standard deviation.
        estimate: an Interval.
        change: an Interval of differences, with a sign.
        p: a p value.
        number: a float, 3 digits.
        published: a Decimal with the digits of its source.
    """

    key: str
    title: str
    kind: str
    group: str = ""
    scale: float = 100.0
    decimals: int | None = None
    stars: bool = False


@dataclass(frozen=True)
class Cell:
    """Value of its column's kind.

    Attributes:
        value: the value; None where there is none, a str with the reason where the value is missing.
        bold: whether the value is set in bold.
    """

    value: Any
    bold: bool = False


@dataclass(frozen=True)
class Table:
    """Table before formatting.

    Attributes:
        name: name of the study.
        key: identifier of the table within the study.
        marks: marks of each row: reference, selected, alike (no significant difference from the selected row),
            equivalent (to the reference, as a test showed), gap (overfits), noise (within the replicates), second
            (second best on validation).
        ids: ids of the trials of each row.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    marks: tuple[frozenset[str], ...]
    notes: tuple[str, ...]
    decimals: int
    key: str = "ablation"
    ids: tuple[str, ...] = ()
