"""The pages of the warnings, which `ablate explain` prints."""

import re

import pytest

from ablation import cli, experiments
from ablation.report import warnings

pytestmark = pytest.mark.unit
EXPERIMENT = experiments.load(experiments.DEFAULT)
RULES = warnings.rules(EXPERIMENT)
HEADINGS = ["What it checks", "Why it matters", "Example", "What to do"]


@pytest.mark.parametrize("code", RULES)
def test_every_warning_has_a_page(code: str):
    """A page begins with the code and one sentence, names the grade that the code has, and has four parts."""
    lines = (warnings.page(code, EXPERIMENT) or "").splitlines()
    assert lines[0] == f"# {code}"
    assert re.fullmatch(r"[A-Z].*\.", lines[1])
    assert f"Grade: {RULES[code].grade}" in lines
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == HEADINGS
    assert max(map(len, lines)) <= 100


def test_the_most_severe_warnings_come_first():
    """Rules are in the order of their grades."""
    grades = [warnings.GRADES.index(rule.grade) for rule in RULES.values()]
    assert grades == sorted(grades)
    assert set(grades) == {0, 1, 2}


def test_a_page_is_printed(capsys: pytest.CaptureFixture[str]):
    """A page is printed by the code, in any case; without one all warnings are listed below their grades."""
    assert cli.run(["explain", "leak_exact"]) == 0
    assert capsys.readouterr().out.startswith("# LEAK_EXACT\n")
    assert cli.run(["explain"]) == 0
    listed = capsys.readouterr().out
    assert [line.rstrip(":") for line in listed.splitlines() if line.endswith(":")] == list(warnings.GRADES)
    own = {"CONFOUNDED", "UNPAIRED", "FOLDS", "VALIDATION_ONLY", "ADAPTIVE_SEARCH"}  # of experiments
    own |= {"MIXED_CODE", "KEPT_CODE", "RETRAINED", "UNCHECKED", "NO_EFFECT"}
    assert set(RULES) | own == set(re.findall(r"^  ([A-Z0-9_]+) ", listed, re.MULTILINE))


def test_an_unknown_code_is_named_with_those_that_exist(capsys: pytest.CaptureFixture[str]):
    """One line, and exit code 2."""
    assert cli.run(["explain", "NO_SUCH"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: NO_SUCH: no such warning; known: NOT_ABLATED, ")
    assert error.count("\n") == 1
