"""The pages of docs/ and the README: each code block is valid, and names what the program has."""

import ast
import json
import re
import tomllib
from decimal import Decimal
from pathlib import Path

import click
import pytest
from conftest import ROOT
from doc_blocks import DOCS, GENERATED, PAGES, Block, blocks, commands, name_of

from ablation import cli
from ablation.study.study_keys import StudyKeys

pytestmark = pytest.mark.unit
LANGUAGES = {"sh", "toml", "python", "json", "text", "yaml", "latex", "csv", "ini", "r", "markdown"}
DIRECTIVES = re.compile(r"\{(toctree|include|schema|eval-rst|image|figure|note|tip|warning|list-table|math|glossary)\}")


def problem(arguments: list[str]) -> str:
    """Return what is wrong with a command line; empty where it is valid."""
    name, words = (arguments[1], arguments[2:]) if len(arguments) > 1 else ("", [])
    command = cli.cli.commands.get(name)
    if command is None:
        return "" if not name or name.startswith("-") or name in ("...", "COMMAND") else f"no command {name}"
    if words[:1] == ["..."]:
        return ""
    context = click.Context(command, info_name=name)
    try:
        values, left, _ = command.make_parser(context).parse_args(
            [word for word in words if word != "..." and not word.startswith("$")]
        )
    except click.UsageError as error:
        return error.format_message()
    if "help" not in values and left:
        return f"not read: {' '.join(left)}"
    chosen = {param.name: param.type for param in command.params if isinstance(param.type, click.Choice)}
    wrong = [
        f"{key} {values[key]}" for key, kind in chosen.items() if key in values and not _is_choice(kind, values[key])
    ]
    return ", ".join(wrong)


def _is_choice(kind: click.Choice[str], value: object) -> bool:
    values = value if isinstance(value, list | tuple) else [value]
    return all(one is None or not isinstance(one, str) or one in kind.choices for one in values)


def problems(block: Block) -> list[str]:
    """Return what is wrong with a block."""
    if DIRECTIVES.match(block.language):
        return []
    if block.language not in LANGUAGES:
        return [f"{block.place}: language {block.language!r}; known: {', '.join(sorted(LANGUAGES))}"]
    try:
        if block.language == "python":
            ast.parse(block.text)
        elif block.language == "json":
            json.loads(block.text)
        elif block.language == "toml" and not block.caption.startswith("pyproject"):
            StudyKeys.model_validate(tomllib.loads(block.text, parse_float=Decimal))
        elif block.language == "sh":
            return [f"{block.place}: {' '.join(line)}: {wrong}" for line in commands(block) if (wrong := problem(line))]
    except ValueError as error:
        return [f"{block.place}: {error}"]
    return []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_block_is_valid(page: Path):
    """Commands and their options exist, study files have known keys, Python and JSON can be parsed."""
    assert [wrong for block in blocks(page) for wrong in problems(block)] == []


def test_a_wrong_block_is_noticed(tmp_path: Path):
    """An option that no command has, and a key that no study file has."""
    block = Block(DOCS / "x.md", 1, "sh", "", "ablate run --gird paper | cat\nablate table --style x")
    assert [line.split(": ")[1] for line in problems(block)] == ["ablate run --gird paper", "ablate table --style x"]
    assert problems(Block(DOCS / "x.md", 1, "toml", "", "[fold]\nk = 5\n"))
    assert problems(Block(DOCS / "x.md", 1, "bash", "", ""))


def test_links_between_pages_lead_somewhere():
    """Each relative link of a page, and each picture, is a file of the project or a page that is generated."""
    for page in PAGES:
        for target in re.findall(
            r"\]\(([^)#\s]+)(?:#[^)]*)?\)", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        ):
            path = (page.parent / target).resolve()
            is_page = set(path.parts) & set(GENERATED) or re.match(r"\w+:", target)
            assert is_page or path.exists(), f"{name_of(page)}: {target}"


def test_the_readme_is_short():
    """One screen and a half: all else is in docs/."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 90


@pytest.mark.parametrize("path", sorted((DOCS / "images").glob("*.png")), ids=lambda path: path.stem)
def test_a_picture_is_small_and_shown(path: Path):
    """Each picture has at most 200 KB, and a page shows it."""
    assert path.stat().st_size < 200_000
    assert any(f"images/{path.name})" in page.read_text(encoding="utf-8") for page in PAGES)
