"""`ablate data`: describe an image set: classes, splits, copies and leaks."""

from pathlib import Path

import click

from ablation.cli.commands.options import OUTPUT_FILE, output_file
from ablation.errors import AblateError


@click.command()
@click.argument("path")
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
    from ablation import extras

    extras.need("keras", "`ablate data`", ("pillow", "imagehash", "joblib"))
    import numpy as np

    from ablation.cli.terminal import progress
    from ablation.experiments.keras_head.datasets import decoding, images, leaks, names

    if sheet and sheet.suffix.lower() not in images.SUFFIXES:
        raise AblateError(
            f"--sheet {sheet}: is not the name of an image; allowed: {', '.join(sorted(images.SUFFIXES))}"
        )
    image_set = images.choose_classes(images.load(path), classes.split(",") if classes else None)
    images.check(image_set, path)
    with progress.watch() as watch:
        decoded = images.decode(
            image_set, [images.SMALL], True, lambda done, total: watch.step("reading images", done, total)
        )
    click.echo(images.summary(image_set))
    for line in leaks.summary(leaks.find(decoded.index, leaks.given(decoded.index), decoded.pixels[images.SMALL])):
        click.echo(line)
    bad = ", ".join(map(names.shown, decoded.bad[:5]))
    click.echo(f"cannot be decoded: {len(decoded.bad):,}" + (f" ({bad})" if bad else ""))
    if sheet:
        decoding.sheet(image_set.take(np.flatnonzero(~np.isin(image_set.names, decoded.bad)))).save(sheet)
        click.echo(f"sheet: {sheet}")
    return 0
