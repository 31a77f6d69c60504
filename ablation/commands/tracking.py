"""`ui`, `sync` and `register`: what MLflow is shown and told."""

from pathlib import Path
from typing import Any

import click

from ablation.commands.options import (
    existing_name,
    named,
    opened,
    some_study_options,
    study_options,
    tracking_option,
    workspace_option,
)
from ablation.errors import AblateError


@click.command()
@some_study_options
@workspace_option
@tracking_option
@click.option("--no-open", is_flag=True, help="Print the links, open no browser.")
def ui(grid: str | None, name: str | None, workspace: Path, tracking: str | None, no_open: bool) -> int:
    """Look at the runs in MLflow: all rows of a study side by side, and their curves.

    Starts MLflow's server on the workspace, for this machine alone, and opens it in the browser. Ctrl-C stops it. With
    --tracking http://... it opens that server instead.

    \b
    ablate ui
    ablate ui --grid paper --no-open
    """
    from ablation import addresses
    from ablation.views import databases
    from ablation.views import ui as pages

    addresses.refuse_credentials("--tracking", tracking)
    databases.need_driver("--tracking (or MLFLOW_TRACKING_URI)", tracking)
    place, names = opened(workspace), named(grid, name, workspace)
    if tracking and tracking.startswith("http"):
        _show(_links(place, tracking, tracking.rstrip("/"), names), no_open)
        return 0
    if not (tracking or place.mlflow.is_file()):
        raise AblateError(f"{place.mlflow}: no such database; make it with: ablate sync")
    click.echo("MLflow's server starts ...", err=True)
    try:
        with pages.serve(
            place, databases.absolute_url(tracking) if tracking else databases.sqlite_url(place.mlflow)
        ) as server:
            found = _links(place, tracking, server.base, names)  # loads much, while the server does so too
            server.ready()
            _show(found, no_open)
            click.echo(f"MLflow answers at {server.base}, on this machine alone; Ctrl-C stops it", err=True)
            server.wait()
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
    return 0


def _links(*arguments: Any) -> Any:
    from ablation.views import links

    found = links.of(*arguments)
    if not found:
        raise AblateError("MLflow knows no run of these studies; send them with: ablate sync")
    return found


def _show(found: list[Any], no_open: bool) -> None:
    click.echo(f"experiment: {found[0].experiment}")
    for each in found:
        click.echo(f"{each.study}, {each.runs} runs side by side: {each.compare}")
        click.echo(f"{each.study}, curves: {each.curves}")
    if not no_open:
        for page in [found[0].experiment, *([found[0].compare] if len(found) == 1 else [])]:
            click.launch(page)


@click.command()
@some_study_options
@workspace_option
@tracking_option
def sync(grid: str | None, name: str | None, workspace: Path, tracking: str | None) -> int:
    """Send MLflow what it lacks of the studies: because it was down, or was lost, or is another one now.

    Nothing is sent twice. Without --grid and --name: all studies of the workspace.

    \b
    ablate sync
    ablate sync --grid paper --tracking http://mlflow:5000
    """
    from ablation import addresses
    from ablation.views import databases
    from ablation.views import sync as syncing

    addresses.refuse_credentials("--tracking", tracking)
    databases.need_driver("--tracking (or MLFLOW_TRACKING_URI)", tracking)
    place = opened(workspace)
    found = [syncing.sync(place, each, tracking) for each in named(grid, name, workspace)]
    for one in found:
        if one.waiting:
            later = "" if one.waits_for_user else "; try again later"
            click.echo(f"{one.study}: {one.waiting} messages wait ({one.reason}){later}", err=True)
        if one.refused:
            click.echo(f"{one.study}: {one.refused}", err=True)
        if not (one.waiting or one.refused):
            click.echo(f"{one.study}: MLflow holds all of it")
    return 1 if any(one.waiting or one.refused for one in found) else 0


@click.command()
@click.argument("model")
@study_options
@workspace_option
@tracking_option
def register(model: str, grid: str, name: str | None, workspace: Path, tracking: str | None) -> int:
    """Log the model of the selected row to MLflow, and register it under the name MODEL.

    It takes images (uint8, RGB) and holds preprocessing, backbone and head; it is checked against the predictions of
    its row. mlflow.keras and mlflow.pyfunc load it, where there is no ablate too.

    \b
    ablate register faces --grid paper
    """
    from ablation import addresses

    addresses.refuse_credentials("--tracking", tracking)
    log_and_register(workspace, name or existing_name(grid, workspace), tracking, model)
    return 0


def log_and_register(workspace: Path, study: str, uri: str | None, name: str) -> None:
    from ablation.views import registry
    from ablation.workspace import Workspace

    click.echo(registry.register(Workspace(workspace), study, uri, name), err=True)
