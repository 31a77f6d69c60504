"""Warnings of a study. Each warning states a fact with numbers, its consequence and a remedy.

To add a warning, write a function that takes a CheckContext and returns a Diagnostic or None.
Then list the function in CHECKS and its code in ORDER.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from ablation.analysis.check_context import CheckContext
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.diagnostic import Diagnostic
from ablation.report.warnings import classes, curves, factors, noise, production, runs, source, study_protocol

__all__ = ["CHECKS", "ERRORS", "Diagnostic", "as_json", "checks", "find"]

Check = Callable[[CheckContext], Diagnostic | None]

CHECKS: dict[str, Check | None] = {  # by severity; None: where a check that an experiment brings has its place
    "NOT_ABLATED": runs.not_ablated,
    "SELECTED_ON_TEST": study_protocol.selected_on_test,
    "TEST_OPENED_BEFORE_SELECTION": study_protocol.opened_before,
    "LEAK_EXACT": None,
    "LEAK_NEAR": None,
    "LEAK_SUBJECT": None,
    "LEAK_AUGMENT": None,
    "LEAK_LABEL": None,
    "WEIGHTS_REPLACED": study_protocol.weights_replaced,
    "OTHER_DATA": study_protocol.other_data,
    "SHIFT": production.shift,
    "FAILED_ROWS": runs.failed,
    "BELOW_BASELINE": classes.below_baseline,
    "MIXED_ENVIRONMENT": runs.mixed,
    "REUSED_TEST": study_protocol.reused,
    "VAL_TEST_DISAGREE": study_protocol.disagree,
    "WITHIN_NOISE": noise.within_noise,
    "SEED_NOISE": noise.seed_noise,
    "SINGLE_SEED": noise.single_seed,
    "OVERFIT_CURVE": curves.overfit_curve,
    "OVERFIT_GAP": curves.overfit_gap,
    "STILL_IMPROVING": curves.still_improving,
    "LATE_VARIANCE": curves.late_variance,
    "SATURATED_EARLY": curves.saturated_early,
    "NOT_ESTIMABLE": factors.not_estimable,
    "SATURATED": factors.saturated,
    "INCOMPLETE_GRID": factors.incomplete,
    "UNBALANCED": factors.unbalanced,
    "BATCH_CONFOUNDED": factors.batch_confounded,
    "BOUNDARY": factors.boundary,
    "CLASS_ABSENT": classes.absent,
    "NEVER_PREDICTED": classes.never_predicted,
    "SMALL_CLASS": classes.small_class,
    "IMBALANCE": classes.imbalance,
    "NONDETERMINISTIC": runs.nondeterministic,
    "NO_GROUPS": None,
    "LEFT_OUT": study_protocol.left_out,
    "PUBLISHED_F1": source.f1_above_accuracy,
    "PUBLISHED_ODD": source.odd,
    "PUBLISHED_CONFLICT": source.conflict,
    "F1_UNDEFINED_AVERAGE": source.f1_average,
    "IMPORTANCE_SUPPRESSED": factors.unimportant,
}
ERRORS = ("NOT_ABLATED",)  # fatal without --strict


def checks(experiment: Any) -> dict[str, Check]:
    """Return all checks of an experiment's studies as code -> check, in the order of their severity."""
    own: dict[str, Check] = getattr(
        experiment, "diagnostics", dict
    )()  # in the place of a code that is known, others last
    return {code: check for code, check in (CHECKS | own).items() if check}


def find(findings: StudyAnalysis, looks: int = 1, examined: Any = None) -> list[Diagnostic]:
    """Return the warnings of a study, the most severe first.

    Args:
        findings: the analysis of the study.
        looks: number of studies, this study included, that have seen the study's test images.
        examined: what the experiment has found in its own inputs (for images, split level -> leaks).

    Returns:
        The warnings whose checks apply to the study; an empty list where no check applies.
    """
    context = CheckContext(findings, looks, examined or {})
    return [warning for check in checks(findings.record.experiment).values() if (warning := check(context))]


def as_json(warnings: Iterable[Diagnostic]) -> list[dict[str, Any]]:
    """Return the content of warnings.json: one dict of fields for each warning."""
    return [asdict(warning) | {"rows": list(warning.rows)} for warning in warnings]
