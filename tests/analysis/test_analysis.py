"""What is said of a study: on studies whose results are made up, so that it can be checked."""

import gc
import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ablation.analysis import selection, study_analysis, study_statistics
from ablation.analysis import selection_bootstrap as stability
from ablation.analysis.evidence import Evidence, StudyEvidence
from ablation.analysis.facts import Analysis, Inference, Sample
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.statistics import bootstrap, intervals, tests
from ablation.store.workspace import Workspace
from ablation.study import study_file
from ablation.study.grid import Grid

pytestmark = [pytest.mark.unit, pytest.mark.filterwarnings("error")]

SMALL = (60, 40, 100)
NAMES = ("a", "b", "c")
PAPER = study_file.read("paper").model_copy(update={"margin": 0.05})


def grid(folder: Path, text: str, **more: object) -> Grid:
    path = folder / "grid.toml"
    path.write_text(text)
    return study_file.read(str(path)).model_copy(update=more)


def gather(folder: Path, design: Grid, accuracy: dict[int, tuple[float, float, float]], seal: bool = True,
           lost: tuple[tuple[int, int], ...] = (), **more: object) -> StudyAnalysis:  # fmt: skip
    """Return the analysis of a made-up study; the trials (row, seed) in `lost` failed."""
    arguments = {"support": SMALL, "classes": NAMES} | more
    record = synthetic.study(folder / "runs", design, accuracy, **arguments)  # type: ignore[arg-type]
    place = Workspace(folder / "runs")
    results = {t: None if (t.row, t.seed) in lost else r for t, r in study_analysis.collect(place, record).items()}
    done = {t: r for t, r in study_analysis.done(results).items() if not design.is_replicate(t)}
    chosen = selection.select(place, record, done) if seal else None
    sealed = selection.seal(place.study(record.name), chosen) if chosen else None
    return study_analysis.gather(place, record, results, sealed)


def scored(analysis: StudyAnalysis, row: int) -> Sample:
    """Return the test scores of a row's networks by the primary measure."""
    sample = analysis.test[row].sample(analysis.record.primary)
    assert sample
    return sample


def published(design: Grid) -> dict[int, tuple[float, float, float]]:
    keys = ("train_accuracy", "val_accuracy", "test_accuracy")
    return {
        row: (float(values[keys[0]]), float(values[keys[1]]), float(values[keys[2]]))
        for row, values in enumerate(design.published, start=1)
    }


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> StudyAnalysis:
    """Return the analysis of the paper's nine rows, measured as the paper states."""
    design = study_file.read("paper")
    more = {"support": synthetic.SUPPORT, "classes": synthetic.CLASSES}
    return gather(tmp_path_factory.mktemp("paper"), design, published(design), **more)


def test_the_papers_row_five_is_selected_and_best(paper: StudyAnalysis):
    """Row 5 leads on validation and on test, and validation would select it again and again."""
    assert paper.sealed
    assert paper.sealed.row == 5
    analysis = paper.analysis
    assert max(analysis.rows, key=lambda r: analysis.rows[r].primary.value) == 5
    assert analysis.stability
    assert max(analysis.stability.shares, key=lambda r: analysis.stability.shares[r]) == 5
    assert sum(analysis.stability.shares.values()) == pytest.approx(1)
    assert analysis.stability.corrected < analysis.stability.value == pytest.approx(0.967, abs=1e-4)


def test_the_papers_differences(paper: StudyAnalysis):
    """Every row but the reference has one; it is the difference of the accuracies, and McNemar's p decides."""
    rows = paper.analysis.rows
    assert [r for r, facts in rows.items() if facts.delta is None] == [2]
    for row, facts in rows.items():
        if facts.delta:
            assert facts.delta.over == "examples"
            assert facts.delta.value.value == pytest.approx(facts.primary.value - rows[2].primary.value)
            assert facts.delta.against
            assert facts.delta.p == facts.delta.against.p <= facts.delta.p_holm
            assert facts.delta.p_exact is None
            macro_f1 = facts.delta.others["macro_f1"]
            assert macro_f1
            assert macro_f1.holds(macro_f1.value), row
            assert facts.not_different is (None if row == 5 else facts.not_different)
    assert rows[5].delta.p_holm < 0.001 < rows[1].delta.p_holm  # type: ignore[union-attr]
    assert rows[6].not_different is not None


def test_the_papers_contrasts_and_effects(paper: StudyAnalysis):
    """Twelve contrasts in a family of their own; every factor has an effect, with the pairs that speak for it."""
    analysis = paper.analysis
    assert len(analysis.contrasts) == 12
    adjusted = tests.holm([c.difference.p for c in analysis.contrasts])
    assert [c.difference.p_holm for c in analysis.contrasts] == adjusted
    effects = {(e.factor, e.levels): e for e in analysis.effects}
    assert list(effects) == [
        ("batch_size", (256, 128)), ("learning_rate", (1e-4, 1e-3)), ("epochs", (10, 100)),
        ("fc_units", (4096, 2048)), ("fc_units", (4096, 8192)),
    ]  # fmt: skip
    epochs = effects["epochs", (10, 100)]
    assert (epochs.pairs, epochs.up, epochs.down) == (3, 2, 1)
    assert epochs.main
    assert epochs.line_fit
    assert epochs.line_fit.value == pytest.approx(epochs.main.value)
    assert epochs.line_fit.high - epochs.line_fit.low > 2 * (epochs.main.high - epochs.main.low)
    interactions = [(i.factors, [s.rows for s, _ in i.squares]) for i in analysis.interactions if i.squares]
    assert interactions == [
        (("batch_size", "learning_rate"), [(2, 1, 3, 4)]),
        (("batch_size", "epochs"), [(2, 5, 3, 6)]),
        (("epochs", "fc_units"), [(2, 8, 5, 9)]),
    ]
    value = next(i.squares[0][1].value for i in analysis.interactions if i.factors == ("epochs", "fc_units"))
    assert value == pytest.approx(0.934 - 0.947 - 0.966 + 0.940, abs=1e-3)


def test_the_paper_is_reproduced(paper: StudyAnalysis):
    """Measured as published: no row differs, and ranks and signs agree."""
    reproduction = paper.reproduction
    assert reproduction
    assert {r.verdict for r in reproduction.rows} == {"≈"}
    assert reproduction.agreement.tau == pytest.approx(1.0)
    assert reproduction.agreement.same_signs == reproduction.agreement.signs


def test_what_the_papers_test_set_can_show(paper: StudyAnalysis):
    """Cochran's Q tells that rows differ; a difference of about a point can be seen."""
    assert paper.analysis.cochran is not None
    assert paper.analysis.cochran < 1e-6
    assert paper.analysis.detectable is not None
    assert 0.005 < paper.analysis.detectable < 0.02


FACTORIAL = "[factorial]\ndropout = [0.0, 0.25]\nepochs = [1, 3, 5]\n"
SIX = {r: (0.95, 0.80 + 0.01 * r, 0.80 + 0.01 * r) for r in range(1, 7)}


def test_from_three_seeds_on_everything_is_over_seeds(tmp_path: Path):
    """Intervals, p, F1 and equivalence are over the five seeds, and the exact p has its floor."""
    design = grid(tmp_path, FACTORIAL, seeds=(0, 1, 2, 3, 4), margin=0.01)
    study = gather(tmp_path, design, SIX, jitter=0.01)
    for row, facts in study.analysis.rows.items():
        accuracies = scored(study, row).values
        assert facts.primary.over_seeds == intervals.within(intervals.mean(accuracies), 0, 1)
        assert facts.n_seeds == 5
        if facts.delta:
            one = scored(study, design.reference).values
            assert facts.delta.over == "seeds"
            assert facts.delta.value == intervals.paired(one[None], accuracies[None])[0]
            assert [facts.delta.p] == tests.paired_p(one[None], accuracies[None])
            assert facts.delta.p_exact is not None
            assert facts.delta.p_exact >= 2 / 2**5
            assert facts.delta.against is None
            assert facts.delta.equivalent is not None
    assert {e.over for e in study.analysis.effects} == {"seeds"}
    assert study.analysis.cochran is None
    assert study.analysis.detectable is None


def test_two_seeds_are_compared_over_images(tmp_path: Path):
    """Two seeds are too few for statistics over seeds: interval and p are both over images."""
    study = gather(tmp_path, grid(tmp_path, FACTORIAL, seeds=(0, 1)), SIX, jitter=0.01)
    delta = study.analysis.rows[6].delta
    assert delta
    one, other = (scored(study, r).share[None] for r in (study.record.grid.reference, 6))
    assert delta.over == "examples"
    assert [delta.p] == tests.paired_p(one, other)
    assert delta.p_exact is None


def test_failed_seeds_are_left_out_on_both_sides(tmp_path: Path):
    """A row that lost two of five seeds is compared over the three that both have."""
    design = grid(tmp_path, FACTORIAL, seeds=(0, 1, 2, 3, 4))
    study = gather(tmp_path, design, SIX, jitter=0.01, lost=((6, 0), (6, 3), (5, 0), (5, 1), (5, 2), (5, 3)))
    reference, kept = scored(study, design.reference), scored(study, 6)
    assert kept.seeds == (1, 2, 4)
    delta, single = study.analysis.rows[6].delta, study.analysis.rows[5].delta
    assert delta
    assert delta.over == "seeds"
    assert delta.value.value == pytest.approx((kept.values - reference.values[[1, 2, 4]]).mean())
    assert single
    assert single.over == "examples"
    assert single.value.value == pytest.approx(scored(study, 5).values[0] - reference.values[4])
    assert single.against
    assert all(e.main for e in study.analysis.effects)


def test_a_row_without_a_result_is_not_there(tmp_path: Path):
    """A row without a result is in no table and no contrast; the other rows stay."""
    analysis = gather(tmp_path, grid(tmp_path, FACTORIAL), {r: a for r, a in SIX.items() if r != 4}).analysis
    assert set(analysis.rows) == {1, 2, 3, 5, 6}
    assert all(4 not in (c.pair.first, c.pair.second) for c in analysis.contrasts)
    assert len(analysis.contrasts) == 9 - 3


def test_without_the_reference_rows_are_still_contrasted(tmp_path: Path):
    """No row has a difference to a reference without a result; pairs and effects of the other rows stay."""
    design = grid(tmp_path, FACTORIAL)
    analysis = gather(tmp_path, design, {r: a for r, a in SIX.items() if r != design.reference}).analysis
    assert all(facts.delta is None for facts in analysis.rows.values())
    assert len(analysis.contrasts) == 9 - 3
    assert all(e.main for e in analysis.effects)


def test_nothing_is_said_of_test_before_a_selection(tmp_path: Path):
    """An unsealed study has an empty analysis, and so has one without any result."""
    for folder, accuracy, seal in ((tmp_path / "a", SIX, False), (tmp_path / "b", {}, True)):
        folder.mkdir()
        study = gather(folder, grid(folder, FACTORIAL), accuracy, seal)
        empty = Analysis({}, (), (), (), None, None, None, None, True, inference=Inference(legacy=True))
        assert study.analysis == empty
        assert study.reproduction is None


def test_identical_rows(tmp_path: Path):
    """Rows that got the same images right differ by 0 with p = 1, are alike, and tie for the selection."""
    study = gather(tmp_path, grid(tmp_path, FACTORIAL), SIX)
    same = dict.fromkeys(study.test, study.test[1])
    evidence = StudyEvidence(dict.fromkeys(same, 0.9), same, same, None)
    analysis = study_statistics.analyse(study.record, evidence, dict.fromkeys(same, 1), 5)
    assert all(c.difference.value.value == 0 and c.difference.p_holm == 1 for c in analysis.contrasts)
    assert all(facts.not_different for row, facts in analysis.rows.items() if row != 5)
    assert analysis.cochran is None
    assert analysis.detectable is None
    assert analysis.stability
    assert analysis.stability.not_different == (1, 2, 3, 4, 5, 6)
    assert analysis.stability.shares[analysis.stability.cheapest] == 1  # as the rule breaks ties
    assert all(e.main and e.main.value == pytest.approx(0) for e in analysis.effects)


def test_one_row(tmp_path: Path):
    """A single row has an accuracy and no comparison."""
    analysis = gather(tmp_path, grid(tmp_path, "[[rows]]\ndropout = 0.5\n"), {1: (0.9, 0.8, 0.85)}).analysis
    assert list(analysis.rows) == [1]
    assert analysis.rows[1].delta is None
    assert analysis.rows[1].gap == pytest.approx(0.1)
    assert (analysis.contrasts, analysis.effects, analysis.interactions, analysis.cochran) == ((), (), (), None)
    assert analysis.stability
    assert analysis.stability.shares == {1: 1.0}


def test_two_classes_and_a_perfect_row(tmp_path: Path):
    """A row without an error has bounds below 1, and none above."""
    accuracy = {r: (1.0, 0.9, 1.0 if r == 6 else 0.9) for r in SIX}
    design = grid(tmp_path, FACTORIAL, seeds=(0, 1, 2))
    analysis = gather(tmp_path, design, accuracy, support=(50, 30), classes=("no", "yes")).analysis
    accuracy, macro_f1 = analysis.rows[6].primary.over_examples, analysis.rows[6].others["macro_f1"].over_examples
    assert accuracy
    assert accuracy.low < 1 == accuracy.high
    assert macro_f1
    assert macro_f1.value == 1


def test_replicates_say_how_far_a_seed_moves_the_reference(tmp_path: Path):
    """Rows within the range are called so; replicates are no seeds of the reference."""
    design = grid(tmp_path, FACTORIAL, replicates=(7, 8, 9, 10))
    accuracy = dict.fromkeys(SIX, (0.9, 0.8, 0.8)) | {6: (0.9, 0.8, 0.99)}
    study = gather(tmp_path, design, accuracy, jitter=0.01)
    noise = study.analysis.noise
    assert noise
    assert len(noise.values) == 4
    assert study.test[design.reference].seeds == (0,)
    assert noise.range.value == pytest.approx(np.mean(noise.values))
    assert noise.range.low < min(noise.values)
    assert noise.range.high <= 1
    assert [r for r, f in study.analysis.rows.items() if not f.within_replicates] == [6]


SPLIT = '[factorial]\nsplit = ["given", "class"]\ndropout = [0.0, 0.25, 0.5]\n'


def test_rows_on_other_images_are_never_compared(tmp_path: Path):
    """Rows have differences, contrasts and effects on the reference's images alone where `split` is a factor."""
    design = grid(tmp_path, SPLIT, replicates=(7, 8))
    study = gather(tmp_path, design, SIX, jitter=0.01)
    others = [r for r in SIX if design.rows[r - 1].split == "class"]
    home = {r for r in SIX if r not in others}
    assert design.reference in home
    val, test = (
        {r: replace(a, split="other") if r in others else a for r, a in rows.items()}
        for rows in (study.val, study.test)
    )
    record = synthetic.changed(study.record, splits=study.record.inputs.splits | {"class": "other"})
    evidence = StudyEvidence(dict.fromkeys(SIX, 0.9), val, test, study.replicates)
    analysis = study_statistics.analyse(record, evidence, dict.fromkeys(SIX, 1), others[0])
    assert {r for r, f in analysis.rows.items() if f.delta} == home - {design.reference}
    assert {r for r, f in analysis.rows.items() if f.not_different is not None} == set(others[1:])
    assert {r for r, f in analysis.rows.items() if f.within_replicates is not None} == home
    assert {c.pair.factor for c in analysis.contrasts} == {"dropout"}
    assert all({c.pair.first, c.pair.second} <= home for c in analysis.contrasts)
    assert {e.factor for e in analysis.effects} == {"dropout"}
    assert analysis.interactions == ()
    assert analysis.stability
    assert set(analysis.stability.shares) == set(others)


def test_rows_that_agree_on_every_image_are_not_known_without_error(tmp_path: Path):
    """Effects and interactions have the width that contrasts have."""
    study = gather(tmp_path, grid(tmp_path, "[factorial]\ndropout = [0.0, 0.5]\nbatch_size = [64, 128]\n"),
                  dict.fromkeys(range(1, 5), (0.9, 0.8, 0.8)))  # fmt: skip
    same = dict.fromkeys(study.test, study.test[1])
    evidence = StudyEvidence(dict.fromkeys(same, 0.9), same, same, None)
    analysis = study_statistics.analyse(study.record, evidence, dict.fromkeys(same, 1), 1)
    intervals = [e.main for e in analysis.effects] + [i for pair in analysis.interactions for _, i in pair.squares]
    assert len(intervals) == 3
    assert all(i.low < 0 == i.value < i.high for i in intervals)
    assert all(e.up == e.down == 0 for e in analysis.effects)


def test_a_saturated_design_has_no_main_effects(tmp_path: Path):
    """A design of one at a time has as many effects as rows: its effects are without a line fit, and say why."""
    design = grid(tmp_path, "[one_at_a_time]\ndropout = [0.0, 0.5]\nbatch_size = [128]\n")
    effects = gather(tmp_path, design, {r: SIX[r] for r in range(1, 5)}).analysis.effects
    assert len(effects) == 3
    assert {(e.main, e.line_fit, e.reason) for e in effects} == {(None, None, "not estimable: as many effects as rows")}


def test_a_factor_that_moves_with_another_has_no_effect(tmp_path: Path):
    """Two factors that always change together cannot be separated; a third keeps its effect."""
    rows = "".join(
        f"[[rows]]\nbatch_size = {b}\nlearning_rate = {lr}\ndropout = {d}\n"
        for b, lr in ((256, 1e-4), (128, 1e-3)) for d in (0.0, 0.5)
    )  # fmt: skip
    effects = gather(tmp_path, grid(tmp_path, rows), {r: SIX[r] for r in range(1, 5)}).analysis.effects
    assert {e.factor: bool(e.main) for e in effects} == {"batch_size": False, "learning_rate": False, "dropout": True}
    assert {e.reason for e in effects if not e.main} == {
        "not estimable: its levels never vary apart from another factor's"
    }
    assert effects[-1].main
    assert effects[-1].main.value == pytest.approx(0.01, abs=0.003)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "weighted_f1", "micro_f1", "loss"])
def test_the_selection_is_sure_where_one_row_is_far_better(tmp_path: Path, metric: str):
    """A row ten points better is selected from every sample of the images, by any metric of selection."""
    design = grid(tmp_path, FACTORIAL, select_on=f"val_{metric}")
    stability = gather(tmp_path, design, SIX | {3: (0.99, 0.97, 0.97)}).analysis.stability
    assert stability
    assert stability.shares == {1: 0, 2: 0, 3: 1, 4: 0, 5: 0, 6: 0}
    assert stability.not_different == (3,)
    assert stability.corrected == pytest.approx(stability.value, abs=0.003)


def test_the_corrected_accuracy_is_free_of_the_winners_luck():
    """Twenty rows that all guess: the best of them looks better than a half, its corrected accuracy does not."""
    rng, n = np.random.default_rng(0), 400
    labels = np.zeros(n, np.int16)
    design = study_file.read("paper").model_copy(update={"select_on": "val_accuracy"})
    rows, looks, corrected = 20, [], []
    for _ in range(20):
        guesses = [rng.integers(0, 2, (1, n)).astype(np.int16) for _ in range(rows)]
        answers = [synthetic.evidence("i", labels, (0,), row, row.astype(np.float32)) for row in guesses]
        record = synthetic.record(design, "i", {"given": "i"})
        samples = [sample for row in answers if (sample := row.sample(record.primary))]
        looks.append(max(s.values[0] for s in samples))
        corrected.append(stability._resampled(samples, samples, lowest=False)[1])
    assert np.mean(looks) > 0.54
    assert np.mean(corrected) == pytest.approx(0.5, abs=0.03)


@settings(max_examples=40)
@given(st.data())
def test_tiny_studies_are_analysed(data: st.DataObject):
    """A few images, any answers of each row and few seeds: nothing warns, bounds are in order."""
    n, classes = data.draw(st.integers(2, 12)), 3
    labels = data.draw(arrays(np.int16, n, elements=st.integers(0, classes - 1)))
    test: dict[int, Evidence] = {}
    for row in data.draw(st.sets(st.integers(1, 9), min_size=1)):
        seeds = tuple(sorted(data.draw(st.sets(st.integers(0, 4), min_size=1))))
        predicted = data.draw(arrays(np.int16, (len(seeds), n), elements=st.integers(0, classes - 1)))
        test[row] = synthetic.evidence("i", labels, seeds, predicted, (predicted != labels).astype(np.float32))
    record = synthetic.record(PAPER, "i", {"given": "i"}, classes=NAMES)
    replicates, selected = data.draw(st.sampled_from(list(test.values()))), data.draw(st.sampled_from(sorted(test)))
    with pytest.MonkeyPatch.context() as few:  # samples: quick
        few.setattr(gc, "collect", lambda: 0)  # statsmodels does so in each call
        few.setattr(stability, "SAMPLES", 20)
        few.setattr(bootstrap, "draws", partial(bootstrap.draws, resamples=20))
        evidence = StudyEvidence(dict.fromkeys(test, 0.9), test, test, replicates)
        analysis = study_statistics.analyse(record, evidence, dict.fromkeys(test, 1), selected)
    for facts in analysis.rows.values():
        accuracy = facts.primary.over_examples
        assert accuracy
        if math.isnan(accuracy.low):  # no interval where all images have one share of right seeds
            assert len(set(test[facts.row].share(record.primary).tolist())) == 1
            continue
        assert 0 <= accuracy.low <= accuracy.value + 1e-12 <= accuracy.high + 2e-12 <= 1 + 2e-12
        assert facts.delta is None or facts.delta.p <= facts.delta.p_holm
    assert analysis.stability
    assert sum(analysis.stability.shares.values()) == pytest.approx(1)
    assert selected in analysis.stability.not_different
