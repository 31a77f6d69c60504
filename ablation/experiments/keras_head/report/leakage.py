"""Warnings about leaks between splits (copies, near copies, subjects) and about copies with different labels."""

from ablation.analysis.check_context import CheckContext
from ablation.experiments.keras_head.datasets.leaks import Leaks, without
from ablation.model.diagnostic import Diagnostic
from ablation.model.phrases import listed, percent, plural


def _named_leaks(context: CheckContext) -> list[tuple[str, Leaks]]:
    """Return (name, leaks) of each split level; the name is "" where there is one level only."""
    has_several = len(context.examined) > 1
    return [(f" of split {level}" if has_several else "", leaks) for level, leaks in context.examined.items()]


def _accuracies(context: CheckContext, level: str, positions: list[int]) -> str:
    """Return, as text, the test accuracy of the reference and the selected row with and without the leaked images.

    Args:
        context: what the checks are made from.
        level: split level; rows with other levels are left out.
        positions: positions of the leaked images within test.
    """
    selected = context.study.selected
    rows = dict.fromkeys([context.grid.reference, *([selected] if selected else [])])
    texts = []
    for row in rows:
        evidence = context.study.test.get(row)
        if evidence and context.grid.rows[row - 1].split == level:
            accuracy, accuracy_without, n_others = without(evidence.share(context.record.primary), positions)
            without_text = f"{percent(accuracy_without)} on the {n_others:,} others" if n_others else "no other image"
            texts.append(f"row {row}: {percent(accuracy)} with them, {without_text}")
    return f" ({'; '.join(texts)})" if texts else ""


def exact(context: CheckContext) -> Diagnostic | None:
    """Warn where test or validation images are copies, pixel by pixel, of images in an earlier split."""
    facts = []
    for level, leaks in context.examined.items():
        positions, val = list(leaks.exact["test"]), leaks.exact["val"]
        if positions or val:
            facts.append(
                f"{plural(len(positions), 'test image')} and {plural(len(val), 'validation image')} have exact "
                f"copies in an earlier split{_accuracies(context, level, positions) if positions else ''}"
            )
    if not facts:
        return None
    return Diagnostic(
        "LEAK_EXACT",
        f"{listed(facts)}.",
        "The model may have memorized these images; accuracy on them says nothing about new ones.",
        "Remove the copies from train (`ablate data` counts them), or split by subject.",
    )


def near(context: CheckContext) -> Diagnostic | None:
    """Warn where test images are near copies of images in an earlier split."""
    facts = []
    for level, leaks in context.examined.items():
        positions = list(leaks.similar["test"])
        if positions:
            facts.append(
                f"{plural(len(positions), 'test image has', 'test images have')} a near-duplicate in an earlier split "
                f"(perceptual hash and correlation, mirrored copies included){_accuracies(context, level, positions)}"
            )
    if not facts:
        return None
    return Diagnostic(
        "LEAK_NEAR",
        f"{listed(facts)}.",
        "Crops, re-encodings and neighbouring frames of train images inflate accuracy as copies do.",
        "Keep all versions of an image in one split; where they are frames of one person, split by subject.",
    )


def labels(context: CheckContext) -> Diagnostic | None:
    """Warn where equal images have different labels."""
    leaks = next(iter(context.examined.values()), None)
    if not leaks or not leaks.conflict:
        return None
    return Diagnostic(
        "LEAK_LABEL",
        f"{plural(leaks.conflict, 'group')} of equal images {'carry' if leaks.conflict > 1 else 'carries'} different "
        "labels.",
        "No model can be right on all of them; the highest attainable accuracy is below 100 %.",
        "Inspect them and correct the labels, or leave these images out.",
    )


def subjects(context: CheckContext) -> Diagnostic | None:
    """Warn where subjects have images in two splits."""
    facts = [f"{plural(leaks.subjects, 'subject')}{name} {'are' if leaks.subjects > 1 else 'is'} in two splits"
             for name, leaks in _named_leaks(context) if leaks.subjects]  # fmt: skip
    if not facts:
        return None
    return Diagnostic(
        "LEAK_SUBJECT",
        f"{listed(facts)}.",
        "A model can recognize the person instead of the expression; accuracy on new people will be lower.",
        'Run the rows with split = "subject" too; it estimates the accuracy on new people.',
    )


def no_groups(context: CheckContext) -> Diagnostic | None:
    """Warn where the data do not name subjects."""
    if not context.examined or any(leaks.subjects is not None for leaks in context.examined.values()):
        return None
    return Diagnostic(
        "NO_GROUPS",
        "The data do not identify subjects.",
        "It cannot be checked whether a person is in two splits, and intervals treat all images as independent.",
        "Where subjects are known, add them: subject_train, ... in an .npz file, or one VIDEO per subject (Aff-Wild2).",
    )


def series(context: CheckContext) -> Diagnostic | None:
    """Warn where test images have two or more near copies in train, as after augmentation before the split."""
    leaked = max((leaked.series for leaked in context.examined.values()), default=0)
    if not leaked:
        return None
    return Diagnostic(
        "LEAK_AUGMENT",
        f"{plural(leaked, 'test image')} {'have' if leaked > 1 else 'has'} two or more near-duplicates in train.",
        "This is typical of images that were augmented, or cut into frames, before they were split.",
        'Split first, and augment in training (augment = "light").',
    )


CHECKS = {
    "LEAK_EXACT": exact,
    "LEAK_NEAR": near,
    "LEAK_SUBJECT": subjects,
    "LEAK_AUGMENT": series,
    "LEAK_LABEL": labels,
    "NO_GROUPS": no_groups,
}
