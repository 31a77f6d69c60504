"""`ablate evaluate`: apply a trained row to other labelled images."""

from pathlib import Path
from typing import Any

import click

from ablation.cli.commands.choice import Choice
from ablation.cli.commands.options import (
    OUTPUT_FILE,
    existing_name,
    file_options,
    output_file,
    row_options,
    tracking_option,
    workspace_option,
)
from ablation.fast_imports import loading


@click.command()
@file_options
@workspace_option
@click.option(
    "--data", required=True, help="Labelled images, in any layout that `ablate run` takes, or demo:production."
)
@click.option(
    "--split",
    type=Choice(["all", "train", "val", "test"]),
    default="all",
    show_default=True,
    help="Split to evaluate, if the data have splits.",
)
@row_options
@tracking_option
@click.option("--predictions", type=OUTPUT_FILE, callback=output_file, help="Write a CSV file with one line per image.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(
    grid: str, name: str | None, workspace: Path, data: str, split: str, row: int | None, predictions: Path | None,
    as_json: bool, limit: int | None, skip_bad: bool, **rest: Any,
) -> int:  # fmt: skip
    """Evaluate the selected row on other images, such as production data.

    Classes are matched by name; images of other classes are counted and left out. The results and the selection do not
    change. The evaluation is added to the tables and the report of the study, and sent to MLflow. If the weights of the
    row were deleted, the row is retrained and compared with its stored predictions.

    \b
    ablate evaluate --grid paper --data demo:production
    ablate evaluate --grid paper --data affwild2/ --split test --predictions predictions.csv
    ablate evaluate --grid paper --data faces/ --row 3
    """
    from ablation import urls

    urls.refuse_credentials("--tracking", rest["tracking"])
    name = name or existing_name(grid, workspace)
    from ablation.cli.terminal import progress

    with loading():
        from ablation.cli.terminal import summary
        from ablation.report.tables import markdown_csv
        from ablation.store import record
        from ablation.store.workspace import Workspace
        from ablation.workflows import evaluation
        from ablation.workflows.run_options import RunOptions

    stored = record.need(Workspace(workspace), name).grid
    options = RunOptions(stored, data, workspace, name, {"limit": limit, "skip_bad": skip_bad}, **rest)
    with progress.watch() as watch:
        evaluated = evaluation.evaluate(options, split, row, watch)
    if predictions:
        predictions.write_text(markdown_csv.csv(evaluated.predictions), encoding="utf-8")
    if as_json:
        click.echo(evaluated.found.model_dump_json())
        return 0
    summary.print_table(evaluated.table, f"all in {evaluated.tables}.md")
    click.echo(f"table: {evaluated.tables}.md, .tex; images, confusion matrix: {evaluated.folder}; also in the report")
    return 0
