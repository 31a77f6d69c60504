"""`data`, `evaluate` and `predict`: images, and what a trained row says of them."""

from pathlib import Path
from typing import Any

import click

from ablation.commands.options import (
    existing_name,
    output_file,
    row_options,
    study_options,
    tracking_option,
    workspace_option,
)
from ablation.errors import AblateError
from ablation.loading import loading

OUTPUT = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("path")
@click.option("--classes", help="Which classes, in which order. Default: all.")
@click.option("--sheet", type=OUTPUT, callback=output_file, help="Write a sheet of faces, a row a class.")
def data(path: str, classes: str | None, sheet: Path | None) -> int:
    """Say what is in a data set: images by class and split, copies, and what crosses the splits.

    \b
    ablate data faces/
    ablate data demo --sheet faces.png
    """
    from ablation import extras

    extras.need("keras", "`ablate data`", ("pillow", "imagehash", "joblib"))
    import numpy as np

    from ablation.console import progress
    from ablation.datasets import decoding, images, leaks, names

    if sheet and sheet.suffix.lower() not in images.SUFFIXES:
        raise AblateError(f"--sheet {sheet}: is no name of an image; allowed: {', '.join(sorted(images.SUFFIXES))}")
    found = images.choose_classes(images.load(path), classes.split(",") if classes else None)
    images.check(found, path)
    with progress.watch() as watch:
        read = images.decode(found, [images.SMALL], True, lambda done, total: watch.step("reading images", done, total))
    click.echo(images.summary(found))
    for line in leaks.summary(leaks.find(read.index, leaks.given(read.index), read.pixels[images.SMALL])):
        click.echo(line)
    bad = ", ".join(map(names.shown, read.bad[:5]))
    click.echo(f"cannot be decoded: {len(read.bad):,}" + (f" ({bad})" if bad else ""))
    if sheet:
        decoding.sheet(found.take(np.flatnonzero(~np.isin(found.names, read.bad)))).save(sheet)
        click.echo(f"sheet: {sheet}")
    return 0


@click.command()
@study_options
@workspace_option
@click.option("--data", required=True, help="Labelled images, in any layout that `run` takes; demo:production.")
@click.option(
    "--split",
    type=click.Choice(["all", "train", "val", "test"]),
    default="all",
    show_default=True,
    help="Which of them, where the data have splits.",
)
@row_options
@tracking_option
@click.option("--predictions", type=OUTPUT, callback=output_file, help="A CSV file, a line an image.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def evaluate(
    grid: str, name: str | None, workspace: Path, data: str, split: str, row: int | None, predictions: Path | None,
    as_json: bool, limit: int | None, skip_bad: bool, **rest: Any,
) -> int:  # fmt: skip
    """Try the selected row on other images: production data, another data set.

    Classes are matched by name; images of others are counted and left out. Results and selection stay as they are; the
    study's tables and report are drawn again, with these images in them, and MLflow is told. Where the row's head was
    not kept, it is trained again, and compared with what it predicted before.

    \b
    ablate evaluate --grid paper --data demo:production
    ablate evaluate --grid paper --data affwild2/ --split test --predictions said.csv
    ablate evaluate --grid paper --data faces/ --row 3
    """
    from ablation import addresses
    from ablation.grids import study_file

    addresses.refuse_credentials("--tracking", rest["tracking"])
    name = name or existing_name(grid, workspace)
    found = study_file.read(grid)
    from ablation.console import progress

    with loading():
        from ablation.console import summary
        from ablation.tables import export
        from ablation.workflows import production
        from ablation.workflows.options import Options

    options = Options(found, data, workspace, name, {"limit": limit, "skip_bad": skip_bad}, **rest)
    with progress.watch() as watch:
        evaluation = production.evaluate(options, split, row, watch)
    if predictions:
        predictions.write_text(export.csv(evaluation.predictions), encoding="utf-8")
    if as_json:
        click.echo(evaluation.found.model_dump_json())
        return 0
    summary.print_table(evaluation.table)
    click.echo(
        f"table: {evaluation.tables}.md, .tex; images, confusion matrix: {evaluation.folder}; also in the report"
    )
    return 0


@click.command()
@click.argument("path")
@study_options
@workspace_option
@row_options
@click.option("-o", "--output", type=OUTPUT, callback=output_file, help="A CSV file; else the screen.")
def predict(
    path: str, grid: str, name: str | None, workspace: Path, row: int | None, output: Path | None,
    limit: int | None, skip_bad: bool, **rest: Any,
) -> int:  # fmt: skip
    """Say the class of images whose labels are not known: one file, or a folder of them.

    A CSV line an image: its file, the class, and each class' probability.

    \b
    ablate predict photos/ --grid paper -o said.csv
    ablate predict face.png --grid paper --row 3
    """
    from ablation.grids import study_file

    name = name or existing_name(grid, workspace)
    found = study_file.read(grid)
    from ablation.console import progress

    with loading():
        from ablation.tables import export
        from ablation.workflows import production
        from ablation.workflows.options import Options

    with progress.watch() as watch:
        options = Options(found, path, workspace, name, {"limit": limit, "skip_bad": skip_bad}, **rest)
        said = production.predict(options, row, watch)
    text = export.csv(said)
    if output is None:
        click.echo(text, nl=False)
        return 0
    output.write_text(text, encoding="utf-8")
    click.echo(f"{len(said):,} image{'s' if len(said) != 1 else ''}: {output}")
    return 0
