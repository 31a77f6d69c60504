"""The table of the selection: how often each row would have been chosen."""
# ruff: noqa: RUF001 (the table contains these signs)

from collections.abc import Mapping

import numpy as np

from ablation.analysis.selection import NOT_SEALED
from ablation.analysis.selection_bootstrap import SAMPLES
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.measures.measure import Measure
from ablation.model.phrases import plural
from ablation.model.table import Column, Table
from ablation.report.tables.dataframes import validation_units
from ablation.report.tables.secondary_table import MOST, marked_rows, secondary_table
from ablation.report.tables.table import capital
from ablation.statistics.intervals import ALPHA


def _named(measure: Measure, of_classes: bool) -> str:
    """Return the heading of a measure's values in the table of the selection."""
    title = measure.name.replace("_", " ").capitalize() if of_classes else capital(measure.title)
    return f"{title} ({measure.unit})" if measure.unit and not of_classes else title


def _sampling_error(shares: Mapping[int, float]) -> float:
    """Return the largest Monte Carlo standard error of shares p of SAMPLES bootstrap samples: sqrt(p (1 - p) / B)."""
    return float(max(np.sqrt(p * (1 - p) / SAMPLES) for p in shares.values()))


def selection(study: StudyAnalysis) -> Table | None:
    """Return the table of the selection's stability on validation; None without a selection by the current rule."""
    stability, sealed, measure = study.analysis.stability, study.sealed, study.record.selected_by
    # A different metric means that the rule has changed since the selection.
    if not stability or not sealed or not measure or sealed.metric != study.record.grid.select_on:
        return None
    values = {
        row: float(np.mean([r.scores["val"][measure.name] for _, r in study.finished(row)])) for row in stability.shares
    }
    order = sorted(values, key=lambda r: (r != sealed.row, values[r] if measure.lowest else -values[r]))
    kind = "percent" if measure.is_share else "number"
    columns = [
        Column("row", "Row", "row"),
        Column("value", _named(measure, bool(study.record.inputs.classes)), kind, "Validation"),
        Column("share", "Best in (%)", "percent", "Validation"),
        Column("alike", "Differs significantly", "text"),
    ]
    rows = [
        [row, values[row], stability.shares[row],
         "–" if row == sealed.row else "no" if row in stability.not_different else "yes"]
        for row in order[:MOST]
    ]  # fmt: skip
    noun, primary = study.record.noun, study.record.primary
    seal = f"Sealed {'anew after' if sealed.earlier else 'before'} test predictions were opened."
    if study.record.grid.is_imported:
        seal = NOT_SEALED
    units = validation_units(study.record, stability)
    notes = [
        f"Rule: {sealed.rule}. {seal}",
        f"Best in: share of {SAMPLES:,} bootstrap samples of the {units} in which the row would have been "
        f"selected; Monte Carlo standard error at most {100 * _sampling_error(stability.shares):.1f} points.",
        f"Differs significantly: from the selected row on validation {primary.title}, p < {ALPHA:.2f} after Holm's "
        f'correction over {plural(len(stability.shares) - 1, "comparison")}. A row with "no" need not be equal to it.',
        f"Validation {primary.title} of the selected row {primary.shown(stability.value, 1)}; of each sample's winner "
        f"on the {noun}s that the sample left out {primary.shown(stability.corrected, 1)} (bootstrap bias correction).",
    ]
    if stability.cheapest != sealed.row:
        notes.append(
            f"Where cost matters: row {stability.cheapest}, the cheapest of the rows that do not differ significantly "
            "from the selected one."
        )
    table = secondary_table(study, "selection", "Selection on validation.", columns, rows, notes)
    return marked_rows(table, study, order[:MOST])
