"""Tables of the comparisons that a study file states, checked against plain scipy and statsmodels; stars and second
best rows."""

import csv
import io
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import synthetic
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from test_export import compiled, markdown_rows, pdflatex, tex_rows  # noqa: F401 (pdflatex is a fixture)

from ablation.analysis import selection, study_analysis, study_statistics
from ablation.analysis.evidence import StudyEvidence
from ablation.analysis.study_analysis import StudyAnalysis
from ablation.report.build import RenderOptions, Report, rebuild
from ablation.report.tables import comparisons, dataframes
from ablation.report.verify import check
from ablation.store import record as records
from ablation.store.workspace import Workspace
from ablation.study import study_file

SMALL = {"support": (60, 40, 100), "classes": ("a", "b", "c")}
TEXT = """
reference = 2
equivalence_margin = 0.02
[table]
marks = "stars"
second_best = true
[[rows]]
label = "small"
dropout = 0.0
[[rows]]
dropout = 0.1
[[rows]]
label = "long"
dropout = 0.1
epochs = 30
[[rows]]
dropout = 0.3
epochs = 30
[[compare]]
family = "all_pairs"
[[compare]]
rows = ["long", "small"]
[[compare]]
family = "reference"
rows = ["small", { dropout = 0.3 }]
"""
ACCURACY = {1: (0.9, 0.80, 0.60), 2: (0.9, 0.85, 0.70), 3: (0.9, 0.90, 0.80), 4: (0.9, 0.88, 0.90)}
PAIRS = [(1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)]


def place_of(folder: Path, text: str, accuracy: dict[int, tuple[float, float, float]], **more: object) -> Workspace:
    """A workspace with the study of `text`, its results made up and its test results open."""
    (folder / "mine.toml").write_text(text)
    seeds = more.pop("seeds", None)
    grid = study_file.read(str(folder / "mine.toml"), seeds=seeds)  # type: ignore[arg-type]
    return synthetic.sealed(folder / "runs", synthetic.study(folder / "runs", grid, accuracy, **(SMALL | more)))  # type: ignore[arg-type]


def analysed(folder: Path, text: str, accuracy: dict[int, tuple[float, float, float]], **more: object) -> StudyAnalysis:
    """Return the analysis of the study of `text`."""
    place = place_of(folder, text, accuracy, **more)
    record = records.need(place, "mine")
    return study_analysis.gather(place, record, study_analysis.collect(place, record), selection.read(place, record))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return place_of(tmp_path_factory.mktemp("comparisons"), TEXT, ACCURACY)


@pytest.fixture(scope="module")
def drawing(workspace: Workspace) -> Report:
    return rebuild(workspace, "mine", RenderOptions())


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def right(study: StudyAnalysis, row: int) -> np.ndarray:
    """Return which test images the first network of a row gets right, straight from its predictions."""
    return study.test[row].predicted[0] == study.test[row].labels


def discordant(study: StudyAnalysis, pair: tuple[int, int]) -> tuple[int, int]:
    one, other = (right(study, row) for row in pair)
    return int((one & ~other).sum()), int((other & ~one).sum())


def test_the_table_for_reviewers_counts_the_stated_comparisons(drawing: Report):
    """Each family with its number of tests."""
    text = drawing.files["tables/review.md"]
    assert "6 of comparisons 1, 1 of comparisons 2 and 2 of comparisons 3" in text


def test_each_family_is_corrected_on_its_own(drawing: Report):
    """p is the exact McNemar test, p (Holm) is Holm's over the family's own pairs, in the family's order."""
    written = lines(drawing.files["comparisons.csv"])
    families = {1: PAIRS, 2: [(3, 1)], 3: [(2, 1), (2, 4)]}
    assert [(int(c["family"]), int(c["from_row"]), int(c["to_row"])) for c in written] == [
        (family, *pair) for family, pairs in families.items() for pair in pairs
    ]
    for family, pairs in families.items():
        p = []
        for pair in pairs:
            only = discordant(drawing.study, pair)
            p.append(mcnemar([[0, only[0]], [only[1], 0]], exact=True).pvalue)
        own = [c for c in written if c["family"] == str(family)]
        assert [float(c["p"]) for c in own] == pytest.approx(p)
        assert [float(c["p_holm"]) for c in own] == pytest.approx(multipletests(p, method="holm")[1])
    of_six, alone = written[PAIRS.index((1, 3))], written[len(PAIRS)]  # the same two rows
    assert float(of_six["p_holm"]) > float(alone["p_holm"]) == float(alone["p"]) == float(of_six["p"])


def test_a_difference_is_the_second_row_minus_the_first(drawing: Report):
    """The interval is that of Bonett and Price (2012): paired t with two more examples, one that only each row gets
    right."""
    for c in lines(drawing.files["comparisons.csv"]):
        pair = int(c["from_row"]), int(c["to_row"])
        one, other = (right(drawing.study, row).astype(int) for row in pair)
        assert float(c["delta_test_accuracy_pp"]) == pytest.approx(100 * (other - one).mean())
        more = np.append(other - one, [1, -1])
        bounds = stats.t.interval(0.95, len(more) - 1, more.mean(), stats.sem(more))
        interval = [float(c[f"delta_test_accuracy_pp_{bound}"]) / 100 for bound in ("low", "high")]
        assert interval == pytest.approx(bounds)
        down, up = discordant(drawing.study, pair)
        assert (int(c["only_first_right"]), int(c["only_second_right"])) == (down, up)


def test_a_table_names_rows_levels_interval_test_and_family(drawing: Report):
    """One table a family, behind the ablation table."""
    assert list(drawing.tables)[:4] == ["ablation", "comparisons_1", "comparisons_2", "comparisons_3"]
    text = drawing.files["tables/comparisons_1.md"]
    assert "**Comparisons 1: All pairs of rows 1 to 4.**" in text
    assert markdown_rows(text)[1][:2] == ["1 (small) → 3 (long)", "Dropout 0 → 0.1; Epochs 10 → 30"]
    assert (
        "Second row minus first. Intervals: 95 %, Bonett-Price, paired over images, unadjusted. p: exact McNemar; Holm "
        "over the 6 comparisons of this family; each of the 3 families is corrected on its own. Interval and test may "
        "disagree near 5 %." in text
    )
    assert "Equivalent: within ±2 pp by two one-sided paired tests." in text
    assert "**Comparisons 2: Row 1 against row 3.**" in drawing.files["tables/comparisons_2.md"]
    assert "p: exact McNemar; the only test of this family; each" in drawing.files["tables/comparisons_2.md"]
    reference = "**Comparisons 3: Rows 1 and 4 against row 2, the reference.**"
    assert reference in drawing.files["tables/comparisons_3.md"]
    assert "comparisons_3" in drawing.files["report.html"]


def test_seeds_are_compared_by_the_t_test(tmp_path: Path):
    """The p of three seeds or more is that of the paired t test over seeds."""
    text = '[[rows]]\ndropout = 0.0\n[[rows]]\ndropout = 0.5\n[[compare]]\nfamily = "all_pairs"\n'
    study = analysed(tmp_path, text, {1: ACCURACY[1], 2: ACCURACY[2]}, seeds=[0, 1, 2, 3], jitter=0.02)
    one, other = ((study.test[row].predicted == study.test[row].labels).mean(axis=1) for row in (1, 2))
    (family,) = study.analysis.families
    assert family.pairs[1, 2].p == pytest.approx(stats.ttest_rel(other, one).pvalue)
    (table,) = comparisons.comparisons(study)
    assert "Student's t, paired over seeds, unadjusted. p: paired t test over seeds; the only" in table.notes[0]


def test_many_pairs_are_cut_and_the_csv_file_has_them_all(tmp_path: Path):
    """66 pairs of 12 rows: 60 lines in the table, Holm over 66."""
    text = f'[factorial]\nepochs = {[*range(1, 13)]}\n[[compare]]\nfamily = "all_pairs"\n'
    study = analysed(tmp_path, text, dict.fromkeys(range(1, 13), ACCURACY[1]))
    (table,) = comparisons.comparisons(study)
    assert len(table.rows) == 60
    assert table.notes[0] == "The first 60 of 66; comparisons.csv has them all."
    assert "Holm over the 66 comparisons of this family. " in table.notes[1]
    frame = dataframes.comparisons(study.record, study.analysis.families)
    assert [*zip(frame.from_row, frame.to_row, strict=True)] == [*combinations(range(1, 13), 2)]


def test_rows_on_other_test_examples_are_in_no_test(drawing: Report):
    """The pair is in the table with the reason, not in the family that Holm counts, nor in the CSV file."""
    study = drawing.study
    test = {row: replace(e, split="other") if row == 4 else e for row, e in study.test.items()}
    evidence = StudyEvidence({}, study.val, test, None)
    analysis = study_statistics.analyse(study.record, evidence, dict.fromkeys(test, 1), 3)
    family = analysis.families[0]
    assert list(family.pairs) == [pair for pair in PAIRS if 4 not in pair]
    assert dict(family.untested) == dict.fromkeys([(1, 4), (2, 4), (3, 4)], "other test examples")
    expected = multipletests([d.p for d in family.pairs.values()], method="holm")[1]
    assert [d.p_holm for d in family.pairs.values()] == pytest.approx(expected)
    table = comparisons.comparisons(replace(study, analysis=analysis))[0]
    assert [row[2].value for row in table.rows[3:]] == ["other test examples"] * 3
    assert "Not paired, as the test images differ, and in no test: 1 → 4, 2 → 4 and 3 → 4." in table.notes
    assert len(dataframes.comparisons(study.record, [family])) == 3


def test_a_row_without_a_result_is_in_no_test(tmp_path: Path):
    """The pairs of a row without a result are named as such; the others are compared."""
    study = analysed(tmp_path, TEXT, {r: a for r, a in ACCURACY.items() if r != 4})
    table = comparisons.comparisons(study)[0]
    assert [row[2].value for row in table.rows[3:]] == ["no result"] * 3
    assert "Not compared, as a row has no result: 3 pairs." in table.notes
    assert "Holm over the 3 comparisons of this family" in table.notes[0]


def test_before_the_seal_nothing_is_compared(tmp_path: Path):
    """No family has a table or a line."""
    (tmp_path / "mine.toml").write_text(TEXT)
    record = synthetic.study(tmp_path, study_file.read(str(tmp_path / "mine.toml")), ACCURACY, **SMALL)  # type: ignore[arg-type]
    place = Workspace(tmp_path)
    study = study_analysis.gather(place, record, study_analysis.collect(place, record), None)
    assert (study.analysis.families, comparisons.comparisons(study)) == ((), [])


# ---- verify


@pytest.mark.parametrize("name", ["comparisons.csv", "tables/comparisons_1.md", "tables/comparisons_3.tex"])
def test_a_table_of_comparisons_is_verified(drawing: Report, workspace: Workspace, tmp_path: Path, name: str):
    """The cell with a wrong number is named, and no other."""
    path, text = tmp_path / Path(name).name, drawing.files[name]
    number = re.search(r"(?<=,)\d\.\d+(?=,)" if name.endswith("csv") else r"(?<=[\d ])\d\.\d(?=[$ ])", text)
    assert number
    path.write_text(text[: number.start()] + "7.7" + text[number.end() :])
    (mismatch,) = check(workspace, path).mismatches
    assert re.search(r"7\.7.* in the file", mismatch)


# ---- marks


def test_stars_follow_p_holm(drawing: Report):
    """Stars mark p (Holm) below 0.05, 0.01 and 0.001, behind p (Holm) alone, in all three tables; a note explains
    them."""
    for name in ("table", "tables/contrasts", "tables/comparisons_1"):
        text, tex = drawing.files[f"{name}.md"], drawing.files[f"{name}.tex"]
        assert r"\*, \*\*, \*\*\*: p (Holm) below 0.05, 0.01 and 0.001." in text
        assert "{*}, {*}{*}, {*}{*}{*}: p (Holm) below 0.05, 0.01 and 0.001." in tex
    first = [c for c in lines(drawing.files["comparisons.csv"]) if c["family"] == "1"]
    expected = ["*" * sum(float(c["p_holm"]) < level for level in (0.05, 0.01, 0.001)) for c in first]
    assert len(set(expected)) > 1
    assert [re.sub(r"[^*]", "", row[-2]) for row in markdown_rows(drawing.files["tables/comparisons_1.md"])] == expected
    stars = [(re.search(r"\$\^\{(\*+)\}\$$", row[-2]) or ["", ""])[1] for row in tex_rows(tex)]
    assert stars == expected
    assert all("*" not in row[-3] for row in markdown_rows(drawing.files["tables/comparisons_1.md"]))


def test_marks_of_the_command_replace_those_of_the_study(workspace: Workspace, tmp_path: Path):
    """`--marks symbols` draws no star, and verify draws a table as its file was drawn."""
    plain = rebuild(workspace, "mine", RenderOptions({"marks": "symbols"})).files
    assert "below 0.05" not in "".join(plain.values())
    assert not [row for row in markdown_rows(plain["table.md"]) if r"\*" in row[-1]]
    fragment = rebuild(workspace, "mine", RenderOptions({"form": "fragment"})).files["table.tex"]
    assert "$^{*" in fragment
    for name, text in (("plain.md", plain["table.md"]), ("stars.tex", fragment)):
        (tmp_path / name).write_text(text)
        assert check(workspace, tmp_path / name).mismatches == ()


def test_the_second_best_row_is_that_of_validation(drawing: Report):
    """Row 4 is second on validation, though first on test."""
    marks = [row[0].strip("*")[1:] for row in markdown_rows(drawing.files["table.md"])]
    assert ["◇" in mark for mark in marks] == [False, False, False, True]
    assert r"$^{\diamond" in drawing.files["table.tex"]
    assert "◇ second best validation accuracy; not a claim that it differs." in drawing.files["table.md"]


@pytest.mark.parametrize(
    ("text", "accuracy", "second"),
    [
        ("", {1: 0.8, 2: 0.9, 3: 0.85}, 3),
        ("", {1: 0.8, 2: 0.9, 3: 0.9}, 3),  # as good as the selected row, which comes first
        ("", {1: 0.85, 2: 0.9, 3: 0.85}, 1),  # a tie: the first row
        ('select_on = "val_loss"\n', {1: 0.8, 2: 0.9, 3: 0.85}, 3),  # lowest is best
        ("", {2: 0.9}, None),
    ],
)
def test_second_best_is_the_choice_without_the_selected_row(
    tmp_path: Path, text: str, accuracy: dict[int, float], second: int | None
):
    """The second best row is chosen by the selecting measure and the selection's own order of ties."""
    rows = f"{text}[table]\nsecond_best = true\n[factorial]\ndropout = [0.1, 0.2, 0.3]\n"
    study = analysed(tmp_path, rows, {r: (0.9, a, 0.7) for r, a in accuracy.items()})
    assert (study.selected, study.analysis.second_best) == (2, second)


def test_a_row_with_fewer_seeds_is_not_second(tmp_path: Path):
    """One lucky seed of three marks no row."""
    text = "[table]\nsecond_best = true\n[factorial]\ndropout = [0.1, 0.2, 0.3]\n"
    (tmp_path / "mine.toml").write_text(text)
    grid = study_file.read(str(tmp_path / "mine.toml"), seeds=[0, 1])
    accuracy = {1: (0.9, 0.8, 0.7), 2: (0.9, 0.9, 0.7), 3: (0.9, 0.85, 0.7)}
    record, place = synthetic.study(tmp_path, grid, accuracy, **SMALL), Workspace(tmp_path)  # type: ignore[arg-type]
    results = {t: None if (t.row, t.seed) == (3, 1) else r for t, r in study_analysis.collect(place, record).items()}
    sealed = selection.select(place, record, results)
    assert sealed
    assert study_analysis.gather(place, record, results, sealed).analysis.second_best == 1


def test_marked_tables_compile(pdflatex: str, tmp_path: Path, drawing: Report):  # noqa: F811
    """Stars, diamonds and arrows, with booktabs alone."""
    tables = [drawing.files[name] for name in ("table.tex", "tables/comparisons_1.tex", "tables/comparisons_2.tex")]
    log = compiled(pdflatex, tmp_path, *tables)
    assert "Missing character" not in log
    assert "Overfull" not in log
