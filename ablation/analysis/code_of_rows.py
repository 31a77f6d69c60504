"""Code that the rows of a study ran: each text of each file of the user, with the rows whose trainings ran it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ablation.store import code, result
from ablation.store.record import Record
from ablation.store.workspace import Workspace


@dataclass(frozen=True)
class CodeOfRows:
    """One text of a file, as trainings ran it.

    Attributes:
        path: path of the file.
        sha256: digest of the text.
        rows: rows with a finished training that ran this text; () for none yet.
        is_current: whether the file had this text at the last run of the study.
        is_kept: whether the user kept the results of this text when the file changed (--code keep).
    """

    path: str
    sha256: str
    rows: tuple[int, ...]
    is_current: bool
    is_kept: bool


def read(workspace: Workspace, record: Record) -> tuple[CodeOfRows, ...]:
    """Return the texts of all files, ordered by path, those of the last run first; () where no code is recorded."""
    current: Mapping[str, str] = getattr(record.inputs, "code", {})
    rows: dict[tuple[str, str], set[int]] = {text: set() for text in current.items()}
    for row, digests in _ran(workspace, record):
        for text in digests.items():
            rows.setdefault(text, set()).add(row)
    ordered = sorted(rows, key=lambda text: (text[0], current.get(text[0]) != text[1]))
    return tuple(
        CodeOfRows(
            path,
            sha256,
            tuple(sorted(rows[path, sha256])),
            current.get(path) == sha256,
            code.change_key(path, sha256, current.get(path)) in record.kept_changes,
        )
        for path, sha256 in ordered
    )


def _ran(workspace: Workspace, record: Record) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield (row, code) of each finished trial; also the code of attempts before it resumed with other code."""
    for trial in record.grid.trials():
        folder = workspace.training(record.training_key(trial))
        if result.is_done(folder, trial.step):
            yield from ((trial.row, digests) for digests in (code.of_training(folder), *code.earlier(folder)))
