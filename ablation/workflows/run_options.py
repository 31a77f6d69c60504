"""Options of `ablate run` and related commands."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablation import experiments
from ablation.engine import slots
from ablation.engine.pool import Tls
from ablation.engine.slots import Slot
from ablation.experiments.protocol import Request
from ablation.store.record import Inputs
from ablation.store.workspace import Workspace
from ablation.study.grid import Grid
from ablation.study.study_file import StudyText
from ablation.workflows.import_request import Import

NO_TRACKERS = "none"


@dataclass(frozen=True)
class RunOptions:
    """Options of `ablate run`."""

    grid: Grid
    data: str
    workspace: Path
    name: str
    own: Mapping[str, Any] = field(default_factory=dict)  # the experiment's options
    slots: str = "auto"
    scheduler: str | None = None
    tls: Tls = field(default_factory=Tls)
    inline: bool = False
    timeout: float | None = None  # limit of one attempt of a training, in seconds
    retry: Collection[str] = ()  # outcomes to retry, in addition to those that are always retried
    keep: str = "selected"  # rows whose heads are kept on disk: all, selected, none
    storage: str | None = None
    tracking: str | None = None
    register: str | None = None  # name in MLflow's registry for the model of the selected row
    trackers: str = "all"  # or NO_TRACKERS
    on_end: str | None = None  # shell command that runs when the run has ended
    drain: float = 30.0  # seconds that the end of the command waits for the trackers
    replicates: int | None = None  # number of additional trainings of the reference, with other seeds
    files: Sequence[StudyText] = ()  # content of the study files, which the study's history keeps
    imported: Import | None = None  # results that exist already, where the study file has [import]
    stop_after: int = 0  # step after which trainings of a function save their state and end; 0 for none
    debug: bool = False  # whether a function that fails ends in its debugger
    code: str | None = None  # what happens to results of code that has changed since: keep or retrain; None refuses
    command: Sequence[str] = ()  # command line after `ablate`, shown as the command that resumes the run

    @property
    def experiment(self) -> Any:
        """Experiment of the study."""
        return experiments.load(self.grid.factors.plugin)

    @property
    def is_data_missing(self) -> bool:
        """True where `data` is no file or folder of this machine, and no demo data."""
        return bool(self.data) and not experiments.is_demo(self.data) and not Path(self.data).exists()

    @property
    def used_slots(self) -> list[Slot]:
        """Slots of this machine that trainings run on. Raises AblateError where `slots` is wrong."""
        keys = self.grid.experiment_keys
        return slots.parse(self.slots, is_waiting=bool(keys and keys.io))

    def request(self, earlier: Inputs | None = None) -> Request:
        """Return the request to prepare the experiment. `earlier`: inputs of the last run of the study."""
        used = "" if self.scheduler else self.slots
        return Request(self.grid, self.data, Workspace(self.workspace), self.own, earlier, used)
