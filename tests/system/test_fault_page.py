"""The page on faults, docs/concepts/faults.md."""

import json
from dataclasses import asdict
from pathlib import Path

import fault_page
import pytest
from conftest import ROOT
from fault_series import Series

SERIES = [
    Series("SIGKILL, worker", 200, 0, "1.2 steps a kill"),
    Series("Ctrl-C", 40, 0, "0 steps"),
    Series("a row that fails once", 1, 0, "2 steps"),
    Series("a row that fails once", 1, 1, "6 steps", "Optuna, journal"),
]


@pytest.mark.unit
def test_the_tables_are_drawn_from_a_log(tmp_path: Path):
    """Series of one fault are added up; faults that other programs were given too have a table."""
    log = tmp_path / "log"
    log.write_text("".join(json.dumps(asdict(one)) + "\n" for one in (Series("SIGKILL, worker", 2, 0), *SERIES)))
    assert fault_page.tables(fault_page.read(log)) == (
        "| fault | injected | rows lost | work repeated |\n| --- | --- | --- | --- |\n"
        "| Ctrl-C | 40 | 0 | 0 steps |\n"
        "| SIGKILL, worker | 202 | 0 | 1.2 steps a kill |\n\n"
        "| fault | ablate | Optuna, journal |\n| --- | --- | --- |\n"
        "| a row that fails once | 0 rows, 2 steps | 1 row, 6 steps |\n"
    )


@pytest.mark.unit
def test_the_page_names_files_that_exist():
    """Each test file that the page names is one of this project."""
    page = (ROOT / "docs/concepts/faults.md").read_text()
    names = [word.strip("`.,;:()") for word in page.split() if "test_" in word and ".py" in word]
    assert names
    assert [name for name in names if not (ROOT / name).is_file()] == []
