"""`ablate sync`: send missing results to Optuna and MLflow."""

from pathlib import Path

import click

from ablation.cli.commands.options import (
    named,
    opened,
    some_study_options,
    storage_option,
    tracking_option,
    workspace_option,
)


@click.command()
@some_study_options
@workspace_option
@storage_option
@tracking_option
def sync(grid: str | None, name: str | None, workspace: Path, storage: str | None, tracking: str | None) -> int:
    """Send missing results to Optuna and MLflow.

    Use it after `--trackers none`, if a database was down or lost its data, or for another server. Nothing is sent
    twice. Without --grid and --name, all studies of the workspace are sent.

    \b
    ablate sync
    ablate sync --grid paper --tracking http://mlflow:5000
    """
    from ablation import urls
    from ablation.trackers import databases
    from ablation.workflows import sync as syncing

    urls.refuse_credentials("--tracking", tracking)
    databases.need_driver("--storage", storage)
    databases.need_driver("--tracking (or MLFLOW_TRACKING_URI)", tracking)
    opened_workspace = opened(workspace)
    reports = [
        syncing.sync(opened_workspace, study, tracking, storage, lambda text: click.echo(text, err=True))
        for study in named(grid, name, workspace)
    ]
    for sync_report in reports:
        if sync_report.waiting:
            later = "" if sync_report.waits_for_user else "; try again later"
            click.echo(
                f"{sync_report.study}: {sync_report.waiting} messages not sent yet ({sync_report.reason}){later}",
                err=True,
            )
        if sync_report.refused:
            click.echo(f"{sync_report.study}: {sync_report.refused}", err=True)
        if sync_report.optuna:
            click.echo(f"{sync_report.study}: Optuna: {sync_report.optuna}", err=True)
        if sync_report.is_complete:
            click.echo(f"{sync_report.study}: Optuna and MLflow are up to date")
    return 0 if all(sync_report.is_complete for sync_report in reports) else 1
