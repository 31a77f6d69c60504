"""Columns of costs, in the table of costs and in the ablation table."""

import math
from collections.abc import Sequence
from typing import Any

from ablation.analysis.costs import MEMORY, OF_EVERY_RESULT, PARAMETERS, SECONDS
from ablation.measures.measure import Measure
from ablation.model.table import Column

MEBIBYTE = 2**20
MOST_DECIMALS = 3  # of seconds


def title(measure: Measure) -> str:
    """Return the heading of a cost: with its unit, but for a heading that is the unit."""
    if measure is OF_EVERY_RESULT[MEMORY]:
        return "Peak memory (MiB)"
    name = measure.short[:1].upper() + measure.short[1:]
    return f"{name} ({measure.unit})" if measure.unit and measure is not OF_EVERY_RESULT[SECONDS] else name


def column(name: str, measure: Measure, values: Sequence[float]) -> Column:
    """Return the column of a cost.

    Args:
        name: name of the cost, the key of the column.
        measure: measure of the cost.
        values: values of the column, which set the decimals of seconds: the smallest has two digits.
    """
    if measure is OF_EVERY_RESULT[PARAMETERS]:
        return Column(name, title(measure), "count", scale=1.0)
    if measure is OF_EVERY_RESULT[MEMORY]:
        return Column(name, title(measure), "percent", scale=1 / MEBIBYTE, decimals=0)
    decimals = _decimals(values) if measure is OF_EVERY_RESULT[SECONDS] else measure.decimals
    return Column(name, title(measure), "percent", scale=measure.scale, decimals=None if measure.is_share else decimals)


def _decimals(values: Sequence[float]) -> int:
    smallest = min((value for value in values if value > 0), default=1.0)
    return min(max(1 - math.floor(math.log10(smallest)), 0), MOST_DECIMALS)


def value(column: Column, cost: Any) -> Any:
    """Return the value of a cell: a whole number in a column of counts."""
    return round(cost) if column.kind == "count" and cost is not None else cost
