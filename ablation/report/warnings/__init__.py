"""Warnings of a study. Each warning states a fact with numbers, its consequence and a remedy.

To add a warning, write a function that takes a CheckContext and returns a Diagnostic or None, list it in RULES with its
grade, and write its page, pages/CODE.md.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ablation.analysis.check_context import CheckContext
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.model.diagnostic import Diagnostic
from ablation.report.warnings import classes, curves, factors, noise, production, runs, source, study_protocol

__all__ = ["ERRORS", "GRADES", "Diagnostic", "as_json", "find", "page", "rules"]

Check = Callable[[CheckContext], Diagnostic | None]
GRADES = INVALIDATES, WEAKENS, NOTE = "invalidates", "weakens", "note"


@dataclass(frozen=True)
class Rule:
    """Check of a warning, and the warning's grade.

    invalidates: numbers or claims of the study are wrong or biased as they stand. weakens: a claim rests on less than
    it seems. note: a fact that the reader should know. `check`: None where an experiment brings the check.
    """

    grade: str
    check: Check | None = None


RULES: dict[str, Rule] = {  # by severity
    "NOT_ABLATED": Rule(INVALIDATES, runs.not_ablated),
    "SELECTED_ON_TEST": Rule(INVALIDATES, study_protocol.selected_on_test),
    "LEAK_EXACT": Rule(INVALIDATES),
    "LEAK_NEAR": Rule(INVALIDATES),
    "LEAK_SUBJECT": Rule(INVALIDATES),
    "LEAK_AUGMENT": Rule(INVALIDATES),
    "WEIGHTS_REPLACED": Rule(INVALIDATES, study_protocol.weights_replaced),
    "TEST_OPENED_BEFORE_SELECTION": Rule(WEAKENS, study_protocol.opened_before),
    "LEAK_LABEL": Rule(WEAKENS),
    "OTHER_DATA": Rule(WEAKENS, study_protocol.other_data),
    "SHIFT": Rule(WEAKENS, production.shift),
    "ADAPTIVE_SEARCH": Rule(WEAKENS),
    "CONFOUNDED": Rule(WEAKENS),
    "VALIDATION_ONLY": Rule(WEAKENS),
    "FOLDS": Rule(WEAKENS),
    "NO_EFFECT": Rule(WEAKENS),
    "FAILED_ROWS": Rule(WEAKENS, runs.failed),
    "UNDEFINED_ON_TEST": Rule(WEAKENS, runs.undefined),
    "BELOW_BASELINE": Rule(WEAKENS, classes.below_baseline),
    "MIXED_ENVIRONMENT": Rule(WEAKENS, runs.mixed),
    "MIXED_SOURCES": Rule(WEAKENS, runs.mixed_sources),
    "REUSED_TEST": Rule(WEAKENS, study_protocol.reused),
    "WITHIN_NOISE": Rule(WEAKENS, noise.within_noise),
    "SEED_NOISE": Rule(WEAKENS, noise.seed_noise),
    "SINGLE_SEED": Rule(WEAKENS, noise.single_seed),
    "STILL_IMPROVING": Rule(WEAKENS, curves.still_improving),
    "LATE_VARIANCE": Rule(WEAKENS, curves.late_variance),
    "NOT_ESTIMABLE": Rule(WEAKENS, factors.not_estimable),
    "BATCH_CONFOUNDED": Rule(WEAKENS, factors.batch_confounded),
    "CLASS_ABSENT": Rule(WEAKENS, classes.absent),
    "NEVER_PREDICTED": Rule(WEAKENS, classes.never_predicted),
    "SMALL_CLASS": Rule(WEAKENS, classes.small_class),
    "NO_GROUPS": Rule(WEAKENS),
    "PUBLISHED_CONFLICT": Rule(WEAKENS, source.conflict),
    "VAL_TEST_DISAGREE": Rule(NOTE, study_protocol.disagree),
    "OVERFIT_CURVE": Rule(NOTE, curves.overfit_curve),
    "OVERFIT_GAP": Rule(NOTE, curves.overfit_gap),
    "SATURATED_EARLY": Rule(NOTE, curves.saturated_early),
    "SATURATED": Rule(NOTE, factors.saturated),
    "INCOMPLETE_GRID": Rule(NOTE, factors.incomplete),
    "UNBALANCED": Rule(NOTE, factors.unbalanced),
    "BOUNDARY": Rule(NOTE, factors.boundary),
    "IMBALANCE": Rule(NOTE, classes.imbalance),
    "NONDETERMINISTIC": Rule(NOTE, runs.nondeterministic),
    "UNCHECKED": Rule(NOTE),
    "LEFT_OUT": Rule(NOTE, study_protocol.left_out),
    "KEPT_CODE": Rule(NOTE),
    "PUBLISHED_F1": Rule(NOTE, source.f1_above_accuracy),
    "PUBLISHED_ODD": Rule(NOTE, source.odd),
    "F1_UNDEFINED_AVERAGE": Rule(NOTE, source.f1_average),
    "IMPORTANCE_SUPPRESSED": Rule(NOTE, factors.unimportant),
}
ERRORS = ("NOT_ABLATED",)  # fatal without --strict


def rules(experiment: Any) -> dict[str, Rule]:
    """Return the rules for an experiment's studies by code, the most severe first.

    A check that an experiment brings takes the place of its code. A code that is not listed here weakens a claim.
    """
    own: dict[str, Check] = getattr(experiment, "diagnostics", dict)()
    all_rules = RULES | {
        code: Rule(RULES[code].grade if code in RULES else WEAKENS, check) for code, check in own.items()
    }
    ordered = sorted(all_rules.items(), key=lambda item: GRADES.index(item[1].grade))
    return {code: rule for code, rule in ordered if rule.check}


def find(study: StudyAnalysis, looks: int = 1, examined: Any = None) -> list[Diagnostic]:
    """Return the warnings of a study, the most severe first.

    Args:
        study: the analysis of the study.
        looks: number of studies, this study included, that have seen the study's test images.
        examined: what the experiment has found in its own inputs (for images, split level -> leaks).

    Returns:
        The warnings whose checks apply to the study; an empty list where no check applies.
    """
    context, warnings = CheckContext(study, looks, examined or {}), []
    for rule in rules(study.record.experiment).values():
        if rule.check and (warning := rule.check(context)):
            warnings.append(replace(warning, grade=rule.grade))
    return warnings


def page(code: str, experiment: Any) -> str | None:
    """Return the page that explains a warning, as Markdown; None where there is no page.

    An experiment has its pages in the folder that `experiment.pages` names.
    """
    folders = (Path(__file__).parent / "pages", getattr(experiment, "pages", None))
    paths = (Path(folder) / f"{code}.md" for folder in folders if folder)
    return next((path.read_text(encoding="utf-8") for path in paths if path.is_file()), None)


def as_json(warnings: Iterable[Diagnostic]) -> list[dict[str, Any]]:
    """Return the content of warnings.json: one dict of fields for each warning."""
    return [asdict(warning) | {"rows": list(warning.rows)} for warning in warnings]
