"""What a person sees in MLflow: the real server, started by `ablate ui`, in a real browser."""

import contextlib
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from synthetic import study
from test_report import CHROMIUM, QUIET
from test_tables import published, sealed

from ablation import study_file, sync
from ablation.workspace import Workspace

SCREENSHOTS = Path(__file__).parent / "screenshots"
NAMES = ["lr 1e-3", "reference", "batch 128", "batch 128, lr 1e-3", "epochs 100", "batch 128, epochs 100", "fc 2048",
         "fc 8192", "epochs 100, fc 8192"]  # fmt: skip
ALONE = """localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true")"""  # no panel over the page


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The paper's nine rows with the published numbers, and MLflow told of them."""
    place, grid = tmp_path_factory.mktemp("paper"), study_file.read("paper")
    sealed(place, study(place, grid, published(grid)))
    assert sync.sync(Workspace(place), "paper", None).waiting == 0
    return place


@pytest.fixture(scope="module")
def ui(place: Path) -> Iterator[SimpleNamespace]:
    """`ablate ui`, and the links that it printed."""
    command = [sys.executable, "-m", "ablation", "ui", "--no-open", "--workspace", str(place)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        lines = [process.stdout.readline() for _ in range(3)]
        assert all(lines), process.stderr.read()
        experiment, compare, curves = (line.partition(": ")[2].strip() for line in lines)
        yield SimpleNamespace(process=process, lines=lines, experiment=experiment, compare=compare, curves=curves)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip(f"no browser: {CHROMIUM} is missing")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield found
        found.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    found = browser.new_page(viewport={"width": 2200, "height": 2800})
    found.set_default_timeout(60_000)  # a busy machine is slow
    found.add_init_script(ALONE)
    yield found
    found.close()


def keep(page: Any, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def test_the_sweep_is_listed_with_its_nine_rows(ui, page):
    """The experiment shows one parent; it opens to a child a row, named by what differs from the reference."""
    page.goto(ui.experiment)
    page.locator(".ag-row button").first.click()
    page.locator(".ag-row a", has_text="fc 2048").wait_for()
    names = {name.strip() for name in page.locator(".ag-row a[href*='/runs/']").all_inner_texts()}
    keep(page, "mlflow-experiment")
    assert {"paper", *NAMES} <= names
    assert page.locator(".ag-center-cols-container .ag-row").count() == 1 + len(NAMES)


def test_all_rows_are_compared_by_one_link(ui, page):
    """Nine columns; the four factors that differ are marked, and nothing else; each row's test accuracy is there."""
    page.goto(ui.compare)
    page.get_by_text("Comparing 9 Runs from 1 Experiment").wait_for()
    page.get_by_text("Show diff only").first.click()
    page.locator("text=final/test_accuracy").first.wait_for()
    keep(page, "mlflow-compare")
    text = page.inner_text("body")
    assert re.findall(r"^Run Name:((?:\s+.+){9})$", text, re.M) or all(name in text for name in NAMES)
    shown = text.partition("Parameters\n")[2].partition("Metrics\n")[0]
    print(repr(shown))
    metrics = text.partition("Metrics\n")[2]
    print(repr(metrics))


def test_curves_are_drawn_by_one_link(ui, page):
    """Nine lines of validation accuracy, an epoch a point."""
    page.goto(ui.curves)
    page.locator(".scatterlayer .trace").first.wait_for()
    keep(page, "mlflow-curves")
    print(page.locator(".scatterlayer .trace").count(), page.inner_text("body"))
