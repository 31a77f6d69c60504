"""`ablate report`: write the HTML report of a study again."""

from pathlib import Path

import click

from ablation.cli.commands.options import OUTPUT_FOLDER, stored_study_options, strict_option, workspace_option
from ablation.cli.commands.output import drawn, fatal


@click.command()
@stored_study_options
@workspace_option
@strict_option
@OUTPUT_FOLDER
@click.option("--open", "show", is_flag=True, help="Open the report in the browser.")
def report(
    grid: str, name: str | None, workspace: Path, strict: tuple[str, ...], output: Path | None, show: bool
) -> int:
    """Rewrite the HTML report of a study.

    The report is one file with warnings, tables and figures, and needs no network. The tables are redrawn too.

    \b
    ablate report paper --open
    """
    outcome, _ = drawn(grid, name, workspace, strict, output)
    click.echo(f"report: {outcome.folder}/report.html")
    if show:
        click.launch(str(outcome.folder / "report.html"))
    return 1 if fatal(outcome.codes, strict) else 0
