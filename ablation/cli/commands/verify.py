"""`ablate verify`: recompute every number of a printed table."""

from pathlib import Path

import click

from ablation.cli.commands.options import opened, workspace_option
from ablation.fast_imports import loading


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, exists=True, path_type=Path))
@workspace_option
@click.option("--source", is_flag=True, help="Also read the sources of imported results again, and compare.")
def verify(files: tuple[Path, ...], workspace: Path, source: bool) -> int:
    """Check every number of a table against the results of its study.

    Takes the .csv, .tex and .md tables and the macros.tex that ablate wrote, or copies of them in any folder.

    \b
    ablate verify runs/paper/table.tex
    ablate verify article/table.tex article/contrasts.csv --workspace runs
    ablate verify runs/cifar/table.tex --source    of imported results
    """
    with loading():
        from ablation.report import verify as verifying
        from ablation.trackers.optuna_importances import importances

        if source:
            from ablation.workflows import import_results

    wrong, opened_workspace = 0, opened(workspace)
    for file in files:
        verification = verifying.check(opened_workspace, file, importances)
        wrong += bool(verification.mismatches)
        click.echo(verification.say(), err=bool(verification.mismatches))
        if source:
            changes = import_results.reread(verification.workspace, verification.study)
            wrong += bool(changes)
            again = f"{verification.study}: its source has changed; import it again to use the new results"
            for line in [*changes, again] if changes else [f"{verification.study}: its source has the same results"]:
                click.echo(line, err=bool(changes))
    return 1 if wrong else 0
