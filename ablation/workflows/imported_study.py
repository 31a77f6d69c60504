"""Record of an imported study: its factors, rows, measures and the default choices of reference and selection."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from ablation import experiments
from ablation.analysis.selection import NOT_SEALED
from ablation.errors import AblateError
from ablation.experiments.imported.experiment import Inputs, version
from ablation.measures import from_columns
from ablation.measures.names import undirected
from ablation.nearest import nearest
from ablation.sources import address, arrange, metrics, numbers, per_example
from ablation.sources.arrange import Arranged
from ablation.sources.runs import Runs
from ablation.store import record as records
from ablation.store.record import Record
from ablation.study import comparisons, stated_rows, study_keys
from ablation.study.grid import NOTHING, Grid
from ablation.study.import_keys import BEST
from ablation.study.levels import Condition, Factor, Schema, floats
from ablation.study.table_keys import BOTH, EXAMPLES, MeasureKeys, TableKeys
from ablation.urls import masked
from ablation.workflows.import_request import Import

VALIDATION_ONLY = "All numbers are on validation: the source has none on test."
BASELINES = ("baseline", "base", "reference", "control", "default", "full", "none")


def _is_without_test(imported: Import) -> bool:
    """Return whether the source has no numbers on test, so that those on validation are compared."""
    return metrics.lack_test(imported.import_keys.metrics, bool(imported.import_keys.examples))


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
        raise undirected(measure.name, f"{imported.where}.take")
    return number, (stated.best or measure.best) == "low"


def like(imported: Import) -> dict[str, str]:
    """Return measure -> known measure that the study file says it is like."""
    return {name: keys.like for name, keys in imported.keys.measures.items() if keys.like}


def _selecting(imported: Import) -> str:
    """Return the number that selects steps: that of select_on, otherwise the first on validation; "" for none."""
    keys = imported.import_keys
    numbers, _ = metrics.stated_metrics(keys.metrics, f"{imported.where}.metrics", bool(keys.examples))
    stated = str(imported.keys.select_on)
    if stated.startswith("val_") and _is_without_test(imported):  # the number stands for one on test
        return f"test_{stated}"
    if stated not in ("", NOTHING):
        return stated if not stated.startswith("test_") or imported.keys.select_on_test else ""
    first = next((t.number for t in numbers if t.split == "val"), "")
    return first or (
        numbers[0].number if numbers and (_is_without_test(imported) or imported.keys.select_on_test) else ""
    )


def read(imported: Import) -> Arranged:
    """Return the rows that the runs of the source make. Raises AblateError where the source or a key is wrong."""
    return arranged(imported, runs_of(imported))


def runs_of(imported: Import) -> Runs:
    """Return the runs of the source. Raises AblateError where it cannot be read."""
    return address.read(imported.import_keys.source, imported.path.parent, f"{imported.where}.from")


def arranged(imported: Import, runs: Runs) -> Arranged:
    """Return the rows that runs make which are read already."""
    numbers.refuse_summaries(runs)
    rows = arrange.arrange(runs, imported.import_keys, imported.where, best(imported), like(imported))
    return with_classes(imported, rows)


def with_classes(imported: Import, arranged: Arranged) -> Arranged:
    """Return the trials with the columns of their examples as they are stored: classes are counted from 0."""
    with_columns = [trial for trial in arranged.trials if trial.columns]
    if not with_columns:
        return arranged
    columns = [trial.columns for trial in with_columns]
    coded, kinds = per_example.coded(columns, imported.keys.experiment.task, f"{imported.where}.columns")
    by_place = {(trial.row, trial.seed): c for trial, c in zip(with_columns, coded, strict=True)}
    trials = tuple(replace(t, columns=by_place.get((t.row, t.seed), {})) for t in arranged.trials)
    return replace(arranged, trials=trials, kinds=kinds)


def _refuse_examples(imported: Import, inputs: Inputs) -> None:
    """Raise AblateError where intervals are to cover examples, and the source has none."""
    stated = imported.keys.table.uncertainty
    if stated not in (EXAMPLES, BOTH) or inputs.task or inputs.sizes.get("test"):
        return
    raise AblateError(
        f'{imported.path}: table.uncertainty: "{stated}" needs test examples, and the source has numbers of runs alone '
        f"({', '.join(inputs.largest)}); state example or examples, test_examples = their number, or leave it out"
    )


def record_of(imported: Import, arranged: Arranged) -> Record:
    """Return the record of the study. Raises AblateError where a key of the study file is wrong."""
    source = masked(imported.import_keys.source)
    inputs = Inputs(
        digests={"source": hashlib.sha256(f"{imported.name}|{source}".encode()).hexdigest()[:16]},
        sizes=_sizes(imported, arranged), source=source, kind=arranged.runs.kind,
        task=arranged.kinds.task, examples_like={name: list(few) for name, few in arranged.kinds.lines.items()},
        largest=_largest(arranged), n_runs=len(arranged.runs.frame),
        of_validation=_is_without_test(imported),
        states_split=metrics.states_split(imported.import_keys.metrics), is_search=arranged.runs.is_search,
        settings=dict(arranged.settings),
        confounded={name: dict(rows) for name, rows in arranged.confounded.items()},
    )  # fmt: skip
    _refuse_examples(imported, inputs)
    grid = _grid(imported, arranged, inputs)
    of_validation = (VALIDATION_ONLY,) if inputs.of_validation else ()
    record = Record(
        name=imported.name,
        grid=grid,
        data=arranged.runs.address,
        inputs=inputs,
        notes=(NOT_SEALED, *of_validation, *arranged.stated),
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
    imported = _of_validation(imported, inputs) if inputs.of_validation else imported
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
    return grid.model_copy(update={"comparisons": comparisons.checked(path, keys.compare, grid)})


def _of_validation(imported: Import, inputs: Inputs) -> Import:
    """Return an import whose compared numbers are on validation: what select_on names selects steps, and no row."""
    keys, stated = imported.keys, str(imported.keys.select_on)
    if not stated.startswith("val_"):
        return imported
    if (number := f"test_{stated}") not in inputs.largest:
        allowed = [name.removeprefix("test_") for name in inputs.largest if name.startswith("test_")]
        raise AblateError(
            f"{imported.path}: select_on: unknown measure {stated!r}; allowed: "
            f"{', '.join(allowed)}, or {NOTHING}{nearest(stated, [*allowed, NOTHING])}"
        )
    table = keys.table if keys.table.primary else keys.table.model_copy(update={"primary": number})
    return replace(imported, keys=keys.model_copy(update={"select_on": NOTHING, "table": table}))


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
