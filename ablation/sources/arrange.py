"""Rows of a study from the runs of a source, as [import] of a study file states their fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ablation.errors import AblateError
from ablation.sources import (
    confounded,
    course,
    fields,
    metrics,
    numbers,
    per_example,
    pivoted,
    rows,
    run_examples,
    trials,
)
from ablation.sources.fields import resolved
from ablation.sources.metrics import Metric
from ablation.sources.per_example import Columns, Kinds
from ablation.sources.percents import Percents, as_fractions, with_fractions
from ablation.sources.percents import sentence as percents_sentence
from ablation.sources.runs import Runs
from ablation.sources.trials import ImportedTrial
from ablation.study.declared_factors import OWN_COLUMNS, OWN_STARTS
from ablation.study.grid import Replication
from ablation.study.import_keys import ImportKeys, LongKeys

FIELDS = 12  # that an error message lists
GENERAL = ("name", "type", "value", "id")  # last parts of names that say little alone


@dataclass(frozen=True)
class Arranged:
    """Rows and trials that the runs of a source make.

    `rows`: a level for each factor. `metrics`: the study's numbers. `replication`: what the runs of a row differ in:
    seeds or folds, which pair the rows, or runs without either. `confounded`: setting -> row (from 1) -> its values.
    `settings`: seed -> its settings, numbered, where the runs of a row are repeats of several settings. `stated`: those
    of the notes that a caption has, on which runs and values count. `runs`: the runs, one line each. `kinds`: kinds of
    the columns of examples.
    """

    factors: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    trials: tuple[ImportedTrial, ...]
    metrics: tuple[Metric, ...]
    replication: Replication
    confounded: Mapping[str, Mapping[int, tuple[str, ...]]]
    settings: Mapping[int, int]
    notes: tuple[str, ...]
    stated: tuple[str, ...]
    runs: Runs
    kinds: Kinds = field(default_factory=Kinds)


def arrange(
    runs: Runs, keys: ImportKeys, where: str, best: tuple[str, bool] | None = None,
    like: Mapping[str, str] | None = None,
) -> Arranged:  # fmt: skip
    """Return the rows and trials of a study.

    Args:
        runs: runs of the source.
        keys: keys of [import].
        where: beginning of an error message, such as the study file and "import".
        best: number by whose best step values are taken, and whether the lowest is the best; None for the last values.
        like: measure -> known measure whose meaning the study file gives to it.

    Raises:
        AblateError: a field is missing, of mixed types, or several runs are one row and seed.
    """
    runs = _prepared(runs, keys, where)
    _refuse_nothing(runs, keys, where)
    factors = {name: resolved(runs, f, f"{where}.factors") for name, f in named(keys.factors).items()}
    seed = _seed(runs, keys, where)
    key = [*factors.values(), *([seed] if seed else [])]
    stated, notes = metrics.stated_metrics(keys.metrics, f"{where}.metrics", bool(keys.examples))
    _refuse_own(factors, stated, where)
    runs, stated, of_lines = _measured(runs, stated, keys, key, where)
    costs = {name: resolved(runs, f, f"{where}.costs") for name, f in named(keys.costs).items()}
    values = numbers.by_run(runs, [] if of_lines else stated, costs, best, where)
    runs, values, without = (runs, values, "") if of_lines else numbers.with_any(runs, values, stated)
    percents = [] if of_lines else Percents(keys.percent, like or {}).of(stated, values, where)
    combinations, places = rows.of_levels(rows.levels(runs, factors, f"{where}.factors"))
    seeds, note = rows.seeds(runs.frame[seed], f"{where}.{keys.seed or keys.fold}") if seed else (None, "")
    chosen, remarks = rows.replicates(runs, rows.at(places, seeds), key, keys.duplicates, where)
    kept = [replicate.run for replicate in chosen]
    varying = confounded.confounded(runs, _others(runs, stated, keys, key, where), places, kept)
    examples = dict(enumerate(of_lines))
    if keys.examples:
        examples, digests = run_examples.of_runs(runs, chosen, keys, where)
        runs = replace(runs, files={**runs.files, **digests})
    caption = [without, percents_sentence(percents, values), *remarks]
    return Arranged(
        factors=tuple(factors), rows=tuple(combinations), metrics=() if of_lines else tuple(stated),
        trials=trials.of_runs(
            with_fractions(runs, percents), chosen, as_fractions(values, percents), keys, stated, examples
        ),
        replication="folds" if keys.fold else "seeds" if keys.seed else "runs",
        settings={} if seed else confounded.clusters(runs, list(varying), chosen),
        confounded={name: {row + 1: v for row, v in of_rows.items()} for name, of_rows in varying.items()},
        notes=tuple(filter(None, [*runs.notes, *([] if of_lines else notes), note, *caption])),
        stated=tuple(filter(None, [*_choice(keys, best), *caption])), runs=runs,
    )  # fmt: skip


def _others(runs: Runs, stated: Sequence[Metric], keys: ImportKeys, key: Sequence[str], where: str) -> list[str]:
    """Return the fields that may be settings: without factors, seed, numbers and what is ignored."""
    results = [name for metric in stated for name in metric.field.split("|")]
    costs = [resolved(runs, field, f"{where}.costs") for field in named(keys.costs).values()]
    ignored = [resolved(runs, name, f"{where}.ignore") for name in keys.ignore]
    used = [*key, *ignored, *(m.field for m in stated), *results, *costs, keys.examples]
    return fields.settings(runs, used, results)


def _choice(keys: ImportKeys, best: tuple[str, bool] | None) -> list[str]:
    """Return the sentence on which value of a course counts; none where the source has no course to choose from."""
    if best:
        return [f"Each run at its best step by {best[0]}, which is optimistic."]
    return ["Each run at its last step."] if keys.step else []


def _refuse_nothing(runs: Runs, keys: ImportKeys, where: str) -> None:
    """Raise AblateError where no factor or no number is stated."""
    names = [*runs.frame.columns, *runs.metrics]
    shown = f"{', '.join(map(str, names[:FIELDS]))}{', ...' if names[FIELDS:] else ''}"
    advice = f"fields: {shown}; --guess proposes what they are"
    if not keys.factors:
        raise AblateError(f"{where}.factors: no factor is stated; {advice}")
    if not keys.metrics and not keys.columns and not keys.examples:
        raise AblateError(f"{where}.metrics: no number is stated; {advice}")


def _seed(runs: Runs, keys: ImportKeys, where: str) -> str:
    """Return the field of the seed or fold; "" where none is stated."""
    if keys.seed and keys.fold:
        raise AblateError(f"{where}: seed and fold are both stated; state one: what the runs of a row differ in")
    key = "seed" if keys.seed else "fold"
    return resolved(runs, keys.seed or keys.fold, f"{where}.{key}") if keys.seed or keys.fold else ""


def _measured(
    runs: Runs, stated: list[Metric], keys: ImportKeys, key: Sequence[str], where: str
) -> tuple[Runs, list[Metric], list[Columns]]:
    """Return one run for each combination of the fields of `key` where lines are steps or examples, otherwise the runs;
    with the full names of the numbers' fields, and the columns of the examples of each run."""
    if keys.example and not keys.examples:
        stated_columns = keys.columns | ({"group": keys.group} if keys.group else {})
        columns = {name: resolved(runs, f, f"{where}.columns.{name}") for name, f in stated_columns.items()}
        columns |= {t.name: resolved(runs, t.field, f"{where}.metrics.{t.number}") for t in stated}
        example = resolved(runs, keys.example, f"{where}.example")
        if "label" in columns:
            per_example.refuse_two_labels(runs.frame, example, columns["label"], _seed(runs, keys, where), where)
        runs, of_runs = per_example.of_lines(runs, example, columns, key, f"{where}.example")
        return runs, stated, of_runs
    if (keys.columns or keys.group) and not keys.examples:
        key_name = "columns" if keys.columns else "group"
        raise AblateError(f"{where}.{key_name}: needs example = the name of the column that identifies the examples")
    if keys.step:
        courses = [resolved(runs, t.field, f"{where}.metrics.{t.number}") for t in stated if "|" not in t.field]
        courses += [resolved(runs, name, f"{where}.costs") for name in named(keys.costs).values()]
        runs = course.from_steps(runs, resolved(runs, keys.step, f"{where}.step"), key, courses, f"{where}.step")
    stated_fields = [resolved(runs, t.field, f"{where}.metrics.{t.number}") for t in stated if "|" not in t.field]
    runs = course.from_lists(runs, stated_fields)
    return *numbers.with_alternatives(runs, stated, where), []


def named(stated: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    """Return new name -> field. A field alone is named by its last part, by more parts where names would be equal."""
    if isinstance(stated, Mapping):
        return dict(stated)
    for n_parts in (1, 2, 99):
        names = {field: _ending(field, n_parts) for field in stated}
        if len(set(names.values())) == len(names):
            break
    return {name: field for field, name in names.items()} if stated else {}


def _ending(field: str, n_parts: int) -> str:
    """Return the last parts of a dotted name as a word; "name" alone is no name of a factor."""
    parts = field.split(".")
    n_parts += parts[-1] in GENERAL
    word = "_".join(parts[-n_parts:])
    return "".join(letter if letter.isalnum() else "_" for letter in word).strip("_") or "factor"


def _refuse_own(factors: Mapping[str, str], stated: Sequence[Metric], where: str) -> None:
    """Raise AblateError for a factor with the name of another column of the table."""
    columns = tuple(f"{split}_{metric.name}" for metric in stated for split in ("train", "val", "test"))
    for name in factors:
        if name in OWN_COLUMNS or name.startswith((*OWN_STARTS, *columns)):
            raise AblateError(
                f"{where}.factors.{name}: is the name of a column of the table; name the factor otherwise, such as "
                f"factors = {{ my_{name} = {factors[name]!r} }}"
            )


def _prepared(runs: Runs, keys: ImportKeys, where: str) -> Runs:
    """Return the runs with the fields of a pattern, without those that the filter leaves out, as runs of long lines."""
    runs = fields.with_pattern(fields.with_status(runs), keys.pattern, f"{where}.pattern")
    runs = fields.filtered(runs, keys.where, f"{where}.where")
    runs = pivoted.unpivoted(runs, list(named(keys.metrics).values()), f"{where}.metrics")
    if keys.long:
        long = keys.long if isinstance(keys.long, LongKeys) else LongKeys()
        runs = course.from_long(runs, long.metric, long.value, keys.step, f"{where}.long")
    return runs
