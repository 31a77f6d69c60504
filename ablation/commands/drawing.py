"""`table`, `report` and `verify`: from files alone."""

from pathlib import Path
from typing import Any

import click

from ablation.commands.options import check_codes, existing_name, opened, strict_option, study_options, workspace_option
from ablation.errors import AblateError
from ablation.loading import loading


@click.command()
@study_options
@workspace_option
@click.option(
    "--latex-style",
    "style",
    type=click.Choice(["plain", "siunitx"]),
    default="plain",
    show_default=True,
    help="Columns of table.tex: plain needs booktabs alone, and longtable above 40 rows.",
)
@click.option("--standalone", is_flag=True, help="table.tex as a document that compiles by itself.")
@click.option("--fragment", is_flag=True, help="table.tex as a tabular alone, without float, caption and notes.")
@click.option(
    "--wide", is_flag=True, help="table.tex as table*, across both columns of a two-column page; up to 40 rows."
)
@click.option(
    "--intervals",
    type=click.Choice(["auto", "all"]),
    default="auto",
    show_default=True,
    help="auto leaves out bootstrap intervals above 100 rows.",
)
@strict_option
def table(
    grid: str, name: str | None, workspace: Path, style: str, standalone: bool, fragment: bool, wide: bool,
    intervals: str, strict: tuple[str, ...],
) -> int:  # fmt: skip
    """Draw the tables and the report of a study again, from its files alone.

    \b
    ablate table --grid paper
    ablate table --grid paper --standalone --latex-style siunitx
    ablate table --grid paper --strict LEAK_EXACT --strict SINGLE_SEED
    """
    if standalone and fragment:
        raise AblateError("--standalone and --fragment exclude each other; pass one")
    form = "standalone" if standalone else "fragment" if fragment else "float"
    latex = {"style": style, "form": form, "float": "table*" if wide else "table"}
    outcome = _drawn(grid, name, workspace, strict, latex=latex, all_intervals=intervals == "all")
    say_table(outcome)
    say_files(outcome)
    return 1 if fatal(outcome.codes, strict) else 0


@click.command()
@study_options
@workspace_option
@strict_option
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
def report(grid: str, name: str | None, workspace: Path, strict: tuple[str, ...], show: bool) -> int:
    """Write the report of a study again: one HTML file with warnings, tables and figures, that needs no network. The
    tables are drawn with it, as `ablate table` draws them without options.

    \b
    ablate report --grid paper --open
    """
    outcome = _drawn(grid, name, workspace, strict)
    click.echo(f"report: {outcome.folder}/report.html")
    if show:
        click.launch(str(outcome.folder / "report.html"))
    return 1 if fatal(outcome.codes, strict) else 0


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, exists=True, path_type=Path))
@workspace_option
def verify(files: tuple[Path, ...], workspace: Path) -> int:
    """Derive every number of a table again, from the files of its study, and say which do not follow.

    Takes .csv, .tex and .md tables that ablate has drawn, and macros.tex, wherever they lie by now.

    \b
    ablate verify runs/paper/table.tex
    ablate verify article/table.tex article/contrasts.csv --workspace runs
    """
    with loading():
        from ablation.tables import verify as verifying

    wrong, place = 0, opened(workspace)
    for file in files:
        found = verifying.check(place, file, _importances)
        wrong += bool(found.mismatches)
        click.echo(found.say(), err=bool(found.mismatches))
    return 1 if wrong else 0


def _drawn(grid: str, name: str | None, workspace: Path, strict: tuple[str, ...], **look: Any) -> Any:
    with loading():
        from ablation.grids import record
        from ablation.tables.outcome import Look, redraw

    place, study = opened(workspace), name or existing_name(grid, workspace)
    check_codes(strict, record.need(place, study).experiment)
    return redraw(place, study, Look(importances=_importances, **look))


def _importances(*arguments: Any) -> Any:
    from ablation.views.study import importances  # Optuna: loaded only where there are trials enough

    return importances(*arguments)


def fatal(codes: list[str], strict: tuple[str, ...]) -> bool:
    """Whether a warning was given that --strict names, or that is an error by itself; says so."""
    from ablation.caveats import ERRORS

    errors, named = ([code for code in codes if code in some] for some in (ERRORS, strict))
    if errors:
        click.echo(f"error: {', '.join(errors)}: the report says which rows, and why", err=True)
    if named:
        click.echo(f"--strict: {', '.join(named)}", err=True)
    return bool(errors or named)


def say_table(outcome: Any) -> None:
    """The table, what may be claimed, and the heaviest warnings."""
    from ablation.console import summary  # slow to load

    summary.print_table(outcome.table)
    summary.print_claims(outcome.claims)
    summary.print_warnings(outcome.caveats, outcome.folder / "report.html")
    click.echo()


def say_files(outcome: Any) -> None:
    click.echo(f"table: {outcome.folder}/table.csv, .tex, .md; report: {outcome.folder}/report.html")
