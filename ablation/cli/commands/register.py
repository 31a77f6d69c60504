"""`ablate register`: log and register the model of the selected row in MLflow."""

from pathlib import Path

import click

from ablation.cli.commands.options import existing_name, study_options, tracking_option, workspace_option


@click.command()
@click.argument("model")
@study_options
@workspace_option
@tracking_option
def register(model: str, grid: str, name: str | None, workspace: Path, tracking: str | None) -> int:
    """Register the model of the selected row in MLflow.

    MODEL is the name in MLflow's model registry. The model takes images (uint8, RGB) and includes preprocessing,
    backbone and head. Its predictions are compared with those of the row. mlflow.keras and mlflow.pyfunc load the
    model, even without ablate installed.

    \b
    ablate register faces --grid paper
    """
    from ablation import urls

    urls.refuse_credentials("--tracking", tracking)
    log_and_register(workspace, name or existing_name(grid, workspace), tracking, model)
    return 0


def log_and_register(workspace: Path, study: str, uri: str | None, name: str) -> None:
    from ablation.store.workspace import Workspace
    from ablation.workflows import register as mlflow_registry

    click.echo(mlflow_registry.register(Workspace(workspace), study, uri, name), err=True)
