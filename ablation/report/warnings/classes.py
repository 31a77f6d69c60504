"""Warnings about classes: their numbers of images, and how the rows predict the classes."""

import numpy as np

from ablation.analysis.check_context import CheckContext
from ablation.model.diagnostic import Diagnostic
from ablation.model.phrases import listed, percent, plural, sentence, which

RATIO, SHARE = 3, 1.5  # largest to smallest class; the largest class, as a multiple of an equal share
FEW = 30  # images of a class: the Wilson interval of the class's recall reaches about 17 pp to each side
SPLITS = {"val": "validation", "test": "test"}


def imbalance(context: CheckContext) -> Diagnostic | None:
    """Warn where the classes have very unequal numbers of test images."""
    if not context.counts("test"):
        return None
    counts = {k: n for k, n in zip(context.record.inputs.classes, context.counts("test"), strict=True) if n}
    if len(counts) < 2:
        return None
    largest, smallest, total = (
        max(counts, key=counts.__getitem__),
        min(counts, key=counts.__getitem__),
        sum(counts.values()),
    )
    if counts[largest] <= RATIO * counts[smallest] and counts[largest] <= SHARE * total / len(counts):
        return None
    return Diagnostic(
        "IMBALANCE",
        f"Of {total:,} test images, {counts[largest]:,} are {largest} ({percent(counts[largest] / total)}) and "
        f"{counts[smallest]:,} {smallest} ({percent(counts[smallest] / total)}).",
        f"Accuracy reflects mostly the large classes: always guessing {largest} scores "
        f"{percent(counts[largest] / total)}.",
        "Report macro-F1 and the recall of each class with accuracy.",
    )


def below_baseline(context: CheckContext) -> Diagnostic | None:
    """Warn where a row's accuracy is at most that of always predicting the largest class.

    The check reads test accuracy, or validation accuracy while test is sealed.
    """
    split, evidence = ("test", context.study.test) if context.study.test else ("val", context.study.val)
    measure = context.record.measures.get("accuracy")
    if measure is None or not all(context.counts(split, row) for row in evidence):
        return None
    shares = {row: max(context.counts(split, row)) / sum(context.counts(split, row)) for row in evidence}
    accuracy = {row: float(a.share(measure).mean()) for row, a in evidence.items()}
    rows = [row for row in evidence if accuracy[row] <= shares[row]]
    if not rows:
        return None
    worst = percent(min(accuracy[row] for row in rows))
    worst_rows = [row for row in rows if percent(accuracy[row]) == worst]
    worst_text = f"{which(worst_rows)} the worst, {worst}" if rows[1:] else worst
    guesses = {(int(np.argmax(context.counts(split, row))), shares[row]) for row in rows}
    class_index, share = next(iter(guesses))
    guess = (
        f"{context.record.inputs.classes[class_index]} ({percent(share)})" if len(guesses) == 1 else "the largest class"
    )
    return Diagnostic(
        "BELOW_BASELINE",
        f"{sentence(which(rows, 'is', 'are'))} no better in {SPLITS[split]} accuracy than always guessing {guess}: "
        f"{worst_text}.",
        "These rows learnt nothing useful, and a difference from such a row says nothing about the factor.",
        "Check the learning curves: the learning rate may be too high, or the epochs too few.",
        tuple(rows),
    )


def _by_split(context: CheckContext, limit: int, minimum: int) -> dict[str, list[str]]:
    """Return, for validation and test, the classes with `minimum` to `limit` - 1 images.

    Where rows have different images, each set of images has its own list, with its rows: "test of rows 1 to 3". Sets
    without such a class are left out.
    """
    by_split: dict[str, list[str]] = {}
    for split, title in SPLITS.items():
        rows_by_counts: dict[tuple[int, ...], list[int]] = {}
        for row in range(1, len(context.grid.rows) + 1):
            if counts := context.counts(split, row):
                rows_by_counts.setdefault(counts, []).append(row)
        for counts, rows in rows_by_counts.items():
            named = f"{title} of {which(rows)}" if len(rows_by_counts) > 1 else title
            by_split[named] = [
                f"{n} {name}" if minimum else name
                for name, n in zip(context.record.inputs.classes, counts, strict=True)
                if minimum <= n < limit
            ]
    return {title: classes for title, classes in by_split.items() if classes}


def small_class(context: CheckContext) -> Diagnostic | None:
    """Warn where a class has images in validation or test, but fewer than FEW."""
    small_classes = _by_split(context, FEW, 1)
    if not small_classes:
        return None
    text = "; ".join(f"{split}: {listed(names)}" for split, names in small_classes.items())
    return Diagnostic(
        "SMALL_CLASS",
        f"Some classes have fewer than {FEW} images ({text}).",
        "The recall of such a class can be off by 17 pp or more, and macro-F1 weights all classes equally.",
        "Add images of these classes, and do not interpret the score of a single one of them.",
    )


def absent(context: CheckContext) -> Diagnostic | None:
    """Warn where a class has no image in validation or test."""
    absent_classes = _by_split(context, 1, 0)
    if not absent_classes:
        return None
    text = "; ".join(f"{listed(names)} in {split}" for split, names in absent_classes.items())
    return Diagnostic(
        "CLASS_ABSENT",
        f"Some classes have no image: {text}.",
        f"Macro-F1 is then the mean over the classes that have images, and cannot be compared with one over all "
        f"{len(context.record.inputs.classes)} classes.",
        "Add images, or leave the class out with --classes.",
    )


def never_predicted(context: CheckContext) -> Diagnostic | None:
    """Warn where a class occurs in the split, but no training of a row ever predicts the class."""
    split, evidence = ("test", context.study.test) if context.study.test else ("val", context.study.val)
    if not all(context.counts(split, row) for row in evidence):
        return None
    classes, by_class = context.record.inputs.classes, dict[int, list[int]]()
    for row, row_evidence in evidence.items():
        counts = np.bincount(row_evidence.predicted.ravel(), minlength=len(classes))
        for k in np.flatnonzero((counts == 0) & (np.array(context.counts(split, row)) > 0)):
            by_class.setdefault(int(k), []).append(row)
    if not by_class:
        return None
    is_plural = sum(map(len, by_class.values())) > 1
    return Diagnostic(
        "NEVER_PREDICTED",
        f"{plural(len(by_class), 'class', 'classes')} that {'occurs' if len(by_class) == 1 else 'occur'} in "
        f"{SPLITS[split]} {'is' if len(by_class) == 1 else 'are'} never predicted: "
        f"{listed(f'{classes[k]} (by {which(rows)})' for k, rows in by_class.items())}.",
        f"{'Their F1 is' if is_plural else 'Its F1 is'} 0 by convention, which pulls macro-F1 down.",
        "Check the confusion matrix; more images of the class, or balanced batches, may help.",
        tuple(sorted({row for rows in by_class.values() for row in rows})),
    )
