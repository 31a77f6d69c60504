"""Interface of imported results as an experiment: see experiments/protocol.py. It trains nothing."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from ablation.analysis.check_context import CheckContext
from ablation.engine.run import Run
from ablation.errors import AblateError
from ablation.experiments import folds
from ablation.experiments.imported import diagnostics as own_warnings
from ablation.experiments.observed import ObservedInputs
from ablation.experiments.protocol import Prepared, Request
from ablation.measures.classes import of_classes
from ablation.measures.measure import Measure
from ablation.model.diagnostic import Diagnostic
from ablation.outcomes import Status
from ablation.progress.listener import ProgressListener
from ablation.store import record
from ablation.store.training import Training
from ablation.study.levels import Condition

name, version = "imported", 1
measures: Mapping[str, Measure] = {}  # the source's own: see Inputs.measures
selects_nothing = "nothing is selected: the source states no separate number on validation"
run_noun = "run"
varies = "unknown: another program made the runs"
pages = str(Path(__file__).parent / "pages")
SHARES_OF_EXAMPLES = ("accuracy", "correct", "success rate", "pass rate")  # last words of titles: right examples of N


class factors(BaseModel):
    """Factors of a study: its record holds those of the source, and there are no others."""


class Inputs(ObservedInputs):
    """Source of the results of a study.

    `confounded`: setting -> row (from 1) -> its
    values, for settings that vary between rows without being factors. `n_runs`: number of runs in the source.
    `settings`: number of a run -> its settings, numbered, where the runs of a row are repeats of several settings.
    `of_validation`: whether numbers on validation stand for those on test. `states_split`: whether a name of a number
    states its split. `is_search`: whether the source is a search whose sampler may be adaptive.
    """

    source: str = ""
    kind: str = ""
    confounded: dict[str, dict[int, tuple[str, ...]]] = Field(default_factory=dict)
    n_runs: int = 0
    settings: dict[int, int] = Field(default_factory=dict)
    of_validation: bool = False
    states_split: bool = True
    is_search: bool = False

    @property
    def held_out(self) -> str:  # type: ignore[override]
        """The split of the numbers as the source names it."""
        return "validation" if self.of_validation else "test" if self.states_split or self.task else ""

    def identity(self, condition: Condition) -> dict[str, Any]:
        return dict(self.digests)

    @property
    def place(self) -> str:
        return self.source

    def number(self, measure: Measure) -> Measure:
        """Return the measure of a number. A share of so many examples is one of right examples."""
        return self._counted(self._titled(measure))

    @property
    def clusters(self) -> Mapping[int, int]:
        return self.settings

    def _titled(self, measure: Measure) -> Measure:
        """Return a measure whose title leaves the split to its column, as in "accuracy" of val_accuracy."""
        stands_for_test = self.of_validation and measure.name.startswith("val_")
        return replace(measure, title=measure.title.removeprefix("val ")) if stands_for_test else measure

    def _counted(self, measure: Measure) -> Measure:
        if not self.sizes.get("test") or not measure.is_share or not measure.title.endswith(SHARES_OF_EXAMPLES):
            return measure
        right = of_classes()["accuracy"]
        return replace(measure, kind=right.kind, needs=right.needs, per_example=right.per_example)

    def changes(self, new: record.Inputs) -> Iterator[tuple[str, object, object]]:
        """Yield nothing: a source may grow."""
        yield from ()

    def provenance(self) -> Iterator[tuple[str, str]]:
        yield "source", f"{self.source} ({self.kind})"
        yield "runs in the source", f"{self.n_runs:,}"
        yield from super().provenance()


def diagnostics() -> dict[str, Callable[[CheckContext], Diagnostic | None]]:
    """Return the warnings of imported results: code -> check."""
    return {
        "CONFOUNDED": own_warnings.confounded,
        "UNPAIRED": own_warnings.unpaired,
        "FOLDS": folds.overlapping,
        "VALIDATION_ONLY": own_warnings.validation_only,
        "ADAPTIVE_SEARCH": own_warnings.adaptive_search,
    }


def prepare(request: Request, watch: ProgressListener) -> Prepared:
    """Refuse: results are imported, not trained."""
    raise AblateError(f"study {request.grid.stem!r}: its results are imported; `ablate import` reads its source again")


def train(training: Training, run: Run) -> Status | None:
    """Refuse: results are imported, not trained."""
    raise AblateError("results are imported, not trained")
