"""The game of `gamble`, with what an experiment may bring: a warning, a table, a figure, costs, studies, variables."""

import os
from pathlib import Path

import pandas as pd
from gamble import factors, measures, prepare
from gamble import train as play

from ablation.engine.cost import Estimate, Speed
from ablation.model.diagnostic import Diagnostic
from ablation.model.figure import Figure
from ablation.model.table import Cell, Column, Table

name, version = "house", 1
__all__ = ["factors", "measures", "prepare"]
studies = Path(__file__).parent / "studies"


def environment(slot):
    return {"HOUSE": f"open on {slot.name}"}


def train(training, run):
    assert os.environ["HOUSE"] == "open on cpu:0"
    play(training, run)


def estimate(request):
    speed = Speed(start=1.0, epoch=60.0, milestone=0.0, memory=2**30)
    return Estimate(speeds={training.key: speed for training in request.trainings})


def the_house_wins(context):
    return Diagnostic("HOUSE_WINS", "The house wins.", "Whoever plays long loses.", "Stop.", (1,))


def odds(study):
    cells = tuple((Cell(row), Cell(f"{row} to 1")) for row in study.val)
    columns = Column("row", "#", "row"), Column("odds", "Odds", "text")
    return Table(study.record.name, "The odds.", columns, cells, (frozenset(),) * len(cells), (), 1, "odds")


def wheel(study):
    trace = {"type": "scatter", "x": [1, 2], "y": [1, 2]}
    data = pd.DataFrame({"x": [1, 2]})
    return Figure("wheel", "The wheel", "It turns.", "A line.", data, (), {"data": [trace], "layout": {}})


def diagnostics():
    return {"HOUSE_WINS": the_house_wins}


tables, figures = (odds,), (wheel,)
