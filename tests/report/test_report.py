"""The report in a real browser: it is drawn, it needs no network, it sorts, and no name in it does anything."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from synthetic import CLASSES, published, sealed, study

from ablation.report import figures
from ablation.report.build import RenderOptions, Report, rebuild
from ablation.report.figures import confusion, cost, curves, dumbbell, forest, levels
from ablation.report.tables.summary import claims
from ablation.store.workspace import Workspace
from ablation.study import study_file

pytestmark = pytest.mark.services

HOSTILE = "</script><img src=x onerror=window.harm=1><b>b</b>"


def paper(place: Path, **more: Any) -> Report:
    grid = study_file.read("paper")
    name = more.pop("label", "")
    if name:
        grid = grid.model_copy(update={"labels": (name, *grid.labels[1:]), "title": name})
    return rebuild(sealed(place, study(place, grid, published(grid), **more)), "paper", RenderOptions())


@pytest.fixture(scope="module")
def drawing(tmp_path_factory) -> Report:
    return paper(tmp_path_factory.mktemp("paper"))


# ---- what is drawn


def test_every_contrast_is_in_the_forest(drawing):
    """Twelve contrasts, by factor; the text for those who cannot see the figure has the largest."""
    info = forest.compute(drawing.study)
    assert len(info.data) == 12
    assert list(dict.fromkeys(info.data.factor)) == ["Batch", "LR", "Epochs", "FC"]
    assert ((info.data.low <= info.data.pp) & (info.data.pp <= info.data.high)).all()
    assert "rows 5 to 9" in forest.render(drawing.study).alt


def test_every_row_has_its_three_accuracies(drawing):
    """The accuracies are in percent, with the share of the largest class to be beaten."""
    info = dumbbell.compute(drawing.study)
    assert list(info.data.row) == list(range(1, 10))
    assert info.data.test[4] == pytest.approx(96.6, abs=0.02)
    assert info.majority == pytest.approx(100 * 1593 / 5431)


def test_every_row_has_its_curves(drawing):
    """Nine panels with one scale, the best epoch marked."""
    info = curves.compute(drawing.study)
    assert info.best[5] == 100 or info.data[info.data.row == 5].val_accuracy.max() > 96
    layout = curves.plot(info)["layout"]
    ranges = {tuple(v["range"]) for key, v in layout.items() if key.startswith("yaxis")}
    assert ranges == {(0.0, 100.0)}


def test_matched_pairs_are_joined(drawing):
    """The figure has as many lines as one-factor contrasts."""
    info = levels.compute(drawing.study)
    assert sum(map(len, info.pairs.values())) == 12
    assert info.order["learning_rate"] == ["1e-4", "1e-3"]


def test_the_confusion_matrix_is_of_the_selected_row(drawing):
    """All test images, true classes down; mistakes in words."""
    info = confusion.compute(drawing.study)
    assert (info.row, info.counts.sum()) == (5, 5431)
    assert info.counts.sum(axis=1).tolist() == [1058, 369, 953, 1593, 1124, 334]
    assert " taken for " in confusion.in_words(confusion.pairs(info))


def test_claims_hold_no_more_than_the_numbers(drawing):
    """The selected row with its interval, the factors with every pair, and a sentence about the missing seeds."""
    text = " ".join(claims(drawing.study))
    assert "Row 5 was selected: highest validation accuracy at the last epoch." in text
    assert "On test it scored 96.6 % (96.1 to 97.0)." in text
    assert "Batch 256 to 128: 3 pairs, signs disagree (-0.1, +1.5, -0.6 pp); differs significantly from 0: rows" in text
    assert "no statement here covers the variation between seeds" in text


def test_pairs_without_a_change_are_not_counted_as_one(tmp_path):
    """A direction is of the pairs that moved; the others are among all of them."""
    (tmp_path / "g.toml").write_text("[factorial]\ndropout = [0.0, 0.5]\nepochs = [1, 2]\n")
    grid = study_file.read(str(tmp_path / "g.toml"))
    accuracy = {row: (0.9, value, value) for row, value in enumerate((0.5, 0.5, 0.7, 0.5), start=1)}
    record = study(tmp_path / "runs", grid, accuracy, support=(20, 30), classes=("a", "b"))
    sentences = claims(rebuild(sealed(tmp_path / "runs", record), "g", RenderOptions()).study)
    assert any(
        line.startswith("Dropout 0 to 0.5 raised test accuracy in 1 of 2 matched pairs (+20.0, +0.0")
        for line in sentences
    )
    assert any(
        line.startswith("Epochs 1 to 2 lowered test accuracy in 1 of 2 matched pairs (+0.0, -20.0")
        for line in sentences
    )


def test_a_report_before_a_selection_is_drawn(tmp_path):
    """Figures are JSON, which has no nan."""
    grid = study_file.read("paper")
    place = Workspace(tmp_path)
    study(tmp_path, grid, {1: (0.9, 0.8, 0.7), 2: (0.9, 0.7, 0.7)})
    text = rebuild(place, "paper", RenderOptions()).files["report.html"]
    texts = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.S)
    assert texts

    def refuse(word: str) -> None:
        raise AssertionError(word)

    for content in texts:
        json.loads(content, parse_constant=refuse)


def test_rows_that_were_not_compared_are_not_called_told_apart(tmp_path):
    """The figure of costs has no verdict before a selection, nor where test selected."""
    grid = study_file.read("paper")
    place = Workspace(tmp_path / "a")
    study(place.root, grid, published(grid))
    before = cost.compute(rebuild(place, "paper", RenderOptions()).study)
    assert set(before.data.kind) == {cost.UNKNOWN}
    on_test = grid.model_copy(update={"select_on": "test_accuracy"})
    after = cost.compute(
        rebuild(sealed(tmp_path / "b", study(tmp_path / "b", on_test, published(grid))), "paper", RenderOptions()).study
    )
    assert list(after.data.kind).count(cost.SELECTED) == 1
    assert set(after.data.kind) == {cost.SELECTED, cost.UNKNOWN}


def test_levels_of_weights_are_told_apart(tmp_path):
    """A folder is a level as it is named, whichever file is in it."""
    (tmp_path / "w").mkdir()
    (tmp_path / "g.toml").write_text('[factorial]\nweights = ["random", "w"]\n')
    grid = study_file.read(str(tmp_path / "g.toml"))
    record = study(
        tmp_path / "runs", grid, {1: (0.9, 0.8, 0.7), 2: (0.9, 0.7, 0.7)}, support=(20, 30), classes=("a", "b")
    )
    record = record.model_copy(
        update={
            "weights": {
                k: v.model_copy(update={"source": "w/vgg16_notop.weights.h5"}) if v.level != "random" else v
                for k, v in record.inputs.weights.items()
            }
        }
    )
    record.write(Workspace(tmp_path / "runs").study("g"))
    analysis = rebuild(sealed(tmp_path / "runs", record), "g", RenderOptions()).study
    info = levels.compute(analysis)
    dots = [trace for trace in levels.plot(info, analysis)["data"] if trace["mode"] == "markers"]
    assert sorted(x for trace in dots for x in trace["x"]) == [0, 1]


def test_large_studies_are_cut_and_say_so(tmp_path):
    """A figure has at most sixty rows, and a sentence that says which."""
    (tmp_path / "many.toml").write_text(
        "[factorial]\ndropout = [0.0, 0.1, 0.2, 0.3, 0.4]\nbatch_size = [1, 2, 3, 4, 5]\nepochs = [1, 2, 3]\n"
        "fc_layers = [1, 2]\n"
    )
    grid = study_file.read(str(tmp_path / "many.toml"))
    accuracy = {r: (0.9, 0.5 + r / 1000, 0.5) for r in range(1, 151)}
    record = study(tmp_path / "runs", grid, accuracy, support=(20, 30), classes=("a", "b"))
    drawn = figures.every(rebuild(sealed(tmp_path / "runs", record), "many", RenderOptions()).study)
    cut = {figure.key: figure for figure in drawn}
    assert len(cut["gap"].data) == 60
    assert "Drawn are 60 of 150 rows: the selected one" in " ".join(cut["gap"].notes)
    assert "parallel" in cut


# ---- in the browser


class OpenPage:
    """A page, with all that went wrong on it and all that it asked for."""

    def __init__(self, browser: Any, file: Path, **more: Any) -> None:
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page = browser.new_page(viewport={"width": 1200, "height": 900}, **more)
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.page.goto(file.as_uri())
        self.page.wait_for_selector(".plot .main-svg")


@pytest.fixture
def opened(browser, drawing, tmp_path) -> Iterator[OpenPage]:
    file = tmp_path / "report.html"
    file.write_text(drawing.files["report.html"], encoding="utf-8")
    view = OpenPage(browser, file)
    yield view
    view.page.close()


def test_it_needs_no_network_and_breaks_no_policy(opened):
    """One file: no request but for itself, nothing on the console."""
    assert [url for url in opened.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert len([url for url in opened.requests if url.startswith("file:")]) == 1
    assert opened.errors == []


def test_figures_are_drawn(opened, drawing):
    """Every one of them, with a text for those who cannot see it."""
    n_figures = len(figures.every(drawing.study))
    assert n_figures >= 6
    assert opened.page.locator(".plot .main-svg").count() >= n_figures
    assert opened.page.locator("#figure-contrasts .scatterlayer .point").count() == 12
    labels = opened.page.locator(".plot").evaluate_all("all => all.map(each => each.getAttribute('aria-label'))")
    assert all(len(label) > 40 for label in labels)


def test_warnings_follow_the_ablation_table(opened):
    """Right after it, before the other tables, with code, fact and remedy; notes are counted and folded."""
    box = opened.page.locator("#warnings")
    assert box.is_visible()
    assert "SINGLE_SEED" in box.inner_text()
    first, second = (opened.page.locator("section table").nth(n).bounding_box()["y"] for n in (0, 1))
    assert first < box.bounding_box()["y"] < second
    notes = box.locator("details")
    assert re.fullmatch(r"Notes \(\d+\)", notes.locator("summary").inner_text())
    assert not notes.locator("li").first.is_visible()
    notes.locator("summary").click()
    assert notes.locator("li").first.is_visible()


def column(opened: OpenPage, k: int) -> list[str]:
    return opened.page.locator("section:has(#table-ablation) tbody tr").evaluate_all(
        f"rows => rows.map(row => row.cells[{k}].innerText)"
    )


def test_tables_sort_by_mouse_and_keyboard(opened):
    """A table sorts up, then down; by value, not by text; cells without a value stay last."""
    head = opened.page.locator("section:has(#table-ablation) thead button", has_text="Acc.")
    assert column(opened, 0)[0] == "1"
    head.click()
    values = [float(re.match(r"[\d.]+", text)[0]) for text in column(opened, 7)]
    assert values == sorted(values)
    head.focus()
    opened.page.keyboard.press("Enter")
    assert column(opened, 0)[0].startswith("5")
    opened.page.locator("section:has(#table-ablation) thead button", has_text="Δ").click()
    assert column(opened, 0)[-1].startswith("2")


def test_names_do_nothing(browser, tmp_path):
    """Titles, labels and classes are text, on the page and in the figures."""
    drawing = paper(tmp_path, label=HOSTILE, classes=(HOSTILE, *CLASSES[1:]))
    file = tmp_path / "report.html"
    file.write_text(drawing.files["report.html"], encoding="utf-8")
    view = OpenPage(browser, file)
    assert view.page.evaluate("window.harm") is None
    assert view.page.locator("img").count() == 0
    assert view.page.locator("h1").inner_text() == HOSTILE
    assert view.errors == []
    assert [url for url in view.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    view.page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_read_by_day_and_by_night(browser, drawing, tmp_path, scheme):
    """Words of page and figures stand out from the page, whatever the colour scheme."""
    file = tmp_path / "report.html"
    file.write_text(drawing.files["report.html"], encoding="utf-8")
    view = OpenPage(browser, file, color_scheme=scheme)
    colors = "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    text, page = (sum(map(int, re.findall(r"\d+", c)[:3])) for c in view.page.evaluate(colors))
    assert abs(text - page) > 400
    fill = view.page.locator("#figure-gap text.xtitle").evaluate("e => getComputedStyle(e).fill")
    assert sum(map(int, re.findall(r"\d+", fill)[:3])) == text
    view.page.close()


def test_figures_are_data(drawing):
    """The data of a figure are JSON that no name can end."""
    texts = re.findall(
        r'<script type="application/json" id="figure-[^>]*>(.*?)</script>', drawing.files["report.html"], re.DOTALL
    )
    assert all({"data", "layout"} <= json.loads(text).keys() for text in texts)
    assert len(texts) >= 6
