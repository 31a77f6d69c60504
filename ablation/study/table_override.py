"""Look of a stored study's table as a study file states it: [table], [[compare]] and titles, and nothing else."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ablation.study import comparisons, study_keys
from ablation.study.grid import Grid
from ablation.study.table_keys import MeasureKeys

LOOKS = ("title", "unit", "decimals")  # keys of [measures] that change no number


def with_table(path: Path, grid: Grid, measures: Mapping[str, Any]) -> Grid:
    """Return a grid with the [table], [[compare]] and titles of a study file; rows and numbers stay.

    Args:
        path: the study file.
        grid: grid of the stored study.
        measures: measures of the study, by name.

    Raises:
        AblateError: a key is wrong; the message names the file, the key and what is allowed.
    """
    file, experiment = study_keys.parse(path), SimpleNamespace(measures=measures)
    table = study_keys.table(path, file, experiment)
    if table.primary:
        study_keys.primary(path, file, experiment)
    else:
        table = table.model_copy(update={"primary": grid.table.primary})
    stated = study_keys.measures(path, file, experiment)
    looks = {name: {key: getattr(keys, key) for key in LOOKS} for name, keys in stated.items()}
    all_keys = {
        name: grid.measures.get(name, MeasureKeys()).model_copy(update=looks.get(name, {}))
        for name in (*grid.measures, *stated)
    }
    grid = grid.model_copy(update={"title": file.title or grid.title, "table": table, "measures": all_keys})
    study_keys.refuse_second_best(path, grid)
    return grid.model_copy(update={"comparisons": comparisons.checked(path, file.compare, grid)})
