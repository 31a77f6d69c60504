"""Interface of an experiment: a module or an object with these names. Optional names may be missing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from pydantic import BaseModel

from ablation.engine.pool import Channel
from ablation.engine.run import Run
from ablation.measures.measure import Measure
from ablation.outcomes import JobOutcome, Status
from ablation.progress.listener import ProgressListener
from ablation.store.record import Inputs, Record
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
    `disk`: bytes of these files, by kind ("pixels"). `code`: function from the path of a
    user's file to its text now, None for a missing file; None where no code of the user is trained.
    """

    inputs: Inputs
    data: str = ""
    notes: Sequence[str] = ()
    store: Callable[[], None] = lambda: None
    disk: Mapping[str, int] = field(default_factory=dict)
    code: Callable[[str], str | None] | None = None


@dataclass(frozen=True)
class NewData:
    """Examples outside a study that a user names for `ablate evaluate` or `ablate predict`.

    `classes`: classes of the study. `split`: split of the data that is read, or "all"; None where the examples have no
    labels. `options`: the experiment's own options.
    """

    data: str
    classes: tuple[str, ...]
    split: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


class NewExamples(Protocol):
    """N examples outside a study, as `Application.read` returns them: nothing is decoded yet.

    `notes`: sentences for the user. `others`: number of examples of each class that the study does not have.
    """

    notes: Sequence[str]
    others: Mapping[str, int]


@dataclass(frozen=True)
class StoredExamples:
    """N examples outside a study in a file that `Application.predict` reads.

    `ids`, `names`: (N,) texts that identify the examples. `labels`: (N,) int, positions in the study's classes.
    """

    path: Path
    ids: np.ndarray
    names: tuple[str, ...]
    labels: np.ndarray


class Application(Protocol):
    """Application of a trained row to other examples: `ablate evaluate` and `ablate predict`."""

    def read(self, new: NewData) -> NewExamples:
        """Read and check new examples. Raises AblateError where they are wrong."""

    def store(
        self, workspace: Workspace, training: Training, examples: Any, options: Mapping[str, Any],
        watch: ProgressListener,
    ) -> StoredExamples:  # fmt: skip
        """Write what `predict` reads. Raises AblateError where examples cannot be decoded."""

    def predict(self, training: Training, weights: Path, examples: Path, channel: Channel) -> JobOutcome[np.ndarray]:
        """Return, in a worker, the probabilities (N, K) of the stored examples."""

    def check_retraining(self, workspace: Workspace, record: Record, training: Training) -> None:
        """Raise AblateError where a training whose weights were deleted cannot be repeated as it was."""


@dataclass(frozen=True)
class ExportedModel:
    """Model of a trained row, for the model registry.

    `flavor`: name of MLflow's module for such models ("keras"). `inputs`, `outputs`: name, dtype and shape of the
    model's arrays, -1 for any length. `requirements`: packages that load the model, as pip names them. `check`:
    function of the model after it was loaded again; raises ValueError where the model does not reproduce the stored
    predictions.
    """

    model: Any
    flavor: str
    inputs: tuple[str, str, tuple[int, ...]]
    outputs: tuple[str, str, tuple[int, ...]]
    requirements: Sequence[str]
    metadata: Mapping[str, Any]
    check: Callable[[Any], None]


@dataclass(frozen=True)
class Check:
    """Result of one check of this machine. `state`: good, note (works, but the user should know), or bad (to fix)."""

    state: str
    what: str
    found: str


class Experiment(Protocol):
    """Experiment. Every process can load an experiment without loading a backend: `train` loads the backend.

    Optional names:

    - `declared(path, file)`: the experiment as a study file declares it, with its own factors and name, in place of
      this one; raises AblateError where a key of [experiment] is wrong. `selects_on(path, file)` of it: what rows are
      selected on.
    - `measures_from_results`: True where `measures` is empty, because the first results show what is measured; then
      `select_on` and the names in [table] are checked against results.
    - `observed(workspace, record)`: the inputs of a study with what its results have shown of its measures; raises
      AblateError where results contradict each other.
    - `saved(training, folder)`: a text that changes with the newest checkpoint of a user's program; "" for none. A
      training that gets further between kills has TRIES attempts more.
    - `takes_folds`, of what `declared` returns: True where the replicates may be the folds of [folds].
    - `given(grid)`: fields of `Training` that the study file states, for all trainings of a study.
    - `primary`: the name of the measure whose differences are tested; by default the selecting one, then the first.
    - `detailed`: names of measures that have intervals on test; by default the primary measure alone.
    - `uncertainty`, `units`: the defaults of these keys of [table]: "both" and "groups" without these names.
    - `legacy`: True where tables keep the methods of version 0.1: bootstrap percentiles of aggregates of few examples
      too, t intervals of shares in addition to those over seeds, and examples where rows have too few common seeds.
    - `noun`: the word for one example ("image").
    - `run_noun`: the word for what gave a result, by default "training"; "run" where nothing need be trained.
    - `selects_nothing`: the reason in words where a study selects no row.
    - `varies`: what the seed of a trial changes, in words ("initialisation, order of training examples").
    - `Inputs`: a subclass of `store.record.Inputs` with additional fields.
    - `Training`: a subclass of `store.training.Training` with the fields that `Inputs.given` returns.
    - `takes_data`: the allowed values of `--data`, in words; without this name, the experiment takes no data.
    - `options`: the names of the experiment's own options ("limit"); other options are refused.
    - `check_installed()`: checks that the packages of training and prediction are installed; raises AblateError.
    - `check(request)`: checks quickly what `prepare` would refuse later; raises AblateError.
    - `making`, `made`: words for `make` and its artifacts ("computing features", "features").
    - `is_ready(workspace, artifact)`, `make(workspace, artifact, report)`: for the artifacts of `Training.artifacts`.
      `make` runs in a worker and reports {"done": n, "of": n}.
    - `effort(training)`: the relative duration of a training, in any unit; by default the number of steps.
    - `updates(condition, examples)`: a number that decides between equal rows; by default the number of steps.
    - `inspect(workspace, record)`: computes and stores costly facts about the inputs, once, at the end of `ablate run`.
    - `examine(workspace, record)`: these facts, read from their files, for the experiment's own warnings
      (`CheckContext.examined`). Writes nothing.
    - `diagnostics()`: the experiment's own warnings: code -> a function of `analysis.check_context.CheckContext` that
      returns a Diagnostic or None. `pages`: a folder with a page CODE.md for each, which `ablate explain` prints.
    - `tables`, `figures`: functions of `analysis.study_analysis.StudyAnalysis` that return a Table or Figure, or None.
    - `kept`: the word for what `--keep` stores of a training ("head", "output"); without this name, nothing is stored.
    - `outputs_in`: the folder of these outputs below that of the child; by default the child's own.
    - `loads`: a module that workers import at their start.
    - `environment(slot)`: additional environment variables of a worker's process, set before the process starts.
    - `required()`: environment variables that every worker must have, by name; workers without them are refused.
    - `estimate(request)`: the cost of the remaining trainings, a `cost.Estimate` for a `cost.EstimateRequest`; by
      default the mean of past trainings.
    - `studies`: a folder of study files that `--grid NAME` finds.
    - `application()`: how a trained row predicts other examples, an `Application`.
    - `check_export(workspace, training)`, `export_model(workspace, record, trial)`: the model of a trained row, an
      `ExportedModel`, made in a process of its own. The check comes before; it raises AblateError.
    - `describe(data, classes, sheet, watch)`: lines on a data set, for `ablate data`. `sheet`: a file for a picture of
      some examples, or None.
    - `checks()`: a `Check` for each thing that the experiment needs on this machine, for `ablate doctor`.
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
