"""Output files of a study: tables, warnings and report, rendered from stored files without database or backend."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.analysis import code_of_rows, costs, held_out, selection, study_analysis, study_statistics
from ablation.analysis.selection import Selection
from ablation.analysis.study_analysis import Results, StudyAnalysis
from ablation.model.run_summary import RunSummary
from ablation.model.table import Table
from ablation.report import html_report, warnings
from ablation.report.tables import (
    dataframes,
    digits,
    importance,
    latex,
    markdown_csv,
    provenance,
    secondary,
    summary,
    table,
)
from ablation.report.tables.dataframes import NOT_RUN
from ablation.report.tables.formats import FORMATS
from ablation.report.warnings import Diagnostic
from ablation.store import record as records
from ablation.store.files import write_text
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.store.workspace import Workspace, check_name
from ablation.study import table_override
from ablation.study.grid import Trial
from ablation.study.table_keys import TableKeys

Importances = Callable[[Record, Mapping[Trial, Result]], dict[str, tuple[float, float]]]
REPORT = "report.html"
# Files with times, machines and attempts: equal results give equal other files.
DATED = ("trials.csv", "costs.csv", *(f"tables/costs.{suffix}" for suffix in FORMATS), REPORT)


@dataclass(frozen=True)
class RenderOptions:
    """Options for rendering tables.

    `table`: keys of [table] in place of those of the study, such as {"style": "siunitx"}. `study_file`: file whose
    [table], [[compare]] and titles replace those of the study; None keeps these. `importances`: function that computes
    the importances of the factors, called if there are enough trials; None leaves the importances out.
    """

    table: Mapping[str, Any] = field(default_factory=dict)
    study_file: Path | None = None
    importances: Importances | None = None


@dataclass(frozen=True)
class Report:
    """Rendered study.

    Attributes:
        tables: key -> table, the ablation table first.
        frames: name -> data frame of the CSV file `name`.csv.
        files: name in the study folder -> text.
    """

    study: StudyAnalysis
    tables: dict[str, Table]
    claims: tuple[str, ...]
    warnings: tuple[Diagnostic, ...]
    frames: dict[str, pd.DataFrame]
    files: dict[str, str]

    @property
    def undated(self) -> dict[str, str]:
        """The files without times and machines."""
        return {name: content for name, content in self.files.items() if name not in DATED}


def _with_look(record: Record, look: RenderOptions) -> Record:
    """Return the record with the [table], [[compare]] and titles with which it is drawn.

    Raises AblateError where the study file of `look` is wrong.
    """
    grid = record.grid
    if look.study_file:
        grid = table_override.with_table(look.study_file, grid, record.inputs.measures(record.experiment.measures))
    table_keys = grid.table.model_copy(update=dict(look.table))
    return record.model_copy(update={"grid": grid.model_copy(update={"table": table_keys})})


def _majority(study: StudyAnalysis) -> float | None:
    """Return the majority class's share of the test images of the rows whose test predictions are opened.

    The result is None if the rows differ in it, or if there are no classes.
    """
    if not study.record.inputs.classes:
        return None
    share: float | None = study.record.inputs.majority(study.record.grid.rows[row - 1].split for row in study.test)
    return share


def build(
    workspace: Workspace, record: Record, results: Results, sealed: Selection | None, look: RenderOptions
) -> Report:
    """Return the tables, warnings and files of a study. Nothing is written.

    Args:
        workspace: workspace of the study.
        record: record of the study.
        results: result of each trial; None for a trial that was not run.
        sealed: sealed selection; None before a selection.
        look: options for rendering.
    """
    record = _with_look(record, look)
    keys = record.grid.table
    study = study_analysis.gather(workspace, record, results, sealed, keys.intervals == "all")
    examine = getattr(record.experiment, "examine", lambda workspace, record: None)
    diagnostics = tuple(warnings.find(study, _looks(workspace, record), examine(workspace, record)))
    trials = dataframes.trials(record, results, held_out.scores(study))
    rows = dataframes.rows(record, trials, sealed, study.analysis.rows)
    study_costs, columns = costs.of_study(study), record.grid.table.columns or []
    whole = dataframes.with_failures(dataframes.with_costs(rows, study_costs, columns), trials, record.grid.is_imported)
    ablation_table = digits.resolved(table.build(record, whole, _majority(study), sealed, study.analysis))
    frames = {
        "table": rows,
        "trials": trials,
        "costs": dataframes.costs(rows, study_costs, record.primary),
        "contrasts": dataframes.contrasts(record, study.analysis.contrasts),
    }
    if families := study.analysis.families:
        frames["comparisons"] = dataframes.comparisons(record, families)
    files = {
        **{f"{name}.csv": markdown_csv.csv(frame) for name, frame in frames.items()},
        **_drawn("table", ablation_table, keys),
        "macros.tex": latex.macros(rows, ablation_table, record.detailed, keys),
        "warnings.json": json.dumps(warnings.as_json(diagnostics), indent=1, ensure_ascii=False) + "\n",
    }
    secondary_tables = secondary.every(study)
    finished = study_analysis.of_rows(record, results)
    if (
        look.importances
        and study_statistics.can_weigh(record, finished)
        and (shares := look.importances(record, finished))
    ):
        secondary_tables.append(importance.importance(study, shares))
    secondary_tables = [digits.resolved(secondary_table) for secondary_table in secondary_tables]
    for secondary_table in secondary_tables:
        files |= _drawn(f"tables/{secondary_table.key}", secondary_table, keys)
    tables = {secondary_table.key: secondary_table for secondary_table in (ablation_table, *secondary_tables)}
    sentences = tuple(summary.claims(study))
    account = provenance.provenance(study, code_of_rows.read(workspace, record))
    files[REPORT] = html_report.report(study, sentences, diagnostics, [*tables.values()], account)
    return Report(study, tables, sentences, diagnostics, frames, files)


def _drawn(name: str, table_: Table, keys: TableKeys) -> dict[str, str]:
    """Return a table in each format: name of the file -> text."""
    return {f"{name}.{suffix}": draw(table_, keys) for suffix, draw in FORMATS.items()}


def _sets(record: Record) -> set[str]:
    """Return the digests of the test examples of all rows."""
    return {record.split_of(row) for row in record.grid.rows}


def _looks(workspace: Workspace, record: Record) -> int:
    """Return how many studies of this workspace, this one included, have opened these test images."""
    n_studies = 1
    for other in records.others(workspace, record.name):
        same_data = other.inputs.digest and other.inputs.digest == record.inputs.digest  # "": unknown
        same_test = same_data and _sets(other) & _sets(record)
        n_studies += bool(same_test and workspace.study(other.name).selection.is_file())
    return n_studies


def write(workspace: Workspace, drawing: Report, folder: Path | None = None) -> None:
    """Write the files of a rendered study into a folder, by default that of the study."""
    place = folder or workspace.study(drawing.study.record.name).path
    for name, content in drawing.files.items():
        write_text(place / name, content)


def summarize(workspace: Workspace, drawing: Report, trained: int, folder: Path | None = None) -> RunSummary:
    """Return the summary of a rendered study. `trained`: number of trials trained in this run. `folder`: as written."""
    unfinished = [
        (t.row, t.seed, r.outcome if r else NOT_RUN, r.reason if r else "")
        for t, r in drawing.study.results.items()
        if not (r and r.done)
    ]
    folder = folder or workspace.study(drawing.study.record.name).path
    tables = tuple(drawing.tables.values())
    return RunSummary(folder, tables, trained, tuple(unfinished), drawing.claims, drawing.warnings)


def rebuild(workspace: Workspace, name: str, look: RenderOptions) -> Report:
    """Return a study rendered from its files; nothing is written. Raise AblateError if there is no such study."""
    check_name(name)
    record = records.need(workspace, name)
    return build(workspace, record, study_analysis.collect(workspace, record), selection.read(workspace, record), look)


def rebuild_and_write(
    workspace: Workspace, name: str, look: RenderOptions, folder: Path | None = None
) -> tuple[RunSummary, Report]:
    """Render a study from its files, write the output files, and return the summary and the rendered study.

    `folder`: folder of the output files; None for that of the study.
    """
    drawing = rebuild(workspace, name, look)
    write(workspace, drawing, folder)
    return summarize(workspace, drawing, 0, folder), drawing
