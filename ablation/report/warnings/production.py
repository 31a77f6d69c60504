"""Warning about images that the study has never seen: the accuracy of a row, and the shares of the classes."""

from ablation.analysis.check_context import CheckContext
from ablation.analysis.external_evaluation import ExternalEvaluation
from ablation.model.diagnostic import Diagnostic
from ablation.model.phrases import p_value, percent, points, sentence
from ablation.statistics.intervals import ALPHA

MIXED = 0.05  # share of the images that would have to change class: smaller differences of the shares change little


def shift(context: CheckContext) -> Diagnostic | None:
    """Warn where external data differ from test: in accuracy, or in the shares of the classes, beyond sampling error.

    Accuracy is lower where the upper limit of the interval of the difference, external minus test, is below 0. Shares
    differ by the chi-square test, where at least MIXED of the images would have to change class.
    """
    worse = [evaluation for evaluation in context.study.evaluations if evaluation.drop.high < 0]
    mixed = [evaluation for evaluation in context.study.evaluations if _is_mixed(evaluation)]
    if not worse and not mixed:
        return None
    texts = dict.fromkeys([*map(_accuracy_text, worse), *map(_shares_text, mixed)])
    return Diagnostic(
        "SHIFT",
        f"{sentence('; '.join(texts))}.",
        "These images differ more from the train images than the test images do: test accuracy is too high for them."
        if worse
        else "Accuracy depends on the shares of the classes, so test accuracy does not hold for these images.",
        _remedy(bool(worse), bool(mixed)),
        tuple(sorted({evaluation.row for evaluation in (*worse, *mixed)})),
    )


def _remedy(worse: bool, mixed: bool) -> str:
    """Return what to do about a lower accuracy, and about other shares of the classes."""
    recalls = "compare the recall of each class, which does not depend on the shares"
    if not worse:
        return f"Report this number with test accuracy; {recalls}."
    causes = "check for subjects in two splits and different light or cropping"
    return f"Report this number with test accuracy; {causes}{f'; {recalls}' if mixed else ''}."


def _is_mixed(evaluation: ExternalEvaluation) -> bool:
    """Return whether the shares of the classes differ from those of test, significantly and by at least MIXED."""
    distance, p = evaluation.mix
    return p is not None and p < ALPHA and distance >= MIXED


def _shares_text(evaluation: ExternalEvaluation) -> str:
    """Return the difference between the shares of the classes on external data and on test, in words."""
    distance, p = evaluation.mix
    assert p is not None
    return (
        f"on {evaluation.place}, classes have other shares than in test: {percent(distance, 0)} of the images would "
        f"have to change class (chi-square test, {p_value(p)})"
    )


def _accuracy_text(evaluation: ExternalEvaluation) -> str:
    """Return an evaluation as text: the data, the row, its accuracy there, and its drop from test in points."""
    accuracy, drop = evaluation.accuracy, evaluation.drop
    return (
        f"on {evaluation.place}, row {evaluation.row} has accuracy {percent(accuracy.value)} on "
        f"{evaluation.images:,} images, {points(-drop.value)} below test "
        f"(95% interval {points(-drop.high)} to {points(-drop.low)})"
    )
