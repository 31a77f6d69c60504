"""[measures] of a study file: what a number means."""

from pathlib import Path
from typing import Any

import pytest
import synthetic
from conftest import Silent

from ablation import experiments
from ablation.errors import AblateError
from ablation.measures.measure import scalar
from ablation.measures.names import undirected
from ablation.measures.stated import applied
from ablation.study import study_file
from ablation.study.grid import Grid
from ablation.workflows.checked_options import checked
from ablation.workflows.prepare import prepare
from ablation.workflows.run_options import RunOptions

pytestmark = pytest.mark.unit

MEASURES = {"fid": scalar("fid"), "hits": scalar("hits")}


def grid(folder: Path, text: str = "") -> Grid:
    (folder / "g.toml").write_text(f"{text}\n[factorial]\ndropout = [0.0, 0.5]\n")
    return study_file.read(str(folder / "g.toml"))


def test_a_measure_has_what_the_file_states():
    """Title, unit, decimals and direction replace those of the measure; the order stays."""
    keys = {"title": "FID", "unit": "", "decimals": 2, "best": "low"}
    measures = applied(MEASURES, {"fid": keys}, "g.toml")
    fid = measures["fid"]
    assert (fid.title, fid.short, fid.decimals, fid.best) == ("FID", "FID", 2, "low")
    assert fid.shown(31.236) == "31.24"
    assert list(measures) == list(MEASURES)
    assert measures["hits"] is MEASURES["hits"]


def test_a_measure_is_like_another():
    """A measure like another has its unit, direction and range; its own title where its name says something else."""
    measures = applied(MEASURES, {"fid": {"like": "loss"}, "hits": {"like": "acc", "title": "Hits@1"}}, "g.toml")
    assert (measures["fid"].title, measures["fid"].best) == ("fid", "low")
    assert (measures["hits"].title, measures["hits"].unit, measures["hits"].shown(0.5, 1)) == ("Hits@1", "%", "50.0 %")


def test_a_cost_belongs_to_no_split():
    """No row is selected by it."""
    cost = applied(MEASURES, {"fid": {"split": "none"}}, "g.toml")["fid"]
    assert cost.splits == ()
    assert not cost.selects


@pytest.mark.parametrize(
    ("stated", "says"),
    [({"fad": {}}, "g: measures: unknown measure 'fad'; known: fid, hits"),
     ({"fid": {"like": "fad"}}, "g: measures.fid.like: unknown measure 'fad'; known: accuracy, macro_f1, ")],
)  # fmt: skip
def test_unknown_measures_are_named(stated: dict[str, Any], says: str):
    """An unknown measure is named with those that are known."""
    with pytest.raises(AblateError, match=says):
        applied(MEASURES, stated, "g")


def test_a_study_file_retitles_a_measure(tmp_path: Path):
    """A measure of any experiment can have another title; without [measures] nothing changes."""
    text = '[measures]\naccuracy = { title = "Top-1 accuracy" }'
    record = synthetic.record(grid(tmp_path, text), "images", {"given": "key"})
    assert record.measures["accuracy"].title == record.primary.title == "Top-1 accuracy"
    assert record.measures["macro_f1"].title == "macro-F1"
    plain = synthetic.record(grid(tmp_path), "images", {"given": "key"})
    assert plain.measures is plain.inputs.measures(experiments.load("keras_head").measures)


@pytest.mark.parametrize(
    ("text", "says"),
    [("[measures]\nacc = {}", "g.toml: measures: unknown measure 'acc'; known: accuracy, macro_f1"),
     ('[measures]\naccuracy = { best = "most" }', "measures.accuracy.best: 'most' is not allowed; allowed: high "),
     ('[experiment]\ntask = "images"', "experiment.task: 'images' is not allowed; allowed: classes, numbers"),
     ("[experiment]\ntasks = 1", "unknown key 'tasks'; known: plugin, task")],
)  # fmt: skip
def test_a_wrong_key_is_an_error_of_the_file(tmp_path: Path, text: str, says: str):
    """A wrong key is named with the allowed values, when the file is read."""
    with pytest.raises(AblateError, match=says):
        grid(tmp_path, text)


def test_a_computed_measure_is_no_cost(tmp_path: Path):
    """The message names the study and the key."""
    record = synthetic.record(grid(tmp_path, '[measures]\nloss = { split = "none" }'), "images", {"given": "key"})
    with pytest.raises(
        AblateError, match=r"study 'g': measures\.loss\.split: loss is computed from examples, and is no cost"
    ):
        _ = record.measures


def test_no_row_is_selected_without_a_direction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The message says what to state; a cost and a number without interval select nothing either."""
    record = synthetic.without_classes(synthetic.Record, grid(tmp_path), {}).model_copy(
        update={"grid": grid(tmp_path).model_copy(update={"select_on": "val_fid"})}
    )
    measures = {"fid": applied(MEASURES, {}, "g")["fid"]}
    monkeypatch.setattr(synthetic.Record, "measures", property(lambda record: measures))
    assert record.selected_by is measures["fid"]
    for change, says in (({"directed": False}, "study 'g': select_on: nothing says whether high or low"),
                         ({"splits": ()}, "fid selects no row: it is a cost"),
                         ({"descriptive": True}, "fid selects no row: it is a cost, or has no interval")):  # fmt: skip
        measures["fid"] = measures["fid"].__class__(**{"name": "fid", "title": "fid", **change})
        with pytest.raises(AblateError, match=says):
            _ = record.selected_by


@pytest.mark.parametrize(("name", "near"), [("acuracy", "; nearest: accuracy"), ("fid", "")])
def test_a_misspelt_measure_has_a_nearest_one(name: str, near: str):
    """The nearest known measure is named before anybody declares a misspelt one; a new name has none."""
    assert str(undirected(name, "select_on")).endswith(f'or "low"{near}')


def test_a_wrong_measure_is_an_error_before_data_are_read(tmp_path: Path):
    """`ablate plan` and `ablate run` say so at once."""
    options = RunOptions(
        grid=grid(tmp_path, '[measures]\nloss = { like = "fad" }'), data="demo", workspace=tmp_path, name="g"
    )
    with pytest.raises(AblateError, match=r"study 'g': measures\.loss\.like: unknown measure 'fad'"):
        prepare(checked(options, print), Silent())
