"""The game of `gamble`, with a warning, a table and a figure of its own."""

import pandas as pd
from gamble import factors, measures, prepare, train

from ablation.caveats.caveat import Caveat
from ablation.figures.canvas import Drawn
from ablation.tables.table import Cell, Column, Table

name, version = "house", 1
__all__ = ["diagnostics", "factors", "figures", "measures", "name", "prepare", "tables", "train", "version"]


def the_house_wins(known):
    return Caveat("HOUSE_WINS", "The house wins.", "Whoever plays long loses.", "Stop.", (1,))


def odds(found):
    cells = tuple((Cell(row), Cell(f"{row} to 1")) for row in found.val)
    columns = Column("row", "#", "row"), Column("odds", "Odds", "text")
    return Table(found.record.name, "The odds.", columns, cells, (frozenset(),) * len(cells), (), 1, "odds")


def wheel(found):
    trace = {"type": "scatter", "x": [1, 2], "y": [1, 2]}
    data = pd.DataFrame({"x": [1, 2]})
    return Drawn("wheel", "The wheel", "It turns.", "A line.", data, (), {"data": [trace], "layout": {}})


diagnostics, tables, figures = (the_house_wins,), (odds,), (wheel,)
