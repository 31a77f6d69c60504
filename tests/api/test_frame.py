"""ablation.table: from a data frame to the same table in one call."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import ablation
from ablation.errors import AblateError

pytestmark = pytest.mark.unit


@pytest.fixture
def frame() -> pd.DataFrame:
    """Two arms with four seeds each."""
    rng = np.random.default_rng(0)
    gains = {"base": 0.0, "wide": 0.05}
    lines = [(a, s, 0.8 + gains[a] + rng.normal(0, 0.01), 0.7 + gains[a], 3.0) for a in gains for s in range(4)]
    return pd.DataFrame(lines, columns=["arm", "seed", "test_acc", "val_acc", "depth"])


def test_a_data_frame_becomes_the_same_table(frame: pd.DataFrame):
    """A data frame becomes a table with statistics, texts and figures; nothing is written where the user works."""
    study = ablation.table(frame, factors="arm", seed="seed", metrics=["test_acc", "val_acc"], title="Width")
    base, wide = (frame[frame.arm == arm].test_acc for arm in ("base", "wide"))
    row = study.table.iloc[1]
    assert (row.arm, row.selected, row.n_seeds) == ("wide", True, 4)
    assert (row.test_acc, row.p) == pytest.approx((wide.mean(), stats.ttest_rel(wide, base).pvalue))
    assert study.compare(1, 2).p.iloc[0] == pytest.approx(row.p)
    assert "Width. Mean ± standard deviation over seeds 0, 1, 2 and 3" in study.markdown()
    assert r"\toprule" in study.latex()
    assert "<table" in study._repr_html_()
    folder = study.folder
    assert folder.is_dir()
    del study
    assert not folder.exists()


@pytest.mark.parametrize(
    "changed",
    [
        lambda f: f.astype({"arm": "category"}),
        lambda f: f.astype({"arm": "string", "seed": "Int64", "test_acc": "Float64"}),
        lambda f: f.set_index(["arm", "seed"]),
        lambda f: f.sample(frac=1, random_state=0),
        lambda f: f.rename(columns={"depth": 3}),
    ],
)
def test_frames_of_every_kind_give_the_same_numbers(frame: pd.DataFrame, changed: Callable[[pd.DataFrame], Any]):
    """Categories, extension types, an index with names, any order of lines, names that are numbers."""
    options: dict[str, Any] = {"factors": "arm", "seed": "seed", "metrics": "test_acc", "reference": {"arm": "base"}}
    expected = ablation.table(frame, **options).table.set_index("arm")[["test_acc", "p"]]
    table = ablation.table(changed(frame), **options).table.set_index("arm")[["test_acc", "p"]]
    pd.testing.assert_frame_equal(table.loc[expected.index], expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factors": "arms", "metrics": "test_acc"}, "factors: no field 'arms' in the data frame; fields: arm, seed"),
        ({"factors": "arm", "metrics": "acc"}, "no field 'acc' in the data frame"),
        ({"factors": "arm", "metrics": "test_acc", "uncertainty": "all"}, "table.uncertainty: 'all' is not allowed"),
        ({"factors": "arm", "metrics": "test_acc", "take": "first"}, "take: 'first' is not allowed; allowed: last or "),
        ({"factors": "arm", "metrics": "test_acc", "reference": 3}, "reference: no row 3; allowed: 1 to 2"),
        ({"factors": [], "metrics": "test_acc"}, "no factor is stated"),
    ],
)  # fmt: skip
def test_wrong_names_are_refused_in_one_line(frame: pd.DataFrame, options: dict[str, Any], message: str):
    """The message names the argument and the allowed values."""
    with pytest.raises(AblateError) as refused:
        ablation.table(frame, **options)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_no_frame_is_refused():
    """A dict is made a frame by the user."""
    with pytest.raises(AblateError, match="frame: dict is not allowed; allowed: a pandas DataFrame"):
        ablation.table({"arm": ["a"]}, factors="arm", metrics="x")  # type: ignore[arg-type]
