"""Code blocks of the documentation.

A block with a caption is a file: a tutorial writes it under this name. `sh` blocks are commands. A block with the
caption "Output" has lines that the commands above it print, in this order, where `...` is any text.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conftest import ROOT
from markdown_it import MarkdownIt

DOCS = ROOT / "docs"
GENERATED = ("_build", "commands", "warnings")  # folders of pages that are written from the program
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("CONTRIBUTING.md"))] + [
    path for path in sorted(DOCS.rglob("*.md")) if not set(path.relative_to(DOCS).parts) & set(GENERATED)
]
DIRECTIVE = re.compile(r"\{code-block\}\s*(\S+)")
OUTPUT = "Output"


@dataclass(frozen=True)
class Block:
    """One code block. `line`: where it begins in its page, from 1. `caption`: a file, "Output", or empty."""

    page: Path
    line: int
    language: str
    caption: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def name_of(page: Path) -> str:
    """Return the path of a page, as tests are called."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """Return the code blocks of a page, in order."""
    tokens = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    return [_block(page, token) for token in tokens if token.type == "fence" and token.map]


def _block(page: Path, token: object) -> Block:
    info, text, line = token.info.strip(), token.content, token.map[0] + 1  # type: ignore[attr-defined]
    directive, caption = DIRECTIVE.match(info), ""
    while directive and (option := re.match(r":(\w[\w-]*):[ \t]*(.*)\n", text)):
        caption = option[2].strip() if option[1] == "caption" else caption
        text = text[option.end() :]
    return Block(page, line, directive[1] if directive else info, caption, text.lstrip("\n") if directive else text)


def commands(block: Block) -> Iterator[list[str]]:
    """Yield the arguments of each `ablate` command in a block of shell lines."""
    for line in re.sub(r"\\\n", " ", block.text).splitlines():
        line = line.removeprefix("$ ")
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")  # "#" begins a comment
        lexer.whitespace_split = True
        words, current = list(lexer), list[str]()
        for word in [*words, ";"]:
            if word and set(word) <= set("|&;<>()"):
                if arguments := _arguments(current):
                    yield arguments
                current = []
            else:
                current.append(word)


def _arguments(words: list[str]) -> list[str]:
    """Return the command without what runs it: variables, `uv run`, `docker ... ablate`."""
    while words and (re.fullmatch(r"\w+=.*", words[0]) or words[0] in ("exec", "time", "srun")):
        words = words[1:]
    words = words[2:] if words[:2] == ["uv", "run"] else words
    return words if words[:1] == ["ablate"] else []
