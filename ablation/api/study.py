"""A finished or running study in Python: its tables, statistics, figures and texts, computed from its files."""

import numbers
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import pandas as pd
from plotly import graph_objects

from ablation.errors import AblateError
from ablation.model.figure import Figure
from ablation.nearest import nearest
from ablation.report import compare, examples_csv, figures, warnings
from ablation.report.build import Importances, RenderOptions, Report, rebuild
from ablation.report.tables import html, latex, markdown_csv, workbook
from ablation.store import record as records
from ablation.store import upgrade
from ablation.store.record import Record
from ablation.store.workspace import Workspace
from ablation.study.table_keys import TableKeys


def located(path: object) -> Path:
    """Return the folder of a study: the folder itself, or that of the only study of a workspace. Raises AblateError."""
    try:
        folder = Path(os.path.abspath(os.fspath(path)))  # type: ignore[call-overload]
    except (TypeError, ValueError):
        raise AblateError(f"path: {path!r:.80} is not allowed; allowed: the folder of a study or a workspace") from None
    if _is_study(folder):
        return folder
    for workspace in (folder, folder.parent):
        studies = [workspace / name for name in Workspace(workspace).studies()]
        if workspace == folder and len(studies) == 1:
            return studies[0]
        if studies:
            problem = "has several studies" if workspace == folder else "no such study"
            near = nearest(folder.name, [study.name for study in studies]) if workspace != folder else ""
            raise AblateError(f"{path}: {problem}; open one of: {', '.join(map(str, studies))}{near}")
    raise AblateError(f"{path}: no study; open the folder of a study (runs/NAME), which `ablate run` writes")


def _is_study(folder: Path) -> bool:
    return Workspace(folder.parent).study(folder.name).record.is_file()


def opened(path: object, importances: Importances) -> "Study":
    """Return the study in a folder; see `ablation.open`."""
    folder = located(path)
    workspace = upgrade.opened(folder.parent)
    return Study(workspace, records.need(workspace, folder.name), importances)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a copy whose columns without any value are numbers, as where the CSV file is read."""
    empty = {name: float for name in frame.columns if frame[name].dtype == object and frame[name].isna().all()}
    return frame.infer_objects().astype(empty)


class Study:
    """Study that was opened from its files. Numbers are computed at first use, and nothing is written.

    A study that has changed since then is to be opened again. Data frames are copies. Scores are fractions, costs are
    in the units of the CSV files, and differences of shares are in percentage points, as in the column's name (_pp).
    """

    def __init__(
        self, workspace: Workspace, record: Record, importances: Importances | None = None, keep: object = None
    ) -> None:
        self._workspace, self._record, self._importances = workspace, record, importances
        self._keep = keep  # a temporary folder, which is deleted with the study

    @property
    def name(self) -> str:
        """Name of the study."""
        return self._record.name

    @property
    def folder(self) -> Path:
        """Folder of the study."""
        return self._workspace.study(self.name).path

    @cached_property
    def _report(self) -> Report:
        return rebuild(self._workspace, self.name, RenderOptions(importances=self._importances))

    @cached_property
    def _figures(self) -> dict[str, Figure]:
        return {figure.key: figure for figure in figures.every(self._report.study)}

    @property
    def table(self) -> pd.DataFrame:
        """One line per row of the ablation table: the columns of table.csv."""
        return _typed(self._report.frames["table"])

    @property
    def trials(self) -> pd.DataFrame:
        """One line per trial: the columns of trials.csv."""
        return _typed(self._report.frames["trials"])

    @property
    def contrasts(self) -> pd.DataFrame:
        """One line per pair of rows that differ in one factor: the columns of contrasts.csv."""
        return _typed(self._report.frames["contrasts"])

    @property
    def examples(self) -> pd.DataFrame:
        """One line per trial and test example. Raises AblateError before the selection is sealed."""
        frames = list(examples_csv.frames(self._workspace, self.name, subject=""))
        return pd.concat(frames, ignore_index=True)

    @property
    def warnings(self) -> pd.DataFrame:
        """One line per warning, the most severe first: code, fact, consequence, remedy, rows, grade."""
        columns = ["code", "fact", "consequence", "remedy", "rows", "grade"]
        return pd.DataFrame(warnings.as_json(self._report.warnings), columns=columns)

    @property
    def claims(self) -> tuple[str, ...]:
        """Sentences that the results support."""
        return self._report.claims

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of the figures of the report."""
        return tuple(self._figures)

    def figure(self, name: str) -> graph_objects.Figure:
        """Return a figure of the report. Raises AblateError where the study has no figure of this name."""
        figure = self._figures.get(name)
        if figure is None:
            raise AblateError(
                f"figure {name!r}: not a figure of study {self.name!r}; allowed: {_listed(self.figures)}"
                f"{nearest(name, self.figures)}"
            )
        return graph_objects.Figure(data=figure.figure["data"], layout=figure.figure["layout"])

    def latex(self, style: str | None = None, form: str | None = None) -> str:
        """Return the ablation table as LaTeX.

        Args:
            style: "plain" or "siunitx"; None as in the study file.
            form: "float", "standalone" for a document that compiles by itself, or "fragment" for a bare tabular; None
                as in the study file.

        Raises:
            AblateError: a style or form is unknown.
        """
        keys = self._record.grid.table
        for option, value in (("style", style), ("form", form)):
            allowed = get_args(TableKeys.model_fields[option].annotation)
            if value is not None and value not in allowed:
                raise AblateError(
                    f"{option}: {value!r} is not allowed; allowed: {_listed(allowed)}{nearest(value, allowed)}"
                )
            keys = keys.model_copy(update={} if value is None else {option: value})
        return latex.latex(self._tables[0], keys)

    def markdown(self) -> str:
        """Return the ablation table as Markdown, with its notes."""
        return markdown_csv.markdown_table(self._tables[0])

    def compare(self, *rows: int | str) -> pd.DataFrame:
        """Return one line per pair of rows: difference on test, second row minus first, interval and p.

        The p values are not corrected; `.attrs["notes"]` has the notes of the comparison.

        Args:
            rows: numbers or labels of two or more rows.

        Raises:
            AblateError: a row is unknown or unfinished, or no selection is sealed.
        """
        words = [str(int(row)) if isinstance(row, numbers.Integral) else str(row) for row in rows]
        study = compare.compare(self._workspace, self.name, words)
        frame = _typed(compare.frame(study))
        frame.attrs["notes"] = list(compare.table(study).notes)
        return frame

    def to_excel(self, path: str | os.PathLike[str]) -> None:
        """Write all tables of the study to an Excel workbook, one sheet per table."""
        workbook.write(self._tables, Path(path), self._record.grid.table)

    @property
    def _tables(self) -> Sequence[Any]:
        return list(self._report.tables.values())

    def _repr_html_(self) -> str:
        """Return the ablation table with its notes, which a notebook shows."""
        return html.fragment(self._tables[0])

    def __repr__(self) -> str:
        rows = len(self._record.grid.rows)
        return f"<Study {self.name}: {rows} row{'s' if rows != 1 else ''}, {self.folder}>"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
