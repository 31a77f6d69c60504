"""What the fields of a source probably are: factors, seed, step, metrics, costs, examples, and names of runs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from ablation.errors import AblateError
from ablation.measures import names as measures
from ablation.sources import course, fields, pivoted
from ablation.sources.arrange import named
from ablation.sources.cells import is_missing, is_summary
from ablation.sources.fields import is_result, last_word, settings
from ablation.sources.guess_examples import ExampleColumns, example_columns
from ablation.sources.guess_pattern import pattern_of
from ablation.sources.metrics import split_of
from ablation.sources.numbers import refuse_summaries
from ablation.sources.runs import FOLDER, NAME, OWN, SETTING, TAG, VALUE, Runs
from ablation.study.declared_factors import OWN_COLUMNS, OWN_STARTS

SEEDS = ("seed", "random_seed", "random_state", "seed_model", "run", "repeat", "replicate", "trial", "rep")
FOLDS = ("fold", "cv_fold", "split_id", "kfold")
STEPS = ("epoch", "step", "iteration", "training_iteration", "global_step")
METRICS, VALUES = ("metric", "metric_name", "measure", "metrics"), ("value", "val", "metric_value", "result")
COSTS = re.compile(r"(?:.*[_./])?(?:seconds?|time|duration|latency(?:_s)?|memory|params|parameters|flops|cost(?:_usd)?"
                   r"|runtime|total_time_seconds|num_turns|time_total_s|time_this_iter_s)", re.IGNORECASE)  # fmt: skip
LABELS = re.compile(r"(?:.*[_./])?(?:id|uuid|name|time|timestamp|date|ts|path|dir|file|hash|sha|host|user|pid|url"
                    r"|version)", re.IGNORECASE)  # fmt: skip
NUMBERED = re.compile(r"(seed|run|rep|repeat|trial|fold|replicate)[ _=-]?\d+", re.IGNORECASE)
MOST_LEVELS = 50  # of a factor
FEW_LEVELS = 8  # of a setting that is a fraction
MOST_METRICS = 8
SAME, MORE = "the same in all runs", "further numbers"
OF_EXAMPLES = "of the examples, not of the runs"


@dataclass(frozen=True)
class Guess:
    """Proposed keys of [import].

    `candidates`: number of no known name -> its range, where no metric is recognized. `unused`: why fields are not used
    -> the fields. `examples`: columns of the examples; None where lines are runs or steps.
    """

    factors: dict[str, str]
    seed: str
    fold: str
    step: str
    metrics: dict[str, str]
    costs: dict[str, str]
    ignored: tuple[str, ...] = ()
    candidates: dict[str, tuple[float, float]] = field(default_factory=dict)
    unused: dict[str, list[str]] = field(default_factory=dict)
    examples: ExampleColumns | None = None
    long: dict[str, str] = field(default_factory=dict)
    pattern: str = ""


def guess(runs: Runs) -> Guess:
    """Return what the fields of a source probably are, by their names and values.

    Raises AblateError where the source has means of runs, and no runs.
    """
    refuse_summaries(runs)
    _refuse_cells_with_means(runs)
    if examples := example_columns(runs):
        return _of_examples(runs, examples)
    runs = course.from_lists(
        runs, [str(c) for c in runs.frame.columns if measures.meaning(re.sub(r"\W+", "_", str(c)))]
    )
    for form in (_of_long, _of_pivot):
        if proposed := form(runs):
            return proposed
    proposed = _of_runs(runs)
    return proposed if proposed.factors else _of_names(runs, proposed)


def _is_measure(name: str) -> bool:
    return measures.meaning(re.sub(r"\W+", "_", name)) is not None


def _refuse_cells_with_means(runs: Runs) -> None:
    for name in runs.frame.columns:
        cells = [cell for cell in runs.frame[name] if not is_missing(cell)]
        if cells and all(map(is_summary, cells)):
            raise AblateError(
                f"{runs.address}: {name} has summaries of runs ({cells[0]!r}), and a table needs the runs themselves; "
                "import the runs that the means are of"
            )


def _of_runs(runs: Runs) -> Guess:
    """Return what the fields are where lines are runs or steps."""
    columns = [str(name) for name in runs.frame.columns]
    seed, fold = _first(columns, SEEDS) or _with_seeds(runs), _first(columns, FOLDS)
    step = "" if runs.curves is not None else _step(runs, columns)
    results = [*runs.metrics, *(c for c in columns if _is_result(runs, c, (seed, fold, step)))]
    costs = [name for name in results if COSTS.fullmatch(name)]
    numbers = [name for name in results if name not in costs and name not in ("step", "epoch")]
    metrics = [name for name in numbers if split_of(name)[0] or _is_measure(name)]
    others = [c for c in settings(runs, [seed, fold, step, *results]) if c not in (seed, fold, step)]
    varying = [c for c in others if _n_levels(runs.frame[c]) > 1]
    ids = [c for c in varying if _is_label(runs.frame[c], c)]
    factors = [c for c in varying if c not in ids]
    shown = _main([*metrics, *(name for name in numbers if name not in metrics)]) if metrics else []
    unused = {SAME: [c for c in others if c not in varying], MORE: [c for c in numbers if shown and c not in shown]}
    maybe = [] if runs.separates_settings else factors
    candidates = {} if metrics else {c: r for c in [*numbers, *maybe] if (r := _range(runs, c))}
    return Guess(_free(named(factors)), seed, fold, step, {_number(m): m for m in shown},
                 {re.sub(r"\W+", "_", c): c for c in costs}, tuple(ids), candidates,
                 {reason: members for reason, members in unused.items() if members})  # fmt: skip


def _free(factors: dict[str, str]) -> dict[str, str]:
    """Return the factors with other names for those that are columns of every table."""
    own = {name for name in factors if name in OWN_COLUMNS or name.startswith(OWN_STARTS)}
    return {f"my_{name}" if name in own else name: field for name, field in factors.items()}


def _of_examples(runs: Runs, examples: ExampleColumns) -> Guess:
    """Return what the fields are where lines are examples."""
    taken = [examples.example, *examples.columns.values(), *examples.scores, *examples.own]
    columns = [str(name) for name in runs.frame.columns if name not in taken]
    seed, fold = _first(columns, SEEDS), _first(columns, FOLDS)
    others = [c for c in settings(runs, [seed, fold, *taken]) if c not in (seed, fold)]
    factors = [c for c in others if 1 < _n_levels(runs.frame[c]) <= MOST_LEVELS and runs.frame[c].dtype.kind != "f"]
    left = [c for c in (*others, *examples.own) if c not in (*factors, examples.group)]
    return Guess(
        _free(named(factors)), seed, fold, "", {re.sub(r"\W+", "_", name): name for name in examples.scores}, {},
        unused={OF_EXAMPLES: left} if left else {}, examples=examples,
    )  # fmt: skip


def _of_long(runs: Runs) -> Guess | None:
    """Return what the fields are where a line is one metric of a run; None where it is not."""
    columns = [str(name) for name in runs.frame.columns]
    metric, value = _first(columns, METRICS), _first(columns, VALUES)
    is_long = metric and value and runs.frame[metric].dtype.kind not in "iufb" and runs.frame[value].dtype.kind in "if"
    if not is_long:
        return None
    step = _step(runs, columns)
    try:
        wide = course.from_long(runs, metric, value, step, runs.address)
    except AblateError:
        return None
    return replace(_of_runs(wide), step=step, long={"metric": metric, "value": value})


def _of_pivot(runs: Runs) -> Guess | None:
    """Return what the fields are where replicates are columns; None where they are not."""
    numeric = [str(name) for name in runs.frame.columns if runs.frame[name].dtype.kind in "if"]
    patterns = {p: c for p, c in pivoted.proposed(numeric).items() if any(runs.frame[n].dtype.kind == "f" for n in c)}
    if not patterns:
        return None
    long = pivoted.unpivoted(runs, list(patterns), runs.address)
    of_others = _of_runs(replace(long, frame=long.frame.drop(columns=[*patterns, pivoted.STAR])))
    factors = of_others.factors or named(of_others.ignored)
    numbers = {_of_pattern(pattern): pattern for pattern in patterns}
    return replace(of_others, factors=factors, seed=pivoted.STAR, metrics=numbers, ignored=(), candidates={})


def _of_pattern(pattern: str) -> str:
    """Return the name of a number of replicates: test_acc of acc_seed*, test_score of seed*."""
    words = [w for w in re.split(r"\W|_", pattern) if w and w.lower() not in (*SEEDS, *FOLDS, "split")]
    return _number("_".join(words)) if words else "test_score"


def _of_names(runs: Runs, proposed: Guess) -> Guess:
    """Return what the fields are with those that the names of files, folders or runs hold."""
    places = [name for name in (FOLDER, "file", NAME) if name in runs.frame and runs.frame[name].nunique() > 1]
    texts = [str(text) for text in runs.frame[places[0]]] if places else []
    pattern = pattern_of(texts)
    if not pattern or (len(set(texts)) < len(texts) and not proposed.step):  # several runs have one name
        return replace(proposed, factors={places[0]: places[0]}) if places else proposed
    return replace(_of_runs(fields.with_pattern(runs, pattern, runs.address)), pattern=pattern)


def _range(runs: Runs, name: str) -> tuple[float, float] | None:
    """Return the smallest and the largest value of a number; None where it does not vary, or is no number."""
    if name in runs.frame:
        values = runs.frame[name] if runs.frame[name].dtype.kind in "if" else pd.Series(dtype=float)
    else:
        values = course.last(runs.curves, name) if runs.curves is not None else pd.Series(dtype=float)
    values = values.dropna()
    return (float(values.min()), float(values.max())) if values.nunique() > 1 else None


def _first(columns: Sequence[str], words: Sequence[str]) -> str:
    """Return the first field whose last word is one of these."""
    lasts = {column: last_word(column) for column in columns}
    return next((column for word in words for column, last in lasts.items() if last == word), "")


def _with_seeds(runs: Runs) -> str:
    """Return the field whose texts are all numbered replicates, such as seed0 and seed1; "" for none."""
    texts = {
        str(name): runs.frame[name].dropna() for name in runs.frame.columns if runs.frame[name].dtype.kind not in "iufb"
    }
    return next((n for n, cells in texts.items() if len(cells) and all(NUMBERED.fullmatch(str(c)) for c in cells)), "")


def _step(runs: Runs, columns: Sequence[str]) -> str:
    """Return the column that counts steps, where it repeats within the columns that distinguish runs."""
    name = _first(columns, STEPS)
    return name if name and runs.frame[name].dtype.kind in "if" and runs.frame[name].nunique() > 1 else ""


def _is_result(runs: Runs, name: str, taken: Sequence[str]) -> bool:
    """Return whether a column holds results."""
    column = runs.frame[name]
    if name in taken or column.dtype.kind not in "if":
        return False
    if runs.separates_settings:
        return name not in (*OWN, *fields.OWN_OF_FILES) and not name.startswith((SETTING, TAG))
    has_split = bool(split_of(name)[0])
    is_known = is_result(runs, name) or bool(COSTS.fullmatch(name)) or last_word(name) == VALUE
    if column.dtype.kind == "i":
        return has_split and is_known
    has_measure = _is_measure(re.split(r"\W|_", name)[0]) and column.nunique() > FEW_LEVELS  # acc_t1; no loss_weight
    return has_split or is_known or has_measure or column.nunique() > max(10, min(20, len(column) // 3))


def _n_levels(column: pd.Series) -> int:
    return len({str(cell) for cell in column})


def _is_label(column: pd.Series, name: str) -> bool:
    """Return whether a column names its runs: a value of its own in each run, or a time, path or machine."""
    n_levels, n_runs = _n_levels(column), len(column)
    is_own = n_levels == n_runs > 2 and column.dtype.kind not in "if"
    return is_own or n_levels > MOST_LEVELS or (bool(LABELS.fullmatch(name)) and n_levels > n_runs // 2)


def _main(metrics: Sequence[str]) -> list[str]:
    """Return metrics in the order in which a table shows them, those on test first."""
    order = {"test": 0, "val": 1, "": 2, "train": 3}
    return sorted(metrics, key=lambda name: order[split_of(name)[0]])[:MOST_METRICS]


def _number(name: str) -> str:
    """Return the name of a number for a metric: val_acc of validation/acc."""
    split, measure = split_of(name)
    return f"{split}_{measure}" if split else measure
