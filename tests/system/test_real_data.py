"""Studies of other kinds of evidence, on real data: regression, classes with probabilities, a ranking, questions."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import TESTS
from scipy import stats
from sklearn.metrics import roc_auc_score, root_mean_squared_error
from statsmodels.stats.multitest import multipletests

from ablation import cli
from ablation.store import record as records
from ablation.store.workspace import Workspace

pytestmark = pytest.mark.process

STUDIES = {  # seeds, design
    "diabetes": (5, '[factorial]\ndepth = [2, 6]\nfeatures = ["all", "third"]\n'),
    "digits": (3, "[one_at_a_time]\nwidth = [8, 64]\nscaled = [false]\n"),
    "breast_cancer": (1, "[factorial]\npenalty = [0.01, 1.0]\ncolumns = [3, 30]\n"),
    "questions": (1, "[factorial]\ntemperature = [0.0, 1.0]\nexamples = [0, 8]\n"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with these studies, each run."""
    folder = tmp_path_factory.mktemp("real")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TESTS / "plugins"))
        patch.chdir(folder)
        for name, (seeds, design) in STUDIES.items():
            path = folder / f"{name}.toml"
            path.write_text(f'seeds = {list(range(seeds))}\n[experiment]\nplugin = "{name}:"\n{design}')
            assert cli.run(["run", "--grid", str(path), "--inline", "--quiet"]) == 0
        yield folder / "runs"


def table(place: Path, study: str) -> list[dict[str, str]]:
    return list(csv.DictReader((place / study / "table.csv").open()))


def answers(place: Path, study: str, row: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Return the stored test columns of a trial."""
    workspace = Workspace(place)
    record = records.need(workspace, study)
    trial = record.grid.trial(row, seed)
    path = workspace.training(record.training_key(trial)).predictions("test", trial.step)
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def on_log_odds(share: float, distance: float) -> tuple[float, float]:
    """Return the bounds that lie this far from a share, by the slope of the log odds there."""
    center, reach = np.log(share / (1 - share)), distance / (share * (1 - share))
    return tuple(1 / (1 + np.exp(-bound)) for bound in (center - reach, center + reach))


def crossed_reach(values: np.ndarray) -> float:
    """Return the half-width of the 95 % interval of a mean over seeds and examples: Howe's, or the wider of the two."""
    n_seeds, n = values.shape
    effects = values - values.mean(axis=1, keepdims=True)
    ms_examples = n_seeds * (effects.mean(axis=0) ** 2).sum() / (n - 1)
    ms_rest = ((effects - effects.mean(axis=0)) ** 2).sum() / ((n_seeds - 1) * (n - 1))
    ms_seeds = n * values.mean(axis=1).var(ddof=1)
    t_seeds, t_examples = stats.t.ppf(0.975, n_seeds - 1), stats.t.ppf(0.975, n - 1)
    howe = t_seeds**2 * max(ms_seeds - ms_rest, 0) + t_examples**2 * ms_examples
    alone = max(t_seeds**2 * ms_seeds, t_examples**2 * ms_examples)
    return np.sqrt(max(howe, alone) / (n_seeds * n))


def jackknifed(measure: Callable, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return Tukey's pseudo-values of a measure of scikit-learn, around it."""
    value, n = measure(truth, predicted), len(truth)
    without = np.array([measure(np.delete(truth, i), np.delete(predicted, i)) for i in range(n)])
    return value - (n - 1) * (without - without.mean())


def test_a_regression_has_its_errors_over_seeds_and_examples(place: Path):
    """RMSE of each seed is scikit-learn's; its interval covers both, by pseudo-values on the log scale."""
    for row, line in enumerate(table(place, "diabetes"), start=1):
        stored = [answers(place, "diabetes", row, seed) for seed in range(5)]
        values = [root_mean_squared_error(a["label"], a["predicted"]) for a in stored]
        assert float(line["test_rmse"]) == pytest.approx(np.mean(values))
        bounds = stats.ttest_1samp(values, 0).confidence_interval()
        seeds = float(line["test_rmse_seeds_low"]), float(line["test_rmse_seeds_high"])
        assert seeds == pytest.approx(tuple(bounds))
        reach = crossed_reach(
            np.array([jackknifed(root_mean_squared_error, a["label"], a["predicted"]) for a in stored])
        )
        factor = np.exp(reach / np.mean(values))
        both = float(line["test_rmse_both_low"]), float(line["test_rmse_both_high"])
        assert both == pytest.approx((np.mean(values) / factor, np.mean(values) * factor))
    text = (place / "diabetes" / "table.md").read_text()
    assert "Brackets: 95% intervals over seeds and test examples." in text


def test_an_area_under_the_curve_is_scikit_learns(place: Path):
    """The primary measure is an aggregate, so rows are tested by their pseudo-values."""
    for row, line in enumerate(table(place, "breast_cancer"), start=1):
        stored = answers(place, "breast_cancer", row)
        label, score = stored["label"], stored["probability"][:, 1]
        value = roc_auc_score(label, score)
        assert float(line["test_auc"]) == pytest.approx(value)
        pseudo = jackknifed(roc_auc_score, label, score)
        bounds = float(line["test_auc_low"]), float(line["test_auc_high"])
        assert bounds == pytest.approx(on_log_odds(value, stats.sem(pseudo) * stats.t.ppf(0.975, len(pseudo) - 1)))
    assert "of the jackknife's pseudo-values" in (place / "breast_cancer" / "table.md").read_text()


def test_both_are_a_two_way_layout(place: Path):
    """The interval of accuracy over seeds and examples contains the two components of its variance."""
    for row, line in enumerate(table(place, "digits"), start=1):
        stored = [answers(place, "digits", row, seed) for seed in range(3)]
        right = np.array([a["label"] == a["predicted"] for a in stored], float)
        expected = on_log_odds(right.mean(), crossed_reach(right))
        bounds = float(line["test_accuracy_both_low"]), float(line["test_accuracy_both_high"])
        assert bounds == pytest.approx(expected)


def test_every_number_of_the_questions_follows_with_plain_scipy(place: Path):
    """Repeats are averaged within the question; topics are the units; Holm over the rows."""
    lines = table(place, "questions")
    means = []
    for row, line in enumerate(lines, start=1):
        stored = answers(place, "questions", row)
        groups, correct = stored["group"], stored["correct"].astype(float)
        means.append(np.array([correct[groups == g].mean() for g in np.unique(groups)]))
        bounds = stats.ttest_1samp(means[-1], 0).confidence_interval()
        expected = on_log_odds(correct.mean(), bounds.high - means[-1].mean())
        assert float(line["test_correct"]) == pytest.approx(correct.mean())
        assert (float(line["test_correct_low"]), float(line["test_correct_high"])) == pytest.approx(expected)
        assert line["n_test"] == "200"
    tests = [stats.ttest_rel(other, means[0]) for other in means[1:]]
    corrected = multipletests([t.pvalue for t in tests], method="holm")[1]
    for line, t, p_holm in zip(lines[1:], tests, corrected, strict=True):
        bounds = t.confidence_interval()
        assert line["ci_over"] == "groups of examples"
        assert float(line["p"]) == pytest.approx(t.pvalue)
        assert float(line["p_holm"]) == pytest.approx(p_holm)
        low, high = float(line["delta_test_correct_pp_low"]), float(line["delta_test_correct_pp_high"])
        assert (low, high) == pytest.approx((100 * bounds.low, 100 * bounds.high))


@pytest.mark.parametrize("study", sorted(STUDIES))
def test_tables_of_other_kinds_verify(place: Path, study: str, capsys: pytest.CaptureFixture[str],
                                      monkeypatch: pytest.MonkeyPatch):  # fmt: skip
    """The ablation table, and one that only other kinds of evidence have, agree with the results."""
    monkeypatch.syspath_prepend(str(TESTS / "plugins"))
    files = [place / study / name for name in ("table.tex", "tables/contrasts.md")]
    assert cli.run(["verify", *map(str, files)]) == 0
    assert capsys.readouterr().out.count("agree with") == len(files)
