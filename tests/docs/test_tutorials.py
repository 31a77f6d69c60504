"""The tutorials, as a reader types them: files are written, commands run, and what they print is on the page."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import terminal_output
from doc_blocks import DOCS, OUTPUT, blocks

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # bold text, and the progress line that moves
INSTALLS = ("pip ", "python3 -m venv", "uv venv", "uv sync", "git clone", "cd ", ". .venv")
NOT_RUN = (*INSTALLS, "ablate ui", "ablate run --grid paper")  # a server, and minutes
TUTORIALS = [page for page in sorted((DOCS / "tutorials").glob("*.md")) if page.stem != "index"]


def run(text: str, folder: Path) -> str:
    """Run lines of a shell on a terminal of 90 characters, and return what they print."""
    lines = [line for line in text.splitlines() if not line.startswith(NOT_RUN)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "COLUMNS": "90", "LINES": "50", "NO_COLOR": "1"}
    reader, terminal = pty.openpty()
    command = ["bash", "-euo", "pipefail", "-c", "\n".join(lines)]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal
    ) as process:
        os.close(terminal)
        printed = CONTROL.sub("", terminal_output(reader))
    assert process.returncode == 0, f"{text}\n{printed[-3000:]}"
    return printed


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
