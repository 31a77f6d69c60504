"""Known names of numbers: title, unit and direction of a number that is called accuracy or val_loss.

A name has the meaning of its last words: clean_acc is an accuracy. A name with other last words has no known meaning.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from ablation.errors import AblateError
from ablation.measures.auc import auc
from ablation.measures.balanced_accuracy import BALANCED_ACCURACY
from ablation.measures.calibration import ECE
from ablation.measures.classes import of_classes
from ablation.measures.correlation import PEARSON, R2
from ablation.measures.measure import SCALAR, SHARE, SPLITS, Measure, scalar
from ablation.measures.probabilities import LOG_LOSS, brier
from ablation.measures.regression import FROM_0, mae, rmse
from ablation.nearest import nearest


def _number(measure: Measure) -> Measure:
    """Return the meaning of a computed measure, for a number of the same name."""
    return replace(
        measure, kind=SCALAR, needs=(), per_example=None, aggregate=None, resampled=None, splits=SPLITS[1:],
        stratified=False, descriptive=False,
    )  # fmt: skip


def _share(name: str, title: str = "", best: str = "high") -> Measure:
    """Return the meaning of a number that is a fraction."""
    return replace(scalar(name, title, "%", best=best), bounds=SHARE)


_COMPUTED = (*of_classes().values(), BALANCED_ACCURACY, auc(), LOG_LOSS, brier(), ECE, mae(), rmse(), R2, PEARSON)
_STATED = (
    _share("f1", "F1"), _share("precision"), _share("recall"), _share("correct", "share correct"), _share("dice"),
    _share("success", "success rate"), _share("pass", "pass rate"), _share("iou", "IoU"), _share("error", best="low"),
    _share("wer", "word error rate", "low"), _share("cer", "character error rate", "low"),
    scalar("loss", best="low"), replace(scalar("mse", "MSE", best="low"), bounds=FROM_0),
    scalar("perplexity", best="low"), scalar("score"), scalar("reward"), scalar("latency", best="low"),
)  # fmt: skip

MEANINGS: Mapping[str, Measure] = {m.name: m for m in (*map(_number, _COMPUTED), *_STATED)}
ALIASES: Mapping[str, str] = {
    "acc": "accuracy", "balanced_acc": "balanced_accuracy", "bal_acc": "balanced_accuracy", "f1_macro": "macro_f1",
    "f1_weighted": "weighted_f1", "f1_micro": "micro_f1", "f1_score": "f1", "roc_auc": "auc", "auroc": "auc",
    "nll": "log_loss", "logloss": "log_loss", "cross_entropy": "log_loss", "brier_score": "brier", "err": "error",
    "error_rate": "error", "r2_score": "r2", "correlation": "pearson", "pearson_r": "pearson", "ppl": "perplexity",
    "success_rate": "success", "pass_rate": "pass",
}  # fmt: skip


def undirected(name: str, where: str) -> AblateError:
    """Return the error of a number that is to select, and whose direction is unknown; its name may be misspelt."""
    return AblateError(
        f"{where}: nothing says whether high or low values of {name} are better; set "
        f'[measures] {name} = {{ best = "high" }} or "low"{nearest(name, [*MEANINGS, *ALIASES])}'
    )


def split_of(number: str) -> tuple[str, str]:
    """Return the split that a number's name begins with, and the rest: val_loss is ("val", "loss").

    The split is "" for a name without one: the number is a cost.
    """
    split, _, name = number.partition("_")
    return (split, name) if split in SPLITS and name else ("", number)


def meaning(name: str) -> Measure | None:
    """Return the measure that a name means by its last words, whole words alone; None for an unknown name.

    The measure has the name itself, and a title with the words in front: the title of clean_acc is "clean accuracy".
    """
    words = re.findall(r"[a-z0-9]+", name.lower())
    for first in range(len(words)):
        last = "_".join(words[first:])
        if means := MEANINGS.get(ALIASES.get(last, last)):
            return _renamed(means, name, words[:first])
    return None


def like(name: str, other: str) -> Measure | None:
    """Return the meaning of a known measure for a number of any name; None where `other` is unknown.

    A name that does not end like the other keeps its own words as title.
    """
    other_means, own = MEANINGS.get(ALIASES.get(other, other)), meaning(name)
    if other_means is None:
        return None
    if own and own.title.endswith(other_means.title):
        return replace(own, best=other_means.best)
    return replace(other_means, name=name, title=name.replace("_", " "), heading="")


def _renamed(means: Measure, name: str, before: list[str]) -> Measure:
    """Return a known measure under a name, with the words in front of it in the title."""
    if not before:
        return replace(means, name=name)
    return replace(means, name=name, title=" ".join([*before, means.title]), heading="")
