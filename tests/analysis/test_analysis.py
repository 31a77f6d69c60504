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


def gather(folder: Path, found: Grid, accuracy: dict[int, tuple[float, float, float]], seal: bool = True,
           lost: tuple[tuple[int, int], ...] = (), **more: object) -> StudyAnalysis:  # fmt: skip
    """What is known of a made-up study; the trials (row, seed) in `lost` failed."""
    arguments = {"support": SMALL, "classes": NAMES} | more
    record = synthetic.study(folder / "runs", found, accuracy, **arguments)  # type: ignore[arg-type]
    place = Workspace(folder / "runs")
    results = {t: None if (t.row, t.seed) in lost else r for t, r in study_analysis.collect(place, record).items()}
    done = {t: r for t, r in study_analysis.done(results).items() if not found.is_replicate(t)}
    chosen = selection.select(place, record, done) if seal else None
    sealed = selection.seal(place.study(record.name), chosen) if chosen else None
    return study_analysis.gather(place, record, results, sealed)


def scored(said: StudyAnalysis, row: int) -> Sample:
    """What the networks of a row scored on test by the primary measure."""
    sample = said.test[row].sample(said.record.primary)
    assert sample
    return sample


def published(found: Grid) -> dict[int, tuple[float, float, float]]:
    keys = ("train_accuracy", "val_accuracy", "test_accuracy")
    return {
        row: (float(values[keys[0]]), float(values[keys[1]]), float(values[keys[2]]))
        for row, values in enumerate(found.published, start=1)
    }


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> StudyAnalysis:
    """The paper's nine rows, measured as it says."""
    found = study_file.read("paper")
    more = {"support": synthetic.SUPPORT, "classes": synthetic.CLASSES}
    return gather(tmp_path_factory.mktemp("paper"), found, published(found), **more)


def test_the_papers_row_five_is_selected_and_best(paper: StudyAnalysis):
    """Row 5 leads on validation and on test, and validation would select it again and again."""
    assert paper.sealed
    assert paper.sealed.row == 5
    said = paper.analysis
    assert max(said.rows, key=lambda r: said.rows[r].primary.value) == 5
    assert said.stability
    assert max(said.stability.shares, key=lambda r: said.stability.shares[r]) == 5
    assert sum(said.stability.shares.values()) == pytest.approx(1)
    assert said.stability.corrected < said.stability.value == pytest.approx(0.967, abs=1e-4)


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
    said = paper.analysis
    assert len(said.contrasts) == 12
    adjusted = tests.holm([c.difference.p for c in said.contrasts])
    assert [c.difference.p_holm for c in said.contrasts] == adjusted
    effects = {(e.factor, e.levels): e for e in said.effects}
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
    told = [(i.factors, [s.rows for s, _ in i.squares]) for i in said.interactions if i.squares]
    assert told == [
        (("batch_size", "learning_rate"), [(2, 1, 3, 4)]),
        (("batch_size", "epochs"), [(2, 5, 3, 6)]),
        (("epochs", "fc_units"), [(2, 8, 5, 9)]),
    ]
    value = next(i.squares[0][1].value for i in said.interactions if i.factors == ("epochs", "fc_units"))
    assert value == pytest.approx(0.934 - 0.947 - 0.966 + 0.940, abs=1e-3)


def test_the_paper_is_reproduced(paper: StudyAnalysis):
    """Measured as published: no row differs, and ranks and signs agree."""
    found = paper.reproduction
    assert found
    assert {r.verdict for r in found.rows} == {"≈"}
    assert found.agreement.tau == pytest.approx(1.0)
    assert found.agreement.same_signs == found.agreement.signs


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
    found = grid(tmp_path, FACTORIAL, seeds=(0, 1, 2, 3, 4), margin=0.01)
    said = gather(tmp_path, found, SIX, jitter=0.01)
    for row, facts in said.analysis.rows.items():
        accuracies = scored(said, row).values
        assert facts.primary.over_seeds == intervals.within(intervals.mean(accuracies), 0, 1)
        assert facts.n_seeds == 5
        if facts.delta:
            one = scored(said, found.reference).values
            assert facts.delta.over == "seeds"
            assert facts.delta.value == intervals.paired(one[None], accuracies[None])[0]
            assert [facts.delta.p] == tests.paired_p(one[None], accuracies[None])
            assert facts.delta.p_exact is not None
            assert facts.delta.p_exact >= 2 / 2**5
            assert facts.delta.against is None
            assert facts.delta.equivalent is not None
    assert {e.over for e in said.analysis.effects} == {"seeds"}
    assert said.analysis.cochran is None
    assert said.analysis.detectable is None


def test_two_seeds_are_compared_over_images(tmp_path: Path):
    """Two seeds say too little of seeds: interval and p are both over images."""
    said = gather(tmp_path, grid(tmp_path, FACTORIAL, seeds=(0, 1)), SIX, jitter=0.01)
    delta = said.analysis.rows[6].delta
    assert delta
    one, other = (scored(said, r).share[None] for r in (said.record.grid.reference, 6))
    assert delta.over == "examples"
    assert [delta.p] == tests.paired_p(one, other)
    assert delta.p_exact is None


def test_failed_seeds_are_left_out_on_both_sides(tmp_path: Path):
    """A row that lost two of five seeds is compared over the three that both have."""
    found = grid(tmp_path, FACTORIAL, seeds=(0, 1, 2, 3, 4))
    said = gather(tmp_path, found, SIX, jitter=0.01, lost=((6, 0), (6, 3), (5, 0), (5, 1), (5, 2), (5, 3)))
    reference, mine = scored(said, found.reference), scored(said, 6)
    assert mine.seeds == (1, 2, 4)
    delta, single = said.analysis.rows[6].delta, said.analysis.rows[5].delta
    assert delta
    assert delta.over == "seeds"
    assert delta.value.value == pytest.approx((mine.values - reference.values[[1, 2, 4]]).mean())
    assert single
    assert single.over == "examples"
    assert single.value.value == pytest.approx(scored(said, 5).values[0] - reference.values[4])
    assert single.against
    assert all(e.main for e in said.analysis.effects)


def test_a_row_without_a_result_is_not_there(tmp_path: Path):
    """Nor are its contrasts; the others stay."""
    said = gather(tmp_path, grid(tmp_path, FACTORIAL), {r: a for r, a in SIX.items() if r != 4}).analysis
    assert set(said.rows) == {1, 2, 3, 5, 6}
    assert all(4 not in (c.pair.first, c.pair.second) for c in said.contrasts)
    assert len(said.contrasts) == 9 - 3


def test_without_the_reference_rows_are_still_contrasted(tmp_path: Path):
    """No row has a difference to it, the pairs and effects of the others are what they are."""
    found = grid(tmp_path, FACTORIAL)
    said = gather(tmp_path, found, {r: a for r, a in SIX.items() if r != found.reference}).analysis
    assert all(facts.delta is None for facts in said.rows.values())
    assert len(said.contrasts) == 9 - 3
    assert all(e.main for e in said.effects)


def test_nothing_is_said_of_test_before_a_selection(tmp_path: Path):
    """An unsealed study has an empty analysis, and so has one without any result."""
    for folder, accuracy, seal in ((tmp_path / "a", SIX, False), (tmp_path / "b", {}, True)):
        folder.mkdir()
        said = gather(folder, grid(folder, FACTORIAL), accuracy, seal)
        empty = Analysis({}, (), (), (), None, None, None, None, True, inference=Inference(legacy=True))
        assert said.analysis == empty
        assert said.reproduction is None


def test_identical_rows(tmp_path: Path):
    """Rows that got the same images right differ by 0 with p = 1, are alike, and tie for the selection."""
    said = gather(tmp_path, grid(tmp_path, FACTORIAL), SIX)
    same = dict.fromkeys(said.test, said.test[1])
    evidence = StudyEvidence(dict.fromkeys(same, 0.9), same, same, None)
    found = study_statistics.analyse(said.record, evidence, dict.fromkeys(same, 1), 5)
    assert all(c.difference.value.value == 0 and c.difference.p_holm == 1 for c in found.contrasts)
    assert all(facts.not_different for row, facts in found.rows.items() if row != 5)
    assert found.cochran is None
    assert found.detectable is None
    assert found.stability
    assert found.stability.not_different == (1, 2, 3, 4, 5, 6)
    assert found.stability.shares[found.stability.cheapest] == 1  # as the rule breaks ties
    assert all(e.main and e.main.value == pytest.approx(0) for e in found.effects)


def test_one_row(tmp_path: Path):
    """It has an accuracy and nothing to be compared with."""
    said = gather(tmp_path, grid(tmp_path, "[[rows]]\ndropout = 0.5\n"), {1: (0.9, 0.8, 0.85)}).analysis
    assert list(said.rows) == [1]
    assert said.rows[1].delta is None
    assert said.rows[1].gap == pytest.approx(0.1)
    assert (said.contrasts, said.effects, said.interactions, said.cochran) == ((), (), (), None)
    assert said.stability
    assert said.stability.shares == {1: 1.0}


def test_two_classes_and_a_perfect_row(tmp_path: Path):
    """A row without an error has bounds below 1, and none above."""
    accuracy = {r: (1.0, 0.9, 1.0 if r == 6 else 0.9) for r in SIX}
    found = grid(tmp_path, FACTORIAL, seeds=(0, 1, 2))
    said = gather(tmp_path, found, accuracy, support=(50, 30), classes=("no", "yes")).analysis
    accuracy, macro_f1 = said.rows[6].primary.over_examples, said.rows[6].others["macro_f1"].over_examples
    assert accuracy
    assert accuracy.low < 1 == accuracy.high
    assert macro_f1
    assert macro_f1.value == 1


def test_replicates_say_how_far_a_seed_moves_the_reference(tmp_path: Path):
    """Rows within the range are called so; replicates are no seeds of the reference."""
    found = grid(tmp_path, FACTORIAL, replicates=(7, 8, 9, 10))
    accuracy = dict.fromkeys(SIX, (0.9, 0.8, 0.8)) | {6: (0.9, 0.8, 0.99)}
    said = gather(tmp_path, found, accuracy, jitter=0.01)
    noise = said.analysis.noise
    assert noise
    assert len(noise.values) == 4
    assert said.test[found.reference].seeds == (0,)
    assert noise.range.value == pytest.approx(np.mean(noise.values))
    assert noise.range.low < min(noise.values)
    assert noise.range.high <= 1
    assert [r for r, f in said.analysis.rows.items() if not f.within_replicates] == [6]


SPLIT = '[factorial]\nsplit = ["given", "class"]\ndropout = [0.0, 0.25, 0.5]\n'


def test_rows_on_other_images_are_never_compared(tmp_path: Path):
    """With `split` as a factor, rows have differences, contrasts and effects on the reference's images alone."""
    found = grid(tmp_path, SPLIT, replicates=(7, 8))
    said = gather(tmp_path, found, SIX, jitter=0.01)
    others = [r for r in SIX if found.rows[r - 1].split == "class"]
    home = {r for r in SIX if r not in others}
    assert found.reference in home
    val, test = (
        {r: replace(a, split="other") if r in others else a for r, a in rows.items()} for rows in (said.val, said.test)
    )
    record = synthetic.changed(said.record, splits=said.record.inputs.splits | {"class": "other"})
    evidence = StudyEvidence(dict.fromkeys(SIX, 0.9), val, test, said.replicates)
    told = study_statistics.analyse(record, evidence, dict.fromkeys(SIX, 1), others[0])
    assert {r for r, f in told.rows.items() if f.delta} == home - {found.reference}
    assert {r for r, f in told.rows.items() if f.not_different is not None} == set(others[1:])
    assert {r for r, f in told.rows.items() if f.within_replicates is not None} == home
    assert {c.pair.factor for c in told.contrasts} == {"dropout"}
    assert all({c.pair.first, c.pair.second} <= home for c in told.contrasts)
    assert {e.factor for e in told.effects} == {"dropout"}
    assert told.interactions == ()
    assert told.stability
    assert set(told.stability.shares) == set(others)


def test_rows_that_agree_on_every_image_are_not_known_without_error(tmp_path: Path):
    """Effects and interactions have the width that contrasts have."""
    said = gather(tmp_path, grid(tmp_path, "[factorial]\ndropout = [0.0, 0.5]\nbatch_size = [64, 128]\n"),
                  dict.fromkeys(range(1, 5), (0.9, 0.8, 0.8)))  # fmt: skip
    same = dict.fromkeys(said.test, said.test[1])
    evidence = StudyEvidence(dict.fromkeys(same, 0.9), same, same, None)
    found = study_statistics.analyse(said.record, evidence, dict.fromkeys(same, 1), 1)
    intervals = [e.main for e in found.effects] + [i for each in found.interactions for _, i in each.squares]
    assert len(intervals) == 3
    assert all(i.low < 0 == i.value < i.high for i in intervals)
    assert all(e.up == e.down == 0 for e in found.effects)


def test_a_saturated_design_has_no_main_effects(tmp_path: Path):
    """One at a time: as many effects as rows, and it is said so."""
    found = grid(tmp_path, "[one_at_a_time]\ndropout = [0.0, 0.5]\nbatch_size = [128]\n")
    effects = gather(tmp_path, found, {r: SIX[r] for r in range(1, 5)}).analysis.effects
    assert len(effects) == 3
    assert {(e.main, e.line_fit, e.reason) for e in effects} == {(None, None, "not estimable: as many effects as rows")}


def test_a_factor_that_moves_with_another_has_no_effect(tmp_path: Path):
    """Two factors that always change together cannot be told apart; a third keeps its effect."""
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
    """Whatever it is made on: a row ten points better is selected from every sample of the images."""
    found = grid(tmp_path, FACTORIAL, select_on=f"val_{metric}")
    stability = gather(tmp_path, found, SIX | {3: (0.99, 0.97, 0.97)}).analysis.stability
    assert stability
    assert stability.shares == {1: 0, 2: 0, 3: 1, 4: 0, 5: 0, 6: 0}
    assert stability.not_different == (3,)
    assert stability.corrected == pytest.approx(stability.value, abs=0.003)


def test_the_corrected_accuracy_is_free_of_the_winners_luck():
    """Twenty rows that all guess: the best of them looks better than a half, its corrected accuracy does not."""
    rng, n = np.random.default_rng(0), 400
    labels = np.zeros(n, np.int16)
    found = study_file.read("paper").model_copy(update={"select_on": "val_accuracy"})
    rows, looks, corrected = 20, [], []
    for _ in range(20):
        said = [rng.integers(0, 2, (1, n)).astype(np.int16) for _ in range(rows)]
        answers = [synthetic.evidence("i", labels, (0,), each, each.astype(np.float32)) for each in said]
        record = synthetic.record(found, "i", {"given": "i"})
        samples = [sample for each in answers if (sample := each.sample(record.primary))]
        looks.append(max(s.values[0] for s in samples))
        corrected.append(stability._resampled(samples, samples, lowest=False)[1])
    assert np.mean(looks) > 0.54
    assert np.mean(corrected) == pytest.approx(0.5, abs=0.03)


@settings(max_examples=40)
@given(st.data())
def test_tiny_studies_are_analysed(data: st.DataObject):
    """A few images, of which each row says anything, with few seeds: nothing warns, bounds are in order."""
    n, classes = data.draw(st.integers(2, 12)), 3
    labels = data.draw(arrays(np.int16, n, elements=st.integers(0, classes - 1)))
    test: dict[int, Evidence] = {}
    for row in data.draw(st.sets(st.integers(1, 9), min_size=1)):
        seeds = tuple(sorted(data.draw(st.sets(st.integers(0, 4), min_size=1))))
        said = data.draw(arrays(np.int16, (len(seeds), n), elements=st.integers(0, classes - 1)))
        test[row] = synthetic.evidence("i", labels, seeds, said, (said != labels).astype(np.float32))
    record = synthetic.record(PAPER, "i", {"given": "i"}, classes=NAMES)
    replicates, selected = data.draw(st.sampled_from(list(test.values()))), data.draw(st.sampled_from(sorted(test)))
    with pytest.MonkeyPatch.context() as few:  # samples: quick
        few.setattr(gc, "collect", lambda: 0)  # statsmodels does so in each call
        few.setattr(stability, "SAMPLES", 20)
        few.setattr(bootstrap, "draws", partial(bootstrap.draws, resamples=20))
        evidence = StudyEvidence(dict.fromkeys(test, 0.9), test, test, replicates)
        found = study_statistics.analyse(record, evidence, dict.fromkeys(test, 1), selected)
    for facts in found.rows.values():
        accuracy = facts.primary.over_examples
        assert accuracy
        if math.isnan(accuracy.low):  # no interval where all images have one share of right seeds
            assert len(set(test[facts.row].share(record.primary).tolist())) == 1
            continue
        assert 0 <= accuracy.low <= accuracy.value + 1e-12 <= accuracy.high + 2e-12 <= 1 + 2e-12
        assert facts.delta is None or facts.delta.p <= facts.delta.p_holm
    assert found.stability
    assert sum(found.stability.shares.values()) == pytest.approx(1)
    assert selected in found.stability.not_different
