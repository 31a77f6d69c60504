"""The rooms of the project: imports point down, and each dependency has one door."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ablation"

ROOMS = [  # from the lowest up: a package or a file knows those before it; of its own package, what is no circle
    "errors", "extras", "outcomes", "durations", "addresses", "loading", "disk", "process_setup", "workspace",
    "experiments", "backbones", "templates", "workers", "measures", "grids", "datasets", "watching", "statistics",
    "results", "watching.standing", "planning", "engine", "experiments.protocol", "training", "caveats",
    "figures", "tables", "views", "workflows", "console", "api", "__init__", "commands", "cli", "__main__",
]  # fmt: skip

COMMANDS = {f"commands.{name}" for name in ("drawing", "keeping", "looking", "options", "running", "tracking")}
DOORS = {
    "optuna": {"views.study"},
    "mlflow": {"views.tracking", "views.registrar"},
    "distributed": {"workers.cluster"},
    "dask": {"workers.cluster"},
    "click": {"cli", *COMMANDS},
    "rich": {"console.progress", "console.summary"},
    "sklearn": {"statistics.evaluation", "datasets.splits"},
    "scipy": {"statistics.comparison"},
    "statsmodels": {"statistics.comparison"},
    "keras": {
        *(f"training.{name}" for name in ("fit", "head", "front", "fused", "whole", "worker")),
        *(f"backbones.{name}" for name in ("vgg16", "mobilenetv2", "random_weights")),
    },
    "tensorflow": {"training.fused", "training.resident_tensorflow", "training.worker"},
    "jax": {"training.resident_jax", "training.worker"},
    "jinja2": {"templates"},
    "sqlalchemy": {"views.databases", "views.study"},
    "plotly": {"figures.canvas"},
    "imagehash": {"datasets.hashes"},
    "PIL": {"datasets.align", "datasets.decoding", "datasets.faces", "datasets.hashes"},
    "pynvml": {"workers.slots"},
    "joblib": {"datasets.decoding"},
}
INSIDE = {"__init__", "training.experiment", "training.worker", *COMMANDS}  # the files that import inside functions


def modules() -> dict[str, ast.Module]:
    paths = [p for p in PACKAGE.rglob("*.py") if "studies" not in p.parts]
    names = {".".join(p.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): p for p in paths}
    return {name: ast.parse(path.read_text()) for name, path in names.items()}


def imported(tree: ast.AST) -> set[str]:
    """Full names of all modules that the tree imports, `from ablation import x` as ablation.x."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


MODULES = modules()


def room(name: str) -> str:
    """The package of a module, or the module itself where it has a place of its own, or lies at the top."""
    return name if name in ROOMS else name.split(".")[0]


def known_by(name: str) -> set[str]:
    """The modules of the project that one of them imports; a package counts for its `__init__`."""
    used = {m.removeprefix("ablation.") for m in imported(MODULES[name]) if m.startswith("ablation.")}
    return {m for m in used if m in MODULES and m != name}


def test_every_module_has_a_room():
    """A new file lies in a package that has its place, or is given one."""
    assert {room(name) for name in MODULES} == set(ROOMS)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_point_down(name: str):
    """A file knows lower rooms only, and its own."""
    above = {m for m in known_by(name) if ROOMS.index(room(m)) > ROOMS.index(room(name))}
    assert not above, f"{name} imports {above}"


def test_no_imports_run_in_a_circle():
    """Within a room too, some file comes first."""
    left = {name: {m for m in known_by(name) if not name.startswith(f"{m}.")} for name in MODULES}
    while first := {name for name, used in left.items() if not used & left.keys()}:
        left = {name: used for name, used in left.items() if name not in first}
    assert not left


@pytest.mark.parametrize("dependency", sorted(DOORS))
def test_each_dependency_has_one_door(dependency: str):
    """A library is imported where it belongs, so that replacing it is the work of one file."""
    users = {n for n, tree in MODULES.items() if any(m.split(".")[0] == dependency for m in imported(tree))}
    assert users == DOORS[dependency]


def test_imports_stand_at_the_top_but_where_they_cannot():
    """Imports inside functions hide what a file depends on; these need them, for --help or a slot."""
    inside = {
        name
        for name, tree in MODULES.items()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and imported(function)
    }
    assert inside == INSIDE


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["plan", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]):
    """Help is printed before any of the heavy libraries is touched."""
    code = (
        "import sys\nfrom ablation.cli import cli\n"
        f"cli.main({arguments!r}, standalone_mode=False)\n"
        "heavy = {'tensorflow', 'keras', 'optuna', 'mlflow', 'distributed', 'pandas', 'plotly', 'numpy', 'pydantic'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout


def test_the_orchestrator_never_imports_a_backend():
    """Loading a backend takes seconds and memory; only workers do it."""
    code = "import sys, ablation.workflows.sweep\nassert not {'tensorflow', 'keras', 'jax', 'torch'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
