"""Merge of several studies: the rows of all studies, each once, in one table."""

from collections.abc import Sequence
from decimal import Decimal

from ablation.errors import AblateError
from ablation.study import comparisons
from ablation.study.grid import Conflict, Grid
from ablation.study.levels import Condition
from ablation.study.shipped_studies import SETS


def parts(grid: str) -> list[str]:
    """Return the names of the studies in `--grid`."""
    return [part.strip() for part in SETS.get(grid, grid).split(",")]


def together(stem: str, grids: Sequence[Grid]) -> Grid:
    """Return the grids merged into one grid, named `stem`.

    A row of several studies has each published number from the first study that states this number. A different value
    in a later study is recorded as a conflict. The reference is that of the study with the most rows.

    Raises:
        AblateError: The studies differ in experiment, seeds, select_on or split seed.
    """
    largest = max(grids, key=lambda grid: len(grid.rows))
    if len({grid.factors.experiment for grid in grids}) > 1:
        stated_values = ", ".join(f"{grid.stem}: {grid.factors.experiment}" for grid in grids)
        raise AblateError(f"--grid: the experiment differs ({stated_values}); studies that run together must share it")
    if any(grid.experiment_keys != largest.experiment_keys for grid in grids):
        raise AblateError("--grid: [experiment] differs; studies that run together must share it")
    for name, option in (("seeds", "; pass --seeds"), ("select_on", ""), ("split_seed", "; pass --set split_seed=N")):
        values = [(grid.stem, getattr(grid, name)) for grid in grids]
        if len({value for _, value in values}) > 1:
            stated_values = ", ".join(f"{stem}: {value}" for stem, value in values)
            raise AblateError(
                f"--grid: {name} differs ({stated_values}); studies that run together must share it{option}"
            )
    rows: dict[Condition, str] = {}
    published: dict[Condition, dict[str, Decimal]] = {}
    stated_by: dict[tuple[Condition, str], str] = {}
    conflicts = []
    for grid in grids:
        for row, label, numbers in zip(grid.rows, grid.labels, grid.published, strict=True):
            rows[row] = rows.get(row) or label
            published_numbers = published.setdefault(row, {})
            for metric, value in numbers.items():
                source = stated_by.setdefault((row, metric), grid.stem)
                if published_numbers.setdefault(metric, value) != value:
                    number = list(rows).index(row) + 1
                    conflicts.append(
                        Conflict(number, metric, ((source, published_numbers[metric]), (grid.stem, value)))
                    )
    images = {grid.published_test_images for grid in grids if grid.published_test_images}
    margins = [grid.margin for grid in grids if grid.margin is not None]
    return largest.model_copy(
        update={
            "stem": stem,
            "title": "; ".join(grid.title for grid in grids),
            "rows": tuple(rows),
            "labels": tuple(rows.values()),
            "published": tuple(published[row] for row in rows),
            "reference": list(rows).index(largest.rows[largest.reference - 1]) + 1,
            "stated": tuple(dict.fromkeys(factor for grid in grids for factor in grid.stated)),
            "published_test_images": images.pop() if len(images) == 1 else None,
            "margin": min(margins, default=None),
            "notes": tuple(note for grid in grids for note in grid.notes),
            "conflicts": tuple(conflicts),
            "comparisons": tuple(family for grid in grids for family in comparisons.pinned(grid)),
        }
    )
