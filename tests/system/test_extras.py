"""An installation without any extra: what works there, and what is said where one is missing."""

import json
import os
import re
import shutil
import subprocess
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import pytest
from conftest import ROOT, ablate
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from test_architecture import MODULES, K

from ablation import extras
from ablation.errors import AblateError
from ablation.experiments.keras_head.training import installed
from ablation.extras import EXTRAS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def brought(requirements: Iterable[str]) -> set[str]:
    """Return the distributions that an installer takes for these requirements, as it took them here."""
    waiting, reached = [Requirement(text) for text in requirements], set[tuple[str, str]]()
    while waiting:
        wanted = waiting.pop()
        for extra in ("", *wanted.extras):
            if (canonicalize_name(wanted.name), extra) not in reached:
                reached.add((canonicalize_name(wanted.name), extra))
                more = map(Requirement, distribution(wanted.name).requires or [])
                waiting += [r for r in more if r.marker is None or r.marker.evaluate({"extra": extra})]
    return {name for name, _ in reached}


def tops(distribution: Distribution) -> set[str]:
    """Return what a distribution has in site-packages: files and folders."""
    return {path.parts[0] for path in distribution.files or [] if path.parts[0] != ".."}


def link(distribution: Distribution, folder: Path, shared: set[str]) -> None:
    """Put a distribution into a folder, by links. `shared`: folders of which it has but some files."""
    places = (p for p in distribution.files or [] if p.parts[0] in shared and "__pycache__" not in p.parts)
    for place in (*map(Path, tops(distribution) - shared), *map(Path, map(str, places))):
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.symlink_to(distribution.locate_file(place))


def bare(place: Path) -> Path:
    """Make an environment that holds what the project without extras requires; return its folder of packages."""
    venv.create(place, symlinks=True)
    (folder,) = place.glob("lib/python*/site-packages")
    core = brought(PROJECT["dependencies"])
    installed = {canonicalize_name(d.name): d for d in distributions()}
    others = {top for name, d in installed.items() if name not in core for top in tops(d)}
    for name in core:
        link(installed[name], folder, tops(installed[name]) & others)
    return folder


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment with the checkout and what it requires without extras, nothing else."""
    place = tmp_path_factory.mktemp("bare")
    (bare(place) / "ablate.pth").write_text(f"{ROOT}\n")
    return place / "bin" / "python"


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the wheel and the source archive, built from the files that git tracks."""
    place = tmp_path_factory.mktemp("built")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("this is no clone of the repository")
    for name in filter(None, tracked.stdout.split("\0")):
        if (ROOT / name).is_file():
            (place / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place / "checkout" / name)
    uv = shutil.which("uv") or pytest.skip("uv builds the archives")
    built = subprocess.run([uv, "build", "-q", "-o", place, place / "checkout"], capture_output=True, text=True)
    if "Failed to resolve requirements" in built.stderr:
        pytest.skip("no network: the build backend is missing")
    assert built.returncode == 0, built.stderr
    return next(place.glob("*.whl")), next(place.glob("*.tar.gz"))


def call(python: Path, *arguments: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "KERAS_BACKEND")}
    return subprocess.run(
        [python, "-m", "ablation", *map(str, arguments)], capture_output=True, text=True, cwd=cwd, env=clean | env
    )


def test_the_wheel_has_the_package_alone(archives: tuple[Path, Path]):
    """Each tracked file of it, pages and templates too, and the studies; no test, no documentation."""
    wheel, _ = archives
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    git = ["git", "ls-files", "ablation", "studies"]
    tracked = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    expected = {re.sub("^studies/", "ablation/studies/", name) for name in tracked if (ROOT / name).is_file()}
    assert names == expected
    assert {"ablation/experiments/child/helper.py", "ablation/studies/paper.toml", "ablation/py.typed"} <= names
    assert any(name.startswith("ablation/report/warnings/pages/") for name in names)
    assert any(name.startswith("ablation/report/templates/") for name in names)


def test_the_source_archive_has_tests_and_documentation(archives: tuple[Path, Path]):
    """The archive has what a packager needs to check it."""
    _, source = archives
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"tests/conftest.py", "docs/conf.py", "studies/paper.toml", "CHANGELOG.md", "CITATION.cff", "LICENSE"}
    assert needed <= names


def test_a_wheel_without_the_checkout(archives: tuple[Path, Path], tmp_path: Path):
    """A command's study runs without any extra; a shipped study is known, and names the extra that it needs."""
    folder, place = bare(tmp_path / "environment"), tmp_path / "work"
    with zipfile.ZipFile(archives[0]) as archive:
        archive.extractall(folder)
    place.mkdir()
    (place / "mine.toml").write_text(STUDY)
    (place / "work.sh").write_text(WORK)
    python = tmp_path / "environment/bin/python"
    assert call(python, "run", "--grid", "paper", "--help", cwd=place).returncode == 0
    refused = call(python, "run", "--grid", "paper", cwd=place)
    assert (refused.returncode, refused.stderr) == (2, f"error: {KERAS}\n")
    done = call(python, "run", "mine.toml", "--inline", "--trackers", "none", "-q", cwd=place)
    assert done.returncode == 0, done.stderr
    assert len((place / "runs/mine/table.csv").read_text().splitlines()) == 3


def test_the_extras_are_those_of_the_project():
    """Messages name packages that an extra brings, and none is forgotten."""
    declared = {
        extra: {Requirement(text).name for text in texts} - {"ablate-table"}
        for extra, texts in PROJECT["optional-dependencies"].items()
        if extra not in ("docs", "test")  # of developers
    }
    stated = {
        extra: {Requirement(p).name for p in brought_by.packages.values()} for extra, brought_by in EXTRAS.items()
    }
    assert stated == declared


def test_nothing_of_an_extra_is_required_by_all():
    """The packages of extras are no dependencies of the project."""
    core = {Requirement(text).name for text in PROJECT["dependencies"]}
    assert core.isdisjoint(Requirement(p).name for brought_by in EXTRAS.values() for p in brought_by.packages.values())


def test_the_environment_has_none_of_them(python: Path):
    """The environment has no package of an extra but those of the project's own libraries: MLflow brings Pillow,
    scikit-learn joblib."""
    modules = [module for brought_by in EXTRAS.values() for module in brought_by.packages]
    code = (
        "import json, sys\nfrom ablation import extras\n"
        "print(json.dumps([m for m in json.loads(sys.argv[1]) if extras.is_installed(m)]))"
    )
    done = subprocess.run([python, "-c", code, json.dumps(modules)], capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout)) <= {"PIL", "joblib"}


@pytest.fixture(scope="session")
def imported(python: Path) -> dict[str, str]:
    """Return the error of the import of each module of the core in that environment, "" for none; and whether Pillow is
    loaded."""
    code = (
        "import importlib, json, sys\n"
        "def load(name):\n"
        "    try:\n"
        "        importlib.import_module(name)\n"
        "    except Exception as error:\n"
        "        return repr(error)\n"
        "    return ''\n"
        "names = json.loads(sys.argv[1])\n"
        "found = {name: load(name) for name in names if name not in sys.argv[2:]}\n"
        "found['PIL'] = 'PIL' in sys.modules and 'loaded' or ''\n"
        "print(json.dumps(found | {name: load(name) for name in sys.argv[2:]}))\n"
    )
    names = [f"ablation.{name}".removesuffix(".__init__") for name in CORE]
    done = subprocess.run(
        [python, "-c", code, json.dumps(names), *LOAD_PILLOW], capture_output=True, text=True, check=True
    )
    errors: dict[str, str] = json.loads(done.stdout)
    return errors


# openpyxl and Plotly load Pillow where it is installed
LOAD_PILLOW = ("ablation.sources.readers.workbook", "ablation.api.study", "ablation.api.frame")
CORE = sorted(name for name in MODULES if not name.startswith(f"{K}."))


@pytest.mark.parametrize("name", CORE)
def test_a_module_of_the_core_is_imported_without_extras(imported: dict[str, str], name: str):
    """Every module but those of the Keras experiment."""
    assert imported[f"ablation.{name}".removesuffix(".__init__")] == ""


def test_the_core_loads_no_pillow(imported: dict[str, str]):
    """The core does not load Pillow, though a library brings it."""
    assert imported["PIL"] == ""


STUDY = """
select_on = "val_score"
[experiment]
command = "sh work.sh {folder} {width}"
[experiment.results]
file = "{folder}/m.json"
[measures]
score = { best = "high" }
[factorial]
width = [1, 2]
"""
WORK = 'echo "{\\"val_score\\": 0.$2, \\"test_score\\": 0.$2}" > $1/m.json\n'
KERAS = "the Keras experiment needs tensorflow, keras and imagehash: pip install 'ablate-table[keras]'"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--grid", "tiny.toml", "--data", "tiny.npz"], KERAS),
        (["plan", "--grid", "tiny.toml", "--data", "tiny.npz"], KERAS),
        (["evaluate", "--grid", "tiny.toml", "--data", "production.npz"], KERAS),
        (["predict", "production.npz", "--grid", "tiny.toml"], KERAS),
        (["register", "faces", "--grid", "tiny.toml"], KERAS),
        (["data", "tiny.npz"], "`ablate data` needs imagehash: pip install 'ablate-table[keras]'"),
        (
            ["sync", "--tracking", "postgresql://db/mlflow"],
            "--tracking (or MLFLOW_TRACKING_URI): PostgreSQL needs psycopg: pip install 'ablate-table[postgres]'",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_says_which_extra_it_needs(python: Path, old_workspace: Path, arguments: list[str], message: str):
    """The missing extra is named in one line, with exit code 2, before the command writes anything."""
    before = {p: p.stat().st_mtime_ns for p in old_workspace.rglob("*")}
    done = call(python, *arguments, cwd=old_workspace)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, f"error: {message}")
    assert [line for line in done.stderr.splitlines() if not line.startswith("study ")] == [f"error: {message}"]
    assert {p: p.stat().st_mtime_ns for p in old_workspace.rglob("*")} == before


def test_tables_are_drawn_and_verified_without_extras(python: Path, old_workspace: Path):
    """Tables follow from the files of a workspace, with the bytes that an installation with extras writes."""
    done = call(python, "table", "--grid", "tiny.toml", cwd=old_workspace)
    assert done.returncode == 0, done.stderr
    folder = old_workspace / "runs" / "tiny"
    drawn = {p: p.read_bytes() for p in (*folder.glob("table.*"), *folder.glob("tables/*"), folder / "macros.tex")}
    done = ablate("table", "--grid", "tiny.toml", cwd=old_workspace)
    assert done.returncode == 0, done.stderr
    assert {p: p.read_bytes() for p in drawn} == drawn
    done = call(python, "verify", *folder.glob("table.*"), cwd=old_workspace)
    assert done.returncode == 0, done.stderr


def test_other_commands_that_train_nothing_work_without_extras(python: Path, old_workspace: Path):
    """Commands that only read results work without extras."""
    for command in (["--help"], ["status"], ["new", "mine.toml"], ["sync", "--grid", "tiny.toml"], ["clean", "--yes"]):
        done = call(python, *command, cwd=old_workspace)
        assert done.returncode == 0, (command, done.stderr)


@pytest.mark.parametrize(
    ("backend", "absent", "message"),
    [
        ("jax", {"tensorflow"}, ""),
        ("tensorflow", {"jax"}, ""),
        ("tensorflow", {"tensorflow"}, "the Keras experiment needs tensorflow: pip install 'ablate-table[keras]'"),
        ("jax", {"jax"}, "KERAS_BACKEND=jax: not installed; pip install 'ablate-table[jax]', or unset the variable"),
        ("torch", {"torch"}, "KERAS_BACKEND=torch: not installed; install it, or unset the variable"),
    ],
)
def test_one_backend_is_enough(monkeypatch: pytest.MonkeyPatch, backend: str, absent: set[str], message: str):
    """The one that KERAS_BACKEND names; without it, TensorFlow."""
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setattr(extras, "is_installed", lambda module: module not in absent)
    if not message:
        installed.check()
        return
    with pytest.raises(AblateError) as refused:
        installed.check()
    assert str(refused.value) == message


def test_doctor_names_the_extras_that_are_missing(python: Path, tmp_path: Path):
    """Missing extras are notes, each with its purpose and the command that installs it."""
    done = call(python, "doctor", "--json", cwd=tmp_path)
    checks = {check["what"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 0
    assert "Keras backend" not in checks
    for extra in EXTRAS:
        check = checks[f"extra {extra}"]
        assert (check["state"], f"pip install 'ablate-table[{extra}]'" in check["found"]) == ("note", True)
