"""`ablate plan --detect`: how many seeds and test examples detect a difference, from validation results alone."""

import json
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic
from conftest import TESTS, Silent
from scipy import stats
from statsmodels.stats.power import TTestPower

from ablation import cli
from ablation.analysis import detect
from ablation.analysis.detect import DISCORDANCE, PAIRS, REFERENCE, SCORES, Need
from ablation.cli.terminal import detect_text
from ablation.measures import regression
from ablation.statistics import power
from ablation.store.examples import Examples
from ablation.store.record import Record
from ablation.store.workspace import Workspace
from ablation.study import study_file
from ablation.study.grid import Grid, Trial
from ablation.workflows.checked_options import checked
from ablation.workflows.prepare import prepare
from ablation.workflows.run_options import RunOptions

N = 60
SUPPORT = (30, 30)
FACTORIAL = "[factorial]\ndropout = [0.0, 0.25]\nepochs = [1, 3]\n"
ACCURACY = {row: (0.95, 0.70 + 0.02 * row, 0.80) for row in range(1, 5)}
POLYNOMIAL = 'seeds = [0, 1, 2]\n[experiment]\nplugin = "polynomial:"\n[factorial]\ndegree = [1, 3]\n'


def grid(folder: Path, **more: Any) -> Grid:
    (folder / "g.toml").write_text(FACTORIAL)
    return study_file.read(str(folder / "g.toml")).model_copy(update=more)


def closed(folder: Path) -> Workspace:
    """A workspace without test predictions: whoever opens one fails."""
    for path in folder.glob("trained/*/test-*.npz"):
        path.unlink()
    return Workspace(folder)


def predicted(folder: Path, record: Record, row: int, seed: int) -> dict[str, np.ndarray]:
    """Columns of the validation predictions of one trial, read with numpy."""
    trial = next(trial for trial in record.grid.seeded(row) if trial.seed == seed)
    path = folder / "trained" / record.training_key(trial) / f"val-{trial.step}.npz"
    with np.load(path) as columns:
        return dict(columns)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("text", "allowed"),
    [("0.5", "such as 0.5pp"), ("0pp", "above 0"), ("101pp", "at most 100"), ("-1pp", "above 0"), ("nanpp", "above 0"),
     ("1.2.3pp", "above 0"), ("", "percentage points of accuracy"), ("a lot", "percentage points of accuracy")],
)  # fmt: skip
def test_a_share_takes_percentage_points(tmp_path: Path, text: str, allowed: str, capsys: pytest.CaptureFixture[str]):
    """A value that is no number of percentage points is one line with the allowed ones, before the data are read."""
    grid(tmp_path)
    code = cli.run(["plan", "--grid", str(tmp_path / "g.toml"), "--data", "nowhere", "--detect", text])
    error = capsys.readouterr().err.splitlines()[-1]
    assert code == 2
    assert error.startswith(f"error: --detect {text}: is not allowed; allowed: ")
    assert allowed in error


@pytest.mark.unit
def test_other_measures_take_a_number_in_their_unit():
    """Other measures take a number in their unit, and no percentage points."""
    assert detect.parsed("0.2", regression.rmse("m")) == 0.2
    assert detect.parsed("1e-2", regression.rmse("m")) == 0.01
    for text in ("0.5pp", "0", "inf", "-0.1"):
        with pytest.raises(detect.AblateError, match="a difference in RMSE, in m"):
            detect.parsed(text, regression.rmse("m"))


@pytest.mark.unit
def test_examples_come_from_the_discordance_on_validation(tmp_path: Path):
    """The median over rows of the share of validation images on which one of two trainings alone is right."""
    record = synthetic.study(tmp_path, grid(tmp_path), ACCURACY, support=SUPPORT, classes=("a", "b"))
    sizes = detect.sizes(closed(tmp_path), record, 0.05)
    need = sizes.examples
    assert isinstance(need, Need)
    labels = record.inputs.labels(Workspace(tmp_path), "val")(record.grid.rows[0])
    right = {row: predicted(tmp_path, record, row, 0)["classes"] == labels for row in ACCURACY}
    reference = record.grid.reference
    discordant = np.median([np.mean(right[row] != right[reference]) for row in ACCURACY if row != reference])
    assert (need.source, need.spread, need.n, need.rows) == (DISCORDANCE, pytest.approx(discordant), N, 3)
    assert (
        power.mcnemar_power(0.05, need.spread, need.one) >= 0.8 > power.mcnemar_power(0.05, need.spread, need.one - 1)
    )
    assert power.mcnemar_power(0.05, need.spread, need.holm, 0.05 / 3) >= 0.8
    assert sizes.seeds == "no row has 3 trainings with different seeds; run --replicate-reference 5"
    assert f"{need.one:,} images in one test, {need.holm:,} in the first Holm step of 3 rows" in detect_text.draw(sizes)


@pytest.mark.unit
def test_a_difference_above_the_discordance_raises_it(tmp_path: Path):
    """Two rows that differ by 40 points disagree on 40 % of the examples at least."""
    record = synthetic.study(tmp_path, grid(tmp_path), ACCURACY, support=SUPPORT, classes=("a", "b"))
    sizes = detect.sizes(closed(tmp_path), record, 0.4)
    assert sizes.examples.spread < 0.4
    assert sizes.examples.one == power.examples_needed(0.4, 0.4)
    assert "40% was used" in detect_text.draw(sizes)


def seeds_by_statsmodels(difference: float, deviation: float, alpha: float = 0.05) -> int:
    return ceil(TTestPower().solve_power(difference / deviation, alpha=alpha, power=0.8))


@pytest.mark.unit
def test_seeds_come_from_paired_differences(tmp_path: Path):
    """The pooled standard deviation is that of paired validation accuracies over common seeds."""
    study = grid(tmp_path, seeds=(0, 1, 2, 3))
    record = synthetic.study(tmp_path, study, ACCURACY, support=SUPPORT, classes=("a", "b"), jitter=0.03)
    one_seed = record.model_copy(update={"grid": study.model_copy(update={"seeds": (0,)})})
    need = detect.sizes(closed(tmp_path), one_seed, 0.02).seeds  # planned with one seed; four are there
    labels = record.inputs.labels(Workspace(tmp_path), "val")(record.grid.rows[0])
    values = np.array([[np.mean(predicted(tmp_path, record, row, s)["classes"] == labels) for s in range(4)]
                       for row in ACCURACY])  # fmt: skip
    differences = np.delete(values - values[study.reference - 1], study.reference - 1, axis=0)
    deviation = np.sqrt(differences.var(axis=1, ddof=1).mean())
    assert (need.source, need.spread, need.n, need.rows) == (PAIRS, pytest.approx(deviation), 4, 3)
    assert (need.one, need.holm, need.available) == (
        seeds_by_statsmodels(0.02, deviation), seeds_by_statsmodels(0.02, deviation, 0.05 / 3), 1,
    )  # fmt: skip


@pytest.mark.unit
def test_without_pairs_replicates_of_the_reference_say_it(tmp_path: Path):
    """Times the root of 2, for a difference has the variance of two trainings; the text says which was used."""
    study = grid(tmp_path).replicated(4)
    record = synthetic.study(tmp_path, study, {study.reference: ACCURACY[1]}, support=SUPPORT, classes=("a", "b"),
                             jitter=0.05)  # fmt: skip
    planned = record.model_copy(update={"grid": study.model_copy(update={"replicates": ()})})
    sizes = detect.sizes(closed(tmp_path), planned, 0.05)
    labels = record.inputs.labels(Workspace(tmp_path), "val")(record.grid.rows[0])
    trials = {t.seed: t for t in record.grid.trials() if t.row == study.reference}
    values = [np.mean(np.load(tmp_path / "trained" / record.training_key(t) / f"val-{t.step}.npz")["classes"] == labels)
              for t in trials.values()]  # fmt: skip
    need = sizes.seeds
    assert (need.source, need.n, need.spread) == (REFERENCE, 5, pytest.approx(np.sqrt(2) * np.std(values, ddof=1)))
    assert need.one == max(3, seeds_by_statsmodels(0.05, need.spread))
    assert "5 trainings of the reference, times the root of 2" in detect_text.draw(sizes)
    assert sizes.examples == (
        "no row has validation results of a seed that the reference has too; run a first seed of all rows"
    )


@pytest.mark.unit
def test_nothing_to_learn_from_is_one_line(tmp_path: Path):
    """The line for a study without results says what to run first."""
    record = synthetic.study(tmp_path, grid(tmp_path), {}, support=SUPPORT, classes=("a", "b"))
    sizes = detect.sizes(Workspace(tmp_path), record, 0.01)
    assert detect_text.draw(sizes) == (
        "to detect a difference of 1 pp in accuracy with power 0.8 (two-sided, 5 %): no validation results to learn "
        "from; run --replicate-reference 5, or a first seed of all rows"
    )
    assert detect_text.as_json(sizes)["examples"] == {"unknown": detect.NOTHING}


@pytest.mark.unit
def test_seeds_that_change_nothing_are_no_variance(tmp_path: Path):
    """No number of seeds is invented from a deviation of 0."""
    study = grid(tmp_path, seeds=(0, 1, 2))
    record = synthetic.study(tmp_path, study, ACCURACY, support=SUPPORT, classes=("a", "b"))
    assert "equal validation results" in detect.sizes(Workspace(tmp_path), record, 0.01).seeds


@pytest.mark.unit
def test_numbers_alone_have_no_examples(tmp_path: Path):
    """The seeds are counted; the examples have a reason."""

    def scored(trial: Trial, split: str) -> Examples:
        return Examples({}, {"score": trial.row + float(np.random.default_rng([trial.row, trial.seed]).normal())})

    study = grid(tmp_path, seeds=(0, 1, 2), select_on="val_score")
    record = synthetic.without_classes(synthetic.Scalars, study, {})
    synthetic.stated(tmp_path, record, scored)
    sizes = detect.sizes(closed(tmp_path), record, 0.5)
    assert isinstance(sizes.seeds, Need)
    assert sizes.examples == "score has no scores of single examples"


def test_the_command_prints_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`--json` holds the sizes; those over examples agree with scipy's t test power on the errors read back."""
    monkeypatch.syspath_prepend(str(TESTS / "plugins"))
    monkeypatch.chdir(tmp_path)
    Path("poly.toml").write_text(POLYNOMIAL)

    options = RunOptions(study_file.read("poly.toml"), "", Path("runs"), "poly", slots="cpu:1")
    record = prepare(checked(options, print), Silent()).record
    label = np.random.default_rng(5).normal(size=N)

    def errors(trial: Trial, split: str) -> Examples:
        rng = np.random.default_rng([trial.row, trial.seed, split == "test"])
        return Examples({"label": label, "predicted": label + rng.normal(0, 2.0 / trial.row, N)})

    synthetic.stated(Path("runs"), record, errors)
    closed(Path("runs"))
    assert cli.run(["plan", "--grid", "poly.toml", "--slots", "cpu:1", "--detect", "0.2", "--json"]) == 0
    sizes = json.loads(capsys.readouterr().out)["detect"]
    absolute = np.array([[np.abs(errors(t, "val").columns["predicted"] - label) for t in record.grid.seeded(row)]
                         for row in (1, 2)])  # fmt: skip
    differences = absolute[1] - absolute[0]
    deviation = np.sqrt(differences.var(axis=1, ddof=1).mean())
    need = sizes["examples"]
    assert (sizes["measure"], sizes["difference"], need["source"]) == ("mae", 0.2, SCORES)
    assert need["spread"] == pytest.approx(deviation)
    n, critical = need["one"], stats.t.isf(0.025, need["one"] - 1)
    assert stats.nct.sf(critical, n - 1, 0.2 / deviation * np.sqrt(n)) == pytest.approx(0.8, abs=0.01)
    assert sizes["seeds"]["one"] == max(3, seeds_by_statsmodels(0.2, differences.mean(axis=1).std(ddof=1)))
    assert cli.run(["plan", "--grid", "poly.toml", "--slots", "cpu:1", "--detect", "0.2"]) == 0
    assert f"over test examples: {n} examples in one test (paired t test" in capsys.readouterr().out
