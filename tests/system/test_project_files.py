"""Files of the repository: its version in one place, pinned versions, citation, and the files of hosts and hooks."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import ablation
from ablation.extras import EXTRAS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
HOOKS, WORKFLOW = ROOT / ".pre-commit-config.yaml", ROOT / ".github/workflows/ci.yml"
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))


def read_yaml(path: Path) -> dict[str, object]:
    content = yaml.safe_load(path.read_text())
    assert isinstance(content, dict)
    return content


@pytest.fixture(scope="module")
def pinning() -> ModuleType:
    """Return the script .ci/pin_versions.py as a module."""
    spec = importlib.util.spec_from_file_location("pin_versions", ROOT / ".ci/pin_versions.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.unit
def test_the_version_is_stated_once():
    """`__version__` is the only place; the installation, the citation and the changelog follow."""
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert "version" not in PROJECT["project"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "ablation/__init__.py"
    assert version("ablate-table") == ablation.__version__
    assert read_yaml(ROOT / "CITATION.cff")["version"] == ablation.__version__


@pytest.mark.unit
def test_the_changelog_has_the_form_of_keep_a_changelog():
    """Unreleased first, then this version with its date; changes are in the six groups, and no group is empty."""
    versions = re.findall(r"(?m)^## \[(.+?)\](?: - (\S+))?$", CHANGELOG)
    assert versions[0] == ("Unreleased", "")
    assert versions[1] == (ablation.__version__, str(read_yaml(ROOT / "CITATION.cff")["date-released"]))
    groups = re.findall(r"(?m)^### (.+)\n\n(- )?", CHANGELOG)
    assert {name for name, _ in groups} <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert all(begin for _, begin in groups)


@pytest.mark.unit
def test_the_citation_has_the_keys_of_the_format():
    """The file has the keys that CFF 1.2.0 requires, and no unknown ones."""
    citation = read_yaml(ROOT / "CITATION.cff")
    required = {"cff-version", "message", "title", "authors"}
    allowed = required | {"abstract", "type", "version", "date-released", "license", "keywords"}
    assert required <= set(citation) <= allowed
    assert (citation["cff-version"], citation["authors"]) == ("1.2.0", [{"name": "the developers of ablate"}])
    assert citation["license"] == PROJECT["project"]["license"]


@pytest.mark.unit
def test_hooks_take_the_environment_of_the_project():
    """The entries of hooks are commands that `uv run` finds; no hook is downloaded."""
    (repository,) = read_yaml(HOOKS)["repos"]  # type: ignore[misc]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        words = hook["entry"].split()
        assert (words[:3], hook["language"]) == (["uv", "run", "--no-sync"], "system")
        assert Path(sys.executable).with_name(words[3]).is_file()


@pytest.mark.unit
@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_forms_of_issues_are_valid(path: Path):
    """Each has a name, a description and a body whose fields have distinct ids."""
    form = read_yaml(path)
    assert {"name", "description", "body"} <= set(form)
    fields = form["body"]
    assert isinstance(fields, list)
    names = [field["id"] for field in fields if field["type"] != "markdown"]
    assert len(set(names)) == len(names)
    assert {field["type"] for field in fields} <= {"markdown", "textarea", "input", "dropdown", "checkboxes"}


@pytest.mark.unit
def test_the_workflow_runs_the_script_of_the_repository():
    """The workflow names each Python that the project supports, and states that it never ran."""
    jobs = read_yaml(WORKFLOW)["jobs"]
    assert isinstance(jobs, dict)
    pythons = jobs["all"]["strategy"]["matrix"]["python"]
    assert any(".ci/run" in step.get("run", "") for step in jobs["all"]["steps"])
    allowed = Requirement(f"python{PROJECT['project']['requires-python']}").specifier
    assert [text for text in (f"3.{n}" for n in range(8, 20)) if text in allowed] == pythons
    assert "never run on hosted CI" in WORKFLOW.read_text()
    assert "never run on hosted CI" in (ROOT / "CONTRIBUTING.md").read_text()


@pytest.mark.unit
def test_all_dependencies_are_pinned(pinning: ModuleType):
    """Each dependency, of extras too, has a pin that it allows; no pin names an address."""
    pins = [Requirement(text) for text in pinning.pins_of((ROOT / "pyproject.toml").read_text())]
    assert not [pin for pin in pins if pin.url or len(pin.specifier) != 1]
    versions = {(canonicalize_name(pin.name), next(iter(pin.specifier)).version) for pin in pins}
    project = PROJECT["project"]
    for text in [*project["dependencies"], *(t for texts in project["optional-dependencies"].values() for t in texts)]:
        need = Requirement(text)
        pinned = [value for name, value in versions if name == canonicalize_name(need.name)]
        assert need.name == "ablate-table" or pinned, text
        assert all(value in need.specifier for value in pinned), text


@pytest.mark.unit
def test_this_environment_has_the_pinned_versions(pinning: ModuleType):
    """Tests pass with the versions that a fresh clone gets by `uv sync`."""
    if "\nuv = " not in f"\n{(Path(sys.prefix) / 'pyvenv.cfg').read_text()}":
        pytest.skip("this environment was not made by uv, which alone reads the pins")
    pins = map(Requirement, pinning.pins_of((ROOT / "pyproject.toml").read_text()))
    of_machines = {"nvidia", "jax"}  # a machine with GPUs may have others
    for pin in pins:
        if pin.name.split("-")[0] in of_machines or (pin.marker and not pin.marker.evaluate()):
            continue
        assert version(pin.name) in pin.specifier, f"{pin}: run `uv sync`"


@pytest.mark.unit
def test_pins_are_written_between_their_marks(pinning: ModuleType):
    """The rest of pyproject.toml keeps its bytes, and what is written can be read."""
    text = (ROOT / "pyproject.toml").read_text()
    assert pinning.with_pins(text, pinning.pins_of(text)) == text
    pins = ["a==1", "b==2.1 ; python_full_version < '3.12'"]
    changed = pinning.with_pins(text, pins)
    assert tomllib.loads(changed)["tool"]["uv"]["constraint-dependencies"] == pins == pinning.pins_of(changed)
    assert tomllib.loads(changed)["project"] == PROJECT["project"]


@pytest.mark.process
def test_the_wrong_contents_of_a_commit_are_noticed(tmp_path: Path):
    """The command of a hook fails for a file that is not formatted."""
    (tmp_path / "x.py").write_text("x  =  1\n")
    (repository,) = read_yaml(HOOKS)["repos"]  # type: ignore[misc]
    words = repository["hooks"][0]["entry"].split()[3:]
    command = [Path(sys.executable).with_name(words[0]), *words[1:], "--check", tmp_path / "x.py"]
    assert subprocess.run(command, capture_output=True).returncode == 1


@pytest.mark.unit
def test_extras_are_named_in_one_way():
    """Extras of users are named; the others are of developers."""
    assert set(PROJECT["project"]["optional-dependencies"]) == {*EXTRAS, "docs", "test"}
