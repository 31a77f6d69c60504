"""Rows that selection compares: as many seeds as the others, the same validation examples."""

from pathlib import Path

import numpy as np
import pytest
import synthetic
from scipy import stats

from ablation.analysis import selection, study_analysis
from ablation.analysis.eligibility import NOTHING_COMMON, not_eligible
from ablation.report.build import RenderOptions, Report, build
from ablation.store.examples import Examples
from ablation.store.record import Inputs
from ablation.store.workspace import Workspace
from ablation.study import study_file
from ablation.study.grid import Grid, Trial
from ablation.study.levels import Condition

pytestmark = pytest.mark.unit

N = 50
BY_SPLIT = 'seeds = [0, 1, 2]\n[factorial]\nsplit = ["class", "subject"]\n'
TWO_EACH = BY_SPLIT + "dropout = [0.0, 0.5]\n"


class OfSplit(Inputs):
    """Inputs whose validation and test examples are those of the level of `split`."""

    def example_set(self, condition: Condition) -> str:
        return str(condition.split)


def grid(folder: Path, text: str) -> Grid:
    path = folder / "g.toml"
    path.write_text(text)
    return study_file.read(str(path)).model_copy(update={"select_on": "val_mae"})


def predicted(trial: Trial, split: str) -> Examples:
    """Numbers that are nearer where the split is by class: a split that flatters."""
    flatters = trial.condition.split == "class"
    labels = np.random.default_rng([flatters, split == "test"]).normal(size=N)
    noise = np.random.default_rng([trial.row, trial.seed, split == "test"]).normal(0, 0.5 if flatters else 1.0, N)
    return Examples({"label": labels, "predicted": labels + noise})


def drawn(folder: Path, text: str) -> Report:
    """Return the report of a study with made-up numbers, selected and sealed."""
    record = synthetic.Numbers(name="g", grid=grid(folder, text), data="numbers", inputs=OfSplit(sizes={"test": N}))
    synthetic.stated(folder, record, predicted)
    place = Workspace(folder)
    results = study_analysis.collect(place, record)
    chosen = selection.select(place, record, results)
    assert chosen
    return build(place, record, results, selection.seal(place.study(record.name), chosen), RenderOptions())


def test_a_row_with_fewer_seeds_is_not_eligible(tmp_path: Path):
    """One of three seeds is a noisier number; rows with as many seeds as the best are compared."""
    record = synthetic.Numbers(
        name="g", grid=grid(tmp_path, "seeds = [0, 1, 2]\n[factorial]\ndropout = [0.0, 0.25, 0.5]\n"), data="numbers",
        inputs=Inputs(),
    )  # fmt: skip
    assert not_eligible(record, {1: 3, 2: 1, 3: 3}) == {2: "1 of 3 seeds"}
    assert not_eligible(record, {1: 2, 2: 2}) == {}


def test_the_best_of_few_seeds_is_not_selected(tmp_path: Path):
    """The row with one finished seed is the best by far, and is not selected."""
    study = grid(tmp_path, "seeds = [0, 1, 2]\n[factorial]\ndropout = [0.0, 0.25, 0.5]\n")
    record = synthetic.Numbers(name="g", grid=study, data="numbers", inputs=Inputs(sizes={"test": N}))

    def said(trial: Trial, split: str) -> Examples:
        labels = np.arange(N, dtype=float)
        return Examples({"label": labels, "predicted": labels + (0.0 if trial.row == 2 else 1.0 + trial.row / 10)})

    synthetic.stated(tmp_path, record, said)
    place = Workspace(tmp_path)
    results = {t: None if t.row == 2 and t.seed else r for t, r in study_analysis.collect(place, record).items()}
    chosen = selection.select(place, record, results)
    assert chosen
    assert chosen.row == 1
    report = build(place, record, results, selection.seal(place.study("g"), chosen), RenderOptions())
    assert "Not eligible for selection: row 2 (1 of 3 seeds)." in report.tables["ablation"].notes


def test_rows_on_different_examples_are_not_selected_among(tmp_path: Path):
    """A split that flatters does not get the star; the gap has an unpaired interval and a sentence."""
    report = drawn(tmp_path, BY_SPLIT)
    assert report.study.sealed
    assert report.study.sealed.row is None
    assert f"{NOTHING_COMMON[0].upper()}{NOTHING_COMMON[1:]}." in report.tables["ablation"].notes
    difference = report.study.analysis.unpaired[2]
    one, other = (report.study.test[row].sample(report.study.record.primary) for row in (1, 2))
    assert one
    assert other
    expected = stats.ttest_ind(other.values, one.values, equal_var=False)
    assert difference.p == pytest.approx(expected.pvalue)
    assert (difference.value.low, difference.value.high) == pytest.approx(tuple(expected.confidence_interval()))
    text = report.files["tables/unpaired.md"]
    assert "Welch t test over seeds, unpaired" in text
    assert any(
        claim.startswith("Row 2 is tested on other examples than row 1: its MAE differs by +")
        for claim in report.claims
    )


def test_rows_on_the_references_examples_are_selected_among(tmp_path: Path):
    """Rows on the reference's examples are compared, and those on other examples are named."""
    report = drawn(tmp_path, TWO_EACH)
    assert report.study.sealed
    assert report.study.record.grid.reference in (1, 2)
    assert report.study.sealed.row in (1, 2)
    excluded = "Not eligible for selection: row 3 (evaluated on other examples), row 4 (evaluated on other examples)."
    assert excluded in report.tables["ablation"].notes
