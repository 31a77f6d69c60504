"""Output of a study's table and warnings that several commands print, and the resulting exit code."""

from pathlib import Path
from typing import Any

import click

from ablation.cli.commands.options import check_codes, existing_name, opened
from ablation.fast_imports import loading


def drawn(
    grid: str, name: str | None, workspace: Path, strict: tuple[str, ...], folder: Path | None = None, **table: Any
) -> Any:
    """Draw a study from its files, write what was drawn, and return its summary and the drawn study.

    Args:
        grid: the study; a study file states [table], [[compare]] and titles.
        name: name of the stored study; None for that of `grid`.
        workspace: folder of all results.
        strict: codes of --strict.
        folder: folder of the output files; None for that of the study.
        table: keys of [table] in place of those of the study.
    """
    with loading():
        from ablation.report.build import RenderOptions, rebuild_and_write
        from ablation.store import record
        from ablation.trackers.optuna_importances import importances

    opened_workspace, study = opened(workspace), name or existing_name(grid, workspace)
    check_codes(strict, record.need(opened_workspace, study).experiment)
    study_file = Path(grid) if grid and grid.endswith(".toml") and Path(grid).is_file() else None
    look = RenderOptions(table, study_file, importances)
    return rebuild_and_write(opened_workspace, study, look, folder)


def fatal(codes: list[str], strict: tuple[str, ...]) -> bool:
    """Return whether a warning was raised that --strict names, or that is an error by itself.

    These warnings are printed.
    """
    from ablation.report.warnings import ERRORS

    errors, named = ([code for code in codes if code in group] for group in (ERRORS, strict))
    if errors:
        click.echo(f"error: {', '.join(errors)}: see the report for the rows and the reasons", err=True)
    if named:
        click.echo(f"--strict: {', '.join(named)}", err=True)
    return bool(errors or named)


def say_table(outcome: Any) -> None:
    """Print the table, the supported claims, and the most severe warnings."""
    from ablation.cli.terminal import summary  # slow to load

    summary.print_table(outcome.table, f"all in {outcome.folder}/table.md")
    summary.print_claims(outcome.claims)
    summary.print_warnings(outcome.warnings, outcome.folder / "report.html")
    click.echo()


def say_files(outcome: Any) -> None:
    click.echo(f"table: {outcome.folder}/table.csv, .tex, .md; report: {outcome.folder}/report.html")
