"""Classes: how often they occur, and what the rows make of them."""

import numpy as np

from ablation.caveats.caveat import Caveat, listed, percent, plural, sentence, which
from ablation.caveats.known import Known

RATIO, SHARE = 3, 1.5  # largest to smallest class; the largest class, as a multiple of an equal share (report.md, 3.3)
FEW = 30  # images of a class: their recall's Wilson interval reaches about 17 pp to each side (report.md, 3.3)
SPLITS = {"val": "validation", "test": "test"}


def imbalance(known: Known) -> Caveat | None:
    if not known.record.inputs.classes:
        return None
    counts = {k: n for k, n in zip(known.record.inputs.classes, known.counts("test"), strict=True) if n}
    if len(counts) < 2:
        return None
    most, fewest, total = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__), sum(counts.values())
    if counts[most] <= RATIO * counts[fewest] and counts[most] <= SHARE * total / len(counts):
        return None
    return Caveat(
        "IMBALANCE",
        f"Of {total:,} test images, {counts[most]:,} are {most} ({percent(counts[most] / total)}) and "
        f"{counts[fewest]:,} {fewest} ({percent(counts[fewest] / total)}).",
        f"Accuracy is mostly that of the large classes: to guess {most} always scores {percent(counts[most] / total)}.",
        "Read macro-F1 and the recall of each class beside accuracy.",
    )


def below_baseline(known: Known) -> Caveat | None:
    """On test; on validation while test is sealed."""
    if not known.record.inputs.classes:
        return None
    split, answers = ("test", known.findings.test) if known.findings.test else ("val", known.findings.val)
    shares = {row: max(known.counts(split, row)) / sum(known.counts(split, row)) for row in answers}
    right = known.record.measures["accuracy"]
    accuracy = known.test_values or {row: float(a.share(right).mean()) for row, a in answers.items()}
    rows = [row for row in answers if accuracy[row] <= shares[row]]
    if not rows:
        return None
    worst = min(rows, key=accuracy.__getitem__)
    said = f"row {worst} the worst, {percent(accuracy[worst])}" if rows[1:] else percent(accuracy[worst])
    guesses = {(int(np.argmax(known.counts(split, row))), shares[row]) for row in rows}
    k, share = next(iter(guesses))
    guess = (
        f"{known.record.inputs.classes[k]} always ({percent(share)})"
        if len(guesses) == 1
        else "the largest class always"
    )
    return Caveat(
        "BELOW_BASELINE",
        f"{sentence(which(rows, 'is', 'are'))} no better in {SPLITS[split]} accuracy than to guess {guess}: {said}.",
        "Nothing that helps was learnt there, and a difference from such a row says nothing of the factor.",
        "Look at the learning curves: the learning rate may be too high, or the epochs too few.",
        tuple(rows),
    )


def _by_split(known: Known, few: int, least: int) -> dict[str, list[str]]:
    """Validation, test -> the classes with `least` to `few` - 1 images there, in any of the splits in use."""
    found: dict[str, list[str]] = {}
    if not known.record.inputs.classes:
        return found
    for split, word in SPLITS.items():
        for level in known.record.inputs.counts.values():
            for name, n in zip(known.record.inputs.classes, level[split], strict=True):
                said = f"{n} {name}" if least else name
                if least <= n < few and said not in found.setdefault(word, []):
                    found[word].append(said)
    return {word: classes for word, classes in found.items() if classes}


def small_class(known: Known) -> Caveat | None:
    found = _by_split(known, FEW, 1)
    if not found:
        return None
    said = "; ".join(f"{split}: {listed(names)}" for split, names in found.items())
    return Caveat(
        "SMALL_CLASS",
        f"Fewer than {FEW} images of a class ({said}).",
        "The recall of such a class can be off by 17 pp and more, and macro-F1 weighs it like any other.",
        "Add images of these classes, and do not read their scores one by one.",
    )


def absent(known: Known) -> Caveat | None:
    found = _by_split(known, 1, 0)
    if not found:
        return None
    said = "; ".join(f"no {listed(names)} in {split}" for split, names in found.items())
    return Caveat(
        "CLASS_ABSENT",
        f"Classes without an image: {said}.",
        f"Macro-F1 is there over the classes that have images, and cannot be compared with one over all "
        f"{len(known.record.inputs.classes)}.",
        "Add images, or leave the class out with --classes.",
    )


def never_predicted(known: Known) -> Caveat | None:
    """By none of a row's networks, though it occurs."""
    if not known.record.inputs.classes:
        return None
    split, answers = ("test", known.findings.test) if known.findings.test else ("val", known.findings.val)
    classes, rows = known.record.inputs.classes, dict[int, list[int]]()
    for row, found in answers.items():
        said = np.bincount(found.predicted.ravel(), minlength=len(classes))
        for k in np.flatnonzero((said == 0) & (np.array(known.counts(split, row)) > 0)):
            rows.setdefault(int(k), []).append(row)
    if not rows:
        return None
    several = sum(map(len, rows.values())) > 1
    return Caveat(
        "NEVER_PREDICTED",
        f"{plural(len(rows), 'class', 'classes')} that {'occurs' if len(rows) == 1 else 'occur'} in {SPLITS[split]} "
        f"{'is' if len(rows) == 1 else 'are'} never predicted: "
        f"{listed(f'{classes[k]} (by {which(some)})' for k, some in rows.items())}.",
        f"{'Their F1 is' if several else 'Its F1 is'} 0 by convention, which pulls macro-F1 down.",
        "Look at the confusion matrix; more images of the class, or balanced batches, may help.",
        tuple(sorted({row for some in rows.values() for row in some})),
    )
