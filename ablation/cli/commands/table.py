"""`ablate table`: write the tables and the report of a study again, from its files alone."""

from pathlib import Path
from typing import Any

import click

from ablation.cli.commands.choice import Choice
from ablation.cli.commands.options import (
    OUTPUT_FILE,
    OUTPUT_FOLDER,
    existing_name,
    opened,
    output_file,
    stored_study_options,
    strict_option,
    workspace_option,
)
from ablation.cli.commands.output import drawn, fatal, say_files, say_table
from ablation.errors import AblateError
from ablation.fast_imports import loading


@click.command()
@stored_study_options
@workspace_option
@click.option(
    "--latex-style",
    "style",
    type=Choice(["plain", "siunitx"]),
    help="Style of table.tex: plain (needs the package booktabs, and longtable above 40 rows) or siunitx.",
)
@click.option("--standalone", is_flag=True, help="Write table.tex as a document that compiles by itself.")
@click.option("--fragment", is_flag=True, help="Write table.tex as a bare tabular, without float, caption and notes.")
@click.option(
    "--wide",
    is_flag=True,
    help="Write table.tex as table*, across both columns of a two-column page (at most 40 rows).",
)
@click.option(
    "--intervals",
    type=Choice(["auto", "all"]),
    help="Intervals in the table; auto leaves out bootstrap intervals above 100 rows or 500,000 examples.",
)
@click.option(
    "--marks",
    type=Choice(["symbols", "stars"]),
    help="With stars, p (Holm) has *, ** or *** below 0.05, 0.01 and 0.001.",
)
@click.option("--order", type=Choice(["study", "best"]), help="Order of the rows; best: the best on test first.")
@OUTPUT_FOLDER
@click.option(
    "--examples",
    type=OUTPUT_FILE,
    callback=output_file,
    metavar="FILE",
    help="Also write a CSV file with one line for each trial and test example, for R or pandas.",
)
@click.option(
    "--xlsx",
    type=OUTPUT_FILE,
    callback=output_file,
    metavar="FILE",
    help="Also write an Excel workbook with one sheet for each table.",
)
@strict_option
def table(
    grid: str, name: str | None, workspace: Path, standalone: bool, fragment: bool, wide: bool, output: Path | None,
    examples: Path | None, xlsx: Path | None, strict: tuple[str, ...], **stated: str | None,
) -> int:  # fmt: skip
    """Redraw the tables and the report of a study from its files.

    The look of the table is that of [table] in the study file at the last run, or in the study file that is named
    here. Options change this drawing alone.
    On a terminal the table is fitted to its width; into a pipe or a file it is written whole, as Markdown.

    \b
    ablate table paper
    ablate table mine.toml                        with [table], [[compare]] and titles as the file has them now
    ablate table paper --standalone --latex-style siunitx
    ablate table paper --examples examples.csv --xlsx paper.xlsx
    ablate table paper --output article/          nothing is written in the workspace
    ablate table paper --strict LEAK_EXACT --strict SINGLE_SEED
    """
    if standalone and fragment:
        raise AblateError("--standalone and --fragment cannot be combined; pass one of them")
    keys: dict[str, Any] = {key: value for key, value in stated.items() if value is not None}
    keys |= {"form": "standalone"} if standalone else {"form": "fragment"} if fragment else {}
    keys |= {"wide": True} if wide else {}
    name = name or existing_name(grid, workspace)
    if examples:
        _need_seal(workspace, name)
    outcome, drawing = drawn(grid, name, workspace, strict, output, **keys)
    if examples:
        _write_examples(workspace, name, examples)
    if xlsx:
        _write_workbook(drawing, xlsx)
    say_table(outcome)
    say_files(outcome)
    return 1 if fatal(outcome.codes, strict) else 0


def _need_seal(workspace: Path, name: str) -> None:
    with loading():
        from ablation.report import examples_csv

    examples_csv.need_seal(opened(workspace), name)


def _write_examples(workspace: Path, name: str, path: Path) -> None:
    from ablation.report import examples_csv

    lines = examples_csv.write(opened(workspace), name, path)
    click.echo(f"{lines:,} line{'s' if lines != 1 else ''} of test examples: {path}", err=True)


def _write_workbook(drawing: Any, path: Path) -> None:
    from ablation.report.tables import workbook  # slow to load

    workbook.write(drawing.tables.values(), path, drawing.study.record.grid.table)
    n_tables = len(drawing.tables)
    click.echo(f"{n_tables} table{'s' if n_tables != 1 else ''}: {path}", err=True)
