"""Preparation of a run: the inputs of the trainings, and the record of a study."""

from dataclasses import dataclass

from ablation.engine import plan
from ablation.errors import AblateError
from ablation.experiments.protocol import Prepared
from ablation.progress.listener import ProgressListener
from ablation.store import record as records
from ablation.store.files import write_json
from ablation.store.record import Record
from ablation.store.reissue import with_issued_ids
from ablation.store.workspace import Workspace
from ablation.study.grid import Trial
from ablation.study.study_keys import from_results
from ablation.workflows import code_changes, mixed_study
from ablation.workflows.checked_options import CheckedOptions
from ablation.workflows.mixed_study import Mixture
from ablation.workflows.run_options import RunOptions


@dataclass(frozen=True)
class PreparedStudy:
    """Study that can be run: its record, and the preparation of its experiment."""

    record: Record
    prepared: Prepared
    mixture: Mixture | None = None  # imported results that are to be stored
    outdated: frozenset[str] = frozenset()  # keys of trainings that are to be trained again, because code has changed

    def store(self, workspace: Workspace) -> None:
        """Write the files that workers and later commands read; the record is written last."""
        self.prepared.store()
        if self.mixture:
            self.mixture.store(workspace, self.record)
        if not workspace.aliases.is_file():  # every workspace of this version has the file
            write_json(workspace.aliases, {})
        self.record.write(workspace.study(self.record.name))


def prepare(checked: CheckedOptions, watch: ProgressListener) -> PreparedStudy:
    """Read and check all inputs of a run, without writing. Raises AblateError where an input is wrong."""
    options, workspace, old = checked.options, checked.workspace, checked.old
    if not from_results(options.experiment):
        records.stated_measures(options.grid, options.experiment.measures, options.name)  # before any data are read
    if old:  # before any data are read or downloaded
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
    record = with_issued_ids(workspace, record)
    _ = record.selected_by  # raises an error where rows cannot be selected by it
    _refuse_doubles(record)
    if old:
        records.refuse_other(old, record)
    plan.refuse_unlike(workspace, record)
    record, outdated = _with_code(options, record, old, prepared, watch)
    return PreparedStudy(*_with_imports(options, record, old, prepared), outdated)


def _with_code(
    options: RunOptions, record: Record, old: Record | None, prepared: Prepared, watch: ProgressListener
) -> tuple[Record, frozenset[str]]:
    """Return the record with the changes of code that are kept, and the keys of the trainings to repeat.

    Raises AblateError where code has changed, and the user has not decided what to do.
    """
    kept = old.kept_changes if old else ()
    if prepared.code is None:
        return record, frozenset()
    workspace = Workspace(options.workspace)
    changes = code_changes.changes(workspace, record, prepared.code)
    new = code_changes.decided(changes, options.code, kept, watch)
    if options.code == code_changes.RETRAIN:
        return record, frozenset(key for change in changes for key in change.trainings)
    return record.model_copy(update={"kept_changes": (*kept, *(change.key for change in new))}), frozenset()


def _with_imports(
    options: RunOptions, record: Record, old: Record | None, prepared: Prepared
) -> tuple[Record, Prepared, Mixture | None]:
    """Return the record with its imported trials.

    The source is read at the first run, for new rows and seeds, and where imported results are missing.
    """
    if options.imported is None:
        if old and old.imports.ids:
            raise AblateError(f"study {record.name!r} has imported results; keep [import], or pass another --name")
        return record, prepared, None
    is_complete = old and old.imports.ids and not mixed_study.has_lost_results(Workspace(options.workspace), old)
    if old and is_complete and not mixed_study.has_new_trials(record, old):
        return mixed_study.with_imports(record, old.imports), prepared, None
    record, mixture = mixed_study.mixed(options.imported, record)
    return record, prepared, mixture


def _refuse_doubles(record: Record) -> None:
    """Raise AblateError where two rows are the same trial.

    Levels with different names can be equal: two paths of one file, or `given` splits of data without given splits.
    """
    first: dict[str, Trial] = {}
    for trial in record.grid.trials():
        double = first.setdefault(record.trial_key(trial), trial)
        if double is not trial:
            raise AblateError(f"rows {double.row} and {trial.row} are the same trial on these data; remove one")
