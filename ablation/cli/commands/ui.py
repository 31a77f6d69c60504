"""`ablate ui`: open the runs in MLflow's server."""

from pathlib import Path
from typing import Any

import click

from ablation.cli.commands.options import named, opened, some_study_options, tracking_option, workspace_option
from ablation.errors import AblateError


@click.command()
@some_study_options
@workspace_option
@tracking_option
@click.option("--no-open", is_flag=True, help="Print the links without opening a browser.")
def ui(grid: str | None, name: str | None, workspace: Path, tracking: str | None, no_open: bool) -> int:
    """Open MLflow's UI on the runs of a study, side by side.

    Starts MLflow's server on the workspace, for this machine only, and opens the browser. Ctrl-C stops the server. With
    --tracking http://... that server is opened instead.

    \b
    ablate ui
    ablate ui --grid paper --no-open
    """
    from ablation import urls
    from ablation.trackers import databases
    from ablation.trackers import ui as pages

    urls.refuse_credentials("--tracking", tracking)
    databases.need_driver("--tracking (or MLFLOW_TRACKING_URI)", tracking)
    opened_workspace, names = opened(workspace), named(grid, name, workspace)
    if tracking and tracking.startswith("http"):
        _show(_links(opened_workspace, tracking, tracking.rstrip("/"), names), no_open)
        return 0
    if not (tracking or opened_workspace.mlflow.is_file()):
        raise AblateError(f"{opened_workspace.mlflow}: no such database; create it with: ablate sync")
    click.echo("starting MLflow's server ...", err=True)
    try:
        with pages.serve(
            opened_workspace,
            databases.absolute_url(tracking) if tracking else databases.sqlite_url(opened_workspace.mlflow),
        ) as server:
            # This imports large libraries, while the server does so too.
            study_links = _links(opened_workspace, tracking, server.base, names)
            server.ready()
            _show(study_links, no_open)
            click.echo(f"MLflow is at {server.base}, for this machine only; Ctrl-C stops it", err=True)
            server.wait()
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
    return 0


def _links(*arguments: Any) -> Any:
    from ablation.trackers import links

    study_links = links.of(*arguments)
    if not study_links:
        raise AblateError("MLflow has no runs of these studies; send them with: ablate sync")
    return study_links


def _show(study_links: list[Any], no_open: bool) -> None:
    click.echo(f"experiment: {study_links[0].experiment}")
    for link in study_links:
        click.echo(f"{link.study}, {link.runs} runs side by side: {link.compare}")
        click.echo(f"{link.study}, curves: {link.curves}")
    if not no_open:
        for page in [study_links[0].experiment, *([study_links[0].compare] if len(study_links) == 1 else [])]:
            click.launch(page)
