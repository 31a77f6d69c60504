"""Warnings about leaks between splits (copies, near copies, subjects) and about copies with different labels."""

from ablation.analysis.check_context import CheckContext
from ablation.experiments.keras_head.datasets.leaks import Leaks, without
from ablation.model.diagnostic import Diagnostic
from ablation.model.phrases import listed, percent, plural

SPLITS = {"val": "validation", "test": "test"}
UNITS = '`[table] units = "groups"`'


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
    for (name, leaks), level in zip(_named_leaks(context), context.examined, strict=True):
        positions, val = list(leaks.exact["test"]), leaks.exact["val"]
        if positions or val:
            facts.append(
                f"{plural(len(positions), 'test image')} and {plural(len(val), 'validation image')}{name} have exact "
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
    for (name, leaks), level in zip(_named_leaks(context), context.examined, strict=True):
        positions = list(leaks.similar["test"])
        if positions:
            facts.append(
                f"{plural(len(positions), 'test image')}{name} {'has' if len(positions) == 1 else 'have'} a "
                f"near-duplicate in an earlier split (perceptual hash and correlation, mirrored copies included)"
                f"{_accuracies(context, level, positions)}"
            )
    if not facts:
        return None
    return Diagnostic(
        "LEAK_NEAR",
        f"{listed(facts)}.",
        "Crops, re-encodings and neighbouring frames of train images inflate accuracy as copies do.",
        "Keep all versions of an image in one split; where they are frames of one person, split by subject.",
    )


def _groups_by_split(context: CheckContext, field: str) -> dict[str, int]:
    """Return the numbers of groups of a field of Leaks by split, "test" or "test of split class", without zeros."""
    counts = {
        f"{title}{name}": getattr(leaks, field).get(split, 0)
        for name, leaks in _named_leaks(context)
        for split, title in SPLITS.items()
    }
    return {place: n for place, n in counts.items() if n}


def _label_consequence(context: CheckContext, leaks: Leaks, is_evaluated: bool) -> str:
    """Return what different labels of equal images mean: a limit of accuracy needs two labels within one split."""
    limited = _groups_by_split(context, "limiting")
    if limited:
        groups = listed(f"{plural(n, 'group')} in {place}" for place, n in limited.items())
        return f"No model can be right on all images of {groups}; the highest attainable accuracy there is below 100 %."
    if is_evaluated:
        return (
            "Copies in another split have another label, so a model that learnt it is counted as wrong; the attainable "
            "accuracy is not limited."
        )
    if not leaks.conflicting:
        return "At most one label of a group is right."
    return "They lie in train alone: they disturb training, and do not limit accuracy on validation or test."


def labels(context: CheckContext) -> Diagnostic | None:
    """Warn where equal images have different labels."""
    leaks = next(iter(context.examined.values()), None)
    if not leaks or not leaks.conflict:
        return None
    reached = _groups_by_split(context, "conflicting")
    places = f" ({listed(f'{n:,} with images in {place}' for place, n in reached.items())})" if reached else ""
    return Diagnostic(
        "LEAK_LABEL",
        f"{plural(leaks.conflict, 'group')} of equal images {'carry' if leaks.conflict > 1 else 'carries'} different "
        f"labels{places}.",
        _label_consequence(context, leaks, bool(reached)),
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
        "A model can recognize the person instead of the expression, so the numbers hold for these people; accuracy on "
        "new people may be lower.",
        'Run the rows with split = "subject" too; it estimates the accuracy on new people.',
    )


def no_groups(context: CheckContext) -> Diagnostic | None:
    """Warn where intervals and tests do not use subjects: the data do not name any, or their unit is the image."""
    if not context.examined:
        return None
    if any(leaks.subjects is not None for leaks in context.examined.values()):
        return _unused_subjects(context)
    return Diagnostic(
        "NO_GROUPS",
        "The data do not identify subjects.",
        "It cannot be checked whether a person is in two splits, and intervals treat all images as independent.",
        "Where subjects are known, add them (subject_train, ... in an .npz file, or one VIDEO per subject, Aff-Wild2), "
        f"and state {UNITS} in the study file.",
    )


def _unused_subjects(context: CheckContext) -> Diagnostic | None:
    """Warn where subjects are known, and intervals and tests are over images.

    No warning is given where each test image shows another subject: then images are the subjects.
    """
    tests = {level: sum(context.record.inputs.counts[level]["test"]) for level in context.examined}
    people = {
        level: leaks.people.get("test", 0) for level, leaks in context.examined.items() if leaks.subjects is not None
    }
    repeated = [level for level, n in people.items() if n != tests[level]]
    if context.grid.table.units == "groups" or not repeated:
        return None
    several = len(context.examined) > 1
    texts = [
        f"{people[level]:,} in {plural(tests[level], 'test image')}{f' of split {level}' if several else ''}"
        for level in repeated
        if people[level]
    ]
    return Diagnostic(
        "NO_GROUPS",
        f"Subjects are known{f' ({listed(texts)})' if texts else ''}, but no interval and no test uses them.",
        "Where images of one subject resemble each other, intervals over images are too narrow, and their p values too "
        "small, for new subjects.",
        f"State {UNITS} in the study file: then intervals and tests are over subjects.",
    )


def series(context: CheckContext) -> Diagnostic | None:
    """Warn where test images have two or more near copies in train, as after augmentation before the split."""
    facts = [f"{plural(leaks.series, 'test image')}{name} {'have' if leaks.series > 1 else 'has'} two or more "
             "near-duplicates in train" for name, leaks in _named_leaks(context) if leaks.series]  # fmt: skip
    if not facts:
        return None
    return Diagnostic(
        "LEAK_AUGMENT",
        f"{listed(facts)}.",
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
