"""A table from a data frame in one call: results that a notebook holds become a study of a temporary folder."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from ablation.api.study import Study
from ablation.errors import AblateError
from ablation.report.build import Importances
from ablation.sources.cells import typed
from ablation.sources.runs import Runs
from ablation.store import record as records
from ablation.store.workspace import Workspace
from ablation.study.study_keys import StudyKeys, key_error
from ablation.workflows import import_results
from ablation.workflows.import_request import Import

HERE = Path("ablation.table")  # stands for the study file in messages
ADDRESS = "the data frame"


def table(frame: pd.DataFrame, keys: Mapping[str, Any], importances: Importances) -> Study:
    """Return the study of a data frame; see `ablation.table`. `keys`: keys of a study file, with [import]."""
    if not isinstance(frame, pd.DataFrame):
        raise AblateError(f"frame: {type(frame).__name__} is not allowed; allowed: a pandas DataFrame")
    stated = {name: value for name, value in keys.items() if value is not None}
    try:
        study_keys = StudyKeys.model_validate(stated)
    except ValidationError as error:
        raise AblateError(key_error(error).removeprefix("import.")) from None
    folder = tempfile.TemporaryDirectory(prefix="ablate-")
    imported = Import(study_keys, HERE, "table", Path(folder.name))
    import_results.of_runs(imported, _runs(frame))
    workspace = Workspace(Path(folder.name))
    return Study(workspace, records.need(workspace, "table"), importances, folder)


def _runs(frame: pd.DataFrame) -> Runs:
    """Return the lines of a data frame as runs. Raises AblateError for names of columns that are no texts, or twice."""
    if not len(frame):
        raise AblateError("frame: has no line")
    flat = frame.reset_index() if _has_names(frame.index) else frame.reset_index(drop=True)
    names = [str(name) for name in flat.columns]
    if twice := next((name for n, name in enumerate(names) if name in names[:n]), None):
        raise AblateError(f"frame: two columns are named {twice!r}; rename one")
    columns = {name: typed(_plain(flat.iloc[:, n]))[0] for n, name in enumerate(names)}
    return Runs(ADDRESS, "frame", pd.DataFrame(columns))


def _has_names(index: pd.Index) -> bool:
    return any(name is not None for name in index.names)


def _plain(column: pd.Series) -> pd.Series:
    """Return a column without categories, extension types and times: numbers, truth values and texts."""
    if isinstance(column.dtype, pd.CategoricalDtype) or column.dtype.kind in "mM":
        return column.astype(object).map(lambda cell: None if pd.isna(cell) else _cell(cell))
    if pd.api.types.is_extension_array_dtype(column.dtype):
        return column.astype(object).where(column.notna(), None)
    return column


def _cell(cell: Any) -> Any:
    return cell.item() if isinstance(cell, np.generic) else str(cell) if hasattr(cell, "isoformat") else cell


def named(fields: str | Sequence[str] | Mapping[str, str] | None) -> Any:
    """Return names of columns as [import] has them: a list, or a mapping from new names."""
    if fields is None or isinstance(fields, Mapping):
        return dict(fields) if fields else {}
    return [fields] if isinstance(fields, str) else list(fields)


def row(reference: int | Mapping[str, Any] | None) -> Any:
    """Return the reference as a study file has it: the number of a row, or a table of levels."""
    if isinstance(reference, Mapping):
        return {name: level.item() if isinstance(level, np.generic) else level for name, level in reference.items()}
    return int(reference) if isinstance(reference, np.integer) else reference
