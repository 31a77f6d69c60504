"""What `ablate run` and its siblings were asked for, and what can be refused before anything is read."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablation import experiments
from ablation.errors import AblateError
from ablation.experiments.protocol import Request
from ablation.grids.grid import Grid
from ablation.grids.record import Inputs
from ablation.views import databases
from ablation.workers.pool import Tls
from ablation.workspace import Workspace, check_name, on_network


@dataclass(frozen=True)
class Options:
    """What `ablate run` was asked for."""

    grid: Grid
    data: str
    workspace: Path
    name: str
    own: Mapping[str, Any] = field(default_factory=dict)  # the experiment's options
    slots: str = "auto"
    scheduler: str | None = None
    tls: Tls = field(default_factory=Tls)
    inline: bool = False
    timeout: float | None = None  # seconds that one try of a training may take
    retry: Collection[str] = ()  # outcomes that are tried again beside those that always are
    keep: str = "selected"  # whose heads stay on disk: all, selected, none
    storage: str | None = None
    tracking: str | None = None
    register: str | None = None  # the name under which the model of the selected row goes to MLflow's registry
    replicates: int | None = None  # how often the reference is trained again, with other seeds
    command: Sequence[str] = ()  # as it was typed after `ablate`: how to go on

    @property
    def experiment(self) -> Any:
        """The experiment of the study."""
        return experiments.load(self.grid.factors.plugin)

    def request(self, earlier: Inputs | None = None) -> Request:
        """Return what the experiment is asked to prepare. `earlier`: what the study was given when it was run last."""
        used = "" if self.scheduler else self.slots
        return Request(self.grid, self.data, Workspace(self.workspace), self.own, earlier, used)


def check(options: Options) -> None:
    """Raises AblateError where this machine, or the workspace's place, cannot do what is asked."""
    root = Workspace(options.workspace).root
    check_name(options.name)
    databases.need_driver("--storage", options.storage)
    databases.need_driver("--tracking", options.tracking)
    databases.refuse_shared(Workspace(options.workspace), options.storage, options.tracking)
    if refuse := getattr(options.experiment, "check", None):
        refuse(options.request())
    if on_network(root) and not (options.storage and options.tracking):
        raise AblateError(
            f"{root} lies on a network file system, where SQLite loses data; "
            "pass --storage and --tracking (a database and a server), or a local --workspace"
        )
