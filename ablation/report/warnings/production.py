"""Warning about the accuracy of a row on images that the study has never seen."""

from ablation.analysis.check_context import CheckContext
from ablation.analysis.external_evaluation import ExternalEvaluation
from ablation.model.diagnostic import Diagnostic
from ablation.model.phrases import listed, percent, points, sentence


def shift(context: CheckContext) -> Diagnostic | None:
    """Warn where accuracy on external data is below test accuracy, beyond sampling error.

    The upper limit of the interval of the difference, external minus test, is then below 0.
    """
    worse = [evaluation for evaluation in context.study.elsewhere if evaluation.drop.high < 0]
    if not worse:
        return None
    return Diagnostic(
        "SHIFT",
        f"{sentence(listed(_evaluation_text(evaluation) for evaluation in worse))}.",
        "These images differ more from the train images than the test images do: test accuracy is too high for them.",
        "Report this number with test accuracy; check for subjects in two splits, different light or cropping, and "
        "different shares of classes.",
        tuple(sorted({evaluation.row for evaluation in worse})),
    )


def _evaluation_text(evaluation: ExternalEvaluation) -> str:
    """Return an evaluation as text: the data, the row, its accuracy there, and its drop from test in points."""
    accuracy, drop = evaluation.accuracy, evaluation.drop
    return (
        f"on {evaluation.place}, row {evaluation.row} has accuracy {percent(accuracy.value)} on "
        f"{evaluation.images:,} images, {points(-drop.value)} below test "
        f"(95% interval {points(-drop.high)} to {points(-drop.low)})"
    )
