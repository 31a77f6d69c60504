"""What a reviewer asks for: runs, what varied, what can be detected, other averages, the study file and its changes."""

import csv
import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic
from scipy import stats
from statsmodels.stats.power import TTestPower
from synthetic import sealed

from ablation.analysis import review as reviews
from ablation.errors import AblateError
from ablation.outcomes import Status
from ablation.report.build import RenderOptions, Report, rebuild
from ablation.store import result, study_history
from ablation.store.examples import Examples
from ablation.store.record import Record
from ablation.store.result import Result
from ablation.store.workspace import Workspace
from ablation.study import study_file
from ablation.study.grid import Grid, Trial
from ablation.study.study_file import StudyText

pytestmark = pytest.mark.unit

FACTORIAL = "[factorial]\ndropout = [0.0, 0.25]\nepochs = [1, 3]\n"
ACCURACY = {row: (0.95, 0.70 + 0.02 * row, 0.70 + 0.03 * row) for row in range(1, 5)}
TWO = {"support": (30, 30), "classes": ("a", "b")}


def grid(folder: Path, **more: Any) -> Grid:
    (folder / "g.toml").write_text(FACTORIAL)
    return study_file.read(str(folder / "g.toml")).model_copy(update=more)


def drawn(folder: Path, study: Grid, accuracy: Any = ACCURACY, **more: Any) -> Report:
    record = synthetic.study(folder, study, accuracy, **{**TWO, **more})
    return rebuild(sealed(folder, record), record.name, RenderOptions())


def accuracies(drawing: Report) -> dict[int, np.ndarray]:
    """Row -> test accuracy of each seed, as trials.csv has them."""
    lines = list(csv.DictReader(io.StringIO(drawing.files["trials.csv"])))
    return {row: np.array([float(line["test_accuracy"]) for line in lines if line["row"] == str(row)])
            for row in range(1, 5)}  # fmt: skip


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("five")
    return drawn(folder, grid(folder, seeds=(0, 1, 2, 3, 4)), jitter=0.05)


def test_differences_by_other_averages(five: Report):
    """The median, and the mean without each row's lowest seed, recomputed from trials.csv; signs are compared."""
    facts, values, reference = reviews.review(five.study), accuracies(five), five.study.record.grid.reference
    base = np.sort(values[reference])
    for row in facts.rows:
        if row.row == reference:
            assert row.difference is None
            continue
        ordered = np.sort(values[row.row])
        mean, median, without = (ordered.mean() - base.mean(), np.median(ordered) - np.median(base),
                                 ordered[1:].mean() - base[1:].mean())  # fmt: skip
        assert (row.difference, row.median, row.without_worst) == pytest.approx((mean, median, without))
        assert row.holds == (np.sign(mean) == np.sign(median) == np.sign(without))
        assert row.deviations == pytest.approx(mean / base.std(ddof=1))


def test_what_seeds_and_examples_can_show(five: Report):
    """The detectable difference is by statsmodels' t power from the rows' median deviation of paired differences."""
    facts, values, reference = reviews.review(five.study), accuracies(five), five.study.record.grid.reference
    deviation = np.median([(values[r] - values[reference]).std(ddof=1) for r in values if r != reference])
    effect = TTestPower().solve_power(nobs=5, alpha=0.05, power=0.8)
    assert facts.over_seeds
    assert facts.over_seeds.value == pytest.approx(effect * deviation, rel=1e-5)
    assert facts.over_examples
    assert facts.over_examples.n == 60
    text = five.files["tables/review.md"]
    assert f"one paired t test over 5 seeds finds with power 0.8: {100 * effect * deviation:.2f} pp" in text
    assert "Varied between replicates: initialisation of the head" in text
    assert "test images (the same for all seeds)" in text


def test_a_conclusion_that_hangs_on_one_seed_is_named(tmp_path: Path):
    """One lucky seed makes the mean; the median and the mean without each row's worst seed rank another row first."""
    values = {1: (5, 5.0, 5), 2: (5.2, 5.2, 5.2), 3: (4.9, 4.9, 9.0), 4: (4, 4.0, 4)}

    def scored(trial: Trial, split: str) -> Examples:
        return Examples({}, {"score": values[trial.row][trial.seed] + 0.01 * trial.seed})

    study = grid(tmp_path, seeds=(0, 1, 2), select_on="val_score", reference=1)
    record = synthetic.without_classes(synthetic.Scalars, study, {})
    synthetic.stated(tmp_path, record, scored)
    facts = reviews.review(concluded(tmp_path, record).study)
    expected = {reviews.MEAN: 3, reviews.MEDIAN: 2, reviews.WITHOUT_WORST: 3}
    assert facts.selected == facts.best == expected
    assert [row.holds for row in facts.rows] == [None, True, False, True]


def concluded(folder: Path, record: Record) -> Report:
    """A study of another kind of record, selected, sealed and drawn."""
    from ablation.analysis import selection, study_analysis  # noqa: PLC0415
    from ablation.report.build import build  # noqa: PLC0415

    place = Workspace(folder)
    results = study_analysis.collect(place, record)
    chosen = selection.seal(place.study(record.name), selection.select(place, record, results))
    return build(place, record, results, chosen, RenderOptions())


def test_replicates_give_the_unit_of_effects(tmp_path: Path):
    """The deviation of one seed a row is that of all trainings of the reference."""
    report = drawn(tmp_path, grid(tmp_path).replicated(3), jitter=0.03)
    facts = reviews.review(report.study)
    trials = list(csv.DictReader(io.StringIO(report.files["trials.csv"])))
    reference = str(report.study.record.grid.reference)
    values = [float(t["test_accuracy"]) for t in trials if t["row"] == reference]
    assert len(values) == 4
    assert facts.seed_deviation == pytest.approx(np.std(values, ddof=1))
    text = report.files["tables/review.md"]
    assert "over 4 trainings" in text
    assert "replicates of the reference: 3 of 3 done" in text
    assert "Median" not in text


def test_failed_runs_are_counted_and_attempts_change_no_other_file(tmp_path: Path):
    """Failures stand by outcome; how often a training was started is in the provenance alone."""
    record = synthetic.study(tmp_path, grid(tmp_path), {r: a for r, a in ACCURACY.items() if r != 4}, **TWO)
    trials = {trial.row: trial for trial in record.grid.trials()}
    folder = Workspace(tmp_path).training(record.training_key(trials[4]))
    result.write(folder, Result(Status.DIVERGED, 3, attempts=2))
    place = sealed(tmp_path, record)
    first = rebuild(place, record.name, RenderOptions())
    assert "All runs: 3 of 4 done, 1 diverged; in 2 trainings." in first.files["tables/review.md"]
    folder = place.training(record.training_key(trials[1]))
    stored = result.read(folder, trials[1].step)
    assert stored
    result.write(folder, replace(stored, attempts=7))
    second = rebuild(place, record.name, RenderOptions())
    assert first.undated == second.undated
    assert dict(lines(second))["trainings that were started more than once"] == "2"


def lines(drawing: Report) -> list[tuple[str, str]]:
    from ablation.report.tables.provenance import provenance  # noqa: PLC0415

    return [fact for chapter in provenance(drawing.study) for fact in chapter.facts]


def test_one_seed_says_what_it_cannot_say(tmp_path: Path):
    """One seed has no variation and no deviation of seeds, and the families of p values have their sizes."""
    text = drawn(tmp_path, grid(tmp_path)).files["tables/review.md"]
    assert "One training per row: nothing was varied between replicates." in text
    assert "over seeds: not computed" in text
    assert "3 differences from the reference, 4 one-factor contrasts and 3 comparisons with the selected row" in text
    assert "Cochran's Q is one test more" in text
    assert "Study file at the first run: not recorded." in text


def test_where_no_difference_can_be_found_the_tables_say_so(tmp_path: Path):
    """36 examples with 15 % discordance: the contrast table gives the largest power, not an impossible difference."""
    accuracy = {row: (0.95, 0.9, 0.72 + 0.03 * (row > 1)) for row in ACCURACY}
    report = drawn(tmp_path, grid(tmp_path, reference=1), accuracy, support=(18, 18))
    analysis = report.study.analysis
    discordant = np.median([facts.delta.against.only_a + facts.delta.against.only_b
                            for facts in analysis.rows.values() if facts.delta])  # fmt: skip
    assert analysis.detectable is None
    assert analysis.largest_power == pytest.approx(stats.binom.sf(5, 36, discordant / 36))
    for name in ("contrasts", "review"):
        text = report.files[f"tables/{name}.md"]
        assert "no difference can be found with power 0.8 at this size" in text
        assert f"one exact McNemar test has power {analysis.largest_power:.2f}" in text


# ---- the study file


def text(name: str, content: str) -> StudyText:
    return StudyText(name, hashlib.sha256(content.encode()).hexdigest(), content)


def test_the_study_file_of_the_first_run_and_its_changes(tmp_path: Path):
    """A line a change: the same file again adds none; keys that changed since are named, times are in the report."""
    record = synthetic.study(tmp_path, grid(tmp_path), {}, **TWO)
    folder = Workspace(tmp_path).study(record.name)
    folder.record.unlink()  # nothing was run yet
    study_history.note(folder, [text("g.toml", FACTORIAL)])
    study_history.note(folder, [text("g.toml", FACTORIAL)])
    for trial in record.grid.trials():
        labels = {s: record.inputs.labels(Workspace(tmp_path), s)(trial.condition) for s in ("val", "test")}
        hardness = {s: np.random.default_rng(1).normal(size=len(y)) for s, y in labels.items()}
        synthetic.write(Workspace(tmp_path), record, trial, ACCURACY[trial.row], labels, hardness, 0.0)
    record.write(folder)
    place = sealed(tmp_path, record)
    first = rebuild(place, record.name, RenderOptions())
    digest = hashlib.sha256(FACTORIAL.encode()).hexdigest()
    assert (
        f"Study file at the first run: g.toml (sha256 {digest[:16]}); unchanged since."
        in first.files["tables/review.md"]
    )
    now = FACTORIAL.replace("[1, 3]", "[1, 3, 5]")
    study_history.note(folder, [text("g.toml", f"seeds = [0, 1]\n{now}")])
    second = rebuild(place, record.name, RenderOptions())
    assert "changed since: factorial.epochs and seeds." in second.files["tables/review.md"]
    dated = [(name, value) for name, value in lines(second) if "study file" in name]
    versions = study_history.read(folder)
    assert [name for name, _ in dated] == [
        f"{versions[0].time}, study file of the first run", f"{versions[1].time}, changed study file",
    ]  # fmt: skip
    assert dated[1][1].endswith("; changed keys: factorial.epochs, seeds")
    assert dated[0][1] in second.files["report.html"]


def test_a_study_that_an_earlier_version_began_says_so(tmp_path: Path):
    """The first line of its history is of a later run."""
    record = synthetic.study(tmp_path, grid(tmp_path), ACCURACY, **TWO)
    study_history.note(Workspace(tmp_path).study(record.name), [text("g.toml", FACTORIAL)])
    report = rebuild(sealed(tmp_path, record), record.name, RenderOptions())
    assert "Study file, first recorded after the first run: g.toml" in report.files["tables/review.md"]


def test_comments_change_no_key(tmp_path: Path):
    """The digest differs, and no key does; keys of merged studies have the name of their file."""
    folder = Workspace(tmp_path).study("s")
    study_history.note(folder, [text("a.toml", "seeds = [0]\n"), text("b.toml", "seeds = [0]\n")])
    study_history.note(folder, [text("a.toml", "seeds = [0]  # one\n"), text("b.toml", "seeds = [0]\n")])
    study_history.note(folder, [text("a.toml", "seeds = [0]\n"), text("b.toml", "seeds = [1]\n")])
    one, two, three = study_history.read(folder)
    assert (one.is_first, two.is_first) == (True, False)
    assert study_history.changed_keys(one, two) == []
    assert study_history.changed_keys(one, three) == ["b.toml: seeds"]


@pytest.mark.parametrize(
    "content",
    ["", "{", '{"time": "now"}\n', '{"time": "t", "first": true, "files": [{}]}\n',
     '{"time": "t", "first": true, "files": [{"name": "a", "sha256": "b", "text": "="}]}\n'],
)  # fmt: skip
def test_a_broken_history_is_one_line(tmp_path: Path, content: str):
    """The error names the file; an empty file holds no run."""
    folder = Workspace(tmp_path).study("s")
    folder.path.mkdir()
    folder.study_files.write_text(content)
    if not content:
        assert study_history.read(folder) == ()
        return
    with pytest.raises(AblateError, match=r"study-files\.jsonl: this version cannot read it"):
        study_history.read(folder)


def test_the_texts_of_study_files_are_those_of_the_command(tmp_path: Path):
    """The digest is that of the file's bytes, as sha256sum prints it; merged studies have several."""
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbf" + FACTORIAL.encode())
    (text,) = study_file.texts(str(tmp_path / "a.toml"))
    assert (text.name, text.text) == ("a.toml", FACTORIAL)
    assert text.sha256 == hashlib.sha256((tmp_path / "a.toml").read_bytes()).hexdigest()
    assert [file.name for file in study_file.texts("heads,paper")] == ["heads.toml", "paper.toml"]
    assert json.dumps([vars(file) for file in study_file.texts("paper")])
