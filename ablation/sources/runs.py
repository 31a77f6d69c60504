"""Runs of a source of results, in one form for all readers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

DONE, FAILED, KILLED, PRUNED, RUNNING = STATUSES = ("done", "failed", "killed", "pruned", "running")
SETTING = "params."  # names of settings begin with it, where the source separates settings from results
TAG = "tags."  # names of notes that the source stores with a run
WORDS = {
    DONE: "done finished completed complete success succeeded ok", FAILED: "failed fail failure crashed error",
    KILLED: "killed interrupted cancelled canceled aborted", PRUNED: "pruned", RUNNING: "running scheduled waiting",
}  # fmt: skip
STATUS_OF = {word: status for status, words in WORDS.items() for word in words.split()}  # words of other programs
STATUS, REASON, RUN, NAME, FOLDER, STARTED, DURATION = (
    "status", "reason", "run_id", "name", "folder", "started", "duration",
)  # fmt: skip
OWN = (STATUS, REASON, RUN, NAME, FOLDER, STARTED, DURATION)  # fields of a run that every reader may state
ARTIFACTS = f"{TAG}artifacts"  # folder with the files of a run, where the source states one on this machine
RUN_COLUMN, METRIC, STEP, VALUE = CURVES = ("run", "metric", "step", "value")


@dataclass(frozen=True)
class Runs:
    """Runs of one source.

    Attributes:
        address: the source, as the user named it.
        kind: name of the reader: "csv", "json", "mlflow", "optuna", "wandb", or the preset of a folder reader.
        frame: one line for each run, in the order of the source, with a RangeIndex. Columns are fields: settings
            (`params.lr`), results (`val_accuracy`), notes (`tags.user`) and the names of OWN. A missing value is None,
            or nan for numbers. Cells are bool, int, float, str, None or tuples of them.
        curves: lines of (run, metric, step, value): position of the run in `frame`, name of the metric, number, number.
            They hold the course of metrics in the source's order; a metric of a curve has no column in `frame`. None
            where the source stores no course.
        separates_settings: whether the source itself separates settings from results; otherwise all columns of `frame`
            may be either.
        notes: sentences on what was read, and what was not.
        files: name of each file that was read, or the address of a server -> sha256 of the content that was read.
        root: folder that the names of the runs' files and folders are relative to; None where the source has no files.
        is_search: whether the source is a search whose sampler may be adaptive.
    """

    address: str
    kind: str
    frame: pd.DataFrame
    curves: pd.DataFrame | None = None
    separates_settings: bool = False
    notes: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    root: Path | None = None
    is_search: bool = False

    @cached_property
    def metrics(self) -> list[str]:
        """Names of the metrics of the curves, in the order of the source."""
        return [] if self.curves is None else [str(name) for name in self.curves[METRIC].unique()]


def flat(content: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Return nested mappings as one mapping, with the names joined by dots. Lists become tuples, lists of mappings are
    left out."""
    fields: dict[str, object] = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            fields |= flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            members = tuple(value)
            if all(isinstance(member, str | int | float | bool) or member is None for member in members):
                fields[name] = members
        else:
            fields[name] = value
    return fields
