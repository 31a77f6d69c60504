"""What the fields of a source probably are: factors, seed, step, metrics, costs, and names of runs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from ablation.sources.arrange import named
from ablation.sources.fields import is_result, settings
from ablation.sources.metrics import split_of
from ablation.sources.runs import Runs

SEEDS = ("seed", "random_seed", "random_state", "seed_model", "run", "repeat", "replicate", "trial", "rep")
FOLDS = ("fold", "cv_fold", "split_id", "kfold")
STEPS = ("epoch", "step", "iteration", "training_iteration", "global_step")
COSTS = re.compile(r"(?:.*[_./])?(?:seconds?|time|duration|latency(?:_s)?|memory|params|parameters|flops|cost(?:_usd)?"
                   r"|runtime|total_time_seconds|num_turns|time_total_s|time_this_iter_s)", re.IGNORECASE)  # fmt: skip
LABELS = re.compile(r"(?:.*[_./])?(?:id|uuid|name|time|timestamp|date|ts|path|dir|file|hash|sha|host|user|pid|url"
                    r"|version)", re.IGNORECASE)  # fmt: skip
MOST_LEVELS = 50  # of a factor


@dataclass(frozen=True)
class Guess:
    """Proposed keys of [import]. `unused`: field -> why it is not used."""

    factors: dict[str, str]
    seed: str
    fold: str
    step: str
    metrics: dict[str, str]
    costs: dict[str, str]
    ignored: tuple[str, ...] = ()
    unused: dict[str, str] = field(default_factory=dict)


def guess(runs: Runs) -> Guess:
    """Return what the fields of a source probably are, by their names and values."""
    columns = [str(name) for name in runs.frame.columns]
    seed, fold = _first(columns, SEEDS), _first(columns, FOLDS)
    step = "" if runs.curves is not None else _step(runs, columns)
    results = [
        *runs.metrics,
        *(c for c in columns if not runs.separates_settings and _is_result(runs, c, (seed, fold, step))),
    ]
    costs = [name for name in results if COSTS.fullmatch(name)]
    metrics = [name for name in results if name not in costs and name not in ("step", "epoch")]
    others = [c for c in settings(runs, [seed, fold, step, *results]) if c not in (seed, fold, step)]
    varying = [c for c in others if _n_levels(runs.frame[c]) > 1]
    ids = [c for c in varying if _is_label(runs.frame[c], c)]
    factors = [c for c in varying if c not in ids]
    unused = {c: "the same in all runs" for c in others if c not in varying}
    return Guess(named(factors), seed, fold, step, {_number(m): m for m in _main(metrics)},
                 {re.sub(r"\W+", "_", c): c for c in costs}, tuple(ids), unused)  # fmt: skip


def _first(columns: Sequence[str], words: Sequence[str]) -> str:
    """Return the first field whose last word is one of these."""
    lasts = {column: column.rpartition(".")[2].lower() for column in columns}
    return next((column for word in words for column, last in lasts.items() if last == word), "")


def _step(runs: Runs, columns: Sequence[str]) -> str:
    """Return the column that counts steps, where it repeats within what tells runs apart."""
    name = _first(columns, STEPS)
    return name if name and runs.frame[name].dtype.kind in "if" and runs.frame[name].nunique() > 1 else ""


def _is_result(runs: Runs, name: str, taken: Sequence[str]) -> bool:
    """Return whether a column of a source that does not tell settings from results holds results."""
    column = runs.frame[name]
    if name in taken or column.dtype.kind not in "if":
        return False
    has_split = bool(split_of(name)[0])
    is_known = is_result(runs, name) or bool(COSTS.fullmatch(name))
    if column.dtype.kind == "i":
        return has_split and is_known
    return has_split or is_known or column.nunique() > max(10, len(column) // 3)


def _n_levels(column: pd.Series) -> int:
    return len({str(cell) for cell in column})


def _is_label(column: pd.Series, name: str) -> bool:
    """Return whether a column names its runs: a value of its own in each run, or a time, path or machine."""
    n_levels, n_runs = _n_levels(column), len(column)
    is_own = n_levels == n_runs > 2 and column.dtype.kind not in "if"
    return is_own or n_levels > MOST_LEVELS or (bool(LABELS.fullmatch(name)) and n_levels > n_runs // 2)


def _main(metrics: Sequence[str]) -> list[str]:
    """Return metrics in the order in which a table shows them: those on test first, at most eight."""
    order = {"test": 0, "val": 1, "": 2, "train": 3}
    return sorted(metrics, key=lambda name: order[split_of(name)[0]])[:8]


def _number(name: str) -> str:
    """Return the name of a number for a metric: val_acc of validation/acc."""
    split, measure = split_of(name)
    return f"{split}_{measure}" if split else measure
