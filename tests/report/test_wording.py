"""The words of warnings, notes and claims: none claims more than what was computed or tested."""

import ast
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep
from test_caveats import codes, curved, recorded, say, tiny

from ablation.analysis import external_evaluation
from ablation.analysis import published as published_numbers
from ablation.analysis.check_context import CheckContext
from ablation.analysis.external_evaluation import ExternalEvaluation
from ablation.analysis.facts import Stability
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.experiments.keras_head.datasets.leaks import Leaks
from ablation.experiments.keras_head.inputs import Weights
from ablation.experiments.keras_head.report import leakage
from ablation.model.diagnostic import Diagnostic
from ablation.model.phrases import extreme, percent
from ablation.report import warnings
from ablation.report.tables import contrasts, effects, importance, reproduction, selection
from ablation.report.tables.summary import claims
from ablation.report.warnings import noise, study_protocol
from ablation.statistics.intervals import Interval
from ablation.study.table_keys import TableKeys

pytestmark = pytest.mark.unit
PACKAGE = ROOT / "ablation"

# Rows without a significant difference are not shown to be equal, and a test does not "tell" rows apart.
OVERCLAIMS = re.compile(
    r"\btold from\b|\btells? (rows? .{0,20}|.{0,20} rows?) from (it|the)\b|\bcall these rows equal\b|: no difference\b"
    r"|\bthe factor interacts\b|\bwithin noise\b|\bwill be (lower|higher)\b|\bmixed as in\b|\bepochs suffice\b",
    re.IGNORECASE,
)


def texts() -> Iterator[tuple[str, str]]:
    """Yield (file, text) of all texts that a reader of a study sees: strings but docstrings, and pages."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                yield path.name, node.value
    yield from ((path.name, " ".join(path.read_text().split())) for path in sorted(PACKAGE.rglob("pages/*.md")))


def test_no_text_takes_rows_without_a_significant_difference_for_equal():
    """No text calls rows equal that were not tested for it, nor promises other untested facts."""
    assert not [(name, text) for name, text in texts() if OVERCLAIMS.search(text)]


@pytest.mark.parametrize(
    "text",
    [
        "not told from 0", "Test does not tell rows 1 and 2 from it.", "within ±1 pp: no difference",
        "Where pairs disagree, the factor interacts.", "accuracy on new people will be lower", "Fewer epochs suffice",
    ],
)  # fmt: skip
def test_a_planted_overclaim_is_found(text: str):
    """The check can fail."""
    assert OVERCLAIMS.search(text)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> StudyAnalysis:
    """Two rows of one seed: 90.0 and 70.0 % of 120 test images."""
    return tiny(tmp_path_factory.mktemp("two"), [{}, {"dropout": 0.5}], [(0.9, 0.9, 0.9), (0.9, 0.85, 0.7)])


@pytest.fixture(scope="module")
def square(tmp_path_factory: pytest.TempPathFactory) -> StudyAnalysis:
    """Two levels of two factors and a third of one, so that main effects can be estimated."""
    rows = [{"dropout": d, "augment": a} for d in (0.25, 0.5, 0.75) for a in ("none", "flip")]
    scores = [(0.9, 0.9, test) for test in (0.9, 0.8, 0.7, 0.75, 0.8, 0.7)]
    return tiny(tmp_path_factory.mktemp("square"), rows, scores)


def analysed(study: StudyAnalysis, **changes: Any) -> StudyAnalysis:
    return replace(study, analysis=replace(study.analysis, **changes))


def gridded(study: StudyAnalysis, **changes: Any) -> StudyAnalysis:
    return recorded(study, grid=study.record.grid.model_copy(update=changes))


def test_claims_speak_of_significant_differences(two: StudyAnalysis):
    """Rows that do not differ significantly are named as such, on test and on validation."""
    rows = two.analysis.rows
    alike = analysed(
        two,
        rows={**rows, 2: replace(rows[2], not_different=True)},
        stability=Stability({1: 0.7, 2: 0.3}, (1, 2), 2, 0.9, 0.88),
    )
    sentences = claims(alike)
    assert "On test, row 2 does not differ significantly from it, which does not show that they are equal." in sentences
    assert any(
        s.startswith("On validation, row 2 does not differ significantly from it, and is the cheapest")
        for s in sentences
    )
    assert any("; differs significantly from 0: rows 1 → 2 (Holm over 1 contrast)." in s for s in sentences)


def test_one_is_not_counted_as_many(two: StudyAnalysis):
    """A family of one test is one contrast, or one comparison."""
    table = contrasts.contrasts(two)
    assert table
    assert any("Holm over 1 contrast." in note for note in table.notes)
    selected = selection.selection(two)
    assert selected
    assert any("correction over 1 comparison. " in note for note in selected.notes)


def test_the_selections_shares_have_an_error(two: StudyAnalysis):
    """The Monte Carlo standard error of a share p of B samples: sqrt(p (1 - p) / B)."""
    table = selection.selection(analysed(two, stability=Stability({1: 0.75, 2: 0.25}, (1, 2), 1, 0.9, 0.88)))
    assert table
    error = 100 * math.sqrt(0.75 * 0.25 / 2000)
    assert f"Monte Carlo standard error at most {error:.1f} points." in table.notes[1]
    assert "2,000 bootstrap samples" in table.notes[1]


def test_importances_name_their_trials(square: StudyAnalysis):
    """Importances are fitted to trials, of which each seed is one; combinations are fewer."""
    table = importance.importance(square, {"dropout": (0.9, 0.1), "augment": (0.1, 0.1)})
    assert table.notes[1] == "Fitted to 6 trials of 6 combinations of levels."
    repeated = importance.importance(gridded(square, seeds=(0, 1)), {"dropout": (0.9, 0.1)})
    assert repeated.notes[1].endswith(", each seed a trial of its own.")


def test_main_effects_name_their_interval(square: StudyAnalysis):
    """The interval over images is Student's t of the coefficient of each image, with two added images."""
    table = effects.effects(square)
    assert table
    assert "95 % t interval over test images, with the two added images of Bonett and Price (2012)" in table.notes[0]
    effect = next(e for e in square.analysis.effects if e.factor == "augment")
    right = np.stack([square.test[row].sample(square.record.primary).scores[0] for row in range(1, 7)]).astype(float)
    design = [[1, d == 0.5, d == 0.75, a] for d in (0.25, 0.5, 0.75) for a in (0, 1)]
    coefficients = np.linalg.lstsq(np.array(design, float), right, rcond=None)[0][3]
    added = np.append(coefficients, [1, -1])
    low, high = stats.t.interval(0.95, len(added) - 1, added.mean(), stats.sem(added))
    assert (effect.main.value, effect.main.low, effect.main.high) == pytest.approx((coefficients.mean(), low, high))


def test_main_effects_over_seeds_say_so(square: StudyAnalysis):
    """The unit is named, and no image is said to be added."""
    over_seeds = analysed(square, effects=tuple(replace(e, over="seeds") for e in square.analysis.effects))
    table = effects.effects(over_seeds)
    assert table
    assert "without interactions, 95 % t interval over seeds; of two factors" in table.notes[0]


def test_a_factor_interacts_where_an_interval_leaves_0_out(square: StudyAnalysis):
    """Pairs that disagree show no interaction by themselves."""
    assert any(e.up and e.down for e in square.analysis.effects)
    (interaction,) = square.analysis.interactions

    def note(*bounds: Interval) -> str:
        squares = tuple((s, b) for (s, _), b in zip(interaction.squares, bounds, strict=False))
        table = effects.effects(analysed(square, interactions=(replace(interaction, squares=squares),)))
        assert table
        return table.notes[2]

    holding, clear, nothing = Interval(0.1, -0.1, 0.3), Interval(0.2, 0.1, 0.3), Interval(0.2, math.nan, math.nan)
    assert note(holding, clear).endswith("disagree, and an interaction has an interval without 0.")
    for bounds in ((holding, nothing), ()):
        assert note(*bounds).endswith(
            "disagree, which alone shows no interaction: none here has an interval without 0."
        )


def published(study: StudyAnalysis, *numbers: Mapping[str, str], **grid: Any) -> StudyAnalysis:
    """Return the study with published numbers, compared anew."""
    rows = tuple({key: Decimal(value) for key, value in row.items()} for row in numbers)
    changed = gridded(study, published=rows, **grid)
    measured = {row: facts.primary.value for row, facts in study.analysis.rows.items()}
    again = published_numbers.reproduce(changed.record, measured, changed.analysis.contrasts)
    return replace(changed, reproduction=again)


def notes(study: StudyAnalysis) -> str:
    table = reproduction.reproduction(study)
    assert table
    return "\n".join(table.notes)


ACCURACIES = ({"test_accuracy": "0.9"}, {"test_accuracy": "0.8"})


def test_published_f1_is_spoken_of_where_it_was_published(two: StudyAnalysis):
    """The published F1 is mentioned where it was published, and not where accuracy alone was."""
    assert "F1" not in notes(published(two, *ACCURACIES))
    assert "which average its F1 is" in notes(published(two, {"test_accuracy": "0.9", "f1": "0.9"}, ACCURACIES[1]))


def test_the_size_of_the_published_test_set_is_named(two: StudyAnalysis):
    """The size is named with its origin: the source, or ours where the source states none."""
    unknown, stated = published(two, *ACCURACIES), published(two, *ACCURACIES, published_test_images=120)
    assert "on an independent test set of 120 images (ours, for the source states none)" in notes(unknown)
    assert "independent test sets of 120 images (the number that the source states)." in notes(stated)
    _, high = confint_proportions_2indep(96, 120, 108, 120, method="newcomb", compare="diff")
    assert high < 0  # 80 and 90 % of 120 images
    assert "Of 1 published contrast, 0 have a 95 % interval (Newcombe) that holds 0" in notes(unknown)
    close = published(two, ACCURACIES[0], {"test_accuracy": "0.89"})
    assert "Of 1 published contrast, 1 has a 95 % interval (Newcombe) that holds 0" in notes(close)


def test_unstated_sizes_of_the_source_are_a_warning(two: StudyAnalysis):
    """A source without sizes is a warning: its numbers may be of other data."""
    warning = say(published(two, *ACCURACIES), "OTHER_DATA")
    assert warning.fact.startswith("The study file does not state published_test_images, so it was not checked")
    assert "the intervals take 120 test images for the source too" in warning.consequence
    assert "OTHER_DATA" not in codes(published(two, *ACCURACIES, published_test_images=120))


def test_ranks_have_a_p_value_and_a_number_of_rows(two: StudyAnalysis, square: StudyAnalysis):
    """Fewer than four rows have no tau: their ranks agree by chance."""
    assert "The ranks of 2 rows are not compared: they are too few to differ from chance." in notes(
        published(two, *ACCURACIES)
    )
    theirs = ("0.9", "0.7", "0.8", "0.6", "0.75", "0.65")
    six = published(square, *({"test_accuracy": value} for value in theirs))
    ours = [facts.primary.value for facts in six.analysis.rows.values()]
    tau, p = stats.kendalltau([float(value) for value in theirs], ours)
    assert f"Agreement of ranks: Kendall's tau-b {tau:.2f} over 6 rows (p = {p:.3f})." in notes(six)


def test_a_published_f1_above_accuracy_may_be_macro(two: StudyAnalysis):
    """One of its meanings, under which nothing is wrong."""
    warning = say(published(two, {"test_accuracy": "0.90", "f1": "0.95"}, {}), "PUBLISHED_F1")
    assert "macro-F1 can be higher, where small classes are recognized better" in warning.consequence


def evaluated(confusion: Sequence[Sequence[int]], test: Sequence[Sequence[int]], row: int = 1) -> ExternalEvaluation:
    """An evaluation with these counts, true classes down."""
    return ExternalEvaluation(
        name="photos", data="/data/photos", split="all", row=row, seed=0, trial="t", measured=0.0,
        images=int(np.sum(confusion)), classes=("a", "b"), confusion=tuple(map(tuple, confusion)),
        scores={"macro_f1": 0.9, "loss": 0.1}, test=tuple(map(tuple, test)), train=(100, 100),
    )  # fmt: skip


def test_other_shares_of_classes_are_a_shift(two: StudyAnalysis):
    """A shift is by the chi-square test, with the share of images that would have to change class; once a data set."""
    test, other = ((45, 5), (5, 45)), ((81, 9), (1, 9))
    both = (evaluated(other, test), evaluated(other, test, row=2))
    warning = say(replace(two, evaluations=both), "SHIFT")
    p = stats.chi2_contingency([[90, 10], [50, 50]], correction=False).pvalue
    assert p < 0.001
    assert warning.fact == (
        "On photos, classes have other shares than in test: 40% of the images would have to change class (chi-square "
        "test, p < 0.001)."
    )
    assert warning.rows == (1, 2)
    assert "too high" not in warning.consequence  # accuracy is not lower there
    assert "SHIFT" not in codes(replace(two, evaluations=(evaluated(test, test),)))


def test_large_sets_with_almost_equal_shares_are_no_shift(two: StudyAnalysis):
    """The smallest difference of many images is significant, but no shift: it changes little."""
    test, other = ((45000, 5000), (5000, 45000)), ((46800, 5200), (4800, 43200))
    evaluation = evaluated(other, test)
    distance, p = evaluation.mix
    assert p is not None
    assert p < 0.001
    assert distance == pytest.approx(0.02)
    assert "SHIFT" not in codes(replace(two, evaluations=(evaluation,)))


def test_a_lower_accuracy_is_said_with_the_shares(two: StudyAnalysis):
    """Both facts are in one warning."""
    warning = say(replace(two, evaluations=(evaluated(((54, 36), (4, 6)), ((45, 5), (5, 45))),)), "SHIFT")
    assert warning.fact.startswith(
        "On photos, row 1 has accuracy 60.0% on 100 images, 30.0 pp below test (95% interval "
    )
    assert "; on photos, classes have other shares than in test: 40% " in warning.fact
    assert "too high" in warning.consequence


def test_the_difference_from_test_has_an_interval():
    """Newcombe's, of two independent sets of images."""
    evaluation = evaluated(((81, 9), (1, 9)), ((40, 10), (10, 40)))
    low, high = confint_proportions_2indep(90, 100, 80, 100, method="newcomb", compare="diff")
    first = next(external_evaluation.sentences(evaluation))
    assert first.endswith(f"so +10.0 points (95 % interval {100 * low:+.1f} to {100 * high:+.1f}, Newcombe, two "
                          "independent sets).")  # fmt: skip


def leaked(study: StudyAnalysis, code: str, **levels: Leaks) -> Diagnostic | None:
    return leakage.CHECKS[code](CheckContext(study, examined=levels))


def leaks(**fields: Any) -> Leaks:
    none = {"val": (), "test": ()}
    usual = {"images": 9, "copies": 0, "groups": 0, "across": 0, "conflict": 0, "near": 0, "mirrored": 0,
             "subjects": None, "exact": none, "similar": none, "series": 0}  # fmt: skip
    return Leaks(**usual | fields)


def test_labels_limit_accuracy_within_a_split_alone(two: StudyAnalysis):
    """Two labels of equal images in test are a limit; a label of train is none."""
    inside = leaked(two, "LEAK_LABEL", given=leaks(conflict=5, conflicting={"test": 3}, limiting={"test": 1}))
    assert inside
    assert inside.fact == "5 groups of equal images carry different labels (3 with images in test)."
    assert inside.consequence == (
        "No model can be right on all images of 1 group in test; the highest attainable accuracy there is below 100 %."
    )
    across = leaked(two, "LEAK_LABEL", given=leaks(conflict=5, conflicting={"test": 3}, limiting={}))
    train = leaked(two, "LEAK_LABEL", given=leaks(conflict=5, conflicting={"train": 5, "test": 0}))
    assert across
    assert train
    assert "the attainable accuracy is not limited" in across.consequence
    assert train.consequence.startswith("They lie in train alone")
    assert "100 %" not in across.consequence + train.consequence


def test_leaks_name_their_split(two: StudyAnalysis):
    """Leaks name their split where rows have different ones; the accuracy on new people is no promise."""
    leak = leaks(exact={"val": (), "test": (1,)}, similar={"val": (), "test": (2,)}, series=1, subjects=2)
    for code, text in (
        ("LEAK_EXACT", "1 test image and 0 validation images of split given have exact copies"),
        ("LEAK_NEAR", "1 test image of split given has a near-duplicate"),
        ("LEAK_AUGMENT", "1 test image of split given has two or more"),
        ("LEAK_SUBJECT", "2 subjects of split given are in two splits"),
    ):
        several, alone = (
            leaked(two, code, **levels) for levels in ({"given": leak, "other": leaks()}, {"given": leak})
        )
        assert several
        assert alone
        assert text in several.fact
        assert "of split" not in alone.fact
        assert "will be" not in several.consequence


def test_subjects_that_no_interval_uses_are_named(two: StudyAnalysis):
    """Subjects that no interval uses are named, unless groups are the units, or each image shows another subject."""
    leak = leaks(subjects=0, people={"train": 9, "val": 3, "test": 6})
    warning = leaked(two, "NO_GROUPS", given=leak)
    assert warning
    assert warning.fact == "Subjects are known (6 in 120 test images), but no interval and no test uses them."
    assert '`[table] units = "groups"`' in warning.remedy
    assert leaked(gridded(two, table=TableKeys(units="groups")), "NO_GROUPS", given=leak) is None
    assert leaked(two, "NO_GROUPS", given=leaks(subjects=0, people={"test": 120})) is None
    unknown = leaked(two, "NO_GROUPS", given=leaks())
    assert unknown
    assert unknown.fact == "The data do not identify subjects."


def test_a_plateau_does_not_contradict_the_studys_own_contrasts(tmp_path: Path):
    """Epochs that were significantly better on test are kept; otherwise fewer may do, to be compared."""
    rows = [{"epochs": 10}, {"epochs": 20}]
    plateau = [0.5, 0.7, *[0.9] * 18]
    better = curved(tiny(tmp_path / "a", rows, [(0.9, 0.9, 0.6), (0.9, 0.9, 0.9)]), 2, plateau)
    assert say(better, "SATURATED_EARLY").remedy == (
        "Keep the epochs: on test, more of them are significantly better in this study (row 2 (20 epochs) than row 1 "
        "(10): 30.0 pp)."
    )
    alike = curved(tiny(tmp_path / "b", rows, [(0.9, 0.9, 0.9), (0.9, 0.9, 0.9)]), 2, plateau)
    assert say(alike, "SATURATED_EARLY").remedy.startswith("Fewer epochs may suffice (about ")


def test_ties_are_named_by_all_their_rows(tmp_path: Path):
    """A tie is named by all its rows on test, and in a warning's extreme."""
    rows = [{}, {"dropout": 0.5}, {"dropout": 0.75}]
    tied = tiny(tmp_path, rows, [(0.9, 0.9, 0.8), (0.9, 0.85, 0.85), (0.9, 0.85, 0.85)])
    warning = say(tied, "VAL_TEST_DISAGREE")
    assert "other rows are best on test: rows 2 and 3 by test accuracy (85.00%" in warning.fact
    assert warning.rows == (1, 2, 3)
    assert extreme({1: 0.25, 2: 0.5, 3: 0.5}, [1, 2, 3], percent) == "rows 2 and 3 the most, 50.0%"


def test_classes_are_listed_by_the_images_of_the_rows(two: StudyAnalysis):
    """Rows on other images have a list of their own."""
    level = {"train": (9, 9), "val": (60, 60), "test": (11, 60)}
    rows = (two.record.grid.rows[0], two.record.grid.rows[1].replace(split="class"))
    counts = {"given": level, "class": level | {"test": (60, 12)}}
    apart = gridded(recorded(two, counts=counts), rows=rows)
    small = next(rule.check for code, rule in all_rules(apart) if code == "SMALL_CLASS")
    warning = small(CheckContext(apart))
    assert (
        warning.fact == "Some classes have fewer than 30 images (test of row 1: 11 class 0; test of row 2: 12 class 1)."
    )


def all_rules(study: StudyAnalysis) -> Any:
    return warnings.rules(study.record.experiment).items()


def test_rows_of_one_training_are_not_ablated(two: StudyAnalysis):
    """Different levels that name the same inputs have one id; other rows have ids of their own."""
    assert "NOT_ABLATED" not in codes(two)
    inputs = two.record.inputs
    weights = {f"vgg16/{level}": Weights(level=level, source="random", digest="d") for level in ("imagenet", "random")}
    rows = (two.record.grid.rows[0], two.record.grid.rows[0].replace(weights="random"))
    same = gridded(recorded(two, weights=inputs.weights | weights), rows=rows)
    trials = {t.model_copy(update={"condition": rows[t.row - 1]}): result for t, result in two.results.items()}
    warning = say(replace(same, results=trials), "NOT_ABLATED")
    assert warning.fact == "Rows 1 and 2 have different settings, which mean the same inputs: they are one training."
    assert warning.rows == (1, 2)


def test_replaced_inputs_of_any_experiment_are_named(two: StudyAnalysis):
    """Replaced inputs are named in a study without a factor called backbone."""
    record = SimpleNamespace(inputs=SimpleNamespace(replaced=("lexicon/en",)))
    warning = study_protocol.weights_replaced(SimpleNamespace(record=record))  # type: ignore[arg-type]
    assert warning
    assert warning.fact == "Inputs of the trainings were not available and were replaced: lexicon/en."


def test_a_level_whose_rows_all_failed_is_unbalanced(two: StudyAnalysis):
    """A level without a row that has a result is unbalanced, where the other has one."""
    assert "UNBALANCED" not in codes(two)
    lost = replace(two, results={t: r if t.row == 1 else None for t, r in two.results.items()})
    assert say(lost, "UNBALANCED").fact.endswith(": dropout (0.25: 1, 0.5: 0).")


@pytest.mark.parametrize(("seeds", "over", "doubtful"), [(1, "examples", True), (10, "examples", False),
                                                         (1, "seeds", False), (2, "examples", True)])  # fmt: skip
def test_the_noise_of_seeds_is_that_of_the_means(two: StudyAnalysis, seeds: int, over: str, doubtful: bool):
    """A difference of means of S seeds has the standard error s sqrt(2 / S); a test over seeds includes it."""
    (contrast,) = two.analysis.contrasts  # 20 points
    difference = replace(contrast.difference, over=over)
    rows = {r: replace(f, delta=f.delta and replace(f.delta, over=over)) for r, f in two.analysis.rows.items()}
    study = analysed(two, rows=rows, contrasts=(replace(contrast, difference=difference),))
    test = {r: SimpleNamespace(seeds=tuple(range(seeds)), sample=lambda _: None) for r in (1, 2)}
    sample = SimpleNamespace(seeds=(1, 2), values=np.array([0.7, 0.9]))  # standard deviation 14.14 points
    replicates = SimpleNamespace(sample=lambda _: sample)
    study = replace(study, evidence=replace(study.evidence, test=test, replicates=replicates))
    assert (2 * math.sqrt(0.02) * math.sqrt(2 / seeds) > 0.2 and over == "examples") == doubtful
    warning = noise.seed_noise(CheckContext(study))
    assert bool(warning) == doubtful
