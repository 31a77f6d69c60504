"""What `ablate run` was asked for, checked, and turned into a study's record."""

from dataclasses import dataclass

from ablation.errors import AblateError
from ablation.experiments.protocol import Prepared
from ablation.grids import record as records
from ablation.grids.grid import Trial
from ablation.grids.record import Record
from ablation.planning import plan
from ablation.watching.watch import Watch
from ablation.workflows.options import Options, check
from ablation.workspace import Workspace, write_json


@dataclass(frozen=True)
class Study:
    """A study that can be run: its record, and what its experiment has prepared."""

    record: Record
    prepared: Prepared

    def store(self, workspace: Workspace) -> None:
        """Write what workers and later commands read; the record is the last."""
        self.prepared.store()
        if not workspace.aliases.is_file():  # as every workspace has from this version on
            write_json(workspace.aliases, {})
        self.record.write(workspace.study(self.record.name))


def prepare(options: Options, watch: Watch) -> Study:
    """Read and check everything that a run rests on. Writes nothing. Raises AblateError where the input is wrong."""
    check(options)
    workspace = Workspace(options.workspace)
    old = records.read(workspace.study(options.name))
    if old:  # before anything is read or fetched
        records.refuse_other_grid(old, options.name, options.grid)
    prepared = options.experiment.prepare(options.request(old.inputs if old else None), watch)
    record = Record(
        name=options.name,
        grid=options.grid.replicated(options.replicates or 0),
        data=prepared.data,
        inputs=prepared.inputs,
        notes=tuple(prepared.notes),
        keep=options.keep,
    )
    _refuse_doubles(record)
    if old:
        records.refuse_other(old, record)
    plan.refuse_unlike(workspace, record)
    return Study(record, prepared)


def _refuse_doubles(record: Record) -> None:
    """Levels that differ in words can be the same thing: two paths of one file, `given` splits that were not given."""
    first: dict[str, Trial] = {}
    for trial in record.grid.trials():
        double = first.setdefault(record.trial_key(trial), trial)
        if double is not trial:
            raise AblateError(f"rows {double.row} and {trial.row} are the same trial on these data; remove one")
