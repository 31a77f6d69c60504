"""`ablate data`: describe an image set: classes, splits, copies and leaks."""

from pathlib import Path

import click

from ablation.cli.commands import suggestions
from ablation.cli.commands.options import OUTPUT_FILE, output_file


@click.command()
@click.argument("path", shell_complete=suggestions.data)
@click.option("--classes", help="Classes to use, in this order. Default: all.")
@click.option(
    "--sheet", type=OUTPUT_FILE, callback=output_file, help="Write an image file with some faces of each class."
)
def data(path: str, classes: str | None, sheet: Path | None) -> int:
    """Describe a data set: classes, splits, copies and leaks.

    \b
    ablate data faces/
    ablate data demo --sheet faces.png
    """
    from ablation import experiments
    from ablation.cli.terminal import progress

    with progress.watch() as watch:
        lines = experiments.load(experiments.DEFAULT).describe(
            path, classes.split(",") if classes else None, sheet, watch
        )
    click.echo("\n".join(lines))
    return 0
