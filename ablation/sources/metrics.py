"""Metrics of a source, and the numbers of a study that they become: val_acc of `validation/acc`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ablation.errors import AblateError

SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "eval": "val",
    "dev": "val", "test": "test", "testing": "test",
}  # fmt: skip
INNER = ("train", "val", "valid", "validation", "test")  # words that state the split within a name too
ALLOWED = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Metric:
    """Metric of a source as a number of a study.

    `split`: train, val or test. `name`: its measure in the study. `field`: its name in the source.
    """

    split: str
    name: str
    field: str

    @property
    def number(self) -> str:
        """Name with its split, such as val_accuracy."""
        return f"{self.split}_{self.name}"


def stated_metrics(
    stated: Mapping[str, str] | Sequence[str], where: str, has_examples: bool = False
) -> tuple[list[Metric], list[str]]:
    """Return the metrics that [import] states, as numbers of the study, and notes on their splits.

    A name without a split is a number on test. Where no name is of test, numbers on validation stand for them.

    Args:
        stated: number -> field, or fields alone, whose names state the split.
        where: beginning of an error message.
        has_examples: whether files of examples state the numbers on test.
    """
    pairs = stated.items() if isinstance(stated, Mapping) else [(name, name) for name in stated]
    metrics, notes = [], []
    for name, field in pairs:
        split, measure = split_of(name)
        if not ALLOWED.fullmatch(measure):
            raise AblateError(f"{where}.{name}: not the name of a number; allowed: letters, digits and _")
        if not split:
            notes.append(f"{name} names no split: read as a number on test.")
        metrics.append(Metric(split or "test", measure, field))
    if lack_test(stated, has_examples):
        notes.append("The source has no test numbers: validation numbers are compared in their place.")
        metrics = [Metric("test", m.number, m.field) if m.split == "val" else m for m in metrics]
    numbers = [metric.number for metric in metrics]
    if twice := next((number for n, number in enumerate(numbers) if number in numbers[:n]), None):
        raise AblateError(f"{where}: {twice} is stated twice; name each number once")
    return metrics, notes


def states_split(stated: Mapping[str, str] | Sequence[str]) -> bool:
    """Return whether a name of [import] metrics states a split on which rows are compared: validation or test."""
    return any(split_of(name)[0] in ("val", "test") for name in stated)


def lack_test(stated: Mapping[str, str] | Sequence[str], has_examples: bool = False) -> bool:
    """Return whether the metrics that [import] states are all of other splits than test, as are no examples."""
    return bool(stated) and not has_examples and all(split_of(name)[0] in ("train", "val") for name in stated)


def split_of(name: str) -> tuple[str, str]:
    """Return the split that a name begins with or has as a word, "" for none, and the name of the measure."""
    words = re.sub(r"\W+", "_", name).strip("_")
    first, _, measure = words.partition("_")
    split = SPLITS.get(first.lower(), "")
    if not split:  # as in ema_val_acc
        parts = words.split("_")
        inner = next((n for n, part in enumerate(parts[1:-1], start=1) if part.lower() in INNER), 0)
        if inner:
            return SPLITS[parts[inner].lower()], "_".join([*parts[:inner], *parts[inner + 1 :]])
    return (split, measure) if split and measure else ("", words)
