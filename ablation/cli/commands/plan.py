"""`ablate plan`: estimate what `ablate run` would train, and what that costs."""

import json
from typing import Any

import click

from ablation.cli.commands.options import asked_for, run_options
from ablation.fast_imports import loading


@click.command()
@run_options
@click.option("--budget", metavar="TIME", help="Say which rows fit into 2h, 30m, 90s or 1h30m.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, on standard output: seconds and bytes.")
def plan(budget: str | None, as_json: bool, **asked: Any) -> int:
    """Say what `ablate run` would train, what is shared, and what it costs: time, memory, disk.

    Takes the options of `ablate run` that say what is trained, and on which slots; trains and writes nothing. Times
    come from past trainings of the workspace, else from some real steps on the slots.

    \b
    ablate plan --grid paper
    ablate plan --grid paper --data faces/ --slots cpu:2 --budget 2h
    """
    from ablation import durations

    budget_seconds = durations.parse("--budget", budget) if budget is not None else None
    options = asked_for(**asked)
    from ablation.cli.terminal import plan_text, progress

    with loading():
        from ablation.workflows import forecast

    with progress.watch() as watch:
        estimate = forecast.forecast(options, budget_seconds, _benches, watch)
    click.echo(json.dumps(plan_text.as_json(estimate), indent=1) if as_json else plan_text.draw(estimate))
    return 0


def _benches(*arguments: Any) -> Any:
    from ablation.workflows.bench import bench  # loads Dask, only where measurements are needed

    return bench(*arguments)
