"""The record of a study: its grid, and the inputs of its trainings."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ablation import experiments
from ablation.errors import AblateError, BrokenFile
from ablation.measures import measure, stated
from ablation.measures.measure import Measure
from ablation.measures.names import undirected
from ablation.nearest import nearest
from ablation.store import aliases
from ablation.store.files import read_json, write_json
from ablation.store.workspace import StudyFolder, Workspace
from ablation.study.grid import Grid, Trial
from ablation.study.levels import Condition, Schema, schema_of, text
from ablation.study.table_keys import BOTH, GROUPS


class Inputs(BaseModel):
    """Inputs of the trainings of a study, in addition to their levels. An experiment may define a subclass.

    `digests`: name of an input -> its digest; all digests are part of every training id. `sizes`: train, val, test ->
    number of examples.
    """

    model_config = ConfigDict(frozen=True)

    same_place: ClassVar[str] = "data (same path, different content)"
    held_out: ClassVar[str] = "test"  # the split whose numbers are compared, in words; "" where it is unknown

    digests: dict[str, str] = {}
    sizes: dict[str, int] = {}
    classes: tuple[str, ...] = ()  # where examples have classes
    left_out: tuple[str, ...] = ()  # names of examples that could not be read
    backend: str = ""

    def identity(self, condition: Condition) -> dict[str, Any]:
        """Return the part of a training id that is not a level: the digest of every input of the training."""
        return dict(self.digests)

    def examples(self, condition: Condition) -> dict[str, int]:
        """Return the number of examples of each split: train, val, test."""
        return self.sizes

    @property
    def replaced(self) -> tuple[str, ...]:
        """Names of the inputs that were replaced by others."""
        return ()

    @property
    def clusters(self) -> Mapping[int, int]:
        """Cluster of each seed, where the trainings of a row are repeats of different settings; otherwise {}."""
        return {}

    @property
    def detailed(self) -> tuple[str, ...]:
        """Names of the measures that have intervals on test, where the inputs decide it; otherwise ()."""
        return ()

    def has_test(self, measure: str) -> bool:
        """Return whether trials give a measure on test, as far as that is known."""
        return True

    @property
    def digest(self) -> str:
        """Digest of all inputs; "" where there are none."""
        return hashlib.sha256(text(self.digests).encode()).hexdigest()[:16] if self.digests else ""

    def example_set(self, condition: Condition) -> str:
        """Return a name for the validation and test examples: rows are compared where this name is the same."""
        return ""

    def shown(self, condition: Condition) -> dict[str, Any]:
        """Return the levels of a condition as shown in tables and databases."""
        return dict(condition)

    def labels(self, workspace: Workspace, split: str) -> Callable[[Condition], np.ndarray] | None:
        """Return a function from a condition to the labels (N,) of its examples, where labels are stored once for all
        trainings. Return None where the files of each training hold the labels."""
        return None

    def given(self, condition: Condition) -> dict[str, Any]:
        """Return the extra fields of the experiment's own subclass of Training."""
        return {}

    def measures(self, declared: Mapping[str, Measure]) -> Mapping[str, Measure]:
        """Return the experiment's measures, adapted to these inputs."""
        return declared

    def program(self) -> Iterator[tuple[str, str]]:
        """Yield the program that gives the results, for a reader, as pairs of a name and a value."""
        yield from ()

    def provenance(self) -> Iterator[tuple[str, str]]:
        """Yield the provenance of the inputs for a reader, as pairs of a name and a value."""
        yield from ((f"{name} (digest)", digest) for name, digest in self.digests.items())
        yield from ((f"examples, {split}", f"{n:,}") for split, n in self.sizes.items())

    def profile(self) -> dict[str, Any]:
        """Return the profile that MLflow's page of the data set shows."""
        return {"examples": self.sizes}

    def changes(self, new: "Inputs") -> Iterator[tuple[str, object, object]]:
        """Yield the options that may not change under a study's name: option, value before, value now."""
        yield "--data", self.digests, new.digests


def stated_measures(grid: Grid, measures: Mapping[str, Measure], name: str) -> Mapping[str, Measure]:
    """Return the measures of an experiment, with what [measures] of the study file states of them.

    `name`: name of the study. Raises AblateError, naming the study and the key, where [measures] is wrong.
    """
    keys = {measure: stated_keys.model_dump(exclude_none=True) for measure, stated_keys in grid.measures.items()}
    return stated.applied(measures, keys, f"study {name!r}")


class Imports(BaseModel):
    """Imported results of a study whose other trials are trained.

    `source`: address; "" where nothing is imported. `ids`: id of a trial -> id of its imported result. `notes`:
    sentences on the imported results.
    """

    model_config = ConfigDict(frozen=True)

    source: str = ""
    ids: dict[str, str] = {}
    notes: tuple[str, ...] = ()


class Record(BaseModel):
    """The content of study.json."""

    model_config = ConfigDict(frozen=True)

    name: str
    grid: Grid
    data: str  # as the user named it
    inputs: Any  # an Inputs, or the experiment's own subclass
    notes: tuple[str, ...] = ()  # sentences about replaced inputs
    keep: str = "selected"  # the rows whose weights are kept on disk
    imports: Imports = Imports()
    kept_changes: tuple[str, ...] = ()  # changes of code that the user has accepted: path and both digests
    reissued: dict[str, str] = {}  # id that a renamed training of other levels had -> id of this study's training
    renamed: dict[str, str] = Field(default={}, exclude=True)  # aliases of the workspace, of trainings that are used

    @property
    def all_notes(self) -> tuple[str, ...]:
        """Sentences about the inputs, and about imported results."""
        return *self.notes, *self.imports.notes

    @property
    def experiment(self) -> Any:
        """The experiment of the study: see experiments/protocol.py."""
        return experiments.load(self.grid.factors.plugin)

    @property
    def measures(self) -> Mapping[str, Measure]:
        """The measures by name, in the order of the tables, as the study file states them."""
        return stated_measures(self.grid, self.inputs.measures(self.experiment.measures), self.name)

    @property
    def primary(self) -> Measure:
        """The measure whose differences are tested."""
        stated = self.grid.table.primary.removeprefix("test_") or getattr(self.experiment, "primary", "")
        if stated:
            return self.measures[stated]
        selecting = self.selected_by
        if selecting and self.inputs.has_test(selecting.name):
            return selecting
        on_test = (measure for name, measure in self.measures.items() if self.inputs.has_test(name))
        return next(on_test, selecting or next(iter(self.measures.values())))

    @property
    def detailed(self) -> tuple[Measure, ...]:
        """The measures that have intervals on test, the primary one first."""
        measures, primary = self.measures, self.primary
        names = self.inputs.detailed or getattr(self.experiment, "detailed", ())
        secondary = (measures[name] for name in names if name != primary.name)
        return primary, *(m for m in secondary if not m.descriptive)

    @property
    def uncertainty(self) -> str:
        """Variation that intervals and tests cover: "seeds", "examples" or "both"."""
        return self.grid.table.uncertainty or getattr(self.experiment, "uncertainty", BOTH)

    @property
    def by_group(self) -> bool:
        """Whether groups are the units of intervals and tests, where the examples have groups."""
        units: str = self.grid.table.units or getattr(self.experiment, "units", "") or GROUPS
        return units == GROUPS

    @property
    def legacy(self) -> bool:
        """Whether intervals and tests keep the methods of version 0.1, where later ones differ."""
        return bool(getattr(self.experiment, "legacy", False))

    @property
    def noun(self) -> str:
        """The word for one example."""
        return getattr(self.experiment, "noun", "example")

    @property
    def run_noun(self) -> str:
        """The word for what gave a result: "training", or "run" where nothing need be trained."""
        return str(getattr(self.experiment, "run_noun", "training"))

    @property
    def trained(self) -> str:
        """The words for what a study compares: "trained networks", "trained models" or "runs"."""
        networks = "trained networks" if self.inputs.classes else "trained models"
        return networks if self.run_noun == "training" else f"{self.run_noun}s"

    @property
    def held_out(self) -> str:
        """The split whose numbers are compared, in words: "test", or "validation"; "" where it is unknown."""
        return str(self.inputs.held_out)

    @property
    def held_out_noun(self) -> str:
        """The word for one example of the split whose numbers are compared: "test image"."""
        return f"{self.held_out} {self.noun}".strip()

    @property
    def on_held_out(self) -> str:
        """The phrase " on test" for the middle of a sentence; "" where the split is unknown."""
        return f" on {self.held_out}" if self.held_out else ""

    def compared(self, measure: Measure) -> str:
        """Return the title of a measure on the split whose numbers are compared: "test accuracy"."""
        return f"{self.held_out} {measure.title}".strip()

    @property
    def kept(self) -> str:
        """The word for the artifact of a training that `--keep` retains; "" where there is none."""
        return getattr(self.experiment, "kept", "")

    @property
    def selected_by(self) -> Measure | None:
        """The measure that selects a row; None without selection.

        Raises AblateError for an unknown measure, and for one that no row is selected by.
        """
        if not self.grid.selects:
            return None
        where = f"study {self.name!r}: select_on"
        selecting = measure.known(self.measures, self.grid.metric, where)
        if not selecting.directed:
            raise undirected(self.grid.metric, where)
        if not selecting.selects:
            raise AblateError(f"{where}: {selecting.title} selects no row: it is a cost, or has no interval")
        return selecting

    def split_of(self, condition: Condition) -> str:
        """Return the digest of the evaluation examples of a condition: rows of equal digest are compared."""
        return str(self.inputs.example_set(condition))

    def examples(self, condition: Condition) -> dict[str, int]:
        """Return the number of examples of each split of a condition."""
        return dict(self.inputs.examples(condition))

    @property
    def reference_split(self) -> str:
        """Digest of the reference row's examples: other rows are neither compared nor fitted."""
        return self.split_of(self.grid.rows[self.grid.reference - 1])

    def shown(self, condition: Condition) -> dict[str, Any]:
        """Return the levels of a condition as shown in tables and records."""
        return dict(self.inputs.shown(condition))

    @cached_property
    def _keys(self) -> dict[tuple[Condition, int], str]:
        """Cache of training ids: each id is requested many times."""
        return {}

    def training_key(self, trial: Trial) -> str:
        """Return the id of the training that answers `trial`: a hash of everything that can change its numbers.

        A training that was renamed has its new id.
        """
        cache_key = (trial.condition, trial.seed)
        if cache_key not in self._keys:
            identity = self.inputs.identity(trial.condition)
            hashed = training_id(self.grid.factors, trial.condition, trial.seed, identity)
            training = self._issued(hashed)
            imported = (self.imports.ids.get(f"{key}-{trial.step}") for key in (training, hashed))
            self._keys[cache_key] = next(filter(None, imported), training)
        return self._keys[cache_key]

    def _issued(self, key: str) -> str:
        """Return the id of a training, after all renamings. `key`: the hash of its levels."""
        passed = {key}
        while next_key := self.reissued.get(key) or self.renamed.get(key):
            if next_key in passed:
                raise AblateError(
                    f"study {self.name!r}: trained/aliases.json renames {key} in a circle; restore that file"
                )
            passed.add(next_key)
            key = next_key
        return key

    def is_imported(self, trial: Trial) -> bool:
        """Return whether the result of a trial is imported, in a study whose other trials are trained."""
        return self.training_key(trial) in self._imported_keys

    @cached_property
    def _imported_keys(self) -> frozenset[str]:
        return frozenset(self.imports.ids.values())

    def trial_key(self, trial: Trial) -> str:
        return f"{self.training_key(trial)}-{trial.step}"

    def write(self, folder: StudyFolder) -> None:
        write_json(folder.record, self.model_dump(mode="json"))


def training_id(schema: Schema, condition: Condition, seed: int, identity: Mapping[str, Any]) -> str:
    """Return the id of a training: a hash of the experiment and its version, levels, seed and inputs.

    The hash covers the levels that differ from their defaults; the level of the shared factor is left out. Adding a
    factor with a default changes no id. `plan.refuse_unlike` checks that a stored training of the same id had the same
    levels.

    Args:
        schema: the factors of the experiment.
        condition: a level for every factor.
        seed: the seed of the trial.
        identity: the digest of every input; where a level names an input, its digest has the factor's name as key.
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
    """Return the record of a study; None where the study was never run.

    Raises AblateError where the file is broken, or where its experiment is not installed.
    """
    raw = read_json(folder.record)
    if raw is None:
        return None
    try:
        content = _current(raw) | {"name": folder.path.name}  # the folder may have been renamed
        kind = experiments.load(content["grid"]["factors"]["plugin"])
        inputs = getattr(kind, "Inputs", Inputs).model_validate_json(json.dumps(content["inputs"]))
        record = Record.model_validate_json(json.dumps(content | {"inputs": {}}))
        _check(record.grid)
        renamed = dict(aliases.read(Workspace(folder.path.parent)))
        return record.model_copy(update={"inputs": inputs, "renamed": renamed})
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
        raise BrokenFile(folder.record, "this version cannot read it") from None


def _check(grid: Grid) -> None:
    """Raise ValueError where a row has levels of other factors, or the reference is no row."""
    names = {factor.name for factor in grid.factors.factors}
    if any(names ^ set(row) for row in grid.rows) or not 1 <= grid.reference <= len(grid.rows):
        raise ValueError("a row has levels of other factors, or the reference is no row")


def _current(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the content of study.json in the current form.

    Version 0.1.0 had one experiment only, and stored the fields of its inputs at the top level.
    """
    if "inputs" in raw:
        return raw
    kind = experiments.load(experiments.DEFAULT)
    input_names = kind.Inputs.model_fields.keys() & raw.keys()
    grid = {**raw["grid"], "factors": schema_of(kind, experiments.DEFAULT).model_dump(mode="json")}
    record_fields = {name: value for name, value in raw.items() if name not in input_names}
    return {**record_fields, "grid": grid, "inputs": {name: raw[name] for name in input_names}}


def others(workspace: Workspace, name: str) -> Iterator[Record]:
    """Yield the records of the studies of a workspace but `name`.

    Studies whose experiment is not installed are left out: trainings and test examples are of one experiment.

    Raises AblateError where a record is broken.
    """
    for other in filter(lambda study: study != name, workspace.studies()):
        record = None
        with contextlib.suppress(experiments.MissingExperiment):
            record = read(workspace.study(other))
        if record:
            yield record


def need(workspace: Workspace, name: str) -> Record:
    """Return the record of a study. Raise AblateError, listing the available studies, where it is missing."""
    record = read(workspace.study(name))
    if record is None:
        raise no_study(workspace, name)
    return record


def no_study(workspace: Workspace, name: str) -> AblateError:
    """Return the error for a missing study."""
    studies = workspace.studies()
    advice = (
        f"choose a --name of: {', '.join(studies)}"
        if studies
        else f"run `ablate run` first, or change to its folder: this workspace is {workspace.root.absolute()}"
    )
    return AblateError(f"{workspace.root}: no study {name!r}; {advice}{nearest(name, studies)}")


def refuse_other(old: Record, new: Record) -> None:
    """Raise AblateError where data or settings changed under a study's name. Rows and seeds may be added."""
    refuse_other_grid(old, new.name, new.grid)
    for option, before, now in old.inputs.changes(new.inputs):
        if before != now and option == "--data":
            raise _other(new.name, option if old.data != new.data else old.inputs.same_place, old.data, new.data)
        if before != now:
            raise _other(new.name, option, before, now)


def refuse_other_grid(old: Record, name: str, new: Grid) -> None:
    """Raise AblateError where the study of this name had another experiment or another --set."""
    for option, before, now in (
        ("experiment", old.grid.factors.experiment, new.factors.experiment),
        ("--set", old.grid.settings, new.settings),
    ):
        if before != now:
            detail = f" ({before or 'nothing'} before, {now or 'nothing'} now)"
            raise AblateError(f"study {name!r} was run with different {option}{detail}; give this run its own --name")


def _other(name: str, option: str, before: object, now: object) -> AblateError:
    has_words = before != now and not isinstance(before, dict)
    detail = f" ({before} before, {now} now)" if has_words else ""
    return AblateError(f"study {name!r} was run with different {option}{detail}; give this run its own --name")
