"""Runs and studies in a notebook, executed by a real kernel: run, interrupt, resume, open, compare, figure, LaTeX."""

import asyncio
import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import TESTS
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

pytestmark = pytest.mark.process

STUDY = """
title = "Digits"
seeds = [0, 1]
[experiment]
plugin = "gated:"
[factorial]
width = [8, 16]
"""
FIRST = 2  # trainings of the first seed, after which the others wait
RUN = "table = ablation.run('digits.toml', inline=True)"
CELLS = {
    "import": "import ablation",
    "stopped": RUN,
    "resumed": f"open('go', 'w').close()\n{RUN}\nprint(len(table), list(table['outcome']), list(table['n_seeds']))",
    "open": "study = ablation.open('runs')\nstudy",
    "compare": "print(study.compare(1, 2)['delta_test_accuracy_pp'].item() == "
    "study.contrasts['delta_test_accuracy_pp'].item())",
    "figure": "study.figure('contrasts').to_plotly_json()['data'][0]['type']",
    "latex": "print(study.latex(form='fragment'))",
}


def results(folder: Path) -> list[Path]:
    return sorted(folder.glob("runs/trained/*/result-*.json"))


class Stopped(NotebookClient):
    """A client whose user presses the stop button in a cell as soon as the trainings of the first seed are saved."""

    folder: Path

    async def press(self) -> None:
        while len(results(self.folder)) < FIRST:
            await asyncio.sleep(0.05)
        assert self.km is not None
        await self.km.interrupt_kernel()  # to the process group of the kernel, as Jupyter does
        self.kept = {path: path.stat().st_mtime_ns for path in results(self.folder)}

    async def watch(self, cell: Any, cell_index: int) -> None:
        if cell["id"] == "stopped":
            self.pressed = asyncio.ensure_future(self.press())


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[Any]], Stopped]:
    """Folder, outputs of each cell, and the client that has executed the notebook."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "digits.toml").write_text(STUDY)
    cells = [new_code_cell(source, id=name) for name, source in CELLS.items()]
    cells[1].metadata["tags"] = ["raises-exception"]
    client = Stopped(new_notebook(cells=cells), timeout=300, resources={"metadata": {"path": str(folder)}})
    client.folder, client.on_cell_execute = folder, client.watch
    client.execute(env=os.environ | {"PYTHONPATH": str(TESTS / "plugins"), "IPYTHONDIR": str(folder / "ipython")})
    nbformat.validate(client.nb)
    return folder, {cell["id"]: cell["outputs"] for cell in client.nb.cells}, client


def text(outputs: list[Any]) -> str:
    return "".join(output.get("text", "") for output in outputs)


def test_the_stop_button_saves(executed: tuple[Path, dict[str, list[Any]], Stopped]):
    """The training under way is finished and saved, later ones do not start; one line says how to resume."""
    _, outputs, _ = executed
    error = next(output for output in outputs["stopped"] if output["output_type"] == "error")
    assert error["ename"] == "KeyboardInterrupt"
    assert error["evalue"] == (
        "interrupted: finished trials and checkpoints are saved; run the same call again to resume"
    )
    (display,) = [output for output in outputs["stopped"] if output["output_type"] == "display_data"]
    assert f"{FIRST + 1} of 4 trials done" in display["data"]["text/plain"]


def test_a_second_run_resumes(executed: tuple[Path, dict[str, list[Any]], Stopped]):
    """No finished training is repeated."""
    folder, outputs, client = executed
    assert text(outputs["resumed"]) == "2 ['done', 'done'] [2, 2]\n"
    assert len(results(folder)) == 4
    assert {path: path.stat().st_mtime_ns for path in client.kept} == client.kept


def test_progress_is_one_display(executed: tuple[Path, dict[str, list[Any]], Stopped]):
    """One display is updated in place, as text and as HTML; the messages of the child are not printed."""
    _, outputs, _ = executed
    display, printed = outputs["resumed"]
    assert printed["output_type"] == "stream"
    assert "4 of 4 trials done, 100 %" in display["data"]["text/plain"]
    assert display["data"]["text/html"].startswith("<pre>")


def test_a_study_in_cells(executed: tuple[Path, dict[str, list[Any]], Stopped]):
    """A study is shown as its table; comparison, figure and LaTeX are those of the report."""
    folder, outputs, _ = executed
    (shown,) = outputs["open"]
    assert "<caption>Digits" in shown["data"]["text/html"]
    assert shown["data"]["text/plain"] == f"<Study digits: 2 rows, {folder / 'runs' / 'digits'}>"
    assert text(outputs["compare"]) == "True\n"
    assert outputs["figure"][0]["data"]["text/plain"] == "'scatter'"
    assert r"\begin{tabular}" in text(outputs["latex"])
