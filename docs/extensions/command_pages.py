"""Writes a page for each command, reference/commands/NAME.md, and the list of them, from their `--help`."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import written_pages
from sphinx.application import Sphinx

from ablation import cli


def described(text: str) -> Iterator[str]:
    """Yield the lines of a command's help; an example block, which begins with \\b, is code."""
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        if paragraph.lstrip().startswith("\b"):
            yield from ("```sh", *(line.strip() for line in paragraph.splitlines()[1:]), "```", "")
        else:
            yield from (" ".join(paragraph.split()), "")


def cell(text: str) -> str:
    """Return text for a cell of a table, with options and what Markdown would read otherwise as code or escaped."""
    text = re.sub(r"([|*<>\[\]])", r"\\\1", text)
    return re.sub(r"(?<![\w`/-])(--?[a-z][\w-]*)", r"`\1`", text)


def options(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield the table of a command's options."""
    params = [param for param in command.params if isinstance(param, click.Option)]
    records = [record for param in params if (record := param.get_help_record(context))]
    if records:
        yield from ("| option | meaning |", "| --- | --- |")
    for names, text in records:
        code = names.replace("|", "\\|")
        yield f"| `{code}` | {cell(' '.join(text.split()))} |"


def page(name: str, command: click.Command) -> str:
    """Return the page of a command."""
    context = click.Context(command, info_name=f"ablate {name}", **cli.CONTEXT)  # type: ignore[arg-type]
    usage = " ".join([f"ablate {name}", *command.collect_usage_pieces(context)])
    lines = [f"# ablate {name}", "", "```text", usage, "```", "", *described(command.help or "")]
    return "\n".join([*lines, *options(command, context), ""])


def listing() -> str:
    """Return the page that lists all commands."""
    lines = ["# Commands", "", *described(cli.cli.help or ""), "| command | what it does |", "| --- | --- |"]
    for name, command in cli.cli.commands.items():
        lines.append(f"| [`ablate {name}`]({name}.md) | {cell(cli.first_sentence(command.help or ''))} |")
    lines += ["", "All commands end with one of these [exit codes](../exit-codes.md).", ""]
    return "\n".join([*lines, *written_pages.hidden_toctree(list(cli.cli.commands))])


def write(app: Sphinx) -> None:
    """Write the pages of all commands, and the list of them."""
    pages = {name: page(name, command) for name, command in cli.cli.commands.items()} | {"index": listing()}
    written_pages.write(Path(app.srcdir) / "reference" / "commands", pages)


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx reads."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
