"""Journal files of Optuna, read by Optuna from a private copy."""

import json
import shutil
import tempfile
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from ablation.errors import AblateError
from ablation.sources.readers.optuna_trials import (
    FAIL_REASON,
    GRID,
    METRIC_NAMES,
    OptunaStudy,
    OptunaTrial,
    choose,
    made,
)
from ablation.sources.runs import Runs

LARGEST = 200_000_000  # bytes
FIRST_LINE = 1_000_000  # bytes of a line that is read to know the file


def is_journal(path: Path) -> bool:
    """Return whether the first line of a file is an operation of a journal."""
    with open(path, "rb") as file:
        try:
            line = json.loads(file.readline(FIRST_LINE))
        except (ValueError, RecursionError):
            return False
    return isinstance(line, dict) and "op_code" in line


def _trial(stored: FrozenTrial) -> OptunaTrial:
    """Return a trial in the form of this package."""
    return OptunaTrial(
        stored.number,
        stored.state.name,
        stored.datetime_start,
        stored.datetime_complete,
        dict(stored.params),
        dict(enumerate(stored.values or ())),
        dict(stored.intermediate_values),
        dict(stored.user_attrs),
        str(stored.system_attrs[FAIL_REASON]) if FAIL_REASON in stored.system_attrs else None,
        GRID in stored.system_attrs,
    )


def _storage(path: Path, place: str) -> JournalStorage:
    """Return Optuna's storage of a copy of the file, which Optuna may write."""
    copy = Path(place) / "journal.log"
    shutil.copyfile(path, copy)
    try:
        return JournalStorage(JournalFileBackend(str(copy)))
    except (
        AssertionError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise AblateError(f"{path}: not a journal that Optuna {optuna.__version__} can read ({error})") from None


def read(path: Path, address: str, wanted: str) -> Runs:
    """Return the trials of a study.

    Args:
        path: Journal file.
        address: Address of the source, as the user named it.
        wanted: Name of the study; "" for the only one.
    """
    if path.stat().st_size > LARGEST:
        raise AblateError(f"{path}: larger than {LARGEST // 1_000_000} MB; copy the study to a database")
    with tempfile.TemporaryDirectory(prefix="ablate-import-") as place:
        storage = _storage(path, place)
        studies = {study.study_name: study for study in storage.get_all_studies()}
        trials = {name: storage.get_all_trials(study._study_id, deepcopy=False) for name, study in studies.items()}
        name = choose(address, {name: len(stored) for name, stored in trials.items()}, wanted)
        study = studies[name]
        names = study.system_attrs.get(METRIC_NAMES, ())
        chosen = OptunaStudy(address, str(path), name, [direction.name for direction in study.directions], names)
        return made(chosen, [_trial(trial) for trial in trials[name]])
