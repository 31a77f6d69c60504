"""The notebooks of examples/ run from the first cell to the last, and hold no outputs."""

import os
from pathlib import Path

import nbformat
import pytest
from conftest import TESTS
from nbclient import NotebookClient

pytestmark = pytest.mark.process
NOTEBOOKS = sorted((TESTS.parent / "examples").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs(path: Path, tmp_path: Path):
    """A notebook runs in a real kernel; the study is shown as a table, the figure as one of plotly, and LaTeX as
    text."""
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=os.environ | {"IPYTHONDIR": str(tmp_path / "ipython")})
    outputs = {cell["id"]: cell.get("outputs", []) for cell in notebook.cells}
    assert "Three arms" in outputs["table"][0]["data"]["text/html"]
    assert "application/vnd.plotly.v1+json" in outputs["figure"][0]["data"]
    assert r"\toprule" in outputs["latex"][0]["text"]
    assert "Row 2 was selected" in outputs["claims"][0]["text"]


def test_there_are_notebooks():
    """A glob without a hit would test nothing."""
    assert [path.name for path in NOTEBOOKS] == ["results-that-you-have.ipynb"]
