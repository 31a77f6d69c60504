"""The reference and the program have the same options, keys, factors, warnings, variables, files and columns."""

import csv
import importlib
import inspect
import json
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, in_process
from doc_blocks import DOCS, PAGES, Block, blocks, name_of
from markdown_it import MarkdownIt
from pydantic import BaseModel
from test_tutorials import run as run_lines

from ablation import cli, experiments, study
from ablation.api.study import Study
from ablation.experiments.function.ablate_child.handle import Run
from ablation.experiments.keras_head.factors import HeadFactors
from ablation.outcomes import Status
from ablation.report import warnings
from ablation.study import study_file

REFERENCE = DOCS / "reference"
OPTION = re.compile(r"(?<![\w/.=-])--[a-z][\w-]*")
CODE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
OF_OTHERS = {  # options of other programs that pages name
    "--amp", "--array", "--gpus", "--layers", "--lr", "--multirun", "--name=value", "--opt", "--out", "--resume",
    "--no-dashboard", "--signal", "--tls-ca-file", "--xla_gpu_deterministic_ops",
}  # fmt: skip
OF_OTHER_PROGRAMS = (
    "python ",
    "pip ",
    "pipx ",
    "pytest ",
    "docker ",
    "dask ",
    "uv ",
    "sbatch ",
    "sphinx-build ",
    "rsync ",
    "squeue ",
)
VARIABLES_OF_OTHERS = {  # which the system or a library reads
    "COLUMNS", "HOME", "LANG", "LOGNAME", "PGPASSWORD", "PYTHONWARNINGS", "TERM", "TMPDIR", "USER", "_ABLATE_COMPLETE",
}  # fmt: skip
WORDS = {"NAME", "PATH"}
STUDY = """
select_on = "val_accuracy"
[experiment]
function = "train.py:train"
task = "classes"
[[compare]]
family = "all_pairs"
[one_at_a_time]
width = [2, 3]
"""
TRAIN = """
def train(*, width: int = 1, seed: int = 0):
    label = [0, 1, 2] * 20
    wrong = range(5 * width + seed)
    predicted = [(value + 1) % 3 if i in wrong else value for i, value in enumerate(label)]
    examples = {"label": label, "predicted": predicted}
    return {"val": examples, "test": examples, "size": width}
"""
JOINED = {
    "outbox-refused.jsonl": "-refused",
    "mlartifacts/": "mlartifacts",
}  # names that are put together, and their parts


def inline(text: str) -> Iterator[str]:
    """Yield the code in lines of text of a page; code blocks are left out."""
    for token in MarkdownIt("commonmark").parse(text):
        yield from (child.content for child in token.children or () if child.type == "code_inline")


def codes(page: Path) -> list[str]:
    return list(inline(page.read_text(encoding="utf-8")))


def unknown_options(text: str) -> list[str]:
    """Return the options in a text that neither a command nor another program has."""
    options = {name for command in cli.cli.commands.values() for option in command.params for name in option.opts}
    options |= {"--help", "--version"} | {name.partition("=")[0] for name in OF_OTHERS}
    of_ablate = [code for code in inline(text) if not code.startswith(OF_OTHER_PROGRAMS)]
    return [name for code in of_ablate for name in OPTION.findall(code) if name not in options]


def warning_codes() -> set[str]:
    """Return the codes of the warnings of all experiments."""
    installed = [experiments.load(name) for name in experiments.names()]
    return {code for experiment in installed for code in warnings.rules(experiment)}


def variables() -> set[str]:
    """Return the environment variables of their page, which may be written with a value."""
    words = [code.partition("=")[0] for code in codes(REFERENCE / "environment.md")]
    return {word for word in words if re.fullmatch(r"_?[A-Z][A-Z0-9_]*", word)}


def unknown_codes(text: str) -> list[str]:
    """Return words like A_CODE in a text that are neither warnings nor environment variables."""
    allowed = warning_codes() | variables()
    return [name for code in inline(text) if (name := code.partition("=")[0]) not in allowed and CODE.fullmatch(name)]


def models() -> set[str]:
    """Return the addresses of all models of keys of a study file, and that of the Keras head's factors."""
    names = [module.name for module in pkgutil.iter_modules(study.__path__) if module.name.endswith("_keys")]
    modules = [importlib.import_module(f"ablation.study.{name}") for name in names]
    kinds = [kind for module in modules for kind in vars(module).values() if inspect.isclass(kind)]
    own = {kind for kind in kinds if issubclass(kind, BaseModel) and kind.__module__.endswith("_keys")}
    return {f"{kind.__module__}:{kind.__name__}" for kind in {*own, HeadFactors}}


def schemas() -> dict[str, list[str]]:
    """Return the addresses of the models that pages explain, each with the keys that are explained."""
    stated: dict[str, list[str]] = {}
    for page in PAGES:
        for block in blocks(page):
            if match := re.match(r"\{schema\} (\S+)", block.language):
                lines = [line for line in block.text.splitlines() if line.strip() and not line.startswith((" ", ":"))]
                stated.setdefault(match[1], []).extend(line.partition(":")[0] for line in lines)
    return stated


def table(page: Path, heading: str) -> list[list[str]]:
    """Return the code in the first cell of each line of the tables of a section."""
    section = re.split(r"^#{1,3} ", page.read_text(encoding="utf-8").split(f"# {heading}\n")[1], flags=re.MULTILINE)[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ") and "---" not in line]
    return [named for cell in cells if (named := re.findall(r"`([^`]+)`", cell))]


def sources(*folders: str) -> str:
    """Return the texts of files of the project."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*")) if path.is_file()]
    suffixes = (".py", ".yaml", ".toml", ".md", "")
    return "\n".join(p.read_text(encoding="utf-8", errors="ignore") for p in paths if p.suffix in suffixes)


@pytest.mark.unit
def test_every_key_is_explained():
    """Each model of keys has a table, with each key once; a study file has no other tables."""
    stated = schemas()
    assert set(stated) == models()
    for address, keys in stated.items():
        module, _, name = address.partition(":")
        fields = getattr(importlib.import_module(module), name).model_fields
        assert sorted(keys) == sorted(field.alias or name for name, field in fields.items()), address


@pytest.mark.unit
def test_a_table_of_keys_states_what_is_allowed():
    """A line a key, with its default; stars of patterns are no emphasis, and each line has an address."""
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    sys.path.insert(0, str(DOCS / "extensions"))
    tables = importlib.import_module("schema_tables")
    folds = tables.table(tables.model_of("ablation.study.fold_keys:FoldKeys"), {"k": "how many"}).splitlines()
    assert folds[2] == "| `k` | how many | a whole number from 2: the number of folds |"
    assert folds[4].endswith('| plain, stratified, group, stratified_group or time; default `"plain"` |')
    assert tables.escaped("src/**/*.f90 | x") == r"src/\*\*/\*.f90 \| x"
    assert tables.anchor(HeadFactors, "fc_units") == "head-fc-units"


@pytest.mark.unit
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_options_and_codes_on_a_page_exist(page: Path):
    """An option is one of a command, a word like SINGLE_SEED a warning or an environment variable."""
    text = page.read_text(encoding="utf-8")
    assert unknown_options(text) == []
    if page.name != "CONTRIBUTING.md":  # it names constants of the code
        assert unknown_codes(text) == []


@pytest.mark.unit
def test_a_wrong_option_and_a_wrong_code_are_noticed():
    """A page has such names when an option or a warning is renamed."""
    assert unknown_options("Pass `--seed 5`, `--gird x` or `--workspace=y`.") == ["--seed", "--gird"][1:]
    assert unknown_codes("`SINGLE_SEED`, `SINGLE_SED`, `KERAS_BACKEND=jax`, `ABLATE_RUNS`") == [
        "SINGLE_SED",
        "ABLATE_RUNS",
    ]


@pytest.mark.unit
def test_every_option_and_every_warning_has_a_line():
    """Generated pages have a line for each option that `--help` shows, each warning of each experiment."""
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    sys.path.insert(0, str(DOCS / "extensions"))
    command_pages, warning_pages = map(importlib.import_module, ("command_pages", "warning_pages"))
    for name, command in cli.cli.commands.items():
        page = command_pages.page(name, command)
        shown = [option for option in command.params if option.param_type_name == "option" and not option.hidden]
        assert [flag for option in shown for flag in option.opts if flag not in page] == [], name
    pages = {path.stem for path in (ROOT / "ablation").rglob("pages/*.md")}
    assert set(warning_pages.pages()) == warning_codes() == pages


@pytest.mark.unit
def test_every_environment_variable_is_named():
    """Variables of `ablate`, its tests and containers are on the page, and each named one is used."""
    text = sources("ablation", "docker")
    read = set(re.findall(r"""environ(?:\.get|\.pop|\.setdefault)?[\[(]\s*["']([A-Z][A-Z0-9_]+)["']""", text))
    own = set(re.findall(r"\b_?ABLATE_[A-Z_]+[A-Z]\b", text + sources("tests"))) - {"ABLATE_RUNS", "ABLATE_COMPLETE"}
    named = variables()
    assert (read | own) - named == set()
    everything = text + sources("tests")
    assert [name for name in named - VARIABLES_OF_OTHERS - WORDS if not re.search(rf"\b{name}\b", everything)] == []


@pytest.mark.unit
def test_the_handle_of_a_function_is_explained():
    """Each attribute and method of `run`, and no other."""
    source = inspect.getsource(Run.__init__)
    attributes = set(re.findall(r"self\.([a-z]\w*)(?=[,\s=])", source))
    names = {name for name in vars(Run) if not name.startswith("_")} | attributes
    rows = table(REFERENCE / "function.md", "The handle `run`")
    assert {code.partition("(")[0] for row in rows for code in row} == names


@pytest.mark.unit
def test_the_methods_of_a_study_are_explained():
    """Each has a docstring, which the page shows; what the page's example uses exists."""
    members = {name: member for name, member in vars(Study).items() if not name.startswith("_")}
    assert [name for name, member in members.items() if not inspect.getdoc(member)] == []
    text = (REFERENCE / "python.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\bstudy\.(\w+)", text)) <= members.keys() | {"Study"}


@pytest.mark.unit
def test_the_functions_of_the_statistics_page_exist():
    """A name like `intervals.wilson` is one of ablation.statistics."""
    names = [code for code in codes(DOCS / "concepts" / "statistics.md") if re.fullmatch(r"[a-z_]+(\.\w+)+", code)]
    for name in {*names} - {"ablation.statistics"}:
        module, *parts = name.split(".")
        value = importlib.import_module(f"ablation.statistics.{module}")
        for part in parts:
            value = getattr(value, part)
    assert len(names) > 40


@pytest.mark.unit
def test_outcomes_are_named():
    """The page of commands has each way in which a trial of a command can end."""
    text = (REFERENCE / "command.md").read_text(encoding="utf-8") + (DOCS / "concepts" / "run.md").read_text()
    words = {"killed": "is killed", "timed out": "--timeout", "pruned": ""}
    assert [status for status in Status if words.get(status, status) not in text] == []


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a small study of a function: three rows, two seeds, one family of comparisons."""
    folder = tmp_path_factory.mktemp("reference")
    (folder / "small.toml").write_text(STUDY)
    (folder / "train.py").write_text(TRAIN)
    done = in_process("run", "small.toml", "--inline", "-q", "--seeds", "2", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "runs"


def file_names() -> list[str]:
    """Return the names of files and folders on the page of the workspace."""
    rows = [
        row for heading in ("A study", "A training", "The rest") for row in table(REFERENCE / "workspace.md", heading)
    ]
    return [code for row in rows for code in row]


def pattern(name: str, blank: str) -> str:
    """Return a pattern of a name, with `blank` for each <part>; a folder stands for all that is in it."""
    escaped = blank.join(map(re.escape, re.split(r"<[^>]*>", name.rstrip("/"))))
    return escaped + ("/.*" if name.endswith("/") else "")


def test_every_file_of_a_run_is_named(workspace: Path):
    """The page of the workspace names the file or its folder."""
    patterns = [re.compile(rf"(.*/)?{pattern(name, '[^/]+')}") for name in file_names()]
    files = [str(path.relative_to(workspace)) for path in sorted(workspace.rglob("*")) if path.is_file()]
    assert [name for name in files if not any(p.fullmatch(name) for p in patterns)] == []
    assert len(files) > 40


def test_every_named_file_is_written(workspace: Path):
    """A file of the page is written by this run, or the program has its name."""
    files = [str(path.relative_to(workspace)) for path in workspace.rglob("*") if path.is_file()]
    program = sources("ablation")

    def is_written(name: str) -> bool:
        if any(re.fullmatch(rf"(.*/)?{pattern(name, '[^/]+')}", file) for file in files):
            return True
        last = [part for part in name.split("/") if part][-1]
        return bool(re.search(rf"[\"'/}}]{pattern(JOINED.get(name, last), '.*')}[\"'{{/]", program))

    assert [name for name in file_names() if not is_written(name)] == []
    assert not is_written("no-such-file-<id>.json")


def is_named(column: str, named: list[str]) -> bool:
    """Return whether a column is on the page, by its name or by a pattern such as test_*."""
    return any(re.fullmatch(re.escape(name).replace(r"\*", ".*"), column) for name in named)


def test_every_column_is_named(workspace: Path):
    """Columns of each CSV file and fields of warnings.json are on the page, except factors and costs."""
    page = REFERENCE / "workspace.md"
    rows = {heading: [code for row in table(page, heading) for code in row] for heading in (
        "`table.csv`", "`trials.csv`", "`contrasts.csv` and `comparisons.csv`", "`costs.csv`", "`warnings.json`",
    )}  # fmt: skip
    of_all = rows["`table.csv`"]
    of_study = {"width", "size"}
    for heading, named in rows.items():
        for name in re.findall(r"`(\w+\.csv)`", heading):
            columns = next(csv.reader((workspace / "small" / name).open()))
            assert [c for c in columns if not is_named(c, [*named, *of_all]) and c not in of_study] == [], name
    written = json.loads((workspace / "small" / "warnings.json").read_text())
    assert {key for warning in written for key in warning} == set(rows["`warnings.json`"])
    assert not is_named("no_such_column", of_all)


@pytest.mark.unit
def test_the_smallest_study_of_a_command_is_valid(tmp_path: Path):
    """The study varies one factor of a script."""
    first = next(block for block in blocks(REFERENCE / "command.md") if block.language == "toml")
    (tmp_path / "mine.toml").write_text(first.text)
    read = study_file.read(str(tmp_path / "mine.toml"))
    assert [dict(row) for row in read.rows] == [{"lr": 0.1}, {"lr": 0.01}, {"lr": 1.0}]


def files_of(page: Path, folder: Path) -> list[Block]:
    """Write the files of a page, which are blocks with a caption, and return its other blocks."""
    for block in (own := [b for b in blocks(page) if b.caption]):
        (folder / block.caption).write_text(block.text, encoding="utf-8")
    return [block for block in blocks(page) if block not in own]


def test_the_function_of_the_page_is_one_of_the_program(tmp_path: Path):
    """The factors are read from the signature, and the study below the function is valid."""
    files_of(REFERENCE / "function.md", tmp_path)
    read = study_file.read(str(tmp_path / "svc.toml"))
    others = {"C": 1.0, "scale": True}
    assert [dict(row) for row in read.rows] == [{"kernel": "rbf", **others}, {"kernel": "linear", **others}]


def test_the_plugin_of_the_page_runs(tmp_path: Path):
    """The module, the study file and the command, as they are on the page."""
    others = files_of(REFERENCE / "plugins.md", tmp_path)
    (command,) = [block for block in others if block.language == "sh"]
    printed = run_lines(command.text.replace("ablate run", "ablate run --inline --trackers none"), tmp_path)
    assert "Row 2 was selected" in printed or "Row 3 was selected" in printed
    assert (tmp_path / "runs" / "mine" / "table.tex").is_file()
