"""The figures of a report: each a file with `info` (what is drawn), `draw` (how), and `drawn` (both, in words too)."""

from ablation.figures import confusion, cost, curves, dumbbell, forest, levels, parallel
from ablation.figures.canvas import Drawn, script
from ablation.results.findings import Findings

__all__ = ["Drawn", "every", "script"]


def every(found: Findings) -> list[Drawn]:
    """All figures that this study has, in the order in which they are read."""
    some = [forest.drawn(found), dumbbell.drawn(found), levels.drawn(found), parallel.drawn(found), cost.drawn(found)]
    some += [*curves.drawn(found), *confusion.drawn(found)]
    own = (drawn(found) for drawn in getattr(found.record.experiment, "figures", ()))
    return [each for each in (*some, *own) if each]
