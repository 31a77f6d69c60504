"""What a study rests on: its grid, and the digests of everything that can change its numbers."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict

from ablation.errors import AblateError
from ablation.grids.grid import Condition, Grid, Trial, short
from ablation.measures import measure
from ablation.measures.classes import of_classes
from ablation.measures.measure import SPLITS, Measure
from ablation.workspace import StudyFolder, Workspace, read_json, write_json

RECIPE = 2  # the version of the training recipe: count up whenever the same trial would give other numbers


class Weights(BaseModel):
    """A backbone's weights. `level` is what the grid says; `source` is imagenet, random or a file."""

    model_config = ConfigDict(frozen=True)

    level: str
    source: str
    digest: str


class Record(BaseModel):
    """The content of study.json."""

    model_config = ConfigDict(frozen=True)

    name: str
    grid: Grid
    data: str  # as the user named it
    images: str  # digest of the index
    classes: tuple[str, ...]
    counts: dict[str, dict[str, tuple[int, ...]]]  # level of `split` -> train, val, test -> images of each class
    splits: dict[str, str]  # level of `split` -> digest of its rows
    weights: dict[str, Weights]  # "<backbone>/<level>"
    backend: str
    alignment: str = ""  # digest of how faces are aligned, where a row asks for that
    left_out: tuple[str, ...] = ()  # images that could not be decoded
    notes: tuple[str, ...] = ()  # what was replaced, in words
    keep: str = "selected"  # whose heads stay on disk

    def weights_of(self, condition: Condition) -> Weights:
        return self.weights[f"{condition.backbone}/{condition.weights}"]

    @property
    def measures(self) -> Mapping[str, Measure]:
        """What is measured, by name, in the order of the tables."""
        return of_classes(len(self.classes), SPLITS)

    @property
    def primary(self) -> Measure:
        """The measure whose differences are tested."""
        return self.measures["accuracy"]

    @property
    def detailed(self) -> tuple[Measure, ...]:
        """The measures that have intervals on test, the primary one first."""
        return self.primary, self.measures["macro_f1"]

    @property
    def noun(self) -> str:
        """What one example is."""
        return "image"

    @property
    def selected_by(self) -> Measure | None:
        """The measure that selects a row; None where nothing is selected. Raises AblateError where it is unknown."""
        if not self.grid.selects:
            return None
        return measure.known(self.measures, self.grid.metric, f"study {self.name!r}: select_on")

    def split_of(self, condition: Condition) -> str:
        """A digest of which examples a condition is measured on: rows are compared where it is the same."""
        return self.splits[condition.split]

    def examples(self, condition: Condition) -> dict[str, int]:
        """How many examples each split of a condition has."""
        return {name: sum(counts) for name, counts in self.counts[condition.split].items()}

    @property
    def home(self) -> str:
        """The split of the reference row, a digest: rows are compared with it, and fitted, on these images alone."""
        return self.split_of(self.grid.rows[self.grid.reference - 1])

    def majority(self, levels: Iterable[str]) -> float | None:
        """Share of the largest class on test, in these levels of `split`: the accuracy of always guessing it. None
        where they differ in it, or there are none."""
        shares = {max(counts) / sum(counts) for level in levels if sum(counts := self.counts[level]["test"])}
        return shares.pop() if len(shares) == 1 else None

    def alignment_of(self, condition: Condition) -> str:
        return "" if condition.align == "none" else self.alignment

    def shown(self, condition: Condition) -> dict[str, Any]:
        """The levels of a condition as tables and records show them: weights by what was used, without a path; a folder
        of them by its own name."""
        used = self.weights_of(condition)
        named = used.source if used.source in ("imagenet", "random") else used.level
        return vars(condition) | {"weights": short("weights", named)}

    @cached_property
    def _keys(self) -> dict[tuple[Condition, int], str]:
        """The ids that were asked for before: each is asked for many times."""
        return {}

    def training_key(self, trial: Trial) -> str:
        """The id of the training that answers `trial`: a hash of everything that can change its numbers."""
        asked = (trial.condition, trial.seed)
        if asked not in self._keys:
            self._keys[asked] = self._training_key(*asked)
        return self._keys[asked]

    def _training_key(self, condition: Condition, seed: int) -> str:
        levels: dict[str, Any] = condition.model_dump(mode="json", exclude={"epochs"})
        levels["weights"] = self.weights_of(condition).digest
        levels["split"] = self.splits[condition.split]
        content = {
            "recipe": RECIPE,
            "levels": levels,
            "seed": seed,
            "images": self.images,
            "backend": self.backend,
        }
        if alignment := self.alignment_of(condition):
            content["alignment"] = alignment
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def trial_key(self, trial: Trial) -> str:
        return f"{self.training_key(trial)}-{trial.condition.epochs}"

    def write(self, folder: StudyFolder) -> None:
        write_json(folder.record, self.model_dump(mode="json"))


def read(folder: StudyFolder) -> Record | None:
    """The record of a study; None where it was never run. Raises AblateError where the file is broken."""
    found = read_json(folder.record)
    if found is None:
        return None
    try:
        return Record.model_validate_json(json.dumps(found | {"name": folder.path.name}))  # it may have been renamed
    except ValueError:
        raise AblateError(f"{folder.record}: not a record that this version reads; take another --name") from None


def need(workspace: Workspace, name: str) -> Record:
    """The record of a study that must be there. AblateError names those that are."""
    found = read(workspace.study(name))
    if found is None:
        raise no_study(workspace, name)
    return found


def no_study(workspace: Workspace, name: str) -> AblateError:
    """What to say where there is no such study."""
    others = workspace.studies()
    way = f"--name takes one of: {', '.join(others)}" if others else "run `ablate run` first"
    return AblateError(f"{workspace.root}: no study {name!r}; {way}")


def refuse_other(old: Record, new: Record) -> None:
    """Rows and seeds may grow under one name; data, classes and settings may not. Raises AblateError."""
    both = old.splits.keys() & new.splits.keys()
    changed: Sequence[tuple[str, object, object]] = (
        ("--data", (old.images, {k: old.splits[k] for k in both}), (new.images, {k: new.splits[k] for k in both})),
        ("--classes", old.classes, new.classes),
        ("--set", old.grid.settings, new.grid.settings),
        ("KERAS_BACKEND", old.backend, new.backend),
        ("weights", {k: old.weights[k].digest for k in old.weights.keys() & new.weights.keys()},
         {k: new.weights[k].digest for k in old.weights.keys() & new.weights.keys()}),
        ("places of the eyes", *((old.alignment, new.alignment) if old.alignment and new.alignment else ("", ""))),
    )  # fmt: skip
    for what, before, now in changed:
        if before != now:
            before, now = (old.data, new.data) if what == "--data" else (before, now)
            if what == "--data" and before == now:
                what = "images (other files, --limit, --skip-bad, split_seed, or demo faces of another version)"
            detail = (
                "" if what in ("weights", "places of the eyes") or before == now else f" ({before} before, {now} now)"
            )
            raise AblateError(
                f"study {new.name!r} was run with other {what}{detail}; give this one a --name of its own"
            )
