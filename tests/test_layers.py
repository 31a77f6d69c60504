"""The rooms of the project: imports point down, and each dependency has one door."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ablation"

LAYERS = [
    {"errors", "interrupts", "backbones", "datasets"},
    {"durations", "addresses", "datasets.align"},
    {"watch", "grid", "workspace", "slots", "evaluation", "comparison", "escape", "templates", "datasets.images",
     "backbones.vgg16", "backbones.mobilenetv2", "backbones.random_weights"},
    {"datasets.folders", "datasets.fer2013", "datasets.affwild2", "datasets.arrays",
     "together", "datasets.faces", "splits", "batches", "result", "record", "design"},
    {"ui", "study_file", "cost", "attempts", "checkpoint", "front", "witness"},
    {"analysis", "elsewhere"},
    {"published", "datasets.demo", "fused", "plan", "head", "study", "tracking", "pool", "selection", "status"},
    {"leaks", "findings", "whole", "features", "table", "schedule", "cluster", "keep", "standing"},
    {"frames", "cells", "tables", "caveats.caveat", "measuring", "clean"},
    {"latex", "export", "provenance"},
    {"caveats.known"},
    {"caveats.classes", "caveats.curves", "caveats.factors", "caveats.leakage", "caveats.noise", "caveats.production",
     "caveats.protocol", "caveats.runs", "caveats.source"},
    {"caveats"},
    {"claims", "html", "figures.canvas"},
    {"figures.confusion", "figures.cost", "figures.curves", "figures.dumbbell", "figures.forest", "figures.levels",
     "figures.parallel"},
    {"figures"},
    {"report"},
    {"worker"},
    {"outcome", "bench"},
    {"verify", "prepare"},
    {"runs", "registrar", "registry"},
    {"views", "sync", "links"},
    {"dispatch"},
    {"sweep", "forecast"},
    {"answers"},
    {"production"},
    {"progress", "doctor", "api"},
    {"planned"},
    {"__init__", "cli"},
    {"__main__"},
]  # fmt: skip
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

DOORS = {
    "optuna": {"study"},
    "mlflow": {"tracking", "registrar"},
    "distributed": {"cluster"},
    "dask": {"cluster"},
    "click": {"cli"},
    "rich": {"progress"},
    "sklearn": {"evaluation", "splits"},
    "scipy": {"comparison"},
    "statsmodels": {"comparison"},
    "keras": {
        "head",
        "front",
        "fused",
        "whole",
        "backbones.vgg16",
        "backbones.mobilenetv2",
        "backbones.random_weights",
        "worker",
    },
    "tensorflow": {"fused", "worker"},
    "jinja2": {"templates"},
    "sqlalchemy": {"study"},
    "plotly": {"figures.canvas"},
    "imagehash": {"leaks"},
    "PIL": {"datasets.align", "datasets.images", "datasets.faces", "leaks"},
    "pynvml": {"slots"},
    "joblib": {"datasets.images"},
}
INSIDE = {"__init__", "cli", "worker"}  # the files that import inside functions


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


def test_every_module_has_a_room():
    """A new file is given a layer before it is imported by anybody."""
    assert set(MODULES) == set(LEVEL)


@pytest.mark.parametrize("name", sorted(LEVEL))
def test_imports_point_down(name: str):
    """A file knows lower layers only."""
    used = {m.removeprefix("ablation.") for m in imported(MODULES[name]) if m.startswith("ablation.")}
    above = {m for m in used if m in LEVEL and m != name and LEVEL[m] >= LEVEL[name]}
    assert not above, f"{name} (layer {LEVEL[name]}) imports {above}"


@pytest.mark.parametrize("dependency", sorted(DOORS))
def test_each_dependency_has_one_door(dependency: str):
    """A library is imported where it belongs, so that replacing it is the work of one file."""
    users = {n for n, tree in MODULES.items() if any(m.split(".")[0] == dependency for m in imported(tree))}
    assert users == DOORS[dependency]


def test_imports_stand_at_the_top_but_in_three_files():
    """Imports inside functions hide what a file depends on; three files need them, each with its reason."""
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
    code = "import sys, ablation.sweep\nassert not {'tensorflow', 'keras', 'jax', 'torch'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
