"""Changes of a user's code since trainings: shown before anything is trained, and then kept or trained again."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count

from ablation.engine.job import newest_checkpoint
from ablation.errors import AblateError
from ablation.model.phrases import listed, which
from ablation.progress.listener import ProgressListener
from ablation.store import code, result, retrained
from ablation.store import record as records
from ablation.store.record import Record
from ablation.store.training import training_of
from ablation.store.workspace import Workspace

MOST_LINES = 40  # of a diff that is shown
RETRAIN = "retrain"  # a decision; the other is to keep


@dataclass(frozen=True)
class Change:
    """Change of one file. `before`: text of the trainings; None where it is lost. `after`: text now; None for no file.

    `key`: path and digests. `trainings`: key of a training with this code -> its rows.
    """

    path: str
    before: str | None
    after: str | None
    key: str
    trainings: Mapping[str, tuple[int, ...]]

    @property
    def rows(self) -> list[int]:
        """Rows that were trained with the earlier text."""
        return sorted({row for rows in self.trainings.values() for row in rows})


def changes(workspace: Workspace, record: Record, text_now: Callable[[str], str | None]) -> list[Change]:
    """Return the changes since the trainings of a study that have results, or a checkpoint from which they resume.

    `text_now`: see `Prepared.code`.
    """

    @cache
    def is_changed(path: str, sha256: str) -> bool:
        after = text_now(path)
        if after is not None and code.digest(after) == sha256:
            return False
        return code.is_changed(path, code.stored(workspace, sha256), after)

    trainings: dict[tuple[str, str], dict[str, set[int]]] = {}
    for trial in record.grid.trials():
        key = record.training_key(trial)
        folder = workspace.training(key)
        digests = code.of_training(folder)  # of a new training there are none: nothing else is looked at
        if not digests:
            continue
        if not (result.is_done(folder, trial.step) or newest_checkpoint(training_of(record, trial), folder)):
            continue
        for path, sha256 in digests.items():
            if is_changed(path, sha256):
                trainings.setdefault((path, sha256), {}).setdefault(key, set()).add(trial.row)
    return [
        Change(
            path, code.stored(workspace, sha256), after := text_now(path),
            code.change_key(path, sha256, None if after is None else code.digest(after)),
            {key: tuple(sorted(rows)) for key, rows in of_trainings.items()},
        )
        for (path, sha256), of_trainings in trainings.items()
    ]  # fmt: skip


def decided(
    all_changes: Sequence[Change], decision: str | None, kept: Iterable[str], watch: ProgressListener
) -> list[Change]:
    """Return the changes that nothing was decided on before, after the diff is shown.

    Args:
        all_changes: changes since the trainings of a study.
        decision: "keep", RETRAIN, or None where the user has not decided.
        kept: keys of changes that the user kept before.
        watch: listener for notes.

    Raises:
        AblateError: the user has not decided.
    """
    new = [change for change in all_changes if change.key not in set(kept)]
    if not new:
        return []
    for change in new:
        lines = list(code.difference(change.path, change.before, change.after))
        for line in lines[:MOST_LINES]:
            watch.say(line)
        if len(lines) > MOST_LINES:
            watch.say(f"... and {len(lines) - MOST_LINES} more lines")
    if not decision:
        rows = which({row for change in new for row in change.rows}, "was", "were")
        paths = listed([change.path for change in new])
        have = "has" if len(new) == 1 else "have"
        raise AblateError(
            f"{paths} {have} changed since {rows} trained; pass --code keep to use these results all the same, or "
            "--code retrain to train them again"
        )
    return new


def supersede(workspace: Workspace, study: str, keys: Iterable[str], watch: ProgressListener) -> None:
    """Move the folders of trainings aside, until `ablate clean` deletes them.

    Other studies that used them are named, and their tables warn until they are run again.
    """
    keys = set(keys)
    for other, shared in _users(workspace, keys, study):
        retrained.note(workspace.study(other), shared, study)
        watch.say(f"note: study {other} used results that are trained again now; run it again, and redraw its table")
    for key in sorted(keys):
        folder = workspace.training(key).path
        target = next(p for n in count(1) if not (p := workspace.superseded / f"{key}-{n}").exists())
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder, target)


def _users(workspace: Workspace, keys: set[str], study: str) -> Iterator[tuple[str, set[str]]]:
    """Yield the name of each study but `study` that uses one of these trainings, and those that it uses."""
    for other in records.others(workspace, study) if keys else ():
        if shared := keys & {other.training_key(trial) for trial in other.grid.trials()}:
            yield other.name, shared
