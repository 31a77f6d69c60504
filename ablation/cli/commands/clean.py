"""`ablate clean`: list what can be deleted in a workspace, and delete it."""

from pathlib import Path

import click

from ablation.cli.commands.options import opened, workspace_option
from ablation.errors import AblateError
from ablation.nearest import nearest


@click.command()
@click.argument("kinds", nargs=-1, metavar="[KIND]...")
@workspace_option
@click.option("--yes", is_flag=True, help="Delete the files.")
def clean(kinds: tuple[str, ...], workspace: Path, yes: bool) -> int:
    """List files that can be deleted; with --yes, delete them.

    KIND is checkpoints, heads, outputs, features, trainings, superseded or leftovers; default: all kinds.

    Tables, results and predictions of studies are never deleted.

    \b
    ablate clean
    ablate clean features checkpoints --yes
    """
    from ablation.workflows import clean as cleaning

    unknown = [kind for kind in kinds if kind not in cleaning.KINDS]
    if unknown:
        raise AblateError(
            f"unknown kind {unknown[0]}; allowed: {', '.join(cleaning.KINDS)}{nearest(unknown[0], cleaning.KINDS)}"
        )
    if not workspace.is_dir():
        raise AblateError(f"--workspace {workspace}: no such folder")
    opened_workspace = opened(workspace)
    with opened_workspace.lock():
        items = cleaning.find(opened_workspace, kinds or cleaning.KINDS)
        click.echo(cleaning.draw(items, opened_workspace))
        if yes:
            for item in items:
                item.delete()
    size = cleaning.megabytes(sum(item.size for item in items))
    if items:
        click.echo(f"deleted {size}" if yes else f"{size} in all; to delete them, add --yes")
    return 0
