"""What an experiment is: a module or an object with these names. Those marked optional may be missing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel

from ablation.engine.run import Run
from ablation.grids.grid import Grid
from ablation.grids.record import Inputs
from ablation.measures.measure import Measure
from ablation.outcomes import Status
from ablation.planning.plan import Training
from ablation.watching.watch import Watch
from ablation.workspace import Workspace


@dataclass(frozen=True)
class Request:
    """What a command asks an experiment to prepare. `options`: the experiment's own; `earlier`: the inputs that the
    study had when it was run last; `slots`: where its trainings will run, as `--slots` names them, "" for elsewhere."""

    grid: Grid
    data: str
    workspace: Workspace
    options: Mapping[str, Any] = field(default_factory=dict)
    earlier: Inputs | None = None
    slots: str = "auto"

    def levels(self, factor: str) -> list[Any]:
        """Return the levels of a factor that rows have."""
        return sorted({row[factor] for row in self.grid.rows})


@dataclass(frozen=True)
class Prepared:
    """What the trainings of a study are given, read and checked. `data`: the data as a record names them; `store`:
    writes what workers and later commands read; `disk`: the bytes that this takes, by what it is."""

    inputs: Inputs
    data: str = ""
    notes: Sequence[str] = ()
    store: Callable[[], None] = lambda: None
    disk: Mapping[str, int] = field(default_factory=dict)


class Experiment(Protocol):
    """One experiment. Every process can load it without loading a backend: `train` loads what it needs.

    Optional names:

    - `primary`: the name of the measure whose differences are tested; else the one that selects, else the first.
    - `detailed`: names of measures that have intervals on test; else the primary one alone.
    - `noun`: what one example is ("image").
    - `Inputs`: a kind of `Inputs` of its own, with more in it.
    - `Training`: a kind of `plan.Training` of its own, with what `Inputs.given` returns.
    - `takes_data`: what `--data` takes, in words; else the experiment takes none.
    - `options`: the names of its own options ("limit"); others are refused.
    - `check(request)`: refuses, in an instant, what `prepare` would refuse later; raises AblateError.
    - `making`, `made`: words for the next ("computing features", "features").
    - `is_ready(workspace, artifact)`, `make(workspace, artifact, report)`: for what `Training.artifacts` names. `make`
      runs in a worker, and reports {"done": n, "of": n}.
    - `effort(training)`: how long a training takes beside others, in any unit; else its number of steps.
    - `updates(condition, examples)`: what decides between equal rows; else the number of steps.
    - `diagnostics`: its own warnings: code -> a function of `caveats.known.Known` that returns a Caveat or None.
    - `tables`, `figures`: functions of `results.findings.Findings` that return a Table, or a Drawn, or None.
    - `kept`: what `--keep` keeps of a training ("head"); else nothing is kept.
    - `loads`: a module that workers import as they start.
    - `environment(slot)`: variables that a worker's process has before it starts, beside those of every worker.
    - `required()`: variables that workers must have wherever they were started, by name; others are refused.
    - `estimate(request)`: what is left costs, as a `cost.Estimate` of a `cost.EstimateRequest`; else the mean of past
      trainings.
    - `studies`: a folder of study files that `--grid NAME` finds.
    """

    name: str
    measures: Mapping[str, Measure]  # by name, in the order of the tables
    version: int  # count up whenever the same trial would give other numbers
    factors: type[BaseModel]

    def prepare(self, request: Request, watch: Watch) -> Prepared:
        """Read and check what the trainings are given. Writes nothing. Raises AblateError where it is wrong."""

    def train(self, training: Training, run: Run) -> Status | None:
        """Train in a worker, from the first step or a checkpoint to the last milestone; results go to `run`. None: done
        where all results are there, interrupted where it was asked to stop. What it raises is its failure."""
