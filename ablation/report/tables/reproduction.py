"""The table of measured against published numbers."""
# ruff: noqa: RUF001 (the tables contain these signs)

from collections.abc import Iterator
from typing import Any

import numpy as np

from ablation.analysis.published import RANKED, Reproduction
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.phrases import plural
from ablation.model.table import Column, Table
from ablation.report.tables.dataframes import NOT_RUN
from ablation.report.tables.secondary_table import marked_rows, secondary_table
from ablation.report.tables.table import OVER, lacks_a_class

F1 = ("macro_f1", "weighted_f1")  # both are shown, as sources do not state the average of their F1


def _is_f1_published(study: StudyAnalysis) -> bool:
    return any("f1" in published for published in study.record.grid.published)


def _compares_f1(study: StudyAnalysis) -> bool:
    """Return whether F1 is shown: where the source states one of a row, and for the classes of the Keras experiment."""
    return _is_f1_published(study) or bool(study.record.inputs.classes)


def _averages(study: StudyAnalysis) -> list[str]:
    """Return the averages of F1 that are shown, of those that the experiment measures."""
    return [name for name in F1 if name in study.record.measures and _compares_f1(study)]


def reproduction(study: StudyAnalysis) -> Table | None:
    """Return the table of measured and published numbers; None where no share of examples was published."""
    if not study.reproduction:
        return None
    compared = not study.reproduction.other
    columns = [
        Column("row", "#", "row"),
        Column("published", "Published", "published", "Test accuracy (%)"),
        Column("measured", "Measured", "estimate", "Test accuracy (%)"),
        *(
            [Column("difference", "Δ", "change", "Measured − published (pp)"), Column("verdict", "", "text")]
            if compared
            else []
        ),
        *([Column("f1", "Published", "published", "F1 (%)")] if _compares_f1(study) else []),
        *(Column(m, m.removesuffix("_f1"), "percent", "F1 (%)") for m in _averages(study)),
        Column("val_published", "Published", "published", "Validation accuracy (%)"),
        Column("val", "Measured", "percent", "Validation accuracy (%)"),
    ]
    rows = [_reproduced_row(study, r, compared) for r in study.reproduction.rows]
    header = (
        "Measured and published results." if compared else "Same protocol, other data: measured and published results."
    )
    table = secondary_table(
        study, "reproduction", header, columns, rows, list(_reproduction_notes(study, study.reproduction))
    )
    return marked_rows(table, study, [r.row for r in study.reproduction.rows])


def _reproduced_row(study: StudyAnalysis, reproduced: Any, compared: bool) -> list[Any]:
    row = reproduced.row
    facts, published = study.analysis.rows.get(row), study.record.grid.published[row - 1]
    predictions = study.test.get(row)
    reason = None if facts else _missing_reason(study, row)
    f1 = {m: predictions.sample(study.record.measures[m]) for m in _averages(study)} if predictions else {}
    val = [r.scores["val"]["accuracy"] for _, r in study.finished(row)]
    return [
        row, reproduced.published, facts.primary.over_examples if facts else reason,
        *([reproduced.difference or reason, reproduced.verdict] if compared else []),
        *([published.get("f1")] if _compares_f1(study) else []),
        *(sample.mean if (sample := f1.get(m)) else reason for m in _averages(study)),
        published.get("val_accuracy"), float(np.mean(val)) if val else reason,
    ]  # fmt: skip


def _missing_reason(study: StudyAnalysis, row: int) -> str:
    """Return the reason why a row has no test numbers."""
    if study.finished(row):
        return "sealed"
    outcomes = [r.outcome for t, r in study.results.items() if r and t in study.record.grid.seeded(row)]
    return outcomes[0] if outcomes else NOT_RUN


def _size(study: StudyAnalysis) -> str:
    """Return the size of the published test set in words, and whose number it is."""
    assert study.reproduction is not None
    agreement = study.reproduction.agreement
    source = "the number that the source states" if agreement.is_stated else "ours, for the source states none"
    return f"{plural(agreement.n, study.record.noun)} ({source})"


def _reproduction_notes(study: StudyAnalysis, reproduction: Reproduction) -> Iterator[str]:
    agreement = reproduction.agreement
    if reproduction.other:
        yield f"Other data: {reproduction.other}. Numbers are not compared; ranks and signs are."
    else:
        yield (
            "≈ / ≠: the 95 % interval of the difference (Newcombe) does / does not hold 0, the published accuracy "
            f"taken as k/n on an independent test set of {_size(study)}; ?: not comparable. An interval that holds 0 "
            "does not show that the two are equal. Without the source's predictions, no test can be paired."
        )
    if _is_f1_published(study):
        yield "The source does not say which average its F1 is; micro-F1 equals accuracy."
    if lacks_a_class(study.record):
        yield f"Macro-F1 is {OVER}."
    if agreement.ranks:
        yield f"Agreement of ranks: {agreement.ranks}."
    elif 1 < agreement.rows < RANKED:
        yield f"The ranks of {plural(agreement.rows, 'row')} are not compared: they are too few to differ from chance."
    if agreement.contrasts:
        has = "has" if agreement.within_noise == 1 else "have"
        yield (
            f"Agreement of signs: {agreement.same_signs} of {plural(agreement.signs, 'one-factor contrast')} with the "
            f"published sign. Of {plural(agreement.contrasts, 'published contrast')}, {agreement.within_noise} {has} a "
            f"95 % interval (Newcombe) that holds 0, on independent test sets of {_size(study)}."
        )
    settings = [f"{k.replace('_', ' ')} {v}" for k, v in study.record.grid.settings.items()]
    if settings:
        yield f"Set otherwise than in the study file: {', '.join(settings)}."
