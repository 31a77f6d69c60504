"""A table on a terminal of any width, encoding and taste for colours, on a pseudo-terminal."""
# ruff: noqa: RUF001 (the tables contain these signs)

import os
import pty
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from ablation.cli.terminal import summary
from ablation.cli.terminal.readable import HANDLER
from ablation.model.table import Cell, Column, Table
from ablation.report.tables import cells, markdown_csv
from ablation.report.warnings import WEAKENS, Diagnostic
from ablation.statistics.intervals import Interval

pytestmark = pytest.mark.unit
VARIABLES = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLORTERM")


def shown(patch: pytest.MonkeyPatch, output: Callable[[], None], encoding: str = "utf-8", **env: str) -> str:
    """Return the output of a function on a pseudo-terminal."""
    ours, theirs = pty.openpty()
    written: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(ours, 65536):
                written.append(chunk)
        except OSError:  # how Linux says that the other side is closed
            pass

    for name in VARIABLES:
        patch.delenv(name, raising=False)
    for name, value in ({"TERM": "xterm-256color", "COLUMNS": "80"} | env).items():
        patch.setenv(name, value)
    reader = threading.Thread(target=read)
    reader.start()
    with open(theirs, "w", encoding=encoding, errors=HANDLER) as stream, patch.context() as patched:
        patched.setattr(sys, "stdout", stream)
        output()
    reader.join()
    os.close(ours)
    return b"".join(written).decode(encoding).replace("\r\n", "\n")


def plain(text: str) -> list[str]:
    return [line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", text).split("\n")]


def table(rows: int = 9, factors: int = 3, label: str = "", further: int = 1) -> Table:
    """A table like the ablation table: row 1 is the reference, row 7 or the last one is selected."""
    names = [Column("label", "Row", "text")] if label else [
        Column(f"f{k}", f"Factor {k}", "factor", "Factors") for k in range(factors)
    ]  # fmt: skip
    columns = (
        Column("row", "#", "row"), *names, Column("n_seeds", "n", "count"),
        Column("train_acc", "Train", "percent", "Accuracy (%)"), Column("val_acc", "Val", "percent", "Accuracy (%)"),
        Column("test_acc", "Acc.", "estimate", "Test (%)"),
        *(Column(f"test_m{k}", f"Measure {k}", "estimate", "Test (%)") for k in range(further)),
        Column("delta", "Δ", "change", "Test acc. − ° (pp)"), Column("p_holm", "p (Holm)", "p", "Test acc. − ° (pp)"),
    )  # fmt: skip
    selected = max(rows - 1, 6) if rows > 7 else rows - 1

    def value(column: Column, i: int) -> object:
        shares = Interval(0.9 + i / 1000, 0.89, 0.93)
        return {
            "row": i + 1, "text": f"{label} {i}", "factor": f"level-{i}", "count": 3, "percent": (0.9 + i / 500, 0.011),
            "estimate": shares, "change": Interval(-0.004, -0.0151, 0.12) if i else None, "p": 0.0004 if i else None,
        }[column.kind]  # fmt: skip

    return Table(
        "t", "A title that is longer than sixty characters, with ± and an interval of 95 % over seeds.", columns,
        tuple(tuple(Cell(value(c, i)) for c in columns) for i in range(rows)),
        tuple(frozenset({"reference"} if i == 0 else {"selected"} if i == selected else ()) for i in range(rows)),
        ("{reference} reference row.", "{selected} selected (bold)."), 1,
    )  # fmt: skip


TABLES = {
    "few rows": table(),
    "many rows": table(rows=60),
    "many factors": table(factors=9),
    "long labels": table(label="everything but the second of the attention layers"),
    "wide letters": table(label="表情認識の学習率を下げた場合の結果"),
    "many measures": table(further=5),
}


@pytest.mark.parametrize("columns", [60, 80, 140])
@pytest.mark.parametrize("name", TABLES)
def test_a_table_fits(name: str, columns: int, monkeypatch: pytest.MonkeyPatch):
    """No line is wider than the terminal; the first measure, Δ and p of each shown row are whole, as in the file."""
    lines = plain(shown(monkeypatch, lambda: summary.print_table(TABLES[name], "all in t.md"), COLUMNS=str(columns)))
    assert max(map(cell_len, lines)) <= columns
    of = TABLES[name]
    for k in [k for k, c in enumerate(of.columns) if c.key in ("test_acc", "delta", "p_holm")]:
        parts = cells.parts(of.columns[k], of.rows[6][k], of.decimals)
        assert all(any(part in line for line in lines) for part in parts), parts
    text = " ".join(" ".join(lines).split())
    factors = sum(c.kind == "factor" for c in of.columns)
    assert text.count("level-6") == factors
    hidden = re.findall(r"hidden at \d+ characters: (.*); all in t\.md", text)
    titles = set(hidden[0].split(", ")) if hidden else set()
    assert titles <= {"n", "Train", "Val", *(f"Measure {k}" for k in range(5))}
    assert all(c.title.split()[0] in text.partition("hidden")[0] for c in of.columns if c.title not in titles)


def test_the_hidden_columns_and_rows_are_named(monkeypatch: pytest.MonkeyPatch):
    """The first of many rows, the reference and the selected row are shown; a line says what is hidden."""
    lines = plain(shown(monkeypatch, lambda: summary.print_table(TABLES["many rows"], "all in t.md"), COLUMNS="60"))
    numbers = [line.split()[0] for line in lines if re.match(r"\d+[°★]?\s+\d", line)]
    assert numbers == ["1°", *map(str, range(2, 21)), "60★"]
    assert "⋮" in lines
    (hidden,) = [line for line in lines if "rows hidden" in line]
    assert hidden.startswith("39 of 60 rows hidden; ")


def test_the_selected_row_is_bold(monkeypatch: pytest.MonkeyPatch):
    """The whole row, and no other one."""
    lines = shown(monkeypatch, lambda: summary.print_table(TABLES["few rows"], ""), COLUMNS="140").split("\n")
    rows = [line for line in lines if re.match(r"(\x1b\[1m)?\d[°★ ]", line)]
    assert [i for i, line in enumerate(rows, start=1) if "\x1b[1m" in line] == [9]


def test_a_terminal_without_unicode(monkeypatch: pytest.MonkeyPatch):
    """Signs have readable replacements, and the columns stay aligned."""
    text = shown(monkeypatch, lambda: summary.print_table(TABLES["few rows"], ""), "ascii", COLUMNS="80")
    lines = plain(text)
    assert "delta (pp)" in text
    assert "?" not in text
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("1^") for line in lines)
    assert any(line.startswith("9*") for line in lines)
    assert any(line.startswith("* selected") for line in lines)


@pytest.mark.parametrize(
    ("env", "coloured"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"CLICOLOR": "0"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
        ({"TERM": "dumb", "CLICOLOR_FORCE": "1"}, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ],
)
def test_colours_follow_the_environment(env: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch):
    """The heading of the warnings has a colour that is readable on dark and on light, unless colours are refused."""
    warning = Diagnostic("CODE", "A fact.", "A consequence.", "A remedy.", grade=WEAKENS)
    text = shown(monkeypatch, lambda: summary.print_warnings([warning], Path("report.html")), **env)
    assert ("\x1b[1;35m" in text) == coloured
    assert not re.search(r"\x1b\[[\d;]*(3[037]|9[037])m", text)


def test_a_forced_colour_puts_nothing_into_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """A pipe gets the Markdown of the file, whatever FORCE_COLOR is."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    summary.print_table(TABLES["few rows"], "")
    assert capsys.readouterr().out == markdown_csv.markdown_table(TABLES["few rows"], ids=False) + "\n"
