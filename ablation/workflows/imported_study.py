"""Record of an imported study: its factors, rows, measures and the default choices of reference and selection."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ablation import experiments
from ablation.errors import AblateError
from ablation.experiments.imported.experiment import Inputs, version
from ablation.measures import from_columns
from ablation.sources import metrics, per_example
from ablation.sources.arrange import Arranged
from ablation.store import record as records
from ablation.store.record import Record
from ablation.study import comparisons, stated_rows, study_keys
from ablation.study.grid import NOTHING, Grid
from ablation.study.import_keys import BEST, ImportKeys
from ablation.study.levels import Condition, Factor, Schema
from ablation.study.study_keys import StudyKeys, floats
from ablation.study.table_keys import MeasureKeys, TableKeys
from ablation.urls import masked

VALIDATION_ONLY = "All numbers are on validation: the source has none on test."
SEALED = "Imported: not sealed; test numbers were known."
BASELINES = ("baseline", "base", "reference", "control", "default", "full", "none")


@dataclass(frozen=True)
class Import:
    """Results to import. `keys`: keys of the study file, with [import]. `path`: the study file, for messages."""

    keys: StudyKeys
    path: Path
    name: str
    workspace: Path

    @property
    def import_keys(self) -> ImportKeys:
        """Keys of [import]."""
        assert self.keys.imported is not None
        keys = self.keys.imported
        return keys.model_copy(update={"where": floats(keys.where), "failed": floats(keys.failed)})

    @property
    def where(self) -> str:
        """Beginning of an error message about [import]."""
        return f"{self.path}: import"


def best(imported: Import) -> tuple[str, bool] | None:
    """Return the number by whose best step values are taken, and whether the lowest is the best; None for last values.

    Raises AblateError where the steps would be chosen on test numbers, or where no direction is stated.
    """
    if imported.import_keys.take != BEST:
        return None
    keys, number = imported.keys, _selecting(imported)
    if not number:
        raise AblateError(
            f'{imported.where}.take: "best" on test numbers needs select_on_test = true, which every table then '
            "states; or name a number on validation"
        )
    measure = from_columns.of_numbers({number: 0.0}, str(imported.path))[number.partition("_")[2]]
    stated = keys.measures.get(measure.name, MeasureKeys())
    if not measure.directed and not stated.best:
        raise AblateError(
            f"{imported.where}.take: nothing says whether high or low values of {measure.name} are better; set "
            f'[measures] {measure.name} = {{ best = "high" }} or "low"'
        )
    return number, (stated.best or measure.best) == "low"


def _selecting(imported: Import) -> str:
    """Return the number that selects steps: that of select_on, otherwise the first on validation; "" for none."""
    stated_metrics = imported.import_keys.metrics
    numbers, _ = metrics.stated_metrics(stated_metrics, f"{imported.where}.metrics")
    stated = str(imported.keys.select_on)
    if stated not in ("", NOTHING):
        return stated if not stated.startswith("test_") or imported.keys.select_on_test else ""
    first = next((t.number for t in numbers if t.split == "val"), "")
    return first or (
        numbers[0].number if numbers and (metrics.lack_test(stated_metrics) or imported.keys.select_on_test) else ""
    )


def with_classes(imported: Import, arranged: Arranged) -> Arranged:
    """Return the trials with the columns of their examples as they are stored: classes are counted from 0."""
    if not arranged.trials or not arranged.trials[0].columns:
        return arranged
    columns = [trial.columns for trial in arranged.trials]
    coded, kinds = per_example.coded(columns, imported.keys.experiment.task, f"{imported.where}.columns")
    trials = tuple(replace(trial, columns=c) for trial, c in zip(arranged.trials, coded, strict=True))
    return replace(arranged, trials=trials, kinds=kinds)


def record_of(imported: Import, arranged: Arranged) -> Record:
    """Return the record of the study. Raises AblateError where a key of the study file is wrong."""
    source = masked(imported.import_keys.source)
    inputs = Inputs(
        digests={"source": hashlib.sha256(f"{imported.name}|{source}".encode()).hexdigest()[:16]},
        sizes=_sizes(imported, arranged), source=source, kind=arranged.runs.kind,
        task=arranged.kinds.task, examples_like={name: list(few) for name, few in arranged.kinds.lines.items()},
        largest=_largest(arranged), n_runs=len(arranged.runs.frame),
        of_validation=metrics.lack_test(imported.import_keys.metrics),
        settings=dict(arranged.settings),
        confounded={name: dict(rows) for name, rows in arranged.confounded.items()},
    )  # fmt: skip
    grid = _grid(imported, arranged, inputs)
    of_validation = (VALIDATION_ONLY,) if inputs.of_validation else ()
    record = Record(
        name=imported.name,
        grid=grid,
        data=arranged.runs.address,
        inputs=inputs,
        notes=(SEALED, *of_validation, *arranged.stated),
    )
    _ = record.selected_by, records.stated_measures(grid, inputs.measures({}), imported.name)  # raise where wrong
    return record


def _sizes(imported: Import, arranged: Arranged) -> dict[str, int]:
    """Return the number of test examples, where it is stated or all trials have as many."""
    ids = {len(set(trial.columns["id"].tolist())) for trial in arranged.trials if trial.columns}
    size = imported.import_keys.test_examples or (ids.pop() if len(ids) == 1 else 0)
    return {"test": size} if size else {}


def _largest(arranged: Arranged) -> dict[str, float]:
    """Return number or cost -> its largest size."""
    sizes = {metric.number: 0.0 for metric in arranged.metrics}
    for trial in arranged.trials:
        for name, value in {**trial.numbers, **trial.costs}.items():
            sizes[name] = max(sizes.get(name, 0.0), abs(value))
    return sizes


def _grid(imported: Import, arranged: Arranged, inputs: Inputs) -> Grid:
    """Return the grid of the rows, with the reference and the comparisons of the study file."""
    keys, path, experiment = imported.keys, imported.path, SimpleNamespace(measures=inputs.measures({}))
    if len(arranged.rows) < 2:
        levels = ", ".join(f"{f} {level!r}" for f, level in zip(arranged.factors, arranged.rows[0], strict=True))
        raise AblateError(f"{imported.where}.factors: all runs are one row ({levels}); a table needs two rows")
    rows = tuple(Condition(dict(zip(arranged.factors, row, strict=True))) for row in arranged.rows)
    grid = Grid(
        stem=imported.name, title=keys.title or imported.name, factors=_schema(arranged), rows=rows,
        labels=("",) * len(rows), published=({},) * len(rows), reference=_default_reference(rows),
        select_on=_select_on(imported, experiment, inputs), split_seed=0, settings={}, stated=arranged.factors,
        seeds=tuple(sorted({trial.seed for trial in arranged.trials})), table=_table(imported, experiment, inputs),
        margin=study_keys.margin(path, keys, experiment) if keys.equivalence_margin is not None else None,
        measures=study_keys.measures(path, keys, experiment),
        replication=arranged.replication,
        only=tuple((trial.row, trial.seed) for trial in arranged.trials),
    )  # fmt: skip
    grid = grid.model_copy(update={"reference": _reference(imported, grid)})
    study_keys.refuse_second_best(path, grid)
    loaded: Any = SimpleNamespace(schema=grid.factors, located=lambda levels, folder: levels)
    return grid.model_copy(update={"comparisons": comparisons.checked(path, keys.compare, grid, loaded)})


def _table(imported: Import, experiment: Any, inputs: Inputs) -> TableKeys:
    """Return the keys of [table]; the primary measure is one that has numbers on test."""
    keys, path = imported.keys, imported.path
    study_keys.primary(path, keys, experiment)  # raises an error for a measure that is not there
    table = study_keys.table(path, keys, experiment)
    on_test = [name for name in inputs.detailed if name in experiment.measures]
    selecting = str(keys.select_on).partition("_")[2]
    first = selecting if selecting in on_test else next(iter(on_test), "")
    return table if table.primary or not first else table.model_copy(update={"primary": f"test_{first}"})


def _schema(arranged: Arranged) -> Schema:
    factors = tuple(
        Factor(name=name, title=name.replace("_", " "), declared={}, required=True) for name in arranged.factors
    )
    return Schema(experiment=experiments.IMPORTED, version=version, plugin=experiments.IMPORTED, factors=factors)


def _reference(imported: Import, grid: Grid) -> int:
    """Return the reference that the study file states, otherwise the default."""
    stated = imported.keys.reference
    if isinstance(stated, int):
        return stated_rows.reference(imported.path, imported.keys, grid.rows)
    if stated is None:
        return grid.reference
    return comparisons.row_number(grid, floats(stated), f"{imported.path}: reference")


def _default_reference(rows: Sequence[Condition]) -> int:
    """Return the row with a level called baseline, or the like, where there is one; otherwise the one that most rows
    differ from in one factor."""
    named = [
        number for number, row in enumerate(rows, start=1)
        if any(isinstance(level, str) and level.lower() in BASELINES for level in row.values())
    ]  # fmt: skip
    return named[0] if len(named) == 1 else stated_rows.hub(rows)


def _select_on(imported: Import, experiment: Any, inputs: Inputs) -> str:
    """Return what selects rows: by default the primary measure on validation, where the source has it there."""
    keys = imported.keys
    if keys.select_on:
        return study_keys.select_on(imported.path, keys, experiment)
    primary = keys.table.primary.removeprefix("test_") or next(iter(experiment.measures), "")
    measure, stated = experiment.measures.get(primary), keys.measures.get(primary, MeasureKeys())
    is_directed = measure is not None and bool(measure.directed or stated.best)
    return f"val_{primary}" if f"val_{primary}" in inputs.largest and is_directed else NOTHING
