"""The tables of a study whose predictions are known: what they hold, and that they compile."""
# ruff: noqa: RUF001 (the signs are what this file is about)

import csv
import io
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from synthetic import SUPPORT, published, sealed, study
from test_export import compiled, markdown_rows, pdflatex, tex_rows  # noqa: F401 (pdflatex is a fixture)

from ablation.errors import AblateError
from ablation.outcomes import Status
from ablation.report.build import RenderOptions, Report, rebuild, rebuild_and_write
from ablation.report.tables import latex, per_class, provenance
from ablation.report.verify import check
from ablation.store.result import Result, read, write
from ablation.store.workspace import Workspace
from ablation.study import study_file
from ablation.trackers.optuna_importances import importances


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    """Write the paper's nine rows, with the published numbers as if they had been measured."""
    place, grid = tmp_path_factory.mktemp("paper"), study_file.read("paper")
    place_of_study = sealed(place, study(place, grid, published(grid)))
    rebuild_and_write(place_of_study, "paper", RenderOptions())
    return place_of_study


TENTH = tuple(n // 10 for n in SUPPORT)


@pytest.fixture(scope="module")
def tenth(tmp_path_factory) -> Workspace:
    """Write the same study with a tenth of the images: `verify` computes each table anew."""
    place, grid = tmp_path_factory.mktemp("tenth"), study_file.read("paper")
    workspace = sealed(place, study(place, grid, published(grid), support=TENTH))
    rebuild_and_write(workspace, "paper", RenderOptions())
    return workspace


@pytest.fixture(scope="module")
def drawing(workspace) -> Report:
    return rebuild(workspace, "paper", RenderOptions())


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_papers_table_speaks_for_itself(drawing):
    """Row 5 is best on validation and on test; row 2 is the hub; twelve contrasts; three interactions cannot."""
    text = drawing.files["table.md"]
    assert "° reference row (differs from rows 1, 3, 5, 7 and 8 in one factor)." in text
    assert "cannot be estimated: the interactions Batch × FC, LR × Epochs and LR × FC." in text
    rows = lines(drawing.files["table.csv"])
    assert [row["row"] for row in rows if row["selected"] == "True"] == ["5"]
    assert max(rows, key=lambda row: float(row["test_accuracy"]))["row"] == "5"
    assert len(lines(drawing.files["contrasts.csv"])) == 12
    pairs = {(c["factor"], frozenset((c["from_row"], c["to_row"]))) for c in lines(drawing.files["contrasts.csv"])}
    assert ("fc_units", frozenset("59")) in pairs
    codes = {caveat.code for caveat in drawing.warnings}
    assert {"PUBLISHED_F1", "NOT_ESTIMABLE", "SINGLE_SEED"} <= codes
    assert "VAL_TEST_DISAGREE" not in codes


def test_published_numbers_stand_beside_ours(drawing):
    """Published numbers have the digits of the source, a verdict a row, and the agreement of ranks and signs."""
    text = drawing.files["tables/reproduction.md"]
    assert markdown_rows(text)[3][:2] == ["4", "94"]
    assert markdown_rows(text)[2][:2] == ["3", "95.51"]
    assert [row[4] for row in markdown_rows(text)] == ["≈"] * 9
    ranks, signs = (note for note in drawing.tables["reproduction"].notes if note.startswith("Agreement of "))
    assert ranks == "Agreement of ranks: Kendall's tau-b 1.00 over 9 rows (p < 0.001)."
    assert signs.startswith(
        "Agreement of signs: 12 of 12 one-factor contrasts with the published sign. Of 12 published "
    )
    assert signs.endswith("on independent test sets of 5,431 images (the number that the source states).")


def test_cells_hold_intervals_and_differences(drawing):
    """Accuracy with its Wilson interval, the difference from the reference in points, p adjusted."""
    row = markdown_rows(drawing.files["table.md"])[2]
    assert row[7:] == ["95.5 [94.9, 96.0]", "94.7 [94.0, 95.4]", "+1.5 [+0.9, +2.1]", "<0.001"]
    cells = tex_rows(drawing.files["table.tex"])[2]
    assert cells[7:] == ["95.5", "{[}94.9, 96.0{]}", "94.7", "{[}94.0, 95.4{]}", "$+1.5$", "{[}$+0.9$, $+2.1${]}",
                         "$<0.001$"]  # fmt: skip
    assert markdown_rows(drawing.files["table.md"])[1][9:] == ["–", "–"]


def test_all_tables_compile(pdflatex, tmp_path, drawing):  # noqa: F811
    """No error, nothing that sticks out, with booktabs alone."""
    tables = [text for name, text in drawing.files.items() if name.endswith(".tex") and name != "macros.tex"]
    assert len(tables) == 8
    log = compiled(pdflatex, tmp_path, *tables)
    assert "Overfull" not in log
    assert "Missing character" not in log


@pytest.mark.parametrize("form", ["standalone", "fragment"])
def test_a_table_stands_alone_or_in_a_float_of_its_own(pdflatex, tmp_path, workspace, form):  # noqa: F811
    """--standalone compiles as it is; --fragment is a tabular for a float that the user writes."""
    text = rebuild(workspace, "paper", RenderOptions({"form": form})).files["table.tex"]
    if form == "fragment":
        assert "caption" not in text
        compiled(pdflatex, tmp_path, f"\\begin{{table}}\\tiny\n{text}\n\\end{{table}}")
        return
    (tmp_path / "t.tex").write_text(text)
    done = subprocess.run([pdflatex, "-interaction=nonstopmode", "-halt-on-error", "t.tex"], cwd=tmp_path,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stdout[-500:]


def test_numbers_for_prose(pdflatex, tmp_path, drawing):  # noqa: F811
    r"""\ablate{5.test_accuracy} prints it; a key that is not there is an error that names it."""
    macros = drawing.files["macros.tex"]
    page = "\\documentclass{article}\n%s\\begin{document}\n%s\n\\end{document}\n"
    (tmp_path / "good.tex").write_text(page % (macros, r"Row 5: \ablate{5.test_accuracy} (\ablate{5.p_holm})"))
    (tmp_path / "bad.tex").write_text(page % (macros, r"\ablate{5.typo}"))
    command = [pdflatex, "-interaction=nonstopmode", "-halt-on-error"]
    assert subprocess.run([*command, "good.tex"], cwd=tmp_path, capture_output=True).returncode == 0
    text = subprocess.run(["pdftotext", "good.pdf", "-"], cwd=tmp_path, capture_output=True, text=True).stdout
    assert "Row 5: 96.6 (< 0.001)" in text
    bad = subprocess.run([*command, "bad.tex"], cwd=tmp_path, capture_output=True, text=True)
    assert bad.returncode != 0
    assert "no number `5.typo'" in bad.stdout


def test_many_rows_break_over_pages(tmp_path, pdflatex):  # noqa: F811
    """A table of more than forty rows is a longtable."""
    text = "[fixed]\n[factorial]\ndropout = [0.0, 0.1, 0.2, 0.3, 0.4]\nbatch_size = [1, 2, 3, 4, 5, 6, 7, 8, 9]\n"
    (tmp_path / "many.toml").write_text(text)
    grid = study_file.read(str(tmp_path / "many.toml"))
    place = tmp_path / "runs"
    workspace = sealed(
        place, study(place, grid, dict.fromkeys(range(1, 46), (0.9, 0.5, 0.5)), support=(20, 30), classes=("a", "b"))
    )
    text_of_table = rebuild(workspace, "many", RenderOptions({"form": "standalone"})).files["table.tex"]
    assert "longtable" in text_of_table
    (tmp_path / "t.tex").write_text(text_of_table)
    done = subprocess.run([pdflatex, "-interaction=nonstopmode", "-halt-on-error", "t.tex"], cwd=tmp_path,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stdout[-800:]


def test_a_study_without_a_selection_is_drawn(tmp_path):
    """No test number is opened or shown, and nothing breaks."""
    grid = study_file.read("paper")
    study(tmp_path, grid, published(grid), support=TENTH)
    drawing = rebuild(Workspace(tmp_path), "paper", RenderOptions())
    assert {row["test_accuracy"] for row in lines(drawing.files["table.csv"])} == {""}
    assert lines(drawing.files["contrasts.csv"]) == []


def test_replicates_mark_what_a_seed_alone_does(tmp_path):
    """Rows within the range of the reference's replicates carry the symbol; replicates are no part of a row."""
    grid = study_file.read("paper").replicated(4)
    workspace = sealed(tmp_path, study(tmp_path, grid, published(grid), support=TENTH, jitter=0.01))
    drawing = rebuild(workspace, "paper", RenderOptions())
    rows = lines(drawing.files["table.csv"])
    assert {row["n_seeds"] for row in rows} == {"1"}
    assert any(row["within_replicates"] == "True" for row in rows)
    assert "‡ within the reference's range over seeds" in drawing.files["table.md"]
    assert [t["replicate"] for t in lines(drawing.files["trials.csv"])].count("True") == 4


def test_averages_are_over_the_classes_that_have_images():
    """A class without images has no recall in an average, as in balanced accuracy."""
    labels, predicted = np.array([0, 0, 1, 1, 1, 1]), np.array([0, 2, 1, 1, 1, 0])
    *_, macro, weighted = per_class._class_rows(labels, predicted, ("a", "b", "c"))
    assert macro[2].value == pytest.approx(balanced_accuracy_score(labels, predicted)) == 0.625
    assert macro[1:2] + weighted[1:2] == pytest.approx([(0.5 + 1) / 2, (2 * 0.5 + 4 * 1) / 6])
    assert weighted[2].value == pytest.approx(4 / 6)


def test_two_seeds_are_tested_over_images_and_say_so(tmp_path):
    """Notes name the test that was made."""
    grid = study_file.read("paper").model_copy(update={"seeds": (0, 1)})
    drawing = rebuild(
        sealed(tmp_path, study(tmp_path, grid, published(grid), support=TENTH, jitter=0.01)), "paper", RenderOptions()
    )
    assert "p: paired t test over images against °" in drawing.files["table.md"]
    assert "p: paired t test over images; Holm" in drawing.files["tables/contrasts.md"]
    assert "over seeds (" not in drawing.files["table.md"] + drawing.files["tables/contrasts.md"]


def test_a_row_that_failed_is_not_called_not_run(tmp_path):
    """The table of published numbers says of it what the main table says."""
    grid = study_file.read("paper")
    record = study(tmp_path, grid, {r: a for r, a in published(grid).items() if r not in (1, 3)}, support=TENTH)
    trial = next(record.grid.seeded(1))
    write(Workspace(tmp_path).training(record.training_key(trial)), Result(Status.DIVERGED, 7))
    cells = markdown_rows(rebuild(sealed(tmp_path, record), "paper", RenderOptions()).files["tables/reproduction.md"])
    assert [cells[row - 1][2] for row in (1, 3)] == ["diverged", "not run"]


def test_replicates_do_not_speak_for_a_reference_that_failed(tmp_path):
    """A reference that diverged has no number, though its replicates are done."""
    grid = study_file.read("paper").replicated(3)
    record = study(tmp_path, grid, published(grid), support=TENTH)
    trial = next(record.grid.seeded(grid.reference))
    folder = Workspace(tmp_path).training(record.training_key(trial))
    for path in folder.results():
        path.unlink()
    write(folder, Result(Status.DIVERGED, 7))
    cells = markdown_rows(rebuild(sealed(tmp_path, record), "paper", RenderOptions()).files["tables/reproduction.md"])
    assert cells[grid.reference - 1][2] == "diverged"


def test_a_study_that_grew_does_not_say_that_its_test_was_sealed(tmp_path):
    """The table of the selection agrees with the main table, which says that test had been opened."""
    grid = study_file.read("paper")
    results = published(grid)
    sealed(tmp_path, study(tmp_path, grid, {row: results[row] for row in (1, 2)}, support=TENTH))
    text = rebuild(sealed(tmp_path, study(tmp_path, grid, results, support=TENTH)), "paper", RenderOptions()).files[
        "tables/selection.md"
    ]
    assert "Sealed anew after test predictions were opened." in text
    assert "Sealed before" not in text


def test_starts_are_those_of_trainings(drawing):
    """Nine rows are six trainings."""
    facts = dict(fact for chapter in provenance.provenance(drawing.study) for fact in chapter.facts)
    assert facts["training starts, retries included"] == "6"


def test_the_cheapest_row_has_the_fewest_parameters(tmp_path):
    """The cheapest row by the rule has the fewest parameters, not the fewest units: a second layer has more."""
    (tmp_path / "g.toml").write_text("[[rows]]\nfc_units = [16, 16]\n[[rows]]\nfc_units = [32]\n")
    record = study(
        tmp_path, study_file.read(str(tmp_path / "g.toml")), dict.fromkeys((1, 2), (0.9, 0.8, 0.8)), support=TENTH
    )
    for trial, parameters in zip(record.grid.trials(), (500, 400), strict=True):
        folder = Workspace(tmp_path).training(record.training_key(trial))
        write(folder, replace(read(folder, trial.step), parameters=parameters))
    analysis = rebuild(sealed(tmp_path, record), "g", RenderOptions()).study
    assert (analysis.sealed.row, analysis.analysis.stability.cheapest) == (2, 2)


def test_a_rule_that_was_changed_is_not_called_growth(tmp_path):
    """A study whose metric was changed after its test was seen says that; until a run has sealed anew, it is drawn."""
    grid = study_file.read("paper").model_copy(update={"select_on": "test_accuracy"})
    record = study(tmp_path, grid, published(grid), support=TENTH)
    workspace = sealed(tmp_path, record)
    now = record.model_copy(update={"grid": grid.model_copy(update={"select_on": "val_accuracy"})})
    now.write(workspace.study("paper"))
    text = rebuild(workspace, "paper", RenderOptions()).files["table.md"]
    assert "SELECTED ON TEST" in text
    text = rebuild(sealed(tmp_path, now), "paper", RenderOptions()).files["table.md"]
    assert "Selected anew: test results were seen with row 5 selected, and the rule was changed since." in text
    assert "SELECTED ON TEST" not in text


def test_a_row_with_too_few_seeds_says_what_its_numbers_are(tmp_path):
    """A note names the row whose numbers are over images, where those of other rows are over seeds."""
    grid = study_file.read("paper").model_copy(update={"seeds": (0, 1, 2)})
    record = study(tmp_path, grid, published(grid), support=TENTH, jitter=0.01)
    for trial in record.grid.seeded(7):
        if trial.seed:
            Workspace(tmp_path).training(record.training_key(trial)).result(trial.step).unlink()
    drawing = rebuild(sealed(tmp_path, record), "paper", RenderOptions())
    assert "Too few common seeds in row 7: brackets, Δ or p there are over test images" in drawing.files["table.md"]
    assert "p: paired t test over seeds or exact McNemar" in drawing.files["tables/contrasts.md"]


def test_importances_are_of_the_rows_own_trials(tmp_path):
    """Replicates would weigh the reference again, and are none of the trials that the warning counts."""
    (tmp_path / "g.toml").write_text(
        "[factorial]\nbatch_size = [1, 2, 3, 4]\nepochs = [1, 2, 3]\nfc_layers = [1, 2, 3, 4]\n"
    )
    grid = study_file.read(str(tmp_path / "g.toml")).replicated(4)
    accuracy = {r: (0.9, 0.5 + r / 1000, 0.5) for r in range(1, 49)}
    place = sealed(tmp_path, study(tmp_path, grid, accuracy, support=(20, 30), classes=("a", "b")))
    drawing = rebuild(place, "g", RenderOptions(importances=importances))
    assert "tables/importance.md" not in drawing.files
    assert "IMPORTANCE_SUPPRESSED" in {caveat.code for caveat in drawing.warnings}


def test_a_study_in_a_renamed_folder_is_that_study(tmp_path):
    """The tables of a study go into its folder, whatever its name."""
    grid = study_file.read("paper")
    workspace = sealed(tmp_path, study(tmp_path, grid, published(grid), support=TENTH))
    workspace.study("paper").path.rename(workspace.study("first").path)
    rebuild_and_write(workspace, "first", RenderOptions())
    rows = lines((workspace.study("first").path / "table.csv").read_text())
    assert [row["row"] for row in rows if row["selected"] == "True"] == ["5"]
    assert {row["study"] for row in rows} == {"first"}
    assert workspace.studies() == ["first"]


def test_numbers_for_prose_are_those_of_the_table():
    """No minus before nothing, and as many decimals."""
    drawn = [
        latex._macro("delta_test_accuracy_pp", value, decimals)
        for value, decimals in ((-0.03, 1), (-0.03, 2), (0.0, 1))
    ]
    assert drawn[0] == drawn[2] == "0.0"
    assert "0.03" in drawn[1]
    assert latex._macro("test_accuracy", 0.96608, 2) == "96.61"


# ---- read back


@pytest.mark.parametrize(
    "name", ["table.csv", "table.tex", "table.md", "contrasts.csv", "trials.csv", "tables/effects.tex",
             "tables/selected.md", "macros.tex"],
)  # fmt: skip
def test_an_untouched_table_follows_from_the_files(tenth, tmp_path, name):
    """A table follows from the files in any place, and with any label and float that the user has given it."""
    text = (tenth.study("paper").path / name).read_text()
    copy = tmp_path / f"mine{Path(name).suffix}"
    copy.write_text(text.replace("\\label{tab:", "\\label{other:").replace("[t]", "[htbp]").replace("\n", "\r\n"))
    result = check(tenth, copy)
    assert result.mismatches == ()
    assert result.cells > 20


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [("table.csv", ",0.95555", ",0.96555", "row 3, test_accuracy: 0.965"),
     ("table.tex", "95.6 & {[}93.5", "96.6 & {[}93.5", "row 3, "),
     ("table.md", "95.6 [93.5", "96.6 [93.5", "row 3, Acc. (test, %): 96.6 [93.5"),
     ("table.tex", "540 test images", "541 test images", "caption or notes: "),
     ("macros.tex", "ablate@3.test_accuracy\\endcsname{95.6}", "ablate@3.test_accuracy\\endcsname{96.6}",
      "row 3, test_accuracy, macro: 96.6 in the file, 95.6 expected"),
     ("contrasts.csv", "batch_size,256,128,2,3,", "batch_size,256,128,2,4,", "to_row: 4 in the file, 3 expected")],
)  # fmt: skip
def test_an_edited_table_names_the_cell(tenth, tmp_path, name, old, new, message):
    """A digit, a caption, a level: the text of the file and the one that follows."""
    text = (tenth.study("paper").path / name).read_text()
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new, 1))
    result = check(tenth, tmp_path / name)
    assert any(message in line for line in result.mismatches), result.mismatches


def test_a_stale_table_and_one_of_other_data_are_found(tenth, tmp_path):
    """A row whose trial is none of the study's is named; so are rows that came later."""
    text = (tenth.study("paper").path / "table.csv").read_text()
    trial = re.search(r"[0-9a-f]{16}-100", text)[0]
    (tmp_path / "table.csv").write_text(text.replace(trial, "0" * 16 + "-100"))
    assert "row 5 comes from other data" in check(tenth, tmp_path / "table.csv").mismatches[0]
    (tmp_path / "table.csv").write_text("\n".join(text.splitlines()[:-1]) + "\n")
    assert check(tenth, tmp_path / "table.csv").mismatches == ("row 9: missing",)


def test_a_line_that_was_deleted_is_found(tenth, tmp_path):
    """Also where other lines have its name, as those of a factor have."""
    text = (tenth.study("paper").path / "tables/contrasts.md").read_text()
    last = [line for line in text.splitlines() if line.startswith("|")][-1]
    (tmp_path / "contrasts.md").write_text(text.replace(last + "\n", ""))
    assert check(tenth, tmp_path / "contrasts.md").mismatches == ("row FC: missing",)


@pytest.mark.parametrize("name", ["table.csv", "table.md", "table.tex"])
def test_a_line_that_was_pasted_twice_is_found(tenth, tmp_path, name):
    """Each row of a table is there once."""
    lines = (tenth.study("paper").path / name).read_text().splitlines(keepends=True)
    (place,) = [n for n, line in enumerate(lines) if re.match(r"(paper,|\| *)?3[^0-9.]", line)]
    (tmp_path / name).write_text("".join([*lines[: place + 1], lines[place], *lines[place + 1 :]]))
    assert check(tenth, tmp_path / name).mismatches == ("row 3: given 2 times",)


def test_a_table_that_was_cut_names_what_is_missing(tenth, tmp_path):
    """A table that was cut down to its first line is read, and its missing rows are named."""
    text = (tenth.study("paper").path / "table.md").read_text()
    header, comment = text.split("\n", 1)[0], text[text.index("<!-- ablate:") :]
    (tmp_path / "table.md").write_text(f"{header}\n\n{comment}")
    assert {f"row {n}: missing" for n in range(1, 10)} <= set(check(tenth, tmp_path / "table.md").mismatches)


def test_a_table_with_an_empty_line_is_read(tenth, tmp_path):
    """A spreadsheet may leave one behind."""
    header, body = (tenth.study("paper").path / "table.csv").read_text().split("\n", 1)
    (tmp_path / "table.csv").write_text(f"{header}\n\n{body}")
    assert check(tenth, tmp_path / "table.csv").study == "paper"
    (tmp_path / "table.csv").write_text(f"{header}\n\n")
    with pytest.raises(AblateError, match="does not name its study"):
        check(tenth, tmp_path / "table.csv")


def test_a_large_table_follows_from_the_files_however_it_was_drawn(tmp_path):
    """A large table follows from the files with all intervals or without; its importances too."""
    (tmp_path / "g.toml").write_text(
        "[factorial]\nbatch_size = [1, 2, 3, 4, 5, 6, 7, 8, 9]\nepochs = [1, 2, 3, 4]\nfc_layers = [1, 2, 3]\n"
    )
    grid = study_file.read(str(tmp_path / "g.toml"))
    accuracy = {r: (0.9, 0.5 + r / 1000, 0.5) for r in range(1, 109)}
    place = sealed(tmp_path, study(tmp_path, grid, accuracy, support=(20, 30), classes=("a", "b")))
    for everything, names in ((True, ("table.md", "table.csv", "tables/importance.tex")), (False, ("table.csv",))):
        keys = {"intervals": "all" if everything else "auto"}
        rebuild_and_write(place, "g", RenderOptions(keys, importances=importances))
        for name in names:
            result = check(place, place.study("g").path / name, importances)
            assert (result.mismatches, result.cells > 0) == ((), True)
        text = (place.study("g").path / "table.csv").read_text()
        header, *body = csv.reader(io.StringIO(text))
        body[89][header.index("val_accuracy")] = "0.123"
        with open(tmp_path / "table.csv", "w", newline="") as file:
            csv.writer(file).writerows([header, *body])
        (wrong,) = check(place, tmp_path / "table.csv", importances).mismatches
        assert wrong.startswith("row 90, val_accuracy: 0.123 in the file")


def small(place: Path, accuracy: float) -> Workspace:
    """A drawn study s of two rows."""
    place.mkdir()
    (place / "s.toml").write_text("[factorial]\ndropout = [0.1, 0.2]\n")
    grid = study_file.read(str(place / "s.toml"))
    record = study(place, grid, dict.fromkeys((1, 2), (accuracy,) * 3), support=(20, 30), classes=("a", "b"))
    workspace = sealed(place, record)
    rebuild_and_write(workspace, "s", RenderOptions())
    return workspace


def test_a_table_is_verified_in_the_workspace_in_which_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A workspace that was moved holds what its tables follow from, though --workspace has a study of that name; a
    table in any other place is of --workspace."""
    monkeypatch.chdir(tmp_path)
    small(Path("first"), 0.9).root.rename("moved")
    moved, runs = Workspace(Path("moved")), small(Path("runs"), 0.5)
    for name in ("table.tex", "table.csv", "table.md", "macros.tex", "tables/selection.tex", "tables/../table.tex"):
        result = check(runs, Path("moved/s") / name)
        assert (result.study, result.mismatches) == ("s", ()), name
    Path("article").mkdir()
    shutil.copy("moved/s/table.tex", "article")
    assert check(runs, Path("article/table.tex")).mismatches
    assert not check(moved, Path("article/table.tex")).mismatches
    Path("linked.tex").symlink_to("moved/s/table.tex")
    assert not check(runs, Path("linked.tex")).mismatches
    (Path("moved") / "s").rename("s")
    (Path("moved") / "s").symlink_to(tmp_path / "s")
    assert not check(runs, Path("moved/s/table.tex")).mismatches


def test_a_table_of_no_study_here_says_whose_it_is(tmp_path: Path):
    """The error names the table's study, the studies of the workspace, and the option that names another."""
    workspace = small(tmp_path / "runs", 0.9)
    shutil.copy(workspace.root / "s/table.tex", tmp_path)
    for place, holds in ((tmp_path / "empty", "no study"), (small(tmp_path / "other", 0.5).root, "t")):
        if (place / "s").is_dir():
            (place / "s").rename(place / "t")
        says = rf"the table belongs to study s, which is not in this workspace \(.* has {holds}\); pass --workspace"
        with pytest.raises(AblateError, match=says):
            check(Workspace(place), tmp_path / "table.tex")
