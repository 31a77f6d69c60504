"""Several studies as one: the rows of all, each once, in one table."""

from collections.abc import Sequence
from decimal import Decimal

from ablation.errors import AblateError
from ablation.grids.grid import Conflict, Grid
from ablation.grids.levels import Condition

SETS = {"all-paper": "heads,baseline,paper"}  # names for what belongs together


def parts(grid: str) -> list[str]:
    """The studies that `--grid` names."""
    return [part.strip() for part in SETS.get(grid, grid).split(",")]


def together(stem: str, grids: Sequence[Grid]) -> Grid:
    """One grid. A row that several state has the published numbers of the first that states each; where another states
    another value, it is noted. The reference is that of the study with most rows. Raises AblateError where studies
    cannot be told by one rule: other seeds, metrics or split seeds."""
    largest = max(grids, key=lambda grid: len(grid.rows))
    if len({grid.factors.experiment for grid in grids}) > 1:
        said = ", ".join(f"{grid.stem}: {grid.factors.experiment}" for grid in grids)
        raise AblateError(f"--grid: the experiment differs ({said}); studies that are run as one share it")
    for name, option in (("seeds", "; pass --seeds"), ("select_on", ""), ("split_seed", "; pass --set split_seed=N")):
        values = [(grid.stem, getattr(grid, name)) for grid in grids]
        if len({value for _, value in values}) > 1:
            said = ", ".join(f"{stem}: {value}" for stem, value in values)
            raise AblateError(f"--grid: {name} differs ({said}); studies that are run as one share it{option}")
    rows: dict[Condition, str] = {}
    published: dict[Condition, dict[str, Decimal]] = {}
    stated_by: dict[tuple[Condition, str], str] = {}
    conflicts = []
    for grid in grids:
        for row, label, numbers in zip(grid.rows, grid.labels, grid.published, strict=True):
            rows[row] = rows.get(row) or label
            known = published.setdefault(row, {})
            for metric, value in numbers.items():
                by = stated_by.setdefault((row, metric), grid.stem)
                if known.setdefault(metric, value) != value:
                    place = list(rows).index(row) + 1
                    conflicts.append(Conflict(place, metric, ((by, known[metric]), (grid.stem, value))))
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
            "conflicts": tuple(conflicts),
        }
    )
