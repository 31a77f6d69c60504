"""Values from a script: NumPy's and others' work as Python's own, or the option and what it takes are named."""

import inspect
import itertools
from collections import OrderedDict
from datetime import timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import rows
from hypothesis import given
from hypothesis import strategies as st

import ablation
from ablation.api.arguments import ALLOWED, OPTIONS, arguments
from ablation.cli.commands.run import run as command
from ablation.errors import AblateError
from ablation.study.study_file import seed_list, settings
from ablation.study.study_keys import MAX_ROWS


class Number(IntEnum):
    THREE = 3


class Name(StrEnum):
    NONE = "none"


def test_the_options_are_those_of_the_command():
    """All of them, under the names of their flags, as typed keywords; the study is the first argument."""
    names = {option.opts[-1].removeprefix("--").replace("-", "_") for option in command.params}
    assert names - {"grid", "study"} == set(OPTIONS)
    assert set(OPTIONS) <= set(ALLOWED)
    parameters = inspect.signature(ablation.run).parameters
    assert set(parameters) - {"grid", "progress"} == set(OPTIONS)
    assert {name for name, p in parameters.items() if p.kind != p.KEYWORD_ONLY} == {"grid"}


@pytest.mark.parametrize(
    ("level", "text"),
    [
        (np.float32(0.25), "0.25"), (np.float32(0.1), "0.1"), (np.float16(0.1), "0.1"), (np.float64(0.1), "0.1"),
        (np.float32(1e-4), "0.0001"), (np.longdouble("0.1"), "0.1"), (np.array(0.1, np.float32), "0.1"), (0.1, "0.1"),
        (Decimal("0.25"), "0.25"), (Fraction(1, 4), "0.25"), (np.int64(4), "4"), (np.uint8(4), "4"),
        (Number.THREE, "3"), (np.array([8, 4]), "[8, 4]"), ((8, 4), "[8, 4]"), ([np.int32(8), 4], "[8, 4]"),
        (range(8, 10), "[8, 9]"),
        (pd.Series([8, 4]), "[8, 4]"), (np.array([0.1], np.float32), "[0.1]"), (np.True_, "true"),
        (False, "false"),
        (Path("/w.h5"), "/w.h5"), (np.str_("none"), "none"), (Name.NONE, "none"), ("random", "random"),
    ],
)  # fmt: skip
def test_levels_of_any_kind(level: Any, text: str):
    """A level is what it is read as; a float of few bits has the digits that it is shown with."""
    assert arguments({"set": {"factor": level}}) == ["--set", f"factor={text}"]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, float])
@given(value=st.floats(0, 100, width=16))
def test_a_float_keeps_its_value_in_its_own_precision(kind: Any, value: float):
    """Read back, it is the same number of its kind."""
    (_, text) = arguments({"set": {"dropout": kind(value)}})
    assert kind(settings([text])["dropout"]) == kind(value)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"seeds": range(2)}, ["--seeds", "0,1,"]), ({"seeds": np.arange(2)}, ["--seeds", "0,1,"]),
        ({"seeds": np.int64(3)}, ["--seeds", "3"]), ({"seeds": np.array(3)}, ["--seeds", "3"]),
        ({"seeds": (s for s in (7,))}, ["--seeds", "7,"]), ({"seeds": {7, 0}}, ["--seeds", "0,7,"]),
        ({"seeds": pd.Index([1, 2])}, ["--seeds", "1,2,"]), ({"seeds": "0,7"}, ["--seeds", "0,7"]),
        ({"data": Path("d")}, ["--data", "d"]), ({"workspace": Path("a b")}, ["--workspace", "a b"]),
        ({"classes": np.array(["a", "b"])}, ["--classes", "a,b"]), ({"classes": "a,b"}, ["--classes", "a,b"]),
        ({"classes": {"b": 1, "a": 2}.keys()}, ["--classes", "b,a"]),
        ({"classes": pd.Series(["a"])}, ["--classes", "a"]),
        ({"limit": np.int64(5)}, ["--limit", "5"]), ({"limit": np.array(5)}, ["--limit", "5"]),
        ({"inline": np.True_}, ["--inline"]), ({"inline": np.False_, "quiet": None}, []),
        ({"strict": "CODE"}, ["--strict", "CODE"]), ({"strict": ()}, []),
        ({"strict": np.array(["A", "B"])}, ["--strict", "A", "--strict", "B"]),
        ({"skip_bad": True}, ["--skip-bad"]), ({"replicate_reference": np.int8(2)}, ["--replicate-reference", "2"]),
        ({"set": {}}, []), ({"set": "dropout=0.5"}, ["--set", "dropout=0.5"]),
        ({"set": MappingProxyType({"dropout": 0.5})}, ["--set", "dropout=0.5"]),
        ({"set": OrderedDict(epochs=1, dropout=0.5)}, ["--set", "epochs=1", "--set", "dropout=0.5"]),
    ],
)  # fmt: skip
def test_values_of_any_kind(options: dict[str, Any], expected: list[str]):
    """Values of any kind become the texts that a user would type."""
    assert arguments(options) == expected


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"seeds": True}, "seeds"), ({"seeds": [True]}, "seeds"), ({"seeds": 2.5}, "seeds"), ({"seeds": []}, "seeds"),
        ({"seeds": [0.0, 1.0]}, "seeds"), ({"seeds": np.zeros((2, 2), int)}, "seeds"), ({"seeds": {"a": 1}}, "seeds"),
        ({"seeds": itertools.count()}, "seeds"), ({"seeds": range(10**9)}, "seeds"), ({"seeds": {1, "a"}}, "seeds"),
        ({"set": {"dropout": None}}, "set"), ({"set": {"dropout": {"a": 1}}}, "set"),
        ({"set": {"dropout": b"x"}}, "set"),
        ({"set": {"dropout": 1j}}, "set"), ({"set": {"dropout": np.datetime64("2020")}}, "set"),
        ({"set": {"dropout": object()}}, "set"), ({"set": 3}, "set"), ({"set": ["dropout"]}, "set"),
        ({"inline": "yes"}, "inline"), ({"inline": 1}, "inline"), ({"quiet": np.array([True])}, "quiet"),
        ({"limit": True}, "limit"), ({"limit": [5]}, "limit"), ({"data": ["a", "b"]}, "data"), ({"data": b"d"}, "data"),
        ({"timeout": timedelta(hours=1)}, "timeout"), ({"keep": print}, "keep"), ({"classes": [["a"]]}, "classes"),
        ({"classes": ["a,b", "c"]}, "classes"), ({"strict": [None]}, "strict"), ({"retry": {"diverged": 1}}, "retry"),
        ({"name": pd.DataFrame({"a": [1]})}, "name"),
    ],
)  # fmt: skip
def test_other_values_are_refused_by_the_name_of_the_option(options: dict[str, Any], name: str):
    """Another value is refused with those that the option takes, in one line."""
    with pytest.raises(ablation.AblateError) as refused:
        arguments(options)
    assert str(refused.value).startswith(f"{name}: ")
    assert str(refused.value).endswith(f" is not allowed; allowed: {ALLOWED[name]}")
    assert len(str(refused.value)) < 300


@given(st.sampled_from(OPTIONS), st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.complex_numbers()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner), st.sets(st.integers()))))  # fmt: skip
def test_whatever_is_given_there_is_no_other_error(name: str, value: Any):
    """Any value of Python's own types becomes texts, or an AblateError."""
    try:
        words = arguments({name: value})
    except AblateError as error:
        words = [str(error)]
    assert all(isinstance(part, str) for part in words)
    assert words[:1] in ([], [f"--{name.replace('_', '-')}"]) or words[0].startswith(f"{name}: ")


def test_an_unknown_option_is_named():
    """A misspelled name is an error of the call, as for every function."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'sed'"):
        ablation.run("paper", sed=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(("grid", "data"), [("paper", "a\0b"), ("paper", "\ud83d"), (None, "d"), (["a", 1.5j], "d")])
def test_what_no_argument_can_hold_is_refused(grid: Any, data: str):
    """A NUL, half a pair of surrogates, a grid that is none."""
    with pytest.raises(AblateError):
        ablation.run(grid, data=data)


def test_as_many_seeds_as_a_study_may_have():
    """The largest number of seeds reaches the command."""
    assert seed_list(arguments({"seeds": range(MAX_ROWS)})[1]) == list(range(MAX_ROWS))


def test_a_script_with_values_of_numpy(tmp_path: Path, study_file: Path, npz: Path):
    """The rows and levels of NumPy's values are those of Python's own values, by the real command."""
    changes = {"learning_rate": np.float32(0.01), "fc_units": np.array([8, 4]), "fc_layers": np.int64(2)}
    study = study_file.read_text().replace("fc_units = 16\n", "").replace("epochs = [1, 3]", "epochs = [1]")
    study_file.write_text(study)
    workspace = tmp_path / "runs"
    table = ablation.run(
        study_file, data=npz, workspace=workspace, set=changes, seeds=np.arange(1), limit=np.int64(30), inline=np.True_
    )
    assert list(table["learning_rate"]) == [0.01, 0.01]
    assert list(table["fc_units"]) == ["8+4"] * 2
    assert len(rows(workspace / "tiny")) == 2
