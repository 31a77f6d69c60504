"""The warnings of a study: each a fact with numbers, what follows from it, and what to do about it.

To add one, write a function of what is known that returns a Caveat or None, and name it in CHECKS under its code.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from ablation.caveats import classes, curves, factors, leakage, noise, production, protocol, runs, source
from ablation.caveats.caveat import Caveat
from ablation.caveats.known import Known
from ablation.datasets.leaks import Leaks
from ablation.results.findings import Findings

__all__ = ["CHECKS", "ERRORS", "Caveat", "as_json", "checks", "find"]

CHECKS: dict[str, Callable[[Known], Caveat | None]] = {  # by weight: what invalidates the numbers comes first
    "NOT_ABLATED": runs.not_ablated,
    "SELECTED_ON_TEST": protocol.selected_on_test,
    "TEST_OPENED_BEFORE_SELECTION": protocol.opened_before,
    "LEAK_EXACT": leakage.exact,
    "LEAK_NEAR": leakage.near,
    "LEAK_SUBJECT": leakage.subjects,
    "LEAK_AUGMENT": leakage.series,
    "LEAK_LABEL": leakage.labels,
    "WEIGHTS_REPLACED": protocol.weights_replaced,
    "OTHER_DATA": protocol.other_data,
    "SHIFT": production.shift,
    "FAILED_ROWS": runs.failed,
    "BELOW_BASELINE": classes.below_baseline,
    "MIXED_ENVIRONMENT": runs.mixed,
    "REUSED_TEST": protocol.reused,
    "VAL_TEST_DISAGREE": protocol.disagree,
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
    "NO_GROUPS": leakage.no_groups,
    "LEFT_OUT": protocol.left_out,
    "PUBLISHED_F1": source.f1_above_accuracy,
    "PUBLISHED_ODD": source.odd,
    "PUBLISHED_CONFLICT": source.conflict,
    "F1_UNDEFINED_AVERAGE": source.f1_average,
    "IMPORTANCE_SUPPRESSED": factors.unimportant,
}
ERRORS = ("NOT_ABLATED",)  # fatal without --strict


def checks(experiment: Any) -> dict[str, Callable[[Known], Caveat | None]]:
    """Return all checks of an experiment's studies by their codes, its own ones last."""
    return CHECKS | dict(getattr(experiment, "diagnostics", {}))


def find(findings: Findings, looks: int = 1, leaks: Mapping[str, Leaks] | None = None) -> list[Caveat]:
    """What is to be said of a study before it is believed, by weight. `looks`: how many studies, this one included,
    have seen its test images; `leaks`: level of the factor `split` -> what crosses it."""
    known = Known(findings, looks, leaks or {})
    return [caveat for check in checks(findings.record.experiment).values() if (caveat := check(known))]


def as_json(caveats: Iterable[Caveat]) -> list[dict[str, Any]]:
    """For warnings.json: the fields of each."""
    return [asdict(caveat) | {"rows": list(caveat.rows)} for caveat in caveats]
