"""The report on paper and its figures as files: what a real browser downloads and prints."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from synthetic import published, sealed, study

from ablation.report import figures, html_report
from ablation.report.build import RenderOptions, Report, rebuild
from ablation.study import study_file

pytestmark = pytest.mark.services

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Draw the report of the paper's study, with a row that was not run."""
    grid, place = study_file.read("paper"), tmp_path_factory.mktemp("paper")
    accuracy = {row: values for row, values in published(grid).items() if row != 4}
    return rebuild(sealed(place, study(place, grid, accuracy)), "paper", RenderOptions())


@pytest.fixture(scope="module")
def page(browser: Any, drawing: Report, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(drawing.files["report.html"], encoding="utf-8")
    opened = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme="dark")
    opened.goto(file.as_uri())
    opened.wait_for_selector(".plot .main-svg")
    yield opened
    opened.close()


def downloaded(page: Any, selector: str, folder: Path) -> tuple[str, ElementTree.Element]:
    """Press a button by keyboard; return the name of the file and its root element."""
    button = page.locator(selector)
    button.focus()
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    download.value.save_as(folder / "figure.svg")
    return download.value.suggested_filename, ElementTree.parse(folder / "figure.svg").getroot()


def titles_of_axes(figure: Any) -> set[str]:
    layout = figure.figure["layout"]
    return {axis["title"]["text"] for key, axis in layout.items() if re.match("[xy]axis", key)} - {""}


def test_every_figure_is_an_svg_file(page: Any, drawing: Report, tmp_path: Path):
    """Named by its title, as wide as a page, with the titles of its axes as text, on white, and without bitmaps."""
    for figure in figures.every(drawing.study):
        name, root = downloaded(page, f"button[data-figure=figure-{figure.key}][data-size=page]", tmp_path)
        assert name == f"{html_report.file_name(figure.title)}.svg"
        assert root.tag == f"{SVG}svg"
        assert root.get("width") == "170mm"
        assert root.findtext(f"{SVG}title") == figure.title
        assert root.findtext(f"{SVG}desc") == figure.alt
        texts = {"".join(element.itertext()) for element in root.iter(f"{SVG}text")}
        assert titles_of_axes(figure) <= texts
        assert not list(root.iter(f"{SVG}image"))
        background = root.find(f"{SVG}rect")
        assert background is not None
        assert "rgb(255, 255, 255)" in background.get("style", "")


def test_a_figure_may_be_as_wide_as_a_column(page: Any, tmp_path: Path):
    """Titles of axes have several lines; a figure of many panels has no such file."""
    name, root = downloaded(page, "button[data-figure=figure-contrasts][data-size=column]", tmp_path)
    assert name == "What-each-single-change-did-column.svg"
    assert root.get("width") == "84mm"
    lines = ["".join(part.itertext()) for part in root.iter(f"{SVG}tspan")]
    assert any(line.startswith("Δ test accuracy (pp)") for line in lines)
    assert page.locator("button[data-figure=figure-curves-accuracy]").count() == 1


def test_buttons_have_names(page: Any):
    """Each names its figure; their groups and the button that prints are in the order of the keyboard."""
    labels = page.locator("button.svg").evaluate_all("all => all.map(button => button.getAttribute('aria-label'))")
    assert len(set(labels)) == len(labels)
    assert all(re.match(r"SVG, (page|column) width \(\d+ mm\): .", label) for label in labels)
    assert page.get_by_role("button", name="Print").count() == 1
    page.evaluate("window.print = () => { window.printed = true; }")
    page.get_by_role("button", name="Print").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("window.printed") is True


@pytest.mark.parametrize(("title", "name"), [("A/B: 50 %", "A-B-50"), ("../..", "figure"), ("Größe é", "Größe-é")])
def test_titles_are_safe_names_of_files(title: str, name: str):
    """Letters, digits and hyphens."""
    assert html_report.file_name(title) == name


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_the_report_prints_as_a_document(page: Any, drawing: Report, tmp_path: Path, paper: str):
    """All sections, folded ones too, without what only a screen needs; pages are of the size of the paper."""
    page.pdf(path=tmp_path / "report.pdf", format=paper)
    printed = subprocess.run(["pdftotext", "-layout", tmp_path / "report.pdf", "-"], capture_output=True, text=True)
    text = " ".join(printed.stdout.split())
    headings = page.locator("h2, h3, summary").evaluate_all("all => all.map(heading => heading.textContent.trim())")
    assert [heading for heading in headings if " ".join(heading.split()) not in text] == []
    assert all(warning.code in text for warning in drawing.warnings)
    assert "Δ test accuracy (pp), paired 95 % interval over images" in text
    assert "The first 40 of" in text
    assert "SVG, page width" not in text
    assert "Skip to the report" not in text
    assert re.search(r"\b1 / \d+", text)
    assert page.locator("details[open]").count() == 0  # as before


def test_paper_is_black_on_white(page: Any):
    """Also of a report that a screen shows in dark colours."""
    page.emulate_media(media="print")
    colors = "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    assert page.evaluate(colors) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    page.emulate_media(media="screen")
