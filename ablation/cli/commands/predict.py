"""`ablate predict`: classify images without labels."""

from pathlib import Path
from typing import Any

import click

from ablation.cli.commands import suggestions
from ablation.cli.commands.options import (
    OUTPUT_FILE,
    existing_name,
    output_file,
    row_options,
    study_options,
    workspace_option,
)
from ablation.fast_imports import loading


@click.command()
@click.argument("path", shell_complete=suggestions.data)
@study_options
@workspace_option
@row_options
@click.option(
    "-o", "--output", type=OUTPUT_FILE, callback=output_file, help="Write a CSV file. Default: print to the terminal."
)
def predict(
    path: str, grid: str, name: str | None, workspace: Path, row: int | None, output: Path | None,
    limit: int | None, skip_bad: bool, **rest: Any,
) -> int:  # fmt: skip
    """Predict the classes of unlabelled images.

    PATH is an image file, or a folder of image files. One CSV line per image is printed: its file, the predicted class,
    and the probability of each class.

    \b
    ablate predict photos/ --grid paper -o predictions.csv
    ablate predict face.png --grid paper --row 3
    """

    name = name or existing_name(grid, workspace)
    from ablation.cli.terminal import progress

    with loading():
        from ablation.report.tables import markdown_csv
        from ablation.store import record
        from ablation.store.workspace import Workspace
        from ablation.workflows import evaluation
        from ablation.workflows.run_options import RunOptions

    stored = record.need(Workspace(workspace), name).grid
    with progress.watch() as watch:
        options = RunOptions(stored, path, workspace, name, {"limit": limit, "skip_bad": skip_bad}, **rest)
        predictions = evaluation.predict(options, row, watch)
    text = markdown_csv.csv(predictions)
    if output is None:
        click.echo(text, nl=False)
        return 0
    output.write_text(text, encoding="utf-8")
    click.echo(f"{len(predictions):,} image{'s' if len(predictions) != 1 else ''}: {output}")
    return 0
