"""What `ablate run` and its siblings were asked for, and what can be refused before anything is read."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablation.errors import AblateError
from ablation.grids.grid import Grid
from ablation.training import features, installed
from ablation.views import databases
from ablation.workers import slots
from ablation.workers.pool import Tls
from ablation.workspace import Workspace, check_name, on_network


@dataclass(frozen=True)
class Options:
    """What `ablate run` was asked for."""

    grid: Grid
    data: str
    workspace: Path
    name: str
    classes: Sequence[str] | None = None
    limit: int | None = None
    skip_bad: bool = False
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

    def levels(self, factor: str) -> list[Any]:
        """The levels of a factor that rows have."""
        return sorted({getattr(row, factor) for row in self.grid.rows})


def check(options: Options) -> None:
    """Raises AblateError where this machine, or the workspace's place, cannot do what is asked."""
    root = Workspace(options.workspace).root
    check_name(options.name)
    databases.need_driver("--storage", options.storage)
    databases.need_driver("--tracking", options.tracking)
    databases.refuse_shared(Workspace(options.workspace), options.storage, options.tracking)
    _check_precision(options)
    installed.check()
    for backbone, level in {(row.backbone, row.weights) for row in options.grid.rows}:
        features.locate(backbone, level)
    if on_network(root) and not (options.storage and options.tracking):
        raise AblateError(
            f"{root} lies on a network file system, where SQLite loses data; "
            "pass --storage and --tracking (a database and a server), or a local --workspace"
        )


def _check_precision(options: Options) -> None:
    used = slots.parse(options.slots)
    for precision in () if options.scheduler else options.levels("precision"):  # a cluster has other devices
        if why := slots.lacking(precision, used):
            raise AblateError(f"precision {precision}: {why}; take float32, or other --slots")
