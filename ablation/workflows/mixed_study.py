"""Mixed studies: some trials have results that exist already, and the study's experiment trains the missing ones."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ablation.analysis.selection import NOT_SEALED
from ablation.errors import AblateError
from ablation.measures import measure
from ablation.model.phrases import listed, plural, which
from ablation.nearest import nearest
from ablation.outcomes import Status
from ablation.sources import arrange, metrics
from ablation.sources.arrange import Arranged
from ablation.sources.cells import is_equal
from ablation.sources.trials import ImportedTrial
from ablation.store.record import Imports, Record
from ablation.store.workspace import Workspace
from ablation.study.grid import Grid, Trial
from ablation.urls import masked
from ablation.workflows import imported_study, snapshot
from ablation.workflows.import_request import Import

NO_EXAMPLES = ("example", "examples", "columns", "group", "fold")  # keys of [import] that a mixed study does not take


@dataclass(frozen=True)
class Mixture:
    """Imported results of a mixed study. `results`: trial of the study -> run of the source, which is finished."""

    imported: Import
    arranged: Arranged
    results: Mapping[Trial, ImportedTrial]

    def scores(self, record: Record) -> dict[str, dict[str, dict[str, float]]]:
        """Return id of a trial, as it would be trained -> its numbers by split. `record`: with these results."""
        runs = zip(record.imports.ids, self.results.values(), strict=True)
        return {trial_id: snapshot.by_split(run) for trial_id, run in runs}

    def store(self, workspace: Workspace, record: Record) -> None:
        """Write the snapshot of the source, and the results under the ids that the record has for them."""
        now = time.time()
        snapshot.write_source(workspace, record.name, self.imported, self.arranged)
        for trial, run in self.results.items():
            snapshot.write_result(workspace.training(record.training_key(trial)), run, trial.step, now)


def mixed(imported: Import, record: Record) -> tuple[Record, Mixture]:
    """Return the record with the trials that the source has results of, and these results. Write nothing.

    Args:
        imported: keys of [import], and the study file.
        record: record of the study without imported results.

    Raises:
        AblateError: the source or a key is wrong, or no run of the source is a trial of the study.
    """
    _refuse_keys(imported, record)
    arranged = imported_study.read(imported)
    results = _results(imported, record.grid, arranged)
    source = masked(imported.import_keys.source)
    ids = {record.trial_key(trial): _imported_id(source, record.trial_key(trial)) for trial in results}
    notes = (
        _mix(source, record.grid, results, arranged),
        NOT_SEALED,
        *arranged.stated,
        *_confounded(arranged, results),
    )
    imports = Imports(source=source, ids=ids, notes=notes)
    return with_imports(record, imports), Mixture(imported, arranged, results)


def has_new_trials(record: Record, old: Record) -> bool:
    """Return whether the study has trials that its last run did not have: the source may have their results."""
    before = with_imports(old, Imports())
    return not {record.trial_key(t) for t in record.grid.trials()} <= {
        before.trial_key(t) for t in before.grid.trials()
    }


def has_lost_results(workspace: Workspace, old: Record) -> bool:
    """Return whether imported results are missing, because a broken file of theirs was set aside."""
    return not all(workspace.training(key).results() for key in old.imports.ids.values())


def with_imports(record: Record, imports: Imports) -> Record:
    """Return the record with these imported results. Ids that the record has computed already are not copied."""
    return Record(**{**dict(record), "imports": imports})


def _imported_id(source: str, trial_id: str) -> str:
    return hashlib.sha256(f"{source}|{trial_id}".encode()).hexdigest()[:16]


def _refuse_keys(imported: Import, record: Record) -> None:
    """Raise AblateError where the keys of [import] do not fit a study whose missing trials are trained."""
    keys, where = imported.import_keys, imported.where
    if stated := next((name for name in NO_EXAMPLES if getattr(keys, name)), ""):
        raise AblateError(
            f"{where}.{stated}: is not allowed where missing rows are trained; import numbers alone (metrics)"
        )
    for stated_metric in metrics.stated_metrics(keys.metrics, f"{where}.metrics")[0]:
        measure.known(record.measures, stated_metric.number.partition("_")[2], f"{where}.metrics")
    for factor in arrange.named(keys.factors):
        if factor not in (names := record.grid.factors.names):
            raise AblateError(
                f"{where}.factors: unknown factor {factor!r}; known factors: {', '.join(names)}{nearest(factor, names)}"
            )


def _results(imported: Import, grid: Grid, arranged: Arranged) -> dict[Trial, ImportedTrial]:
    """Return trial -> run, for the finished runs that are trials of the study."""
    row_of = [_row(imported, grid, dict(zip(arranged.factors, levels, strict=True))) for levels in arranged.rows]
    if arranged.replication != "seeds" and len(grid.seeds) > 1:
        raise AblateError(
            f"{imported.where}.seed: is needed, since the study has {len(grid.seeds)} seeds; name a field"
        )
    results = {}
    for run in arranged.trials:
        row = row_of[run.row - 1]
        seed = run.seed if arranged.replication == "seeds" else grid.seeds[0]
        if row is None or seed not in grid.seeds or run.status != Status.DONE:
            continue
        trial = grid.trial(row, seed)
        if trial in results:
            raise AblateError(f"{imported.where}.seed: several runs are row {row}; name the field of their seeds")
        results[trial] = replace(run, row=row, seed=seed)
    if not results:
        raise AblateError(
            f"{imported.where}: no finished run of the source ({plural(len(arranged.trials), 'run')}) is a row of the "
            f"study with one of its seeds ({', '.join(map(str, grid.seeds[:9]))}); check factors, seed and where"
        )
    return results


def _row(imported: Import, grid: Grid, levels: Mapping[str, Any]) -> int | None:
    """Return the number of the row with these levels, from 1; None where the study has no such row.

    Raises AblateError where several rows have them.
    """
    rows = [n for n, row in enumerate(grid.rows, 1) if all(is_equal(row[f], level) for f, level in levels.items())]
    if rows[1:]:
        missing = [f for f in grid.varying if f not in levels]
        raise AblateError(
            f"{imported.where}.factors: {which(rows[:4])} have the levels of one run; add what they differ in: "
            f"{', '.join(missing)}"
        )
    return rows[0] if rows else None


def _mix(source: str, grid: Grid, results: Mapping[Trial, ImportedTrial], arranged: Arranged) -> str:
    """Return the sentence on what is imported, and on what of the source is not used."""
    rows = sorted({trial.row for trial in results})
    n_unused = len(arranged.trials) - len(results)
    unused = (
        f"; {plural(n_unused, 'run')} of the source {'is' if n_unused == 1 else 'are'} not used" if n_unused else ""
    )
    return (
        f"{len(results)} of {plural(grid.size, 'trial')} are imported from {source} ({which(rows)}), the others are "
        f"trained here{unused}."
    )


def _confounded(arranged: Arranged, results: Mapping[Trial, ImportedTrial]) -> Sequence[str]:
    """Return the sentence on settings of the source that vary between rows without being factors."""
    if not arranged.confounded or len({trial.row for trial in results}) < 2:
        return []
    names = list(arranged.confounded)
    return [
        f"Between imported rows, settings vary that are no factors: {listed(names[:6])}{', ...' * bool(names[6:])}."
    ]
