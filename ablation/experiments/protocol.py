"""Interface of an experiment: a module or an object with these names. Optional names may be missing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel

from ablation.engine.run import Run
from ablation.measures.measure import Measure
from ablation.outcomes import Status
from ablation.progress.listener import ProgressListener
from ablation.store.record import Inputs
from ablation.store.training import Training
from ablation.store.workspace import Workspace
from ablation.study.grid import Grid


@dataclass(frozen=True)
class Request:
    """Request of a command to prepare an experiment.

    `options`: the experiment's own options. `earlier`: inputs of the study's last run. `slots`: slots of the trainings,
    as in `--slots`; "" where the trainings run on a different machine.
    """

    grid: Grid
    data: str
    workspace: Workspace
    options: Mapping[str, Any] = field(default_factory=dict)
    earlier: Inputs | None = None
    slots: str = "auto"

    def levels(self, factor: str) -> list[Any]:
        """Return the sorted levels of a factor that occur in the rows."""
        return sorted({row[factor] for row in self.grid.rows})


@dataclass(frozen=True)
class Prepared:
    """Inputs of the trainings of a study, read and checked.

    `data`: name of the data in a record. `store`: function that writes the files which workers and later commands read.
    `disk`: bytes of these files, by kind ("pixels").
    """

    inputs: Inputs
    data: str = ""
    notes: Sequence[str] = ()
    store: Callable[[], None] = lambda: None
    disk: Mapping[str, int] = field(default_factory=dict)


class Experiment(Protocol):
    """Experiment. Every process can load an experiment without loading a backend: `train` loads the backend.

    Optional names:

    - `primary`: the name of the measure whose differences are tested; by default the selecting one, then the first.
    - `detailed`: names of measures that have intervals on test; by default the primary measure alone.
    - `noun`: the word for one example ("image").
    - `Inputs`: a subclass of `store.record.Inputs` with additional fields.
    - `Training`: a subclass of `store.training.Training` with the fields that `Inputs.given` returns.
    - `takes_data`: the allowed values of `--data`, in words; without this name, the experiment takes no data.
    - `options`: the names of the experiment's own options ("limit"); other options are refused.
    - `check(request)`: checks quickly what `prepare` would refuse later; raises AblateError.
    - `making`, `made`: words for `make` and its artifacts ("computing features", "features").
    - `is_ready(workspace, artifact)`, `make(workspace, artifact, report)`: for the artifacts of `Training.artifacts`.
      `make` runs in a worker and reports {"done": n, "of": n}.
    - `effort(training)`: the relative duration of a training, in any unit; by default the number of steps.
    - `updates(condition, examples)`: a number that decides between equal rows; by default the number of steps.
    - `examine(workspace, record)`: facts about the inputs for the experiment's own warnings (`CheckContext.examined`).
    - `diagnostics()`: the experiment's own warnings: code -> a function of `analysis.check_context.CheckContext` that
      returns a Diagnostic or None.
    - `tables`, `figures`: functions of `analysis.study_analysis.StudyAnalysis` that return a Table or Figure, or None.
    - `kept`: the word for what `--keep` stores of a training ("head"); without this name, nothing is stored.
    - `loads`: a module that workers import at their start.
    - `environment(slot)`: additional environment variables of a worker's process, set before the process starts.
    - `required()`: environment variables that every worker must have, by name; workers without them are refused.
    - `estimate(request)`: the cost of the remaining trainings, a `cost.Estimate` for a `cost.EstimateRequest`; by
      default the mean of past trainings.
    - `studies`: a folder of study files that `--grid NAME` finds.
    """

    name: str
    measures: Mapping[str, Measure]  # by name, in the order of the tables
    version: int  # count up whenever the same trial would give different numbers
    factors: type[BaseModel]

    def prepare(self, request: Request, watch: ProgressListener) -> Prepared:
        """Read and check the inputs of the trainings. Writes no file. Raises AblateError where an input is wrong."""

    def train(self, training: Training, run: Run) -> Status | None:
        """Train in a worker, from the first step or a checkpoint to the last milestone. Results are sent to `run`.

        Returns:
            The outcome. None stands for done if all results exist, or for interrupted if a stop was requested.

        Raises:
            Exception: Any exception is recorded as the training's failure.
        """
