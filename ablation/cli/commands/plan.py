"""`ablate plan`: estimate what `ablate run` would train, and what that costs."""

import json
from typing import Any

import click

from ablation.cli.commands.options import asked_for, plan_options
from ablation.fast_imports import loading


@click.command()
@plan_options
@click.option("--budget", metavar="TIME", help="Also list the rows that fit into this time: 2h, 30m, 90s or 1h30m.")
@click.option(
    "--detect",
    metavar="SIZE",
    help="Also print how many seeds and test examples detect a difference of this size, such as 0.5pp; for measures "
    "that are no percentage, a number such as 0.2.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, in seconds and bytes.")
def plan(budget: str | None, detect: str | None, as_json: bool, **asked: Any) -> int:
    """Show what `ablate run` would train, and its time, memory and disk.

    Also accepts all other options of `ablate run`. Nothing is trained, and no result is written. Times are estimated
    from past trainings of the workspace; if there are none, from a few real training steps on the slots.

    \b
    ablate plan --grid paper
    ablate plan --grid paper --data faces/ --slots cpu:2 --budget 2h
    ablate plan --grid paper --detect 0.5pp
    """
    from ablation import durations

    budget_seconds = durations.parse("--budget", budget) if budget is not None else None
    options = asked_for(**asked)
    from ablation.cli.terminal import plan_text, progress

    with loading():
        from ablation.analysis import detect as detection
        from ablation.cli.terminal import detect_text
        from ablation.store.workspace import Workspace
        from ablation.workflows import forecast

    workspace = Workspace(options.workspace)
    difference = None
    if detect is not None:
        difference = detection.parsed(detect, detection.primary(workspace, options.name, options.grid))
    with progress.watch() as watch:
        estimate = forecast.forecast(options, budget_seconds, _benches, watch)
    sizes = detection.sizes(workspace, estimate.record, difference) if difference else None
    if as_json:
        sizes_json = detect_text.as_json(sizes) if sizes else None
        click.echo(json.dumps({**plan_text.as_json(estimate), "detect": sizes_json}, indent=1))
    else:
        click.echo("\n\n".join([plan_text.draw(estimate), *([detect_text.draw(sizes)] if sizes else [])]))
    return 0


def _benches(*arguments: Any) -> Any:
    from ablation.workflows.bench import bench  # loads Dask, only where measurements are needed

    return bench(*arguments)
