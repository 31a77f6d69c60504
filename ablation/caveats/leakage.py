"""What crosses the splits: copies, near copies, labels, subjects."""

from ablation.caveats.caveat import Caveat, listed, percent, plural
from ablation.caveats.known import Known
from ablation.datasets.leaks import Leaks, without


def _told(known: Known) -> list[tuple[str, Leaks]]:
    """Each split's leaks, with its name where there are several."""
    several = len(known.leaks) > 1
    return [(f" of split {level}" if several else "", found) for level, found in known.leaks.items()]


def _accuracies(known: Known, level: str, positions: list[int]) -> str:
    """The test accuracy with and without them, of the reference and the selected row."""
    selected = known.findings.selected
    rows = dict.fromkeys([known.grid.reference, *([selected] if selected else [])])
    said = []
    for row in rows:
        answers = known.findings.test.get(row)
        if answers and known.grid.rows[row - 1].split == level:
            all_of, rest, n = without(answers.share(known.record.primary), positions)
            left = f"{percent(rest)} on the {n:,} others" if n else "no other image"
            said.append(f"row {row}: {percent(all_of)} with them, {left}")
    return f" ({'; '.join(said)})" if said else ""


def exact(known: Known) -> Caveat | None:
    facts = []
    for level, found in known.leaks.items():
        positions, val = list(found.exact["test"]), found.exact["val"]
        if positions or val:
            facts.append(
                f"{plural(len(positions), 'test image')} and {plural(len(val), 'validation image')} stand "
                f"pixel by pixel in an earlier split too{_accuracies(known, level, positions) if positions else ''}"
            )
    if not facts:
        return None
    return Caveat(
        "LEAK_EXACT",
        f"{listed(facts)}.",
        "A head may have learnt these images by heart: accuracy on them says nothing of new ones.",
        "Remove the copies from train (`ablate data` counts them), or split by subject.",
    )


def near(known: Known) -> Caveat | None:
    facts = []
    for level, found in known.leaks.items():
        positions = list(found.similar["test"])
        if positions:
            facts.append(
                f"{plural(len(positions), 'test image')} nearly equal one of an earlier split (perceptual hash and "
                f"correlation, mirrored copies included){_accuracies(known, level, positions)}"
            )
    if not facts:
        return None
    return Caveat(
        "LEAK_NEAR",
        f"{listed(facts)}.",
        "Crops, re-encodings and neighbouring frames of trained images flatter accuracy as copies do.",
        "Keep all versions of an image in one split; where they are frames of one person, split by subject.",
    )


def labels(known: Known) -> Caveat | None:
    found = next(iter(known.leaks.values()), None)
    if not found or not found.conflict:
        return None
    return Caveat(
        "LEAK_LABEL",
        f"{plural(found.conflict, 'group')} of equal images {'carry' if found.conflict > 1 else 'carries'} different "
        "labels.",
        "No head can be right on all of them; the highest accuracy that can be reached is below 100 %.",
        "Look at them and mend the labels, or leave these images out.",
    )


def subjects(known: Known) -> Caveat | None:
    facts = [f"{plural(found.subjects, 'subject')}{name} {'stand' if found.subjects > 1 else 'stands'} in two splits"
             for name, found in _told(known) if found.subjects]  # fmt: skip
    if not facts:
        return None
    return Caveat(
        "LEAK_SUBJECT",
        f"{listed(facts)}.",
        "A head can recognise the person instead of the expression: accuracy on new people will be lower.",
        'Run the rows with split = "subject" beside these; on new people, expect what that says.',
    )


def no_groups(known: Known) -> Caveat | None:
    if not known.leaks or any(found.subjects is not None for found in known.leaks.values()):
        return None
    return Caveat(
        "NO_GROUPS",
        "The data name no subjects.",
        "Whether one person stands in two splits cannot be seen, and intervals take all images as independent.",
        "Bring subjects with the data (folders per subject, subject_train in an .npz) where they are known.",
    )


def series(known: Known) -> Caveat | None:
    found = max((found.series for found in known.leaks.values()), default=0)
    if not found:
        return None
    return Caveat(
        "LEAK_AUGMENT",
        f"{plural(found, 'test image')} {'have' if found > 1 else 'has'} two near copies or more in train.",
        "So it looks where images were augmented, or cut into frames, before they were split.",
        'Split first, and augment in training (augment = "light").',
    )
