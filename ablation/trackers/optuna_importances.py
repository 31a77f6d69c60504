"""Importances of factors, by Optuna's evaluator."""

import math
from collections.abc import Mapping, Set
from statistics import fmean, stdev
from typing import Any

from ablation.late_imports import late_import
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.study.grid import Trial

optuna = late_import("optuna")

FORESTS, TREES = 10, 8  # a single forest is unstable, and does not show that


def _in_order(levels: Set[Any]) -> list[Any]:
    """Return levels in order: numbers by size; names and lists of units by their text."""
    return sorted(levels, key=lambda v: (v, "") if isinstance(v, int | float) else (math.inf, str(v)))


def importances(record: Record, finished: Mapping[Trial, Result]) -> dict[str, tuple[float, float]]:
    """Return the importance of each varying factor for the selection metric (fANOVA, Hutter et al. 2014).

    The importance is the share of the metric's variance that random forests explain by the factor. A level is encoded
    as its position among the levels. With a declared range, its unused part would get nearly all of the weight; names
    would cost 2^levels times as much.

    Args:
        record: Record of the study.
        finished: Results of the finished trials.

    Returns:
        Factor -> mean and standard deviation over FORESTS seeds; {} where all values are the same.
    """
    metric, varying = (record.selected_by or record.primary).name, record.grid.varying
    if len({result.scores["val"][metric] for result in finished.values()}) < 2:
        return {}
    levels = {f: _in_order({getattr(r, f) for r in record.grid.rows}) for f in varying}
    places: dict[str, Any] = {
        f: optuna.distributions.IntDistribution(0, len(values) - 1) for f, values in levels.items()
    }
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for trial, result in finished.items():
        params = {f: levels[f].index(getattr(trial.condition, f)) for f in varying}
        value = result.scores["val"][metric]
        study.add_trial(optuna.trial.create_trial(params=params, distributions=places, value=value))
    values = [_importance(study, seed) for seed in range(FORESTS)]
    return {f: (fmean(shares[f] for shares in values), stdev(shares[f] for shares in values)) for f in varying}


def _importance(study: Any, seed: int) -> dict[str, float]:
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, seed=seed)
    shares: dict[str, float] = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return shares
