"""The structure of the project: what a package may not know, which file imports which library, what loads slowly."""

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGE = ROOT / "ablation"

K = "experiments.keras_head"
DOORS = {  # library -> the files that import it
    "optuna": {
        "trackers.optuna_importances",
        "trackers.optuna_study",
        "sources.readers.optuna_database",
        "sources.readers.optuna_journal",
    },
    "mlflow": {"trackers.mlflow_sender", "workflows.register_process", "sources.readers.mlflow_server"},
    "distributed": {f"engine.dask_{name}" for name in ("cluster", "pool", "worker")},
    "dask": {"engine.dask_cluster"},
    "click": {"cli", "cli.commands.*", "cli.exit_codes"},
    "rich": {f"cli.terminal.{name}" for name in ("consoles", "progress", "summary", "table_layout", "table_texts")},
    "sklearn": {f"{K}.datasets.splits"},
    "scipy": {f"statistics.{name}" for name in ("distributions", "intervals", "rank_agreement", "tests")},
    "statsmodels": {f"statistics.{name}" for name in ("intervals", "linear_models", "tests")},
    "keras": {
        *(f"{K}.training.{name}" for name in ("fit", "head", "input_layers", "fused_adam", "full_model", "worker")),
        *(f"{K}.backbones.{name}" for name in ("vgg16", "mobilenetv2", "random_weights")),
        "experiments.function.ablate_child.bridges",  # in the user's interpreter
    },
    "tensorflow": {f"{K}.training.{name}" for name in ("fused_adam", "device_loop_tensorflow", "worker")},
    "jax": {f"{K}.training.device_loop_jax", f"{K}.training.worker"},
    "jinja2": {"report.templates"},
    "sqlalchemy": {
        *("trackers.databases", "trackers.optuna_database", "trackers.optuna_study"),
        *(f"sources.readers.{name}" for name in ("databases", "mlflow_database", "optuna_database")),
    },
    "plotly": {"report.figures.style", "api.study"},
    "openpyxl": {"report.tables.workbook", "sources.readers.workbook"},
    "yaml": {"sources.readers.documents"},
    "imagehash": {f"{K}.datasets.hashes"},
    "PIL": {f"{K}.datasets.{name}" for name in ("align", "decoding", "faces", "hashes")},
    "pynvml": {"engine.slots"},
    "joblib": {f"{K}.datasets.decoding"},
}
INSIDE = {
    "__init__",
    f"{K}.experiment",
    f"{K}.training.worker",
    "experiments.function.ablate_child.bridges",
    "experiments.function.ablate_child.serve",
    "cli.commands.*",
    "workflows.run_study",
    "workflows.sweep",
    "workflows.warm_pool",
}  # files that import inside functions


def modules() -> dict[str, ast.Module]:
    paths = list(PACKAGE.rglob("*.py"))
    names = {".".join(p.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): p for p in paths}
    return {name: ast.parse(path.read_text()) for name, path in names.items()}


def imported(tree: ast.AST) -> set[str]:
    """Full names of all modules that the tree imports, `from ablation import x` as ablation.x, and late ones."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "late_import":
            names |= {ast.literal_eval(argument) for argument in node.args}
    return names


def _without_late(tree: ast.Module) -> ast.Module:
    """Return the imports of a tree that Python itself executes."""
    return ast.Module([n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)], [])


MODULES = modules()


def grouped(names: set[str]) -> set[str]:
    """Return names of modules, those of the commands as one."""
    return {"cli.commands.*" if name.startswith("cli.commands.") else name for name in names}


def known_by(name: str) -> set[str]:
    """Return the modules of the project that one of them imports; a package counts for its `__init__`."""
    used = {m.removeprefix("ablation.") for m in imported(MODULES[name]) if m.startswith("ablation.")}
    return {m for m in used if m in MODULES and m != name}


def lint(place: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of pyproject.toml on the package in a folder."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--config", place / "pyproject.toml"]
    environment = os.environ | {"PYTHONPATH": str(place)}
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)


@pytest.mark.process
def test_contracts_hold():
    """No package imports, directly or through others, what it may not know."""
    done = lint(PACKAGE.parent)
    assert done.returncode == 0, done.stdout


@pytest.mark.process
@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("report/verify.py", "engine.slots"),
        ("store/result.py", "analysis.selection"),
        ("engine/job.py", f"{K}.factors"),
    ],
)
def test_a_forbidden_import_breaks_a_contract(tmp_path: Path, module: str, forbidden: str):
    """A planted import is named with its line."""
    shutil.copytree(PACKAGE, tmp_path / "ablation", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PACKAGE.parent / "pyproject.toml", tmp_path)
    path = tmp_path / "ablation" / module
    path.write_text(f"{path.read_text()}\nimport ablation.{forbidden}\n")
    done = lint(tmp_path)
    assert done.returncode == 1
    assert f"ablation.{forbidden}" in "".join(done.stdout.split())


def test_no_imports_run_in_a_circle():
    """The files of a package, too, have an order in which none imports a later one."""
    left = {name: {m for m in known_by(name) if not name.startswith(f"{m}.")} for name in MODULES}
    while first := {name for name, used in left.items() if not used & left.keys()}:
        left = {name: used for name, used in left.items() if name not in first}
    assert not left


@pytest.mark.parametrize("dependency", sorted(DOORS))
def test_each_dependency_has_one_door(dependency: str):
    """A library is imported where it belongs, so that replacing it is the work of one file."""
    users = {n for n, tree in MODULES.items() if any(m.split(".")[0] == dependency for m in imported(tree))}
    assert grouped(users) == DOORS[dependency]


def test_late_imports_are_of_libraries():
    """The contracts between packages see only the imports that Python sees: a package of the project is never late."""
    late = {m for tree in MODULES.values() for m in imported(tree) - imported(_without_late(tree))}
    assert late
    assert not {m for m in late if m.split(".")[0] == "ablation"}


def test_imports_stand_at_the_top_but_where_they_cannot():
    """Imports inside functions hide what a file depends on; these need them, for --help or a slot."""
    inside = {
        name
        for name, tree in MODULES.items()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and imported(function)
    }
    assert grouped(inside) == INSIDE


@pytest.mark.process
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


@pytest.mark.process
def test_the_orchestrator_never_imports_a_backend():
    """Loading a backend takes seconds and memory; only workers do it."""
    code = "import sys, ablation.workflows.sweep\nassert not {'tensorflow', 'keras', 'jax', 'torch'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.process
def test_wheel_and_checkout_hold_the_same_studies(tmp_path: Path):
    """A study that is shipped is in the wheel, byte for byte."""
    root = PACKAGE.parent
    place = tmp_path / "checkout"
    place.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, place)
    for name in ("ablation", "studies"):
        shutil.copytree(root / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = [shutil.which("uv") or pytest.skip("uv builds the wheel"), "build", "--wheel", "-q", "-o", tmp_path, place]
    done = subprocess.run(build, capture_output=True, text=True)
    if "Failed to resolve requirements" in done.stderr:
        pytest.skip("no network: the build backend cannot be had")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert "ablation/py.typed" in archive.namelist()  # type checkers of users read the annotations
        held = {
            Path(name).name: archive.read(name) for name in archive.namelist() if name.startswith("ablation/studies/")
        }
    assert held == {path.name: path.read_bytes() for path in (root / "studies").iterdir()}
    assert held


def test_the_glossary_has_every_public_class():
    """A name that the code gives to a thing is explained in one place."""
    text = (PACKAGE.parent / "docs" / "reference" / "glossary.md").read_text()
    classes = {
        node.name
        for tree in MODULES.values()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    assert not {name for name in classes if f"`{name}`" not in text}


def test_files_of_the_users_interpreter_are_python_3_9():
    """Neither their syntax nor their imports need more: standard library, and each other."""
    files = [PACKAGE / "experiments/child/helper.py", *(PACKAGE / "experiments/function/ablate_child").glob("*.py")]
    ruff = Path(sys.executable).with_name("ruff")
    command = [ruff, "check", "--isolated", "--target-version", "py39", "--select", "E9,F", *files]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    used = {name.partition(".")[0] for path in files for name in imported(ast.parse(path.read_text()))}
    of_users = {"keras", "transformers", "lightning", "pytorch_lightning"}  # which bridges load
    assert used - sys.stdlib_module_names - of_users <= {path.stem for path in files}
