"""Plain technical English: docstrings begin with their subject or a verb, and names name things.

The docstring of a test is a sentence of the specification, which names its subject; that of any other function begins
with a verb, and that of a class with a noun.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = pytest.mark.unit

PACKAGE = ROOT / "ablation"

# A docstring that begins with one of these does not name its subject: "Of one trial, which ...", "Whether it ...".
FUNCTION_WORDS = frozenset(
    """
    about above after all along among and another any anything are around as at because been before behind below
    beside besides between both but by can could do does down during each either else enough even ever every
    everything except few for from had has have he here how however if in inside into is it its just last less like
    many may might mine more most much must neither never next no nobody none nor not nothing now of off on once one
    only or other others our out outside over own per perhaps rather same several she should since so some something
    such than that the their them then there these they this those though through till to too toward under until up
    upon was we were what whatever when where wherever whether which while who whoever whom whose why will with
    within without would yet you
    """.split()  # noqa: SIM905 (a list of as many strings would be a page)
)
# A test's sentence may begin with one of these, for a noun follows: "Each row ...", "No file ...".
DETERMINERS = frozenset({
    "all", "another", "any", "both", "each", "either", "every", "few", "many", "most", "neither", "no", "one", "other",
    "several", "some", "the",
})  # fmt: skip
NAMES = {"found", "known", "told", "said", "mine", "seen", "many", "some", "each", "rest", "what"}  # name nothing
KEPT = {  # fields that files and commands have by these names
    ("cli/commands/evaluate.py", "rest"), ("cli/commands/predict.py", "rest"), ("experiments/protocol.py", "found"),
    ("experiments/protocol.py", "what"), ("report/figures/forest.py", "many"), ("study/grid.py", "said"),
    ("workflows/evaluation.py", "found"),
}  # fmt: skip

# Words of the Keras experiment, which no other package knows; these files have them still, in texts and file names.
OF_IMAGES = re.compile(r"\b(images?|pixels?|faces?|keras|backbones?|heads?)\b", re.IGNORECASE)
STILL = frozenset(
    """
    analysis/external_evaluation.py analysis/published.py analysis/retention.py cli/commands/data.py
    cli/commands/evaluate.py cli/commands/options.py cli/commands/predict.py
    cli/terminal/plan_text.py experiments/__init__.py experiments/function/ablate_child/bridges.py extras.py
    report/html_report.py report/tables/html.py
    report/tables/per_class.py report/tables/secondary_table.py report/tables/table.py
    report/warnings/classes.py report/warnings/curves.py report/warnings/production.py
    report/warnings/study_protocol.py report/warnings/runs.py report/warnings/source.py store/workspace.py study/grid.py
    study/merge.py study/new_study.py study/shipped_studies.py study/study_file.py study/study_keys.py
    trackers/mlflow_sender.py
    trackers/mlflow_runs.py trackers/optuna_study.py workflows/clean.py workflows/evaluation.py workflows/register.py
    workflows/trained_row.py
    """.split()  # noqa: SIM905
)


def violations(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield (kind, text) of each docstring and each bound name that breaks the rules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = re.match(r"\W*([A-Za-z']+)", ast.get_docstring(node) or "")
            if first and first[1].lower() in FUNCTION_WORDS - _allowed(node) and not _is_property(node):
                yield "docstring", f"{node.name}: {first[1]} ..."
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in NAMES:
            yield "name", node.id
        if isinstance(node, ast.arg) and node.arg in NAMES:
            yield "name", node.arg


def _allowed(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> frozenset[str]:
    """Return the function words that may begin this docstring."""
    if isinstance(node, ast.ClassDef):
        return frozenset({"one", "the"})  # "The trial."
    return DETERMINERS if node.name.startswith("test_") else frozenset()


def _is_property(node: ast.AST) -> bool:
    return any("property" in ast.unparse(decorator) for decorator in getattr(node, "decorator_list", []))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_docstrings_and_names(path: Path):
    """No docstring begins with a function word, and no name says nothing of its thing."""
    place = path.relative_to(PACKAGE).as_posix()
    broken = [(kind, text) for kind, text in violations(ast.parse(path.read_text())) if (place, text) not in KEPT]
    assert not broken


OTHERS = [
    path for folder in ("tests", "docs", "examples") for path in sorted((ROOT / folder).rglob("*.py"))
    if "_build" not in path.parts
]  # fmt: skip


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_docstrings_and_names_of_tests(path: Path):
    """No docstring of tests, docs and examples leaves its subject to the reader, and no name says nothing."""
    broken = list(violations(ast.parse(path.read_text())))
    assert not broken


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ('def f():\n    """Of one trial, which is done."""\n', "docstring"),
        ('def f():\n    """Whether it is done."""\n', "docstring"),
        ('class A:\n    """What was asked for."""\n', "docstring"),
        ("def f(known):\n    return known\n", "name"),
        ("found = 1\n", "name"),
        ('def test_f():\n    """It is done."""\n', "docstring"),
        ('def test_f():\n    """In one line, with the file."""\n', "docstring"),
        ('def test_f():\n    """Nothing but a line."""\n', "docstring"),
        ('def test_f():\n    """Each row is done."""\n', ""),
        ('def helper():\n    """The row of a trial."""\n', "docstring"),
        ('def f(trials):\n    """Return the finished trials."""\n    return trials\n', ""),
    ],
)
def test_a_planted_violation_is_found(code: str, kind: str):
    """The check can fail."""
    assert next((kind for kind, _ in violations(ast.parse(code))), "") == kind


def words_of_images(tree: ast.Module) -> set[str]:
    """Return the words of images in identifiers and texts; docstrings are left out."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=text) | ast.Attribute(attr=text) | ast.arg(arg=text) | ast.keyword(arg=str(text)):
                texts.add(text)
            case ast.FunctionDef(name=text) | ast.ClassDef(name=text):
                texts.add(text)
            case ast.Constant(value=str(text)) if id(node) not in docstrings:
                texts.add(text)
    split = (re.sub(r"([a-z])([A-Z])", r"\1 \2", text.replace("_", " ")) for text in texts)
    return {word.lower() for text in split for word in OF_IMAGES.findall(text)}


def test_no_other_package_speaks_of_images():
    """A file that begins to, or that has stopped, is named."""
    files = {p.relative_to(PACKAGE).as_posix(): p for p in PACKAGE.rglob("*.py") if "keras_head" not in p.parts}
    assert {name for name, path in files.items() if words_of_images(ast.parse(path.read_text()))} == STILL


def test_a_planted_word_is_found():
    """A word is found in an identifier, in a text and in a name in camel case, not in a docstring."""
    code = 'def f(n_images):\n    """Pixels."""\n    return "a face", HeadCount\n'
    assert words_of_images(ast.parse(code)) == {"images", "face", "head"}
