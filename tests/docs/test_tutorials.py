"""The tutorials, as a reader types them: files are written, commands run, and what they print is on the page."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from doc_blocks import DOCS, OUTPUT, blocks

NOT_RUN = ("pip ", "python -m venv", "uv venv", "git clone", "cd ", "ablate ui", ". .venv")  # lines of an installation
TUTORIALS = [page for page in sorted((DOCS / "tutorials").glob("*.md")) if page.stem != "index"]


def run(text: str, folder: Path) -> str:
    """Run lines of a shell, and return what they print."""
    lines = [line for line in text.splitlines() if not line.startswith(NOT_RUN)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "COLUMNS": "100", "NO_COLOR": "1"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(lines)],
        cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{text}\n{done.stdout[-3000:]}"
    return done.stdout


def expected(text: str) -> str:
    """Return a pattern of the lines of an output; blanks and "..." stand for any text."""
    lines = [re.escape(" ".join(line.split())).replace(r"\.\.\.", ".*") for line in text.splitlines() if line.strip()]
    return ".*".join(lines)


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_does_what_it_says(page: Path, tmp_path: Path):
    """Every command ends with 0, and every line of output that the page has is printed, in this order."""
    printed = ""
    for block in blocks(page):
        if block.caption == OUTPUT:
            assert re.search(expected(block.text), " ".join(printed.split()), re.DOTALL), f"{block.place}\n{printed}"
        elif block.caption:
            (tmp_path / block.caption).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / block.caption).write_text(block.text, encoding="utf-8")
        elif block.language == "sh":
            printed = run(block.text, tmp_path)
