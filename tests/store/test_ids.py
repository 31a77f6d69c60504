"""Ids of trainings: what changes them, what does not, and that a training is never believed blindly."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from conftest import STUDY, Silent, options
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from ablation.engine import attempts
from ablation.errors import AblateError
from ablation.experiments.keras_head import experiment, inputs
from ablation.experiments.keras_head.factors import HeadFactors
from ablation.store.record import training_id
from ablation.store.workspace import Workspace
from ablation.study import levels, study_file
from ablation.study.levels import Condition, Schema, schema_of
from ablation.workflows.adopt import adopt
from ablation.workflows.run_study import run_study


def keras_with(factors: type[BaseModel], **changes: Any) -> SimpleNamespace:
    """Return the Keras experiment with other factors."""
    return SimpleNamespace(**vars(experiment) | {"factors": factors} | changes)


class Smoothed(HeadFactors):
    """Factors with one that earlier trainings did not have, and whose default they used."""

    smoothing: float = Field(0.0, ge=0, lt=1, json_schema_extra={"since": 2})


class Doubtful(HeadFactors):
    """Factors with one whose level in earlier trainings is not declared."""

    smoothing: float = Field(0.0, ge=0, lt=1)


class Moved(HeadFactors):
    """Factors with another default."""

    optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] = "sgd"


class Reordered(HeadFactors):
    """The same choices, written in another order."""

    optimizer: Literal["sgd", "rmsprop", "adamw", "adam"] = "adam"


smoothed, doubtful, moved, reordered = map(keras_with, (Smoothed, Doubtful, Moved, Reordered))
counted = keras_with(Moved, version=experiment.version + 1)


def run(place: Path, npz: Path, plugin: str) -> int:
    """Run the tiny study with one of this file's experiments; how many trials were trained."""
    (place / "tiny.toml").write_text(f'{STUDY}\n[experiment]\nplugin = "{plugin}"\n')
    return run_study(options(place / "tiny.toml", npz, place / "runs"), Silent()).trained


def starts(place: Path) -> int:
    return sum(len(attempts.read(folder)) for folder in Workspace(place / "runs").trainings())


def test_a_study_survives_new_factors(npz: Path, tmp_path: Path):
    """A factor with a default, of which the experiment says since when it is there, trains nothing anew, and nor does
    another order of choices. Without that word, and where a default was changed, the command is refused and names the
    factor, until the user states what older trainings had; under another version everything is trained anew."""
    assert run(tmp_path, npz, "keras_head") == 4
    assert starts(tmp_path) == 2
    assert run(tmp_path, npz, "test_ids:smoothed") == 0
    smoothed_grid = study_file.read(str(tmp_path / "tiny.toml"))
    assert run(tmp_path, npz, "test_ids:reordered") == 0
    with pytest.raises(
        AblateError,
        match=r"before experiment .keras_head. had the factor smoothing; .* declare the factor with since = 2",
    ):
        run(tmp_path, npz, "test_ids:doubtful")
    with pytest.raises(AblateError, match=r'with the old default optimizer = "adam"; the default of .* is now "sgd"'):
        run(tmp_path, npz, "test_ids:moved")
    with pytest.raises(AblateError, match="had the factor smoothing"):
        run(tmp_path, npz, "test_ids:doubtful")
    with pytest.raises(AblateError, match=r"declares since = 2: trainings without the factor count as 0\.0"):
        adopt(Workspace(tmp_path / "runs"), smoothed_grid, {"smoothing": 0.5})
    adopted = adopt(Workspace(tmp_path / "runs"), study_file.read(str(tmp_path / "tiny.toml")), {"smoothing": 0.0})
    assert [one.is_renamed for one in adopted] == [False, False]
    assert run(tmp_path, npz, "test_ids:doubtful") == 0
    assert starts(tmp_path) == 2
    assert run(tmp_path, npz, "test_ids:counted") == 4
    assert starts(tmp_path) == 4


class Loose(BaseModel):
    """Factors of any kind."""

    model_config = ConfigDict(extra="forbid")

    flag: Any = False
    size: Any = 3
    sizes: Any = (1, 2)
    steps: int = Field(1, json_schema_extra={"shared": True})


SCHEMA = schema_of(SimpleNamespace(name="loose", version=1, factors=Loose), "loose")
LEVELS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


def an_id(schema: Schema = SCHEMA, seed: int = 0, given: Mapping[str, Any] | None = None, **changes: Any) -> str:
    condition = Condition(Loose().model_dump() | changes)
    return training_id(schema, condition, seed, given or {})


@pytest.mark.parametrize(("one", "other"), [(True, 1), (1, 1.0), (0, False), ("1", 1), ((1,), (1.0,)), (None, "null")])
def test_levels_of_other_types_are_other_levels(one, other):
    """Python calls some of them equal; a row with one is not a row with the other."""
    assert an_id(size=one) != an_id(size=other)
    assert Condition({"size": one}) != Condition({"size": other})


@pytest.mark.parametrize(("one", "other"), [([1, 2], (1, 2)), (-0.0, 0.0), ([[1], 2], ((1,), 2))])
def test_the_same_level_written_in_two_ways_is_one(one, other):
    """Lists are tuples, and -0.0 is 0.0."""
    assert an_id(size=one) == an_id(size=other)
    assert Condition({"size": one}) == Condition({"size": other})


@given(one=LEVELS, other=LEVELS)
def test_an_id_says_what_its_levels_are(one, other):
    """Two levels have one id exactly where they are one level."""
    same = levels.text(one) == levels.text(other)
    assert (an_id(size=one) == an_id(size=other)) == same


def test_nan_is_no_level():
    """NaN is refused as a level: it equals nothing, itself included."""
    with pytest.raises(ValueError, match="NaN is not a level"):
        Condition({"size": float("nan")})


def test_what_changes_an_id_and_what_does_not():
    """The shared factor and defaults do not; the seed, the version, the experiment and every input do."""
    other = SCHEMA.model_copy(update={"version": 2}), SCHEMA.model_copy(update={"experiment": "other"})
    ids = [
        an_id(),
        an_id(seed=1),
        an_id(other[0]),
        an_id(other[1]),
        an_id(given={"data": "a"}),
        an_id(given={"data": "b"}),
    ]
    assert len(set(ids)) == len(ids)
    assert an_id(steps=7) == an_id()
    assert an_id(size=3) == an_id()


def test_weights_that_stand_in_are_never_the_real_ones():
    """The digest of the weights that were used is in the id, under any name of the level; the path of their file is
    not."""

    def weights(level: str, source: str, digest: str) -> str:
        used = inputs.Weights(level=level, source=source, digest=digest)
        schema = schema_of(experiment, "keras_head")
        condition = Condition(HeadFactors(weights=level).model_dump())
        return training_id(schema, condition, 0, inputs.identity("images", "split", used, "tensorflow", ""))

    assert weights("imagenet", "random", "noise") != weights("imagenet", "imagenet", "real")
    assert weights("/a/w.h5", "/a/w.h5", "real") == weights("/b/w.h5", "/b/w.h5", "real")
    assert weights("imagenet", "imagenet", "real") == weights("/a/w.h5", "/a/w.h5", "real")
