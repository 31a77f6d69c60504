"""What a command says at its end: the table at the terminal's width, what may be claimed, the heaviest warnings."""

import html
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ablate, on_a_terminal
from synthetic import published, sealed, study

from ablation.study import study_file

ASKED = ("-m", "ablation", "table", "--grid", "paper", "--workspace")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the paper's nine rows with made-up results."""
    folder = tmp_path_factory.mktemp("summary")
    grid = study_file.read("paper")
    sealed(folder, study(folder, grid, published(grid)))
    return folder


@pytest.fixture(scope="module")
def piped(place: Path) -> subprocess.CompletedProcess[str]:
    """Run the command with a pipe as its output."""
    return ablate(*ASKED[2:], place)


def shown(place: Path, columns: int) -> list[str]:
    """Return the lines on a terminal, without their styles."""
    written = on_a_terminal(sys.executable, *ASKED, place, columns=columns)
    return [line.rstrip() for line in re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", written).splitlines()]


@pytest.mark.parametrize("columns", [80, 100, 140])
def test_a_table_fits_the_terminal(place: Path, columns: int):
    """Every number and interval is whole at any usual width; columns that have no room are named."""
    lines = shown(place, columns)
    text = "\n".join(lines)
    assert (
        max(map(len, lines[: next(i for i, line in enumerate(lines) if line.startswith("What may be claimed"))]))
        <= columns
    )
    assert "…" not in text
    assert "<!--" not in text
    assert not any(line.startswith("|") for line in lines)
    (row,) = [i for i, line in enumerate(lines) if line.startswith("5★")]
    assert re.search(r"\[\d\d\.\d, \d\d\.\d\]", lines[row] if columns == 140 else lines[row + 1])
    assert ("2 columns hidden at 80 characters: Train, Macro-F1; all in" in text) == (columns == 80)


def test_in_a_pipe_the_table_is_markdown(place: Path, piped: subprocess.CompletedProcess[str]):
    """A pipe gets the table as Markdown, without the comment that its file ends with."""
    assert piped.returncode == 0
    assert "| **5★** |" in piped.stdout.replace("  ", "")
    assert "<!--" not in piped.stdout
    assert '<!-- ablate: {"study": "paper"' in (place / "paper/table.md").read_text()


def test_a_reader_may_go_away(place: Path):
    """`ablate table | head -1` ends quietly, with the exit code of the command."""
    command = f"set -o pipefail; '{sys.executable}' {' '.join(ASKED)} '{place}' | head -1"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert ended.returncode == 0
    assert ended.stdout.count("\n") == 1
    assert ended.stderr.strip() == "study paper"


def test_the_heaviest_warnings_are_sentences(place: Path, piped: subprocess.CompletedProcess[str]):
    """Three of them, each with what to do; the others are counted by grade, and the report has them."""
    lines = piped.stdout.splitlines()
    start = next(i for i, line in enumerate(lines) if re.fullmatch(r"Warnings \(\d+ weaken claims, \d+ notes\):", line))
    count = sum(map(int, re.findall(r"\d+", lines[start])))
    sentences = lines[start + 1 : start + 4]
    assert all(re.match(r"- [A-Z_0-9]+: .+\. .+\.$", line) for line in sentences), sentences
    assert lines[start + 4] == f"{count - 3} more: {place}/paper/report.html; about a warning: ablate explain CODE"


def test_claims_name_the_rows_that_differ(place: Path, piped: subprocess.CompletedProcess[str]):
    """A significant difference is stated with its rows, and the family that it was corrected over; the terminal shows
    the first claims, and counts all."""
    lines = piped.stdout.splitlines()
    (start,) = [i for i, line in enumerate(lines) if line.startswith("What may be claimed")]
    claims = re.findall(
        r"<li>(.*?)</li>", (place / "paper/report.html").read_text().partition("What may be claimed")[2]
    )
    count = int(re.fullmatch(r"What may be claimed \(3 of (\d+), all in the report\):", lines[start])[1])  # type: ignore[index]
    assert [line.removeprefix("- ") for line in lines[start + 1 : start + 4]] == [html.unescape(c) for c in claims[:3]]
    assert not lines[start + 4]
    significant = "differs significantly from 0: rows 2 → 5"
    assert any("Epochs 10 to 100" in claim and significant in claim for claim in claims[:count])
    assert any("Holm over 12 contrasts" in claim for claim in claims[:count])


def test_the_end_is_short(piped: subprocess.CompletedProcess[str]):
    """The command ends with at most twelve lines after the table."""
    lines = piped.stdout.splitlines()
    (start,) = [i for i, line in enumerate(lines) if line.startswith("What may be claimed")]
    assert len([line for line in lines[start:] if line]) <= 12
