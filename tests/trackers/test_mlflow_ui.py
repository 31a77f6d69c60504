"""What a person sees in MLflow: the real server, started by `ablate ui`, in a real browser."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from conftest import TESTS, ablate
from synthetic import published, sealed, study

from ablation.store.workspace import Workspace
from ablation.study import study_file
from ablation.study.levels import short
from ablation.workflows import sync

pytestmark = pytest.mark.services

SCREENSHOTS = TESTS / "screenshots"
NAMES = ["lr 1e-3", "reference", "batch 128", "batch 128, lr 1e-3", "epochs 100", "batch 128, epochs 100", "fc 2048",
         "fc 8192", "epochs 100, fc 8192"]  # fmt: skip
ALONE = """localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true")"""  # no panel over the page


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the paper's nine rows with the published numbers, and send them to MLflow."""
    place, grid = tmp_path_factory.mktemp("paper"), study_file.read("paper")
    sealed(place, study(place, grid, published(grid)))
    assert sync.sync(Workspace(place), "paper", None).waiting == 0
    return place


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which `ablate ui` is started."""
    return tmp_path_factory.mktemp("started")


@pytest.fixture(scope="module")
def ui(place: Path, started: Path) -> Iterator[SimpleNamespace]:
    """`ablate ui`, and the links that it printed."""
    command = [sys.executable, "-m", "ablation", "ui", "--no-open", "--workspace", str(place)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=started)
    try:
        lines = [process.stdout.readline() for _ in range(3)]
        assert all(lines), process.stderr.read()
        experiment, compare, curves = (line.partition(": ")[2].strip() for line in lines)
        yield SimpleNamespace(process=process, lines=lines, experiment=experiment, compare=compare, curves=curves)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    tab = browser.new_page(viewport={"width": 2200, "height": 2800})
    tab.set_default_timeout(60_000)  # a busy machine is slow
    tab.add_init_script(ALONE)
    yield tab
    tab.close()


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


def between(text: str, start: str, stop: str) -> list[str]:
    return text.partition(f"{start}\n")[2].partition(f"{stop}\n")[0].splitlines()[1:]  # below "Show diff only"


def test_all_rows_are_compared_by_one_link(ui, page):
    """The four factors that differ, no other, and the test accuracy of all nine rows, in the study's order."""
    page.goto(ui.compare)
    page.get_by_text("Comparing 9 Runs from 1 Experiment").wait_for()
    page.get_by_text("Show diff only").first.click()
    page.get_by_text("final/test_accuracy").first.wait_for()
    page.get_by_text("fc_layers").wait_for(state="detached")
    keep(page, "mlflow-compare")
    text = page.inner_text("body")
    assert between(text, "Parameters", "Metrics") == [
        "\t".join([factor, *(short(factor, getattr(row, factor)) for row in study_file.read("paper").rows)])
        for factor in ("batch_size", "epochs", "fc_units", "learning_rate")
    ]
    cells = between(text, "Metrics", "Artifacts")
    names = [cell for cell in cells if not cell[0].isdecimal()]
    first = len(names) + 9 * names.index("final/test_accuracy")
    expected = [test for _, _, test in published(study_file.read("paper")).values()]
    assert [float(cell) for cell in cells[first : first + 9]] == pytest.approx(expected, abs=0.001)


def test_curves_are_drawn_by_one_link(ui, page):
    """Nine lines of validation accuracy, an epoch a point."""
    page.goto(ui.curves)
    page.locator(".scatterlayer .trace .js-line").nth(8).wait_for(state="attached")
    keep(page, "mlflow-curves")
    paths = page.locator(".scatterlayer .trace .js-line").evaluate_all("all => all.map(e => e.getAttribute('d'))")
    assert len({path for path in paths if len(re.findall("[ML]", path)) > 8}) == 9
    assert all(f"{name} (val_accuracy)" in page.inner_text("body") for name in NAMES)


def test_the_study_has_its_files_and_says_what_was_selected(ui, page):
    """The parent has the description, the children, the data set, and report, table and confusion matrix to look at."""
    page.goto(ui.experiment)
    page.locator(".ag-row a", has_text="paper").first.click()
    page.get_by_text("Selected: row 5 (epochs 100)").wait_for()
    page.locator("a", has_text="fc 8192").nth(1).wait_for()
    keep(page, "mlflow-parent")
    assert all(name in page.inner_text("body") for name in NAMES)
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("confusion_matrix_test.html").first.click()
    frame = page.frame_locator("iframe").first
    frame.get_by_text("epochs 100: test").first.wait_for()
    keep(page, "mlflow-artifacts")
    files = page.inner_text("body")
    assert all(name in files for name in ("report.html", "table.csv", "table.md", "table.tex", "warnings.json"))


def addresses() -> set[str]:
    """Return the machine's addresses that the server has left out; 127.0.0.2 represents a network where there is
    none."""
    all_of_them = {a.address for nic in psutil.net_if_addrs().values() for a in nic if a.family == socket.AF_INET}
    return (all_of_them | {"127.0.0.2"}) - {"127.0.0.1"}


def test_the_server_answers_on_loopback_alone(ui):
    """The server is hidden from a network: every other address of the machine refuses."""
    port = urlsplit(ui.experiment).port
    with socket.create_connection(("127.0.0.1", port), timeout=30):
        pass
    for address in addresses():
        with pytest.raises(OSError, match=r"refused|timed out|unreachable"):
            socket.create_connection((address, port), timeout=5)


def test_the_links_are_said_and_nothing_is_opened(ui):
    """The experiment, then two links a study; with --no-open that is all."""
    assert ui.lines[0].startswith("experiment: http://127.0.0.1:")
    assert ui.lines[1].startswith("paper, 9 runs side by side: http://127.0.0.1:")
    assert ui.lines[2].startswith("paper, curves: http://127.0.0.1:")


def test_nothing_is_written_where_it_was_started(ui, started):
    """No mlruns, no mlartifacts: MLflow's own defaults are the current folder."""
    assert list(started.iterdir()) == []


def test_ctrl_c_stops_the_server_and_all_of_its_processes(ui):
    """The last test of this file. It ends with 0, and nothing stays."""
    family = psutil.Process(ui.process.pid).children(recursive=True)
    assert family
    ui.process.send_signal(signal.SIGINT)
    assert ui.process.wait(60) == 0
    assert psutil.wait_procs(family, 10)[1] == []


def test_without_runs_the_way_out_is_said(tmp_path):
    """No study: run one. A study that MLflow does not know: send it."""
    done = ablate("ui", "--no-open", cwd=tmp_path)
    assert (done.returncode, "run `ablate run` first" in done.stderr) == (2, True)
    grid = study_file.read("paper")
    study(tmp_path / "runs", grid, published(grid))
    done = ablate("ui", "--no-open", cwd=tmp_path)
    assert (done.returncode, "ablate sync" in done.stderr) == (2, True)
