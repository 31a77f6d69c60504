"""Writes a page for each warning, reference/warnings/CODE.md, and their list, from the pages of `ablate explain`."""

from pathlib import Path

import written_pages
from sphinx.application import Sphinx

from ablation import experiments
from ablation.report import warnings

TITLES = {
    "invalidates": "Warnings that invalidate numbers or claims",
    "weakens": "Warnings that weaken a claim",
    "note": "Notes",
}

INTRODUCTION = (
    "A warning states a fact with numbers, its consequence and a remedy. `ablate explain CODE` prints its page, and\n"
    "`ablate run --strict CODE` makes it fatal: exit code 1. The pages here are the same."
)


def pages() -> dict[str, tuple[str, str]]:
    """Return the grade and the page of each warning, by its code, the most severe first."""
    installed = [experiments.load(name) for name in experiments.names()]
    grades = {code: rule.grade for experiment in installed for code, rule in warnings.rules(experiment).items()}
    texts = {code: next(filter(None, (warnings.page(code, e) for e in installed))) for code in grades}
    return {code: (grades[code], texts[code]) for grade in warnings.GRADES for code in grades if grades[code] == grade}


def markdown(page: str) -> str:
    """Return a page of `ablate explain` for the documentation: its summary is emphasised, examples are quotes."""
    title, summary, *others = page.splitlines()
    return "\n".join([title, "", f"**{summary}**", *others, ""])


def listing(grades: dict[str, tuple[str, str]]) -> str:
    """Return the page that lists all warnings by grade."""
    lines = ["# Warnings", "", INTRODUCTION, ""]
    for grade, title in TITLES.items():
        codes = [code for code, (own, _) in grades.items() if own == grade]
        lines += [f"## {title}", "", "| code | checks |", "| --- | --- |"]
        lines += [f"| [{code}]({code}.md) | {grades[code][1].splitlines()[1]} |" for code in codes]
        lines += [""]
    return "\n".join([*lines, *written_pages.hidden_toctree(list(grades))])


def write(app: Sphinx) -> None:
    """Write the pages of all warnings, and the list of them."""
    by_code = pages()
    texts = {code: markdown(page) for code, (_, page) in by_code.items()} | {"index": listing(by_code)}
    written_pages.write(Path(app.srcdir) / "reference" / "warnings", texts)


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx reads."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
