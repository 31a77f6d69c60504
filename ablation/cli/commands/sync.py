"""`ablate sync`: send missing results to MLflow."""

from pathlib import Path

import click

from ablation.cli.commands.options import named, opened, some_study_options, tracking_option, workspace_option


@click.command()
@some_study_options
@workspace_option
@tracking_option
def sync(grid: str | None, name: str | None, workspace: Path, tracking: str | None) -> int:
    """Send missing results to MLflow.

    Use it if MLflow was down or lost its data, or for another server. Nothing is sent twice. Without --grid and --name,
    all studies of the workspace are sent.

    \b
    ablate sync
    ablate sync --grid paper --tracking http://mlflow:5000
    """
    from ablation import urls
    from ablation.trackers import databases
    from ablation.workflows import sync as syncing

    urls.refuse_credentials("--tracking", tracking)
    databases.need_driver("--tracking (or MLFLOW_TRACKING_URI)", tracking)
    opened_workspace = opened(workspace)
    reports = [syncing.sync(opened_workspace, study, tracking) for study in named(grid, name, workspace)]
    for sync_report in reports:
        if sync_report.waiting:
            later = "" if sync_report.waits_for_user else "; try again later"
            click.echo(
                f"{sync_report.study}: {sync_report.waiting} messages not sent yet ({sync_report.reason}){later}",
                err=True,
            )
        if sync_report.refused:
            click.echo(f"{sync_report.study}: {sync_report.refused}", err=True)
        if not (sync_report.waiting or sync_report.refused):
            click.echo(f"{sync_report.study}: MLflow is up to date")
    return 1 if any(sync_report.waiting or sync_report.refused for sync_report in reports) else 0
