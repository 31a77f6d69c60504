"""No code of ablate loads a pickle, builds objects of a foreign file, or runs text as code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = pytest.mark.unit
MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "shelve", "marshal", "jsonpickle"}
CALLS = {"eval", "exec", "compile", "__import__"}  # of builtins
METHODS = {"read_pickle", "to_pickle", "load_model", "enable_unsafe_deserialization", "unsafe_load", "full_load"}
ONLY_WITH: dict[str, tuple[str, object]] = {  # call -> the argument that it needs
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
NEVER = {"joblib.load", "torch.load", "yaml.unsafe_load", "yaml.full_load", "joblib.Memory"}
ALLOWED = {  # file, call -> why
    ("workflows/register_process.py", "flavor.load_model"): "reads back the model that this process has just logged",
    ("sources/readers/documents.py", "yaml.load"): "with SettingsLoader, a safe loader that builds no objects",
}


def dotted(node: ast.expr) -> str:
    """Return the name of a called function: np.load."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def faults(path: Path, tree: ast.Module) -> Iterator[str]:
    """Yield the imports and calls of a module that are not allowed."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in MODULES:
            yield str(node.module)
        elif isinstance(node, ast.Call):
            yield from _of_call(node)


def _of_call(node: ast.Call) -> Iterator[str]:
    name = dotted(node.func)
    stated = {keyword.arg: keyword.value for keyword in node.keywords}
    if isinstance(node.func, ast.Name) and name in CALLS:
        yield name
    if name in NEVER or name.rpartition(".")[2] in METHODS:
        yield name
    if name in ONLY_WITH:
        argument, value = ONLY_WITH[name]
        if not (isinstance(given := stated.get(argument), ast.Constant) and given.value is value):
            yield f"{name} without {argument}={value}"
    if name == "yaml.load":
        yield name
    if isinstance(given := stated.get("allow_pickle"), ast.Constant) and given.value is not False:
        yield f"{name} with pickles"


def test_nothing_is_unpickled():
    """Files that are read may come from anybody: JSON, plain arrays, and weights without their network."""
    calls = {
        (path.relative_to(ROOT / "ablation").as_posix(), fault)
        for path in sorted((ROOT / "ablation").rglob("*.py"))
        for fault in faults(path, ast.parse(path.read_text(encoding="utf-8")))
    }
    assert calls == ALLOWED.keys()


def test_the_rules_find_what_they_are_for():
    """Each rule is tried on a line that breaks it."""
    lines = [
        "import pickle",
        "from cloudpickle import loads",
        "eval('1')",
        "joblib.load(p)",
        "np.load(p)",
        "yaml.load(t)",
        "np.load(p, allow_pickle=True)",
        "keras.models.load_model(p)",
        "pd.read_pickle(p)",
        "exec(t)",
        "torch.load(p)",
    ]
    for line in lines:
        assert list(faults(Path("x.py"), ast.parse(line))), line
    assert not list(
        faults(Path("x.py"), ast.parse("np.load(p, allow_pickle=False)\nre.compile(t)\nast.literal_eval(t)"))
    )
