"""Names of numbers in a study for the metrics of a source: val_acc of `validation/acc`."""

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
OF_VALIDATION = "the source has no test numbers: validation numbers are compared in their place"
WITHOUT_SPLIT = "names no split: read as a number on test"


@dataclass(frozen=True)
class Target:
    """Number of a study. `split`: train, val or test. `name`: its measure. `field`: its name in the source."""

    split: str
    name: str
    field: str

    @property
    def number(self) -> str:
        """Name with its split, such as val_accuracy."""
        return f"{self.split}_{self.name}"


def of_metrics(stated: Mapping[str, str] | Sequence[str], where: str) -> tuple[list[Target], list[str]]:
    """Return the numbers that metrics of a source become, and notes on their splits.

    A name without a split is a number on test. Where no name is of test, numbers on validation stand for them.

    Args:
        stated: number -> field, or fields alone, whose names state the split.
        where: beginning of an error message.
    """
    pairs = stated.items() if isinstance(stated, Mapping) else [(name, name) for name in stated]
    targets, notes = [], []
    for name, field in pairs:
        split, measure = _split(name)
        if not ALLOWED.fullmatch(measure):
            raise AblateError(f"{where}.{name}: not the name of a number; allowed: letters, digits and _")
        if not split:
            notes.append(f"{name} {WITHOUT_SPLIT}.")
        targets.append(Target(split or "test", measure, field))
    if targets and not any(target.split == "test" for target in targets):
        notes.append(f"{OF_VALIDATION[0].upper()}{OF_VALIDATION[1:]}.")
        targets = [Target("test", t.number, t.field) if t.split == "val" else t for t in targets]
    numbers = [target.number for target in targets]
    if twice := next((number for n, number in enumerate(numbers) if number in numbers[:n]), None):
        raise AblateError(f"{where}: {twice} is stated twice; name each number once")
    return targets, notes


def _split(name: str) -> tuple[str, str]:
    """Return the split that a name begins with, "" for none, and the name of the measure."""
    words = re.sub(r"\W+", "_", name).strip("_")
    first, _, measure = words.partition("_")
    split = SPLITS.get(first.lower(), "")
    if not split:  # as in ema_val_acc
        parts = words.split("_")
        inner = next((n for n, part in enumerate(parts[1:-1], start=1) if part.lower() in INNER), 0)
        if inner:
            return SPLITS[parts[inner].lower()], "_".join([*parts[:inner], *parts[inner + 1 :]])
    return (split, measure) if split and measure else ("", words)
