"""The warnings: when each is given, what it says, and when it is silent."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic

from ablation.analysis import selection, study_analysis, study_statistics
from ablation.analysis.evidence import Evidence
from ablation.analysis.facts import Noise, Stability
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.experiments.keras_head import factors
from ablation.experiments.keras_head.inputs import Weights
from ablation.model.phrases import which
from ablation.outcomes import Status
from ablation.report import warnings
from ablation.report.warnings import Diagnostic
from ablation.report.warnings import factors as factor_warnings
from ablation.statistics.intervals import Interval
from ablation.store.record import Inputs, Record
from ablation.store.result import Result, read
from ablation.store.workspace import Workspace
from ablation.study import study_file
from ablation.study.grid import Conflict, Grid
from ablation.study.levels import Schema

pytestmark = pytest.mark.unit

EVEN = (60, 60)  # images of each class
Accuracies = Mapping[int, tuple[float, float, float]]


def gathered(workspace: Path, grid: Grid, accuracy: Accuracies, seal: bool = True, **study: Any) -> StudyAnalysis:
    """Return the analysis of a made-up study."""
    record = synthetic.study(workspace, grid, accuracy, **study)
    place = Workspace(workspace)
    results = {t: read(place.training(record.training_key(t)), t.step) for t in grid.trials()}
    sealed = selection.select(place, record, study_analysis.done(results)) if seal else None
    return study_analysis.gather(place, record, results, sealed)


def grid_of(rows: Sequence[Mapping[str, Any]], **more: Any) -> Grid:
    n = len(rows)
    usual = {"stem": "tiny", "title": "Tiny", "labels": ("",) * n, "published": ({},) * n, "reference": 1,
             "select_on": "val_accuracy", "seeds": (0,), "split_seed": 0, "settings": {}}  # fmt: skip
    return Grid(factors=synthetic.SCHEMA, rows=tuple(factors.condition(**row) for row in rows), **usual | more)


def tiny(
    workspace: Path, rows: Sequence[Mapping[str, Any]] = ({},), accuracy: Sequence[tuple[float, float, float]] = (),
    support: Sequence[int] = EVEN, seal: bool = True, classes: Sequence[str] = (), jitter: float = 0.0,
    data: str = "faces", **grid: Any,
) -> StudyAnalysis:  # fmt: skip
    """A study of few rows and classes; by default accuracies are equal, and no warning is due."""
    numbers = dict(enumerate(accuracy or [(0.9, 0.9, 0.9)] * len(rows), start=1))
    names = classes or [f"class {k}" for k in range(len(support))]
    study = {"support": support, "classes": names, "jitter": jitter, "data": data}
    return gathered(workspace, grid_of(rows, **grid), numbers, seal, **study)


def say(study: StudyAnalysis, code: str, looks: int = 1) -> Diagnostic:
    """Return the warning with this code. Fails where it is not given."""
    return next(c for c in warnings.find(study, looks) if c.code == code)


def codes(study: StudyAnalysis, looks: int = 1) -> list[str]:
    return [c.code for c in warnings.find(study, looks)]


def recorded(study: StudyAnalysis, **changes: Any) -> StudyAnalysis:
    """Return the analysis with another record."""
    return replace(study, record=synthetic.changed(study.record, **changes))


def resulted(study: StudyAnalysis, row: int, **changes: Any) -> StudyAnalysis:
    """Return the analysis with other results of a row."""
    results = {t: replace(r, **changes) if r and t.row == row else r for t, r in study.results.items()}
    return replace(study, results=results)


def curve(val_accuracy: Sequence[float], val_loss: Sequence[float] = (), train_loss: Sequence[float] = ()) -> Any:
    """A history."""
    n = len(val_accuracy)
    columns = (val_accuracy, val_loss or [0.5] * n, train_loss or [0.5] * n)
    return [
        {"epoch": e, "val_accuracy": a, "val_loss": v, "loss": t, "accuracy": 0.9, "time": 0.0}
        for e, (a, v, t) in enumerate(zip(*columns, strict=True), start=1)
    ]


def curved(study: StudyAnalysis, row: int, *columns: Sequence[float]) -> StudyAnalysis:
    return resulted(study, row, history=curve(*columns))


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> StudyAnalysis:
    """Return the analysis of the paper's table with the published numbers as if measured, and without curves."""
    grid = study_file.read("paper")
    keys = ("train_accuracy", "val_accuracy", "test_accuracy")
    published = {row: tuple(float(p[key]) for key in keys) for row, p in enumerate(grid.published, start=1)}
    study = gathered(tmp_path_factory.mktemp("paper"), grid, published)  # type: ignore[arg-type]
    return replace(study, results={t: replace(r, history=[]) for t, r in study.results.items() if r})


@pytest.fixture
def well(tmp_path: Path) -> StudyAnalysis:
    """A study of two rows that gives no cause for the warnings under test."""
    return tiny(tmp_path, [{}, {"dropout": 0.5}])


def test_what_the_papers_table_gives_cause_for(paper: StudyAnalysis):
    """The published numbers, as if measured, give exactly these warnings, the weightier ones first."""
    assert codes(paper) == [
        "SINGLE_SEED", "NOT_ESTIMABLE", "BATCH_CONFOUNDED", "INCOMPLETE_GRID", "UNBALANCED", "BOUNDARY", "IMBALANCE",
        "PUBLISHED_F1", "PUBLISHED_ODD", "F1_UNDEFINED_AVERAGE", "IMPORTANCE_SUPPRESSED",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "fact", "rows"),
    [
        ("SINGLE_SEED", "Rows 1 to 9 were trained with one seed.", tuple(range(1, 10))),
        (
            "NOT_ESTIMABLE",
            "3 of 6 interactions cannot be estimated: "
            "batch size with fc units (no runs with batch size 128 and fc units 8192), "
            "learning rate with epochs (no runs with learning rate 1e-3 and epochs 100) and "
            "learning rate with fc units (no runs with learning rate 1e-3 and fc units 8192).",
            (),
        ),
        ("INCOMPLETE_GRID", "The grid has 9 of the 24 combinations of its levels.", ()),
        (
            "UNBALANCED",
            "Levels occur in unequal numbers of rows: batch size (256: 6, 128: 3), learning rate (1e-4: 7, 1e-3: 2), "
            "epochs (10: 6, 100: 3) and fc units (4096: 6, 2048: 1, 8192: 2).",
            (),
        ),
        ("BATCH_CONFOUNDED", "In 10 epochs, batch size 128 makes 1,700 updates, and batch size 256 makes 850.", ()),
        (
            "BOUNDARY",
            "Row 5, the selected one, is at the edge of the levels that were tried: batch size 256 (highest), "
            "learning rate 1e-4 (lowest) and epochs 100 (highest).",
            (5,),
        ),
        ("IMBALANCE", "Of 5,431 test images, 1,593 are happiness (29.3%) and 334 surprise (6.1%).", ()),
        (
            "PUBLISHED_F1",
            "The published F1 exceeds the published accuracy by more than rounding allows in 2 rows: "
            "row 2 (F1 0.96, accuracy 0.94) and row 9 (F1 0.96, accuracy 0.934).",
            (2, 9),
        ),
        (
            "PUBLISHED_ODD",
            "Published: row 9 has train accuracy 0.9528 after 100 epochs; row 8, which is otherwise equal, has a "
            "higher one after 10 (0.9676).",
            (9,),
        ),
        (
            "F1_UNDEFINED_AVERAGE",
            "The average of the published F1 of rows 1 to 9 (macro, weighted or micro) is not stated; in rows 1 and "
            "3 to 8 it equals the published accuracy within rounding.",
            tuple(range(1, 10)),
        ),
        (
            "IMPORTANCE_SUPPRESSED",
            "9 combinations of levels have a result, fc units 2048 in 1 of them; importances of factors need 50 "
            "combinations, and 5 of each level.",
            (),
        ),
    ],
)
def test_what_is_said_of_the_papers_table(paper: StudyAnalysis, code: str, fact: str, rows: tuple[int, ...]):
    """Facts come with their numbers, and with the rows that they are about."""
    warning = say(paper, code)
    assert (warning.fact, warning.rows) == (fact, rows)


def test_a_study_without_flaws_is_not_blamed(tmp_path: Path):
    """A balanced, complete grid with five seeds, equal classes and no difference has little to answer for."""
    study = tiny(tmp_path, [{}, {"augment": "flip"}], seeds=(0, 1, 2, 3, 4))
    assert set(codes(study)) <= {"WITHIN_NOISE", "VAL_TEST_DISAGREE"}  # two rows that are equal


def test_each_warning_is_three_sentences(paper: StudyAnalysis):
    """Fact, consequence and remedy each begin with a capital or a command, and end with a full stop."""
    for caveat in warnings.find(paper, looks=2):
        for text in (caveat.fact, caveat.consequence, caveat.remedy):
            assert text[0].isupper() or text[0].isdigit() or text[0] == "`"
            assert text.endswith(".")
            assert "  " not in text


def test_each_code_is_given_once(paper: StudyAnalysis):
    """Similar warnings are one: a code names one line of warnings.json."""
    given = codes(paper, looks=3)
    assert len(given) == len(set(given))


def test_warnings_are_kept_for_programs(paper: StudyAnalysis):
    """warnings.json holds the fields of each warning, rows as a list."""
    written = warnings.as_json(warnings.find(paper))
    assert list(written[0]) == ["code", "fact", "consequence", "remedy", "rows", "grade"]
    assert {line["grade"] for line in written} == {"weakens", "note"}
    assert written[0]["rows"] == list(range(1, 10))


def test_before_a_selection_nothing_is_said_of_test(tmp_path: Path):
    """An unsealed study has warnings too, from validation alone."""
    study = tiny(tmp_path, [{}, {"dropout": 0.5}], [(0.9, 0.8, 0.1), (0.9, 0.4, 0.1)], seal=False)
    assert say(study, "BELOW_BASELINE").fact == (
        "Row 2 is no better in validation accuracy than always guessing class 0 (50.0%): 40.0%."
    )


def test_a_study_without_results_is_no_error(tmp_path: Path):
    """A study before its first run has warnings of its grid alone."""
    study = gathered(tmp_path, grid_of([{}, {"dropout": 0.5}]), {}, seal=False, support=EVEN, classes=("a", "b"))
    assert codes(study) == ["FAILED_ROWS"]
    assert say(study, "FAILED_ROWS").fact == "2 of 2 trials have no result (not run: rows 1 and 2)."


def _evidenced(study: StudyAnalysis, **changes: Any) -> StudyAnalysis:
    return replace(study, evidence=replace(study.evidence, **changes))


def test_one_seed(tmp_path: Path):
    """One seed is a warning, with the deviation of the reference's replicates; two seeds are none."""
    noise = Noise((0.5, 0.7, 0.6), Interval(0.6, 0.1, 1.0))
    study = tiny(tmp_path / "one")
    assert say(study, "SINGLE_SEED").fact == "Row 1 was trained with one seed."
    with_noise = replace(study, analysis=replace(study.analysis, noise=noise))
    assert "with 3 more seeds, has test accuracies from 50.0% to 70.0%." in say(with_noise, "SINGLE_SEED").fact
    assert "SINGLE_SEED" not in codes(tiny(tmp_path / "two", seeds=(0, 1)))


def _replicates(*right: int) -> Evidence:
    """Return the evidence of networks with so many of 100 images right."""
    predicted = np.array([[k >= n for k in range(100)] for n in right]).astype(np.int16)
    losses = np.zeros((len(right), 100))
    return synthetic.evidence("s", np.zeros(100, np.int16), tuple(range(len(right))), predicted, losses)


def test_noise_between_seeds(tmp_path: Path):
    """A significant difference below twice its standard error, from the deviation over seeds, is doubtful."""
    study = tiny(tmp_path, [{}, {"dropout": 0.5}], [(0.9, 0.9, 0.9), (0.9, 0.9, 0.7)])
    noisy = say(_evidenced(study, replicates=_replicates(70, 90)), "SEED_NOISE")  # standard deviation 14.14
    assert noisy.fact == (
        "Between seeds, test accuracy has a standard deviation of 14.14 pp; 1 of 1 significant difference over "
        "images is below twice the standard error that the seeds give it, the smallest 20.00 pp (rows 1 and 2, "
        "standard error 20.00 pp)."
    )
    assert noisy.rows == (1, 2)
    assert "SEED_NOISE" not in codes(_evidenced(study, replicates=_replicates(80, 90)))  # 7.07
    assert "SEED_NOISE" not in codes(study)


def _stable(study: StudyAnalysis, share: float, alike: tuple[int, ...], cheapest: int) -> StudyAnalysis:
    stability = Stability({1: share, 2: 1 - share}, alike, cheapest, 0.9, 0.88)
    return replace(study, analysis=replace(study.analysis, stability=stability))


def test_a_choice_within_noise(well: StudyAnalysis):
    """Rows that validation does not tell apart are named, with the cheapest; so is a choice that is unsure."""
    alike = say(_stable(well, 0.7, (1, 2), 2), "WITHIN_NOISE")
    assert alike.fact == (
        "Row 1 was selected; it is best in 70.0% of bootstrap samples of the validation images; on validation, row 2 "
        "does not differ significantly from it."
    )
    assert "90.0% is 88.0% when corrected" in alike.consequence
    assert alike.remedy == "Do not call one of these rows better than another; row 2 is the cheapest of them."
    alone = say(_stable(well, 0.89, (1,), 1), "WITHIN_NOISE")
    assert alone.fact.endswith("images.")
    assert alone.rows == (1,)
    assert "WITHIN_NOISE" not in codes(_stable(well, 0.9, (1,), 1))


def _sealed(study: StudyAnalysis, **changes: Any) -> StudyAnalysis:
    assert study.sealed
    return replace(study, sealed=study.sealed.model_copy(update=changes))


def test_selection_on_test(well: StudyAnalysis):
    """A selection by a test metric is a warning."""
    assert codes(_sealed(well, metric="test_macro_f1"))[0] == "SELECTED_ON_TEST"
    fact = say(_sealed(well, metric="test_macro_f1"), "SELECTED_ON_TEST").fact
    assert fact == "Row 1 was selected by its test macro-F1, out of 2 rows."
    assert "SELECTED_ON_TEST" not in codes(well)


def test_a_study_that_grew_after_test_was_seen(well: StudyAnalysis):
    """A selection that replaces others is a warning with the earlier ones."""
    trials = [well.record.trial_key(t) for t in well.record.grid.seeded(2)]
    earlier = [
        {"trials": trials_of_seal, "metric": well.sealed.metric} for trials_of_seal in (trials, trials, ["no trial's"])
    ]
    warning = say(_sealed(well, earlier=tuple(earlier)), "TEST_OPENED_BEFORE_SELECTION")
    assert warning.fact == (
        "Test results were seen with row 2 and a row that is gone selected, and the study's trials have changed since; "
        "row 1 is selected now."
    )
    other = _sealed(well, earlier=({"row": 2, "trials": trials, "metric": "val_loss"},))
    assert "and the rule was changed since" in say(other, "TEST_OPENED_BEFORE_SELECTION").fact
    assert "TEST_OPENED_BEFORE_SELECTION" not in codes(well)


def test_test_puts_another_row_first(tmp_path: Path):
    """The row that test would have chosen is named with the selected one; where both agree, as in the paper, none
    is."""
    rows = [{}, {"dropout": 0.5}, {"dropout": 0.75}]
    study = tiny(tmp_path / "a", rows, [(0.9, 0.9, 0.8), (0.9, 0.85, 0.85), (0.9, 0.3, 0.3)])
    warning = say(study, "VAL_TEST_DISAGREE")
    assert "row 2 by test accuracy (85.00%, row 1 has 80.00%)" in warning.fact
    assert "on test, row 2 does not differ significantly from row 1" in warning.fact
    assert warning.rows == (1, 2)
    agreed = tiny(tmp_path / "b", rows, [(0.9, 0.9, 0.9), (0.9, 0.85, 0.8), (0.9, 0.3, 0.3)])
    assert "VAL_TEST_DISAGREE" not in codes(agreed)


def test_other_studies_saw_the_test_set(well: StudyAnalysis):
    """Looks at the same test images are counted."""
    assert say(well, "REUSED_TEST", 2).fact == "1 other study of this workspace has used the same test images."
    assert say(well, "REUSED_TEST", 4).fact == "3 other studies of this workspace have used the same test images."
    assert "REUSED_TEST" not in codes(well, 1)


def test_published_numbers_of_other_data(tmp_path: Path):
    """The warning for demo data says what can be compared with the paper: ranks and signs."""
    published = tuple({"test_accuracy": Decimal(x)} for x in ("0.9", "0.8"))
    rows, measured = [{}, {"dropout": 0.5}], [(0.9, 0.9, 0.7), (0.9, 0.9, 0.5)]
    warning = say(tiny(tmp_path / "a", rows, measured, data="demo", published=published), "OTHER_DATA")
    assert warning.fact.endswith("drawn faces replace the published data.")
    assert warning.consequence.endswith("be compared: 1 of 1 one-factor contrast with the published sign.")
    stated = tiny(tmp_path / "b", rows, measured, published=published, published_test_images=120)
    assert "OTHER_DATA" not in codes(stated)


def test_replaced_weights_and_images_left_out(well: StudyAnalysis):
    """Replaced weights and images that were left out are named with their number and their rows."""
    assert not {"WEIGHTS_REPLACED", "LEFT_OUT"} & set(codes(well))
    weights = {"vgg16/imagenet": Weights(level="imagenet", source="random", digest="d")}
    assert say(recorded(well, weights=weights), "WEIGHTS_REPLACED").fact == (
        "Rows 1 and 2 use random weights: the ImageNet weights of vgg16 were not available."
    )
    chosen = {"vgg16/imagenet": Weights(level="random", source="random", digest="d")}
    assert "WEIGHTS_REPLACED" not in codes(recorded(well, weights=chosen))
    assert say(recorded(well, left_out=("a.png",)), "LEFT_OUT").fact == (
        "1 image was left out because it could not be decoded."
    )


def test_rows_that_failed(tmp_path: Path):
    """Failed trials are counted by their outcome; a row with some seeds left is named as such."""
    study = tiny(tmp_path, [{}, {"dropout": 0.5}], seeds=(0, 1))
    assert "FAILED_ROWS" not in codes(study)
    lost = {t: Result(Status.DIVERGED, 10) if (t.row, t.seed) == (2, 1) else r for t, r in study.results.items()}
    warning = say(replace(study, results=lost), "FAILED_ROWS")
    assert warning.fact == "1 of 4 trials has no result (diverged: row 2). Row 2 has results for fewer seeds."
    assert "--retry diverged" in warning.remedy
    assert warning.rows == (2,)


def test_rows_trained_in_other_environments(well: StudyAnalysis):
    """Entries that differ are named with their values; host and Python change no bits."""
    same = {"host": "a", "threads": 2, "tensorflow": "2.19", "device": "cpu"}
    one = resulted(well, 1, environment=same)
    assert "MIXED_ENVIRONMENT" not in codes(resulted(one, 2, environment=same | {"host": "b", "python": "3.12"}))
    warning = say(resulted(one, 2, environment=same | {"threads": 4}), "MIXED_ENVIRONMENT")
    assert warning.fact == (
        "The trials ran in 2 environments, which differ in threads (2, 4); row 2 was not trained in the most frequent "
        "one."
    )


def test_training_on_a_gpu(well: StudyAnalysis):
    """A GPU gives other last bits each time, a CPU does not, and a GPU with op determinism neither."""
    warning = say(resulted(well, 2, environment={"device": "NVIDIA H100"}), "NONDETERMINISTIC")
    assert warning.fact == "Row 2 was trained on a GPU (NVIDIA H100) without op determinism."
    assert "NONDETERMINISTIC" not in codes(resulted(well, 2, environment={"device": "cpu"}))
    sound = {"device": "NVIDIA H100", "deterministic": True}
    assert "NONDETERMINISTIC" not in codes(resulted(well, 2, environment=sound))


def test_an_incomplete_grid(tmp_path: Path):
    """A full product of the levels is complete and balanced, and all of it can be estimated; three of its four rows
    are none of that."""
    rows = [{"dropout": d, "augment": a} for d in (0.25, 0.5) for a in ("none", "flip")]
    about_design = {"INCOMPLETE_GRID", "UNBALANCED", "NOT_ESTIMABLE", "SATURATED"}
    assert not about_design & set(codes(tiny(tmp_path / "full", rows)))
    part = tiny(tmp_path / "part", rows[:3])
    assert about_design <= set(codes(part))
    assert say(part, "INCOMPLETE_GRID").fact == "The grid has 3 of the 4 combinations of its levels."
    assert (
        say(part, "SATURATED").fact
        == "A model of main effects has 3 parameters for 3 rows: no degree of freedom is left for the error."
    )
    assert say(part, "NOT_ESTIMABLE").fact == (
        "1 of 1 interaction cannot be estimated: dropout with augment (no runs with dropout 0.5 and augment flip)."
    )


def test_factors_that_vary_together(tmp_path: Path):
    """Effects of factors that never vary apart are named as such."""
    rows = [{}, {"dropout": 0.5, "augment": "flip"}, {"fc_units": 64}]
    warning = say(tiny(tmp_path, rows), "NOT_ESTIMABLE")
    assert warning.fact.startswith(
        "2 of 3 main effects and 3 of 3 interactions cannot be estimated: dropout (its levels "
    )
    assert "fc units (its" not in warning.fact


def test_the_edge_of_what_was_tried(tmp_path: Path):
    """The best row's level is at an edge where nothing was tried beyond, and where more exists; words have no edges."""
    rows = [{"dropout": d} for d in (0.0, 0.25, 0.5)]

    def best(name: str, row: int) -> StudyAnalysis:
        accuracy = [(0.9, 0.9 if n == row else 0.5, 0.9) for n in (1, 2, 3)]
        return tiny(tmp_path / name, rows, accuracy)

    assert say(best("high", 3), "BOUNDARY").remedy.startswith("Try dropout above 0.5, or")
    assert "BOUNDARY" not in codes(best("middle", 2))
    assert "BOUNDARY" not in codes(best("none", 1))  # there is no dropout below 0
    assert "BOUNDARY" not in codes(tiny(tmp_path / "words", [{}, {"augment": "flip"}]))
    assert "BOUNDARY" not in codes(tiny(tmp_path / "parts", rows[1:], labels=("full", "more dropout")))


def test_batch_size_at_equal_epochs(tmp_path: Path):
    """Batches of 16 and 32 at equal epochs make other numbers of updates."""
    rows = [{"batch_size": 32}, {"batch_size": 16}]  # 480 train images
    assert say(tiny(tmp_path / "a", rows), "BATCH_CONFOUNDED").fact == (
        "In 10 epochs, batch size 16 makes 300 updates, and batch size 32 makes 150."
    )
    assert "BATCH_CONFOUNDED" not in codes(tiny(tmp_path / "b", [{"batch_size": 32}, {"batch_size": 32, "epochs": 5}]))


def test_importances_need_trials(tmp_path: Path):
    """Fifty combinations of levels, five of each level, are enough; seeds and replicates add none."""
    rows = [{"dropout": d, "augment": a} for d in (0.25, 0.5) for a in ("none", "flip")]
    repeated = tiny(tmp_path / "few", rows, seeds=tuple(range(13)), support=(20, 20))
    assert say(repeated, "IMPORTANCE_SUPPRESSED").fact == (
        "4 combinations of levels have a result (52 trials: seeds do not count), dropout 0.25 in 2 of them; "
        "importances of factors need 50 combinations, and 5 of each level."
    )
    grid = grid_of([{"dropout": d / 100, "fc_units": u} for d in range(10) for u in range(1, 6)])
    assert study_statistics.can_weigh(repeated.record.model_copy(update={"grid": grid}), list(grid.trials()))
    assert not study_statistics.can_weigh(repeated.record.model_copy(update={"grid": grid}), list(grid.trials())[1:])


def test_the_gap_between_train_and_validation(tmp_path: Path):
    """A gap of more than 20 points is a warning, with the row that has the largest."""
    rows = [{"dropout": d} for d in (0.25, 0.3, 0.4)]
    warning = say(tiny(tmp_path, rows, [(0.9, 0.65, 0.6), (0.95, 0.6, 0.6), (0.8, 0.65, 0.6)]), "OVERFIT_GAP")
    assert warning.fact == (
        "In rows 1 and 2 train accuracy is more than 20.0 pp above validation accuracy (row 2 the most, 35.0 pp)."
    )
    assert warning.rows == (1, 2)


def test_validation_loss_that_rises(well: StudyAnalysis):
    """A rise of more than five percent above the minimum is overfitting while train loss falls; otherwise it is not."""
    accuracy, rising, falling = [0.9] * 4, [1.0, 0.5, 0.52, 0.6], [1.0, 0.5, 0.3, 0.2]
    warning = say(curved(well, 2, accuracy, rising, falling), "OVERFIT_CURVE")
    assert "In row 2 validation loss rises" in warning.fact
    assert "(row 2: by 20.0% since epoch 2)" in warning.fact
    for others in ((rising, rising), ([1.0, 0.5, 0.5, 0.52], falling)):
        assert "OVERFIT_CURVE" not in codes(curved(well, 2, accuracy, *others))


def test_a_curve_that_still_rises(well: StudyAnalysis):
    """A rise beyond the sampling error of 120 images is a warning; a flat end is none."""
    warning = say(curved(well, 2, [0.5, 0.6, 0.7, 0.8]), "STILL_IMPROVING")
    assert "(row 2: by 20.0 pp over the last 3 epochs; sampling error 3.7 pp)" in warning.fact
    assert "STILL_IMPROVING" not in codes(curved(well, 2, [0.5, 0.8, 0.81, 0.82]))


def test_a_curve_that_is_flat_early(well: StudyAnalysis):
    """A plateau before half of the epochs is said; curves of few epochs say nothing."""
    early = curved(well, 2, [0.5, 0.7, *[0.9] * 8])
    assert "(row 2: at epoch 3 of 10)" in say(early, "SATURATED_EARLY").fact
    assert say(early, "SATURATED_EARLY").rows[-1] == 2
    for other in ([0.5, 0.6, 0.7, 0.8, *[0.9] * 6], [0.5, *[0.9] * 5]):
        assert 2 not in _rows(curved(well, 2, other), "SATURATED_EARLY")


def _rows(study: StudyAnalysis, code: str) -> tuple[int, ...]:
    return next((c.rows for c in warnings.find(study) if c.code == code), ())


def test_the_luck_of_the_last_epoch(well: StudyAnalysis):
    """Jumps beyond the sampling error are luck; a steady rise is none."""
    warning = say(curved(well, 2, [0.9, 0.7, 0.9, 0.7, 0.9]), "LATE_VARIANCE")
    assert "row 2: standard deviation 12.6 pp, sampling error 2.8 pp" in warning.fact
    assert "LATE_VARIANCE" not in codes(curved(well, 2, [0.5, 0.6, 0.7, 0.8, 0.9]))


def test_classes_of_other_sizes(tmp_path: Path):
    """A class more than three times another's size, or with half more than its equal share, is said."""
    assert say(tiny(tmp_path / "ratio", support=(130, 140, 40)), "IMBALANCE").fact == (
        "Of 310 test images, 140 are class 1 (45.2%) and 40 class 2 (12.9%)."
    )
    assert "IMBALANCE" in codes(tiny(tmp_path / "share", support=(90, 40, 40)))
    assert "IMBALANCE" not in codes(tiny(tmp_path / "even", support=(60, 50, 40)))


def _apart(study: StudyAnalysis, row: int, **counts: tuple[int, ...]) -> StudyAnalysis:
    """Return the analysis with a row on images of its own."""
    rows = list(study.record.grid.rows)
    rows[row - 1] = rows[row - 1].replace(split="class")
    grid = study.record.grid.model_copy(update={"rows": tuple(rows)})
    level = study.record.inputs.counts["given"] | counts
    changed = recorded(study, grid=grid, counts=study.record.inputs.counts | {"class": level},
                       splits=study.record.inputs.splits | {"class": "other"})  # fmt: skip
    test = {r: replace(a, split="other") if r == row else a for r, a in study.test.items()}
    return _evidenced(changed, test=test)


def test_rows_on_other_images_have_another_baseline(tmp_path: Path):
    """Each row is below its own baseline; one number would be wrong for one of them."""
    accuracy = [(0.9, 0.9, 0.9), (0.9, 0.8, 0.5), (0.9, 0.8, 0.4)]
    study = tiny(tmp_path, [{"dropout": d} for d in (0.25, 0.3, 0.4)], accuracy)
    fact = say(_apart(study, 3, test=(20, 80)), "BELOW_BASELINE").fact
    assert fact.startswith("Rows 2 and 3 are no better in test accuracy than always guessing the largest class: row 3 ")


def test_a_model_has_the_rows_that_it_is_fitted_to(tmp_path: Path):
    """The model is fitted to the rows on the reference's images."""
    rows = [{}, {"dropout": 0.5}, {"batch_size": 32}, {"batch_size": 8}]
    study = tiny(tmp_path, rows, [(0.9, 0.9, 0.8)] * 4)
    assert say(_apart(study, 4), "SATURATED").fact.startswith("A model of main effects has 4 parameters for 3 rows")


def test_a_choice_by_test_is_not_said_to_be_validations(tmp_path: Path):
    """A choice by test has no warning of another row's lead on test."""
    rows = [{}, {"dropout": 0.5}, {"dropout": 0.75}]
    study = tiny(tmp_path, rows, [(0.9, 0.9, 0.8), (0.9, 0.85, 0.85), (0.9, 0.3, 0.3)])
    assert "VAL_TEST_DISAGREE" in codes(study)
    assert "VAL_TEST_DISAGREE" not in codes(_sealed(study, metric="test_accuracy"))
    assert say(study, "BOUNDARY").fact.startswith("Row 1, the selected one, is at the edge")


def test_rows_below_the_baseline(tmp_path: Path):
    """A row that is no better than the largest class is a warning, with both numbers."""
    accuracy = [(0.9, 0.9, 0.9), (0.9, 0.8, 0.5), (0.9, 0.8, 0.4)]
    study = tiny(tmp_path, [{"dropout": d} for d in (0.25, 0.3, 0.4)], accuracy)
    warning = say(study, "BELOW_BASELINE")
    assert warning.fact == (
        "Rows 2 and 3 are no better in test accuracy than always guessing class 0 (50.0%): row 3 the worst, 40.0%."
    )
    assert warning.rows == (2, 3)


def test_small_and_absent_classes(tmp_path: Path, well: StudyAnalysis):
    """Classes with fewer than thirty images are named, and those without any."""
    assert not {"SMALL_CLASS", "CLASS_ABSENT"} & set(codes(well))
    warning = say(tiny(tmp_path / "small", support=(30, 29)), "SMALL_CLASS")
    assert warning.fact == "Some classes have fewer than 30 images (validation: 29 class 1; test: 29 class 1)."
    counts = {"given": {"train": (240, 240), "val": (60, 60), "test": (120, 0)}}
    warning = say(recorded(well, counts=counts), "CLASS_ABSENT")
    assert warning.fact == "Some classes have no image: class 1 in test."
    assert "SMALL_CLASS" not in codes(recorded(well, counts=counts))


def test_a_class_that_is_never_predicted(well: StudyAnalysis):
    """A class that none of a row's networks predicts is named with the rows."""
    columns = well.test[2].columns
    silent = replace(well.test[2], columns={**columns, "predicted": np.zeros_like(columns["predicted"])})
    warning = say(_evidenced(well, test={**well.test, 2: silent}), "NEVER_PREDICTED")
    assert warning.fact == "1 class that occurs in test is never predicted: class 1 (by row 2)."
    assert warning.rows == (2,)
    assert "NEVER_PREDICTED" not in codes(well)


def _published(study: StudyAnalysis, *published: dict[str, str]) -> StudyAnalysis:
    record: Record = study.record
    numbers = tuple({k: Decimal(v) for k, v in p.items()} for p in published)
    return recorded(study, grid=record.grid.model_copy(update={"published": numbers}))


def test_rounding_explains_small_gaps_of_f1(well: StudyAnalysis):
    """Half a unit of the last digit of each is allowed, and no more; an F1 below accuracy is no wonder."""
    numbers = {"test_accuracy": "0.9450", "f1": "0.95"}
    assert "PUBLISHED_F1" not in codes(_published(well, numbers, {"test_accuracy": "0.95", "f1": "0.93"}))
    assert say(_published(well, {"test_accuracy": "0.9449", "f1": "0.95"}, {}), "PUBLISHED_F1").rows == (1,)
    assert not {"PUBLISHED_F1", "F1_UNDEFINED_AVERAGE"} & set(codes(well))


def test_longer_trainings_are_compared_with_equal_rows_alone(tmp_path: Path):
    """A published row is odd compared with a row that differs in epochs alone."""
    study = tiny(tmp_path, [{"epochs": 10}, {"epochs": 20}, {"epochs": 30, "dropout": 0.5}])
    better, worse = {"train_accuracy": "0.95"}, {"train_accuracy": "0.93"}
    assert say(_published(study, better, worse, worse), "PUBLISHED_ODD").rows == (2,)
    assert "PUBLISHED_ODD" not in codes(_published(study, worse, better, worse))


def test_studies_that_publish_other_numbers_of_one_row(well: StudyAnalysis):
    """Both are named with their values."""
    conflict = Conflict(2, "test_accuracy", (("heads", Decimal("0.9608")), ("paper", Decimal("0.94"))))
    warning = say(
        recorded(well, grid=well.record.grid.model_copy(update={"conflicts": (conflict,)})), "PUBLISHED_CONFLICT"
    )
    assert "row 2, test accuracy: 0.9608 in heads and 0.94 in paper" in warning.fact
    assert warning.rows == (2,)


def test_many_rows_are_counted_not_listed():
    """Runs of rows are written as such; many scattered rows are counted."""
    assert which([3]) == "row 3"
    assert which([9, 1, 2, 3, 4, 6, 7]) == "rows 1 to 4, 6, 7 and 9"
    assert which(range(1, 1001, 2)) == "500 rows"
    assert which([3, 4], "is", "are") == "rows 3 and 4 are"


@pytest.mark.parametrize(
    ("declared", "bounds"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 9}, (1, 9)),
        ({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 10}, (1, 9)),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, (0, 1)),
        ({"type": "number"}, (-math.inf, math.inf)),
    ],
)
def test_the_bounds_that_a_factor_declares(declared: dict[str, Any], bounds: tuple[float, float]):
    """No level is recommended beyond them."""
    assert factor_warnings._bounds(declared) == bounds


def test_true_and_false_are_no_range(tmp_path: Path):
    """A switch has no edge: only numbers are searched."""
    study = tiny(tmp_path, [{}, {"dropout": 0.5}])
    rows = tuple(row.replace(dropout=bool(n)) for n, row in enumerate(study.record.grid.rows))
    grid = study.record.grid.model_copy(update={"rows": rows})
    assert "BOUNDARY" not in codes(replace(study, record=study.record.model_copy(update={"grid": grid})))


def test_classes_of_another_experiment_are_counted_from_labels(tmp_path: Path):
    """Inputs that state classes alone have the same warnings: the numbers of examples are those of the labels."""
    accuracy = [(0.9, 0.9, 0.9), (0.9, 0.8, 0.5), (0.9, 0.8, 0.4)]
    study = tiny(tmp_path, [{"dropout": d} for d in (0.25, 0.3, 0.4)], accuracy, support=(20, 120))
    about = {"BELOW_BASELINE", "IMBALANCE", "SMALL_CLASS", "CLASS_ABSENT", "NEVER_PREDICTED"}
    plain = Inputs(classes=study.record.inputs.classes, sizes={"train": 280, "val": 140, "test": 140})
    other = replace(study, record=study.record.model_copy(update={"inputs": plain}))
    expected = {code: say(study, code).fact for code in about & set(codes(study))}
    assert expected.keys() >= {"BELOW_BASELINE", "IMBALANCE"}
    assert {code: say(other, code).fact for code in about & set(codes(other))} == expected


def test_a_published_training_without_epochs_is_compared_with_none(well: StudyAnalysis):
    """An experiment whose trainings have no epochs has no longer and shorter rows."""
    schema = well.record.grid.factors
    few = Schema(**dict(schema) | {"factors": tuple(f for f in schema.factors if f.name != "epochs")})
    grid = well.record.grid.model_copy(update={"factors": few, "published": ({"train_accuracy": Decimal("0.9")},) * 2})
    assert "PUBLISHED_ODD" not in codes(replace(well, record=well.record.model_copy(update={"grid": grid})))
