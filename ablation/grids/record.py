"""What a study rests on: its grid, and what its trainings are given."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from ablation import experiments
from ablation.errors import AblateError
from ablation.grids.grid import Grid, Trial
from ablation.grids.levels import Condition, Schema, schema_of, text
from ablation.measures import measure
from ablation.measures.measure import Measure
from ablation.workspace import StudyFolder, Workspace, read_json, write_json


class Inputs(BaseModel):
    """What the trainings of a study are given beside their levels. An experiment may bring a kind of its own.

    `digests`: name of an input -> its digest; all of them are part of every id. `sizes`: train, val, test -> how many
    examples.
    """

    model_config = ConfigDict(frozen=True)

    same_place: ClassVar[str] = "data (the same place, but other content)"

    digests: dict[str, str] = {}
    sizes: dict[str, int] = {}
    classes: tuple[str, ...] = ()  # where examples belong to such
    left_out: tuple[str, ...] = ()  # what could not be read
    backend: str = ""

    def identity(self, condition: Condition) -> dict[str, Any]:
        """Return all that an id holds beside the levels: the digest of every input that a training is given."""
        return dict(self.digests)

    def examples(self, condition: Condition) -> dict[str, int]:
        """Return how many examples each split has: train, val, test."""
        return self.sizes

    @property
    def replaced(self) -> tuple[str, ...]:
        """Names of inputs in whose place others stand."""
        return ()

    @property
    def digest(self) -> str:
        """One name for all of them."""
        return hashlib.sha256(text(self.digests).encode()).hexdigest()[:16] if self.digests else ""

    def example_set(self, condition: Condition) -> str:
        """Return a name for the validation and test examples: rows are compared where it is the same."""
        return ""

    def shown(self, condition: Condition) -> dict[str, Any]:
        """Return the levels of a condition as tables and databases show them."""
        return dict(condition)

    def given(self, condition: Condition) -> dict[str, Any]:
        """Return what a training of the experiment's own kind has beside the fields of every training."""
        return {}

    def measures(self, declared: Mapping[str, Measure]) -> Mapping[str, Measure]:
        """Return the experiment's measures as they are on these inputs."""
        return declared

    def provenance(self) -> Iterator[tuple[str, str]]:
        """Yield what a reader needs to know of them: a name and a value each."""
        yield from ((f"{name} (digest)", digest) for name, digest in self.digests.items())
        yield from ((f"examples, {split}", f"{n:,}") for split, n in self.sizes.items())

    def profile(self) -> dict[str, Any]:
        """Return what MLflow's page of the data set says."""
        return {"examples": self.sizes}

    def changes(self, new: "Inputs") -> Iterator[tuple[str, object, object]]:
        """Yield what may not change under a study's name: an option, its value before, its value now."""
        yield "--data", self.digests, new.digests


class Record(BaseModel):
    """The content of study.json."""

    model_config = ConfigDict(frozen=True)

    name: str
    grid: Grid
    data: str  # as the user named it
    inputs: Any  # an Inputs, or the experiment's own kind of it
    notes: tuple[str, ...] = ()  # what was replaced, in words
    keep: str = "selected"  # whose heads stay on disk

    @property
    def experiment(self) -> Any:
        """The experiment that the study runs: see experiments/protocol.py."""
        return experiments.load(self.grid.factors.plugin)

    @property
    def measures(self) -> Mapping[str, Measure]:
        """What is measured, by name, in the order of the tables."""
        found: Mapping[str, Measure] = self.inputs.measures(self.experiment.measures)
        return found

    @property
    def primary(self) -> Measure:
        """The measure whose differences are tested."""
        named = getattr(self.experiment, "primary", "") or (self.selected_by.name if self.selected_by else "")
        return self.measures[named or next(iter(self.measures))]

    @property
    def detailed(self) -> tuple[Measure, ...]:
        """The measures that have intervals on test, the primary one first."""
        more = (name for name in getattr(self.experiment, "detailed", ()) if name != self.primary.name)
        return self.primary, *(self.measures[name] for name in more)

    @property
    def noun(self) -> str:
        """What one example is."""
        return getattr(self.experiment, "noun", "example")

    @property
    def kept(self) -> str:
        """What `--keep` keeps of a training, in a word; "" where nothing is."""
        return getattr(self.experiment, "kept", "")

    @property
    def selected_by(self) -> Measure | None:
        """The measure that selects a row; None where nothing is selected. Raises AblateError where it is unknown."""
        if not self.grid.selects:
            return None
        return measure.known(self.measures, self.grid.metric, f"study {self.name!r}: select_on")

    def split_of(self, condition: Condition) -> str:
        """A digest of which examples a condition is measured on: rows are compared where it is the same."""
        return str(self.inputs.example_set(condition))

    def examples(self, condition: Condition) -> dict[str, int]:
        """How many examples each split of a condition has."""
        return dict(self.inputs.examples(condition))

    @property
    def home(self) -> str:
        """The examples of the reference row: rows are compared with it, and fitted, on these alone."""
        return self.split_of(self.grid.rows[self.grid.reference - 1])

    def shown(self, condition: Condition) -> dict[str, Any]:
        """The levels of a condition as tables and records show them."""
        return dict(self.inputs.shown(condition))

    @cached_property
    def _keys(self) -> dict[tuple[Condition, int], str]:
        """The ids that were asked for before: each is asked for many times."""
        return {}

    def training_key(self, trial: Trial) -> str:
        """The id of the training that answers `trial`: a hash of everything that can change its numbers."""
        asked = (trial.condition, trial.seed)
        if asked not in self._keys:
            identity = self.inputs.identity(trial.condition)
            self._keys[asked] = training_id(self.grid.factors, trial.condition, trial.seed, identity)
        return self._keys[asked]

    def trial_key(self, trial: Trial) -> str:
        return f"{self.training_key(trial)}-{trial.step}"

    def write(self, folder: StudyFolder) -> None:
        write_json(folder.record, self.model_dump(mode="json"))


def training_id(schema: Schema, condition: Condition, seed: int, identity: Mapping[str, Any]) -> str:
    """Return the id of a training: a hash of the experiment and its version, of the levels that differ from their
    defaults (the shared factor's left out), of the seed, and of every input (`identity`: where a level names an input,
    its digest stands under the factor's name).

    A factor that is added with a default changes no id; that a training found under an id had the same levels is
    looked at in `plan.refuse_unlike`.
    """
    content = {
        "experiment": schema.experiment,
        "version": schema.version,
        "levels": {name: level for name, level in schema.stated(condition).items() if name not in identity},
        "seed": seed,
        "inputs": identity,
    }
    return hashlib.sha256(text(content).encode()).hexdigest()[:16]


def read(folder: StudyFolder) -> Record | None:
    """The record of a study; None where it was never run. Raises AblateError where the file is broken, or where its
    experiment is not installed."""
    found = read_json(folder.record)
    if found is None:
        return None
    try:
        content = _current(found) | {"name": folder.path.name}  # it may have been renamed
        kind = experiments.load(content["grid"]["factors"]["plugin"])
        inputs = getattr(kind, "Inputs", Inputs).model_validate_json(json.dumps(content["inputs"]))
        return Record.model_validate_json(json.dumps(content | {"inputs": {}})).model_copy(update={"inputs": inputs})
    except (ValueError, KeyError, TypeError):
        raise AblateError(f"{folder.record}: not a record that this version reads; take another --name") from None


def _current(found: dict[str, Any]) -> dict[str, Any]:
    """Return the content of study.json in the form of today: version 0.1.0 knew one experiment, and had what this is
    given at the top."""
    if "inputs" in found:
        return found
    kind = experiments.load(experiments.DEFAULT)
    own = kind.Inputs.model_fields.keys() & found.keys()
    grid = {**found["grid"], "factors": schema_of(kind, experiments.DEFAULT).model_dump(mode="json")}
    rest = {name: value for name, value in found.items() if name not in own}
    return {**rest, "grid": grid, "inputs": {name: found[name] for name in own}}


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
    """Rows and seeds may grow under one name; data and settings may not. Raises AblateError."""
    refuse_other_grid(old, new.name, new.grid)
    for what, before, now in old.inputs.changes(new.inputs):
        if before != now and what == "--data":
            raise _other(new.name, what if old.data != new.data else old.inputs.same_place, old.data, new.data)
        if before != now:
            raise _other(new.name, what, before, now)


def refuse_other_grid(old: Record, name: str, new: Grid) -> None:
    """Raises AblateError where a study of this name was of another experiment, or had another --set."""
    for what, before, now in (
        ("experiment", old.grid.factors.experiment, new.factors.experiment),
        ("--set", old.grid.settings, new.settings),
    ):
        if before != now:
            detail = f" ({before or 'nothing'} before, {now or 'nothing'} now)"
            raise AblateError(f"study {name!r} was run with other {what}{detail}; give this one a --name of its own")


def _other(name: str, what: str, before: object, now: object) -> AblateError:
    words = before != now and not isinstance(before, dict)
    detail = f" ({before} before, {now} now)" if words else ""
    return AblateError(f"study {name!r} was run with other {what}{detail}; give this one a --name of its own")
